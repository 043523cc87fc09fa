"""From a row of the log to what a payload or the feed may speak of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from tierline.engine.announcement import (
    Announcement,
    Counterpart,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model import ids
from tierline.model.events import Event
from tierline.model.points_event import PointsEvent
from tierline.model.reminder import Reminder
from tierline.model.tenant import Customer, Project
from tierline.rules.program import Program, Version
from tierline.store import customers, members
from tierline.store.database import Database
from tierline.store.event_log import EventLog, LogEvent

T = TypeVar("T")
ROWS_MAX: Final = 1_000  # of a customer's events, read at once
_decode_event = msgspec.json.Decoder(Event).decode
_decode_points_event = msgspec.json.Decoder(PointsEvent).decode
_decode_reminder = msgspec.json.Decoder(Reminder).decode
_decode_customer = msgspec.json.Decoder(Customer).decode


class RulesCatalog(Protocol):
    """Where projects and rules are."""

    def project(self, number: int) -> Project: ...
    def cached_program(self, number: int) -> Program | None: ...
    async def program_numbered(self, number: int, latest: int = 0) -> Program: ...


async def events_of(log: EventLog, customer: int, program: int) -> list[Event]:
    """A member's tier events that are still in the log, oldest first."""
    shard = ids.shard_of(ids.route_of_customer(customer), log.shards)
    head, start = (await log.heads())[shard]
    events: list[Event] = []
    after = start - 1
    while after < head:
        ranges = [(customer, after + 1, head)]
        rows = (await log.slice_of_customers(shard, ranges, ROWS_MAX))[customer]
        events += [
            _decode_event(row.body)
            for row in rows
            if row.class_ == "tier" and row.program == program
        ]
        after = rows[-1].offset if len(rows) == ROWS_MAX else head
    return events


async def announced(row: LogEvent, catalog: RulesCatalog) -> Announcement | None:
    """A tier event with its rules; None for a tombstone, whose customer was erased."""
    return await _announced(row, catalog, announced_at_once, _decode_event)


def announced_at_once(row: LogEvent, catalog: RulesCatalog) -> Announcement | None:
    """As `announced`, from memory alone; None when the program's version is not there yet."""
    program = catalog.cached_program(row.program)
    if program is None or row.profile is None:
        return None
    event = _decode_event(row.body)
    version = _version(program, event.version)
    if version is None:
        return None
    return Announcement(
        id=row.id,
        recorded_at=row.recorded_at,
        project=catalog.project(row.project),
        program=program.id,
        rules=version,
        customer=_decode_customer(row.profile),
        event=event,
        before=before_of(program, version, event.tier_from),
    )


def points_announced(row: LogEvent, catalog: RulesCatalog) -> PointsAnnouncement | None:
    """A points event, from memory alone; None when its program's version is not there yet, and for
    a tombstone."""
    program = catalog.cached_program(row.program)
    if program is None or row.profile is None:
        return None
    event = _decode_points_event(row.body)
    version = _version(program, event.version) if event.version else program.version(event.at)
    if version is None:
        return None
    return PointsAnnouncement(
        id=row.id,
        recorded_at=row.recorded_at,
        project=catalog.project(row.project),
        program=program.id,
        rules=version,
        customer=_decode_customer(row.profile),
        event=event,
        member=(row.customer or 0, row.program),
    )


async def load_points_program(row: LogEvent, catalog: RulesCatalog) -> None:
    """Brings the version that a points event was decided by into memory."""
    await catalog.program_numbered(row.program, _decode_points_event(row.body).version)


def names_another(announcement: PointsAnnouncement) -> bool:
    """Whether a payload speaks of a second member, whom the event knows by a name alone."""
    facts = announcement.event.facts
    return facts is not None and facts.counterpart is not None


async def with_counterpart(
    announcement: PointsAnnouncement, database: Database
) -> PointsAnnouncement:
    """The same with the other side of a transfer, where they are a member and were not erased."""
    facts, (_, program) = announcement.event.facts, announcement.member
    if facts is None or facts.counterpart is None:
        return announcement
    async with database.pool.acquire() as connection:
        place = (connection, database.shards)
        number = await customers.find_by_name(*place, announcement.project, facts.counterpart)
        row = None if number is None else await customers.read(*place, number)
        if row is None or row.erased_at is not None:
            return announcement
        standing = await members.standing(*place, row.id, program)
    if standing is None or standing.joined_at is None:
        return announcement
    other = Counterpart(row.customer.id, (row.id, program), standing.joined_at, standing.attributes)
    return replace(announcement, counterpart=other)


async def reminder_announced(row: LogEvent, catalog: RulesCatalog) -> ReminderAnnouncement | None:
    """A reminder with its rules; None for a tombstone, whose customer was erased."""
    return await _announced(row, catalog, reminder_announced_at_once, _decode_reminder)


def reminder_announced_at_once(row: LogEvent, catalog: RulesCatalog) -> ReminderAnnouncement | None:
    """As `reminder_announced`, from memory alone; None when the version is not there yet."""
    program = catalog.cached_program(row.program)
    if program is None or row.profile is None:
        return None
    event = _decode_reminder(row.body)
    version = _version(program, event.version)
    if version is None:
        return None
    return ReminderAnnouncement(
        id=row.id,
        recorded_at=row.recorded_at,
        project=catalog.project(row.project),
        program=program.id,
        rules=version,
        customer=_decode_customer(row.profile),
        event=event,
    )


async def _announced(
    row: LogEvent,
    catalog: RulesCatalog,
    at_once: Callable[[LogEvent, RulesCatalog], T | None],
    decode: Callable[[str], Event | Reminder],
) -> T | None:
    """What `at_once` says, after its version was brought into memory where it was not there."""
    if row.profile is None:
        return None
    announcement = at_once(row, catalog)
    if announcement is None:
        version = decode(row.body).version
        await catalog.program_numbered(row.program, version)
        announcement = at_once(row, catalog)
        if announcement is None:
            raise LookupError(f"event {row.id} names version {version}, which does not exist")
    return announcement


def _version(program: Program, number: int) -> Version | None:
    versions = program.versions
    if 0 < number <= len(versions) and versions[number - 1].number == number:
        return versions[number - 1]
    return next((version for version in versions if version.number == number), None)


def before_of(program: Program, version: Version, tier: str | None) -> Version | None:
    """The newest earlier version with a tier that `version` dropped."""
    if tier is None or tier in version.rank:
        return None
    earlier = (v for v in reversed(program.versions) if v.number < version.number)
    return next((v for v in earlier if tier in v.rank), None)
