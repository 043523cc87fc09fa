"""`/v2/webhooks`: endpoints of the native API in LoyaltyLion's format, one for each topic.

The vendor keeps subscriptions apart by client: what an API key made, all API keys of the site see,
and what an OAuth client made, that client alone. A client's own secret signs its webhooks.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tierline.endpoints.endpoint_body import EndpointBody
from tierline.errors import Forbidden, Invalid, NotFound
from tierline.model import validation
from tierline.store.catalog.endpoints import EndpointRow
from tierline.vendors.loyaltylion import topics
from tierline.vendors.loyaltylion.api.door import client_of
from tierline.vendors.loyaltylion.api.site import site_or_none
from tierline.vendors.loyaltylion.credentials import secret_name
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.vendors.loyaltylion.payloads import LionTopicsFormat
from tierline.web.routing import Call, Operation

WEBHOOKS = "/v2/webhooks"
# What a webhook hears of whose topic there are no events here.
SILENCE: Final[dict[str, Any]] = {"kind": {"in": []}}
_INTEGRATION: Final = "service_integration_id"
_CLIENT: Final = "oauth_client"
_NUMBER_DIGITS_MAX: Final = 9
Json = dict[str, Any]


class LionWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    address: Annotated[str, Meta(min_length=1, max_length=2_000)]
    service_integration_id: Annotated[int, Meta(ge=1)] | None = None


class LionWebhookRequest(Struct, frozen=True, forbid_unknown_fields=True):
    webhook: LionWebhook


async def post_webhook(call: Call, body: LionWebhookRequest) -> Json:
    """Hears what is recorded from now on. It is signed with the site's secret."""
    webhook = body.webhook
    if webhook.topic not in topics.NAMES:
        choices = ", ".join(topics.NAMES)
        raise validation.invalid("webhook.topic", f"there is no such topic, known are {choices}")
    scope = topics.scope_of(webhook.topic)
    if scope not in call.caller.scopes:
        raise Forbidden(scope=scope, path="webhook.topic")
    here = await site_or_none(call)
    kinds = topics.kinds_of(webhook.topic)
    changes: Json = {
        "url": webhook.address,
        "format": LionTopicsFormat.name,
        "retry": NAME,
        "kinds": kinds,
        "webhook_topic": webhook.topic,
        "programs": [] if here is None else [here.program.id],
    }
    if not kinds:
        changes["filter"] = SILENCE
    if webhook.topic == topics.POINTS_EARNED:
        changes["delay_s"] = topics.POINTS_EARNED_DELAY_S
    metadata = {}
    if webhook.service_integration_id is not None:
        metadata[_INTEGRATION] = str(webhook.service_integration_id)
    client = client_of(call.caller)
    if client is not None:
        metadata[_CLIENT] = client
        changes["vendor_secret"] = _secret_of(call, client)
    changes["metadata"] = metadata
    endpoint = validation.convert(changes, EndpointBody)
    granted = call.caller.scopes | {topics.CUSTOMERS}  # of a silent topic nothing is ever sent
    try:
        made = await call.parts.operations.add(call.project, endpoint, granted)
    except Invalid as error:
        if error.path != "url":
            raise
        reason = error.sentence.replace("url", "webhook.address", 1)
        raise Invalid(path="webhook.address", reason=reason) from None
    return {"webhook": _webhook(call, made)}


async def list_webhooks(call: Call) -> Json:
    """Those that were made here; the native API lists every endpoint."""
    rows = await call.parts.operations.list(call.project)
    client = client_of(call.caller)
    made_here = [row for row in rows if row["webhook_topic"] is not None]
    mine = [row for row in made_here if row["metadata"].get(_CLIENT) == client]
    readable = [row for row in mine if topics.scope_of(row["webhook_topic"]) in call.caller.scopes]
    return {"webhooks": [_webhook(call, row) for row in readable]}


async def delete_webhook(call: Call) -> None:
    name = call.param("webhook")
    number = (
        int(name) if name.isascii() and name.isdigit() and len(name) <= _NUMBER_DIGITS_MAX else 0
    )
    for webhook in (await list_webhooks(call))["webhooks"]:
        if webhook["id"] == number:
            await call.parts.operations.remove(call.project, _row_numbered(call, number).id)
            return
    raise NotFound(what="webhook", name=name, path="id")


def _secret_of(call: Call, client: str) -> str:
    """The secret of an OAuth client, by the id of its key."""
    catalog, project = call.parts.catalog, call.project.number
    key = next(key for key in catalog.keys(project) if key.id == client)
    return catalog.project_secrets(project)[secret_name(key.lookup)]


def _row_numbered(call: Call, number: int) -> EndpointRow:
    rows = call.parts.operations.of(call.project)
    return next(row for row in rows if row.number == number)


def _webhook(call: Call, endpoint: Json) -> Json:
    integration = endpoint["metadata"].get(_INTEGRATION, "")
    return {
        "id": call.parts.operations.find(call.project, endpoint["id"]).number,
        "topic": endpoint["webhook_topic"],
        "address": endpoint["url"],
        "created_at": endpoint["created_at"],
        "updated_at": endpoint["updated_at"],
        "service_integration_id": int(integration) if integration.isdigit() else None,
    }


# Every key may come here; what it may hear, its scopes say by topic.
OPERATIONS = (
    Operation("POST", WEBHOOKS, post_webhook, "Subscribes to a topic.", body=LionWebhookRequest,
              status=201),
    Operation("GET", WEBHOOKS, list_webhooks, "The subscriptions that were made here."),
    Operation("DELETE", f"{WEBHOOKS}/{{webhook}}", delete_webhook, "Ends a subscription.",
              status=204),
)  # fmt: skip
