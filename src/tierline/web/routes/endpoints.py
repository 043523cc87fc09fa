"""Endpoints: where events are sent. What they are is the sender's; here they get their paths."""

from __future__ import annotations

from typing import Annotated, Any, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.endpoints.answers import (
    AttemptLine,
    EndpointAnswer,
    LaneAnswer,
    ReplayAnswer,
    SecretAnswer,
    TestAnswer,
)
from tierline.endpoints.endpoint_body import (
    EndpointBody,
    ReplayBody,
    RewindBody,
    RotateBody,
    TestBody,
)
from tierline.endpoints.event_facts import EventFilter
from tierline.errors import NoSuchRecord
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.web import limits
from tierline.web.routes.customers import find_customer
from tierline.web.routing import Call, Operation, Reply

ENDPOINT = "/api/endpoints/{endpoint}"
Json = dict[str, Any]


class EndpointList(Struct, frozen=True):
    endpoints: tuple[EndpointAnswer, ...]


class AttemptsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Newest first; `before` is the `next` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=limits.ATTEMPTS_MAX)] = limits.PAGE_DEFAULT
    before: str | None = None
    customer: str | None = None
    event: str | None = None
    kind: str | None = None


class LanesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a customer, by the id in your own systems or ours; of an event; of a kind; or all."""

    customer: str | None = None
    event: str | None = None
    kind: str | None = None


class AttemptList(Struct, frozen=True):
    """`next` is null on the last page; an attempt at a page's edge may come twice. `away`: shards
    whose node is away, of which there is none here."""

    attempts: tuple[AttemptLine, ...]
    next: str | None
    away: tuple[int, ...] | UnsetType = UNSET


class LaneList(Struct, frozen=True):
    """The oldest hundred. `away`: shards whose node is away, of which there are none here."""

    lanes: tuple[LaneAnswer, ...]
    away: tuple[int, ...] | UnsetType = UNSET


async def event_filter(call: Call, query: AttemptsQuery | LanesQuery) -> EventFilter:
    """Raises NotFound for an unknown customer."""
    customer = None
    if query.customer is not None:
        customer = (await find_customer(call, validation.identifier(query.customer, "customer"))).id
    return EventFilter(customer, query.event, query.kind)


async def post_endpoint(call: Call, body: EndpointBody) -> Reply:
    operations, scopes = call.parts.operations, call.caller.scopes
    return Reply(201, await operations.add(call.project, body, scopes))


async def list_endpoints(call: Call) -> EndpointList:
    return EndpointList(cast("Any", await call.parts.operations.list(call.project)))


async def get_endpoint(call: Call) -> Json:
    return await call.parts.operations.show(call.project, call.param("endpoint"))


async def patch_endpoint(call: Call, body: EndpointBody) -> Json:
    operations, scopes = call.parts.operations, call.caller.scopes
    return await operations.change(call.project, call.param("endpoint"), body, scopes)


async def delete_endpoint(call: Call) -> Reply:
    await call.parts.operations.remove(call.project, call.param("endpoint"))
    return Reply(204)


async def pause_endpoint(call: Call) -> Json:
    return await call.parts.operations.pause(call.project, call.param("endpoint"))


async def resume_endpoint(call: Call) -> Json:
    return await call.parts.operations.resume(call.project, call.param("endpoint"))


async def retry_endpoint(call: Call) -> Json:
    return await call.parts.operations.retry(call.project, call.param("endpoint"))


async def rotate_endpoint(call: Call, body: RotateBody) -> Json:
    operations, scopes = call.parts.operations, call.caller.scopes
    return await operations.rotate(call.project, call.param("endpoint"), body, scopes)


async def list_attempts(call: Call) -> AttemptList:
    query = call.query(AttemptsQuery)
    before = validation.optional_instant(query.before, "before")
    which = await event_filter(call, query)
    attempts, more = await call.parts.operations.attempts(
        call.project, call.param("endpoint"), which, before, query.limit
    )
    away = call.parts.database.absent.numbers or UNSET
    return AttemptList(cast("Any", attempts), None if more is None else format_instant(more), away)


async def list_lanes(call: Call) -> LaneList:
    which = await event_filter(call, call.query(LanesQuery))
    lanes = await call.parts.operations.lanes(call.project, call.param("endpoint"), which)
    return LaneList(cast("Any", lanes), call.parts.database.absent.numbers or UNSET)


async def rewind_endpoint(call: Call, body: RewindBody) -> Json:
    return await call.parts.operations.rewind(call.project, call.param("endpoint"), body)


async def replay_endpoint(call: Call, body: ReplayBody) -> Reply:
    operations = call.parts.operations
    return Reply(202, await operations.replay(call.project, call.param("endpoint"), body))


async def stop_replay(call: Call) -> Reply:
    run = call.param("run")
    if not run.isdecimal() or len(run) > 9:
        raise NoSuchRecord(what="replay", name=run, path="run")
    await call.parts.operations.stop_replay(call.project, call.param("endpoint"), int(run))
    return Reply(204)


async def test_endpoint(call: Call, body: TestBody) -> Json:
    return await call.parts.operations.test(call.project, call.param("endpoint"), body)


_MANAGE = ("manage_endpoints",)
_AND_READ = ("manage_endpoints", "read_customers")
OPERATIONS = (
    Operation(
        "POST", "/api/endpoints", post_endpoint,
        "Makes an endpoint; its secret is shown only in this answer.",
        scopes=_MANAGE, body=EndpointBody, answer=EndpointAnswer, status=201,
    ),
    Operation(
        "GET", "/api/endpoints", list_endpoints, "All endpoints of the project.",
        scopes=_MANAGE, answer=EndpointList,
    ),
    Operation(
        "GET", ENDPOINT, get_endpoint, "An endpoint, its health and its lag.",
        scopes=_MANAGE, answer=EndpointAnswer,
    ),
    Operation(
        "PATCH", ENDPOINT, patch_endpoint, "Changes an endpoint; what is not said stays.",
        scopes=_MANAGE, body=EndpointBody, answer=EndpointAnswer,
    ),
    Operation(
        "DELETE", ENDPOINT, delete_endpoint, "Deletes an endpoint for good.",
        scopes=_MANAGE, status=204,
    ),
    Operation(
        "POST", f"{ENDPOINT}/pause", pause_endpoint,
        "Stops sending; nothing is lost, it waits in the log.",
        scopes=_MANAGE, answer=EndpointAnswer,
    ),
    Operation(
        "POST", f"{ENDPOINT}/resume", resume_endpoint, "Goes on where it was paused.",
        scopes=_MANAGE, answer=EndpointAnswer,
    ),
    Operation(
        "POST", f"{ENDPOINT}/retry", retry_endpoint,
        "Tries at once what waits after failures, instead of at the next step of its schedule.",
        scopes=_MANAGE, answer=EndpointAnswer,
    ),
    Operation(
        "POST", f"{ENDPOINT}/rotate", rotate_endpoint,
        "Makes a new secret, shown only in this answer; the old one signs on for a while.",
        scopes=_MANAGE, body=RotateBody, optional=True, answer=SecretAnswer,
    ),
    Operation(
        "GET", f"{ENDPOINT}/attempts", list_attempts, "What was sent, and what came back.",
        scopes=_AND_READ, query=AttemptsQuery, answer=AttemptList,
    ),
    Operation(
        "GET", f"{ENDPOINT}/lanes", list_lanes, "Customers whose events wait after a failure.",
        scopes=_AND_READ, query=LanesQuery, answer=LaneList,
    ),
    Operation(
        "POST", f"{ENDPOINT}/rewind", rewind_endpoint,
        "Sends again everything since an instant, in order; what is new waits behind it.",
        scopes=_AND_READ, body=RewindBody, answer=EndpointAnswer,
    ),
    Operation(
        "POST", f"{ENDPOINT}/replay", replay_endpoint,
        "Sends events again, by id, range or instant, with their first ids.",
        scopes=_AND_READ, body=ReplayBody, answer=ReplayAnswer, status=202,
    ),
    Operation(
        "DELETE", f"{ENDPOINT}/replay/{{run}}", stop_replay,
        "Ends a replay; what it has not sent stays unsent.", scopes=_AND_READ, status=204,
    ),
    Operation(
        "POST", f"{ENDPOINT}/test", test_endpoint, "Sends a made-up event once, and tells.",
        scopes=_MANAGE, body=TestBody, optional=True, answer=TestAnswer,
    ),
)  # fmt: skip
