"""`/management/v1/projects/…/webhooks`: endpoints of the native API, in Voucherify's format.

A webhook that asks for several names of one change of points is one endpoint for each voice: the
first has the webhook's id, the others name it (`webhook_of`), and they change and end with it.
"""

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
from tierline.vendors.voucherify.points_payloads import Voice
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
    names = webhook_events.checked(body.events)
    id_ = "wh_" + secrets.token_hex(12)
    granted = call.caller.scopes
    (voice, said), *_ = webhook_events.by_voice(names).items()
    changes = {"url": body.target_url, "format": NAME, "retry": NAME}
    changes |= _events(names, said, voice, {})
    endpoint = validation.convert(changes, EndpointBody)
    made = await call.parts.operations.add(call.project, endpoint, granted, vendor_id=id_)
    if body.active is False:
        made = await call.parts.operations.pause(call.project, made["id"])
    await _follow(call, made)
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
    names = tuple(before["webhook_events"])
    if body.events is not None:
        names = webhook_events.checked(body.events)
    (voice, said), *_ = webhook_events.by_voice(names).items()
    if body.events is not None or voice != before["webhook_voice"]:
        changes |= _events(names, said, voice, before)
    after = before
    if changes:
        change = validation.convert(changes, EndpointBody)
        after = await endpoints.change(project, before["id"], change, call.caller.scopes)
    if body.active is not None and body.active == (after["state"] == "paused"):
        switch = endpoints.resume if body.active else endpoints.pause
        after = await switch(project, before["id"])
    await _follow(call, after)
    return _webhook(call, after)


async def delete_webhook(call: Call) -> None:
    endpoint = await _endpoint(call)
    for companion in await _companions(call, endpoint["vendor_id"]):
        await call.parts.operations.remove(call.project, companion["id"])
    await call.parts.operations.remove(call.project, endpoint["id"])


async def _companions(call: Call, webhook: str) -> list[Json]:
    """The further endpoints of a webhook."""
    every = await call.parts.operations.list(call.project)
    return [each for each in every if each["webhook_of"] == webhook]


async def _follow(call: Call, endpoint: Json) -> None:
    """Makes, changes and ends a webhook's further endpoints after the first. Repeating the call
    that was cut off between them does what is left."""
    operations, project, granted = call.parts.operations, call.project, call.caller.scopes
    names, webhook = tuple(endpoint["webhook_events"]), endpoint["vendor_id"]
    (_, *further) = webhook_events.by_voice(names).items()
    there = {each["webhook_voice"]: each for each in await _companions(call, webhook)}
    for voice, said in further:
        companion = there.pop(voice, None)
        changes = {"url": endpoint["url"], **_events(names, said, voice, companion or {})}
        if companion is None:
            own = {"format": NAME, "retry": NAME, "webhook_of": webhook}
            body = validation.convert({**changes, **own}, EndpointBody)
            companion = await operations.add(project, body, granted)
        else:
            body = validation.convert(changes, EndpointBody)
            companion = await operations.change(project, companion["id"], body, granted)
        paused = endpoint["state"] == "paused"
        if paused != (companion["state"] == "paused"):
            switch = operations.pause if paused else operations.resume
            await switch(project, companion["id"])
    for left in there.values():
        await operations.remove(project, left["id"])


def _events(names: tuple[str, ...], said: tuple[str, ...], voice: Voice, before: Json) -> Json:
    """What an endpoint is to hear: of a webhook's names those that it says. A filter that its owner
    gave it stays."""
    kinds = webhook_events.kinds(said)
    changes: Json = {"kinds": kinds, "webhook_events": names, "webhook_voice": voice}
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
