"""`GET /api/events`: the same log as the webhooks, with the same ids, pulled."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.errors import Invalid
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.store.announcements import (
    announced,
    load_points_program,
    points_announced,
    reminder_announced,
)
from tierline.store.customers import shard_of_customer
from tierline.store.event_log import LogEvent
from tierline.vendors.standard.payloads import TierEvent, event_object
from tierline.vendors.standard.points_payloads import PointsEventObject, points_object
from tierline.vendors.standard.reminder_payloads import ReminderObject, reminder_object
from tierline.web import event_feed, limits
from tierline.web.event_feed import CustomerReader, Reader
from tierline.web.routes.customers import find_customer
from tierline.web.routing import Call, Operation

POLL_SECONDS = 0.25  # for what other processes commit
_SCOPES = {
    "tier": "read_customers",
    "points": "read_customers",
    "reminder": "read_customers",
    "ops": "manage_endpoints",
}


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    """From a cursor, from an instant, or from the oldest event; `wait` seconds for the first.
    `customer`: only theirs, by any name of theirs but the number."""

    after: str | None = None
    since: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT
    wait: Annotated[float, Meta(ge=0, le=limits.WAIT_SECONDS_MAX)] = 0
    class_: Literal["tier", "points", "reminder", "ops"] = "tier"
    customer: str | None = None


class OperationalEventLine(Struct, frozen=True):
    """Something that operators should know: of an endpoint, of a member, of the log."""

    id: str
    kind: str
    at: str
    recorded_at: str
    data: dict[str, Any] | UnsetType = UNSET
    endpoint: str | UnsetType = UNSET
    quiet: bool | UnsetType = UNSET


_LINES = ("TierEvent", "PointsEventObject", "ReminderObject", "OperationalEventLine")
_EVENT = {"anyOf": [{"$ref": f"#/components/schemas/{n}"} for n in _LINES]}


class EventsAnswer(Struct, frozen=True):
    """`next` goes on after these events, for ever. `more`: there is more to read at once. `away`:
    shards of a distributed database whose node is away; `next` stands still in them, so that their
    events follow, none left out, when it is back."""

    events: list[Annotated[Any, Meta(extra_json_schema=_EVENT)]]
    next: str
    more: bool
    away: tuple[int, ...] | UnsetType = UNSET


async def list_events(call: Call) -> EventsAnswer:
    query = call.query(EventsQuery)
    call.caller.require(_SCOPES[query.class_])
    customer = None
    if query.customer is not None:
        call.caller.require("read_customers")
        customer = (await find_customer(call, query.customer, path="customer")).id
    reader = await _reader(call, query, customer)
    page = await reader.read(query.limit)
    until = call.wall + int(query.wait * 1000)
    commits = call.parts.commit_signal
    while not page.events and not page.more:
        seconds = (until - call.parts.clock()) / 1000
        if seconds <= 0 or commits.closed or await call.request.is_disconnected():
            break
        await commits.wait(min(seconds, POLL_SECONDS))
        page = await reader.read(query.limit)
    events = [await _content(call, row) for row in page.events]
    place = (call.parts.database.epoch, call.parts.catalog.box, call.project.id, customer)
    return EventsAnswer(
        events=[event for event in events if event is not None],
        next=page.cursor.text(*place),
        more=page.more,
        away=page.away or UNSET,
    )


async def _reader(call: Call, query: EventsQuery, customer: int | None) -> Reader | CustomerReader:
    log, database = call.parts.log, call.parts.database
    if query.after is not None and query.since is not None:
        raise Invalid(path="since", reason="since: send a cursor or an instant, not both.")
    only = None if customer is None else shard_of_customer(database.shards, customer)
    # Operational events are of requests and machines: their time is the wall's.
    sandbox = None if query.class_ == "ops" else call.project.sandbox
    if query.since is not None:
        instant = validation.instant(query.since, "since")
        cursor = await event_feed.since(log, instant, sandbox, only)
    elif query.after:
        place = (database.epoch, database.shards, call.parts.catalog.box, call.project.id)
        cursor = event_feed.parse(query.after, *place, customer)
    else:
        cursor = await event_feed.start(log, only)
    if customer is not None:
        return CustomerReader(log, query.class_, customer, cursor)
    number, own = call.project.number, not query.after
    return Reader(log, number, query.class_, cursor, own=own, sandbox=sandbox)


async def _content(call: Call, row: LogEvent) -> dict[str, Any] | None:
    """None for a tombstone: its customer was erased."""
    if row.class_ == "tier":
        announcement = await announced(row, call.parts.catalog)
        return None if announcement is None else event_object(announcement)
    if row.class_ == "points":
        await load_points_program(row, call.parts.catalog)
        event = points_announced(row, call.parts.catalog)
        return None if event is None else points_object(event)
    if row.class_ == "reminder":
        reminder = await reminder_announced(row, call.parts.catalog)
        return None if reminder is None else reminder_object(reminder)
    body: dict[str, Any] = msgspec.json.decode(row.body)
    body["at"] = format_instant(body["at"])
    return {"id": row.id, **body, "recorded_at": format_instant(row.recorded_at)}


OPERATIONS = (
    Operation(
        "GET", "/api/events", list_events,
        "The project's events in the order of the log, from a cursor; may wait for the next.",
        query=EventsQuery, answer=EventsAnswer,
        refers_to=(TierEvent, PointsEventObject, ReminderObject, OperationalEventLine),
    ),
)  # fmt: skip
