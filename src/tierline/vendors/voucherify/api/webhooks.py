"""`/management/v1/projects/…/webhooks`: endpoints of the native API, in Voucherify's format."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from msgspec import Meta, Struct

from tierline.endpoints.endpoint_body import EndpointBody
from tierline.errors import NotFound
from tierline.model import validation
from tierline.vendors.voucherify.api import lists, webhook_events
from tierline.vendors.voucherify.api.answers import WebhookObject, WebhookObjects
from tierline.vendors.voucherify.objects import NAME
from tierline.vendors.voucherify.payloads import prefixed
from tierline.web.routing import Call, Operation

WEBHOOKS = "/management/v1/projects/{project}/webhooks"
WEBHOOK = f"{WEBHOOKS}/{{webhook}}"
# What an endpoint hears none of whose events exist here.
SILENCE: dict[str, Any] = {"kind": {"in": []}}
# How the vendor's Python SDK introduces itself; its models refuse names that they do not know.
STRICT_CHANNEL = "Python-SDK"
EVENTS_MAX = 100
Json = dict[str, Any]


class WebhookRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Null means: not given, and what is not given stays as it is; `events` replaces them all."""

    target_url: Annotated[str, Meta(min_length=1, max_length=2_000)] | None = None
    events: Annotated[list[str], Meta(max_length=EVENTS_MAX)] | None = None
    active: bool | None = None


async def post_webhook(call: Call, body: WebhookRequest) -> Json:
    """An endpoint that hears what is recorded from now on. It is signed with the project's
    webhook secret, which `tierline key create` shows."""
    _check_project(call)
    if body.target_url is None:
        raise validation.invalid("target_url", "it is needed")
    changes = {"url": body.target_url, "format": NAME, "retry": NAME}
    changes |= _events(webhook_events.checked(body.events), {})
    endpoint = validation.convert(changes, EndpointBody)
    id_ = "wh_" + secrets.token_hex(12)
    granted = call.caller.scopes
    made = await call.parts.operations.add(call.project, endpoint, granted, vendor_id=id_)
    if body.active is False:
        made = await call.parts.operations.pause(call.project, made["id"])
    return _webhook(call, made)


async def list_webhooks(call: Call) -> Json:
    """Those that were made here; the native API lists every endpoint."""
    _check_project(call)
    made = [
        each for each in await call.parts.operations.list(call.project) if each.get("vendor_id")
    ]
    return lists.envelope([_webhook(call, each) for each in made if each["format"] == NAME])


async def get_webhook(call: Call) -> Json:
    return _webhook(call, await _endpoint(call))


async def put_webhook(call: Call, body: WebhookRequest) -> Json:
    endpoints, project = call.parts.operations, call.project
    before = await _endpoint(call)
    changes: Json = {}
    if body.target_url is not None:
        changes["url"] = body.target_url
    if body.events is not None:
        changes |= _events(webhook_events.checked(body.events), before)
    after = before
    if changes:
        change = validation.convert(changes, EndpointBody)
        after = await endpoints.change(project, before["id"], change, call.caller.scopes)
    if body.active is not None and body.active == (after["state"] == "paused"):
        switch = endpoints.resume if body.active else endpoints.pause
        after = await switch(project, before["id"])
    return _webhook(call, after)


async def delete_webhook(call: Call) -> None:
    await call.parts.operations.remove(call.project, (await _endpoint(call))["id"])


def _events(names: tuple[str, ...], before: Json) -> Json:
    """What an endpoint is to hear. A filter that its owner gave it stays."""
    kinds = webhook_events.kinds(names)
    changes: Json = {"kinds": kinds, "webhook_events": names}
    if not kinds:
        changes["filter"] = SILENCE
    elif before.get("filter") == SILENCE:
        changes["filter"] = None
    return changes


def _check_project(call: Call) -> None:
    """The path names the key's own project, by Voucherify's id for it or by ours."""
    named, project = call.param("project"), call.project
    own = project.presentations.get(NAME, {}).get("project_id")
    if named not in (project.id, prefixed(project.id), own):
        raise NotFound(what="project", name=named, path="project")


async def _endpoint(call: Call) -> Json:
    _check_project(call)
    id_ = call.param("webhook")
    try:
        endpoint = await call.parts.operations.show(call.project, id_)
    except NotFound:
        raise NotFound(what="webhook", name=id_, path="webhook") from None
    if endpoint.get("vendor_id") != id_ or endpoint["format"] != NAME:
        raise NotFound(what="webhook", name=id_, path="webhook")
    return endpoint


def _webhook(call: Call, endpoint: Json) -> Json:
    events = list(endpoint["webhook_events"])
    if call.request.headers.get("x-voucherify-channel") == STRICT_CHANNEL:
        events = webhook_events.parsable(events)
    return {
        "id": endpoint["vendor_id"],
        "object": "webhook",
        "created_at": endpoint["created_at"],
        "target_url": endpoint["url"],
        "events": events,
        "active": endpoint["state"] != "paused",
        "signatures": endpoint["signatures"],
    }


_SCOPES = ("manage_endpoints", "read_customers")
OPERATIONS = (
    Operation("POST", WEBHOOKS, post_webhook, "Makes a webhook.", scopes=_SCOPES,
              body=WebhookRequest, answer=WebhookObject),
    Operation("GET", WEBHOOKS, list_webhooks, "The webhooks that were made here.", scopes=_SCOPES,
              answer=WebhookObjects),
    Operation("GET", WEBHOOK, get_webhook, "A webhook.", scopes=_SCOPES,
              answer=WebhookObject),
    Operation("PUT", WEBHOOK, put_webhook, "Changes a webhook.", scopes=_SCOPES,
              body=WebhookRequest, answer=WebhookObject),
    Operation("DELETE", WEBHOOK, delete_webhook, "Deletes a webhook.", scopes=_SCOPES, status=204),
)  # fmt: skip
