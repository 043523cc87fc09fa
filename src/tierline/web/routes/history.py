"""The history of one member: the ledger, the lots of points, and the tiers held."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.analysis.ledger_effects import (
    EntryEffect,
    HeldLot,
    TierPeriod,
    entry_effects,
    held_lots,
    tier_periods,
)
from tierline.errors import Invalid, NotAMember
from tierline.ledger.receipts import first_answer
from tierline.ledger.stored_originals import entry_of
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Detail, Entry, EntryKind
from tierline.model.events import Cause, Event, EventKind
from tierline.model.standing import Pending, Standing
from tierline.rules.ladder import TierName
from tierline.rules.points import Lots
from tierline.rules.program import Program
from tierline.store import members
from tierline.store.announcements import events_of
from tierline.web import limits, responses
from tierline.web.responses import TierChangeAnswer
from tierline.web.routes.customers import find_customer
from tierline.web.routes.members import MEMBER, history
from tierline.web.routing import Call, Operation


class EntriesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of a ledger. `lots` works out what each entry did to the lots, from the whole
    ledger."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT
    order: Literal["oldest", "newest"] = "oldest"
    lots: bool = False


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of the tiers held, up to an instant (now, where none is given)."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT
    order: Literal["oldest", "newest"] = "oldest"
    at: str | None = None


class LotsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """As of a past or a future instant; without it, now."""

    at: str | None = None


class LotMove(Struct, frozen=True):
    """Points that came into a lot, or left it. `expires_at` null: they never expire."""

    expires_at: str | None
    points: int


class MeanwhileLine(Struct, frozen=True):
    """What time did to the lots: points became active or expired."""

    at: str
    lots: tuple[LotMove, ...]


class EntryLine(Struct, frozen=True):
    """An entry, and the member right after it: `balance`, `pending`, `tier` and `events` are what
    was answered; null for an entry that was made beside another one, as an enrolment by a first
    activity. `lots` and `meanwhile` (before it, since the entry before) where they were asked
    for."""

    entry: int
    key: str | None
    kind: EntryKind
    name: str | None
    occurred_at: str
    recorded_at: str
    points: int
    amount: int
    of: str | None
    of_entry: int | None
    available_at: str | None
    expires_at: str | None
    counterpart: str | None
    reason: str | None
    metadata: dict[str, Any] | None
    balance: int | None
    pending: int | None
    tier: str | None
    events: tuple[TierChangeAnswer, ...]
    lots: tuple[LotMove, ...] | UnsetType = UNSET
    meanwhile: tuple[MeanwhileLine, ...] | UnsetType = UNSET


class EntryList(Struct, frozen=True):
    """`next` goes on behind this page; null: there is nothing more. `since`, with `lots`: what time
    did after the newest entry."""

    entries: list[EntryLine]
    next: str | None
    since: tuple[MeanwhileLine, ...] | UnsetType = UNSET


class LotShareLine(Struct, frozen=True):
    """Whose points a lot holds. `entry` null: nobody knows any more."""

    entry: int | None
    key: str | None
    points: int


class LotLine(Struct, frozen=True):
    """Points that expire together; `expires_at` null: never."""

    expires_at: str | None
    points: int
    entries: tuple[LotShareLine, ...]


class PendingLine(Struct, frozen=True):
    """Points on their way. `available_at` null: they wait for an approval."""

    entry: int
    key: str | None
    points: int
    available_at: str | None
    expires_at: str | None


class LotList(Struct, frozen=True):
    """`lots` less `debt` add up to `balance`; what expires first stands first."""

    at: str
    balance: int
    debt: int
    lots: tuple[LotLine, ...]
    pending: tuple[PendingLine, ...]


class TierPeriodLine(Struct, frozen=True):
    """A change of membership. `tier` was held from `since` until `until` (null: to this day), and
    was to end at `expires_at`. `seq` null: it was brought along, and nobody was told."""

    seq: int | None
    kind: EventKind
    at: str
    tier_from: TierName | None
    tier: TierName | None
    since: str | None
    until: str | None
    expires_at: str | None
    cause: Cause
    version: int
    entry: int | None
    key: str | None
    manual: bool


class TierHistory(Struct, frozen=True):
    """`next` goes on behind this page; null: there is nothing more."""

    history: list[TierPeriodLine]
    next: str | None


async def list_entries(call: Call) -> EntryList:
    query = call.query(EntriesQuery)
    program, member = await member_of_path(call)
    newest = query.order == "newest"
    place = _place(query.after, members.ENTRY_MAX if newest else 0)
    database = call.parts.database
    read = members.entries_before if newest else members.entries_after
    async with database.pool.acquire() as connection:
        rows = await read(connection, database.shards, member, place, query.limit + 1)
        entries = [entry_of(tuple(row)) for row in rows[: query.limit]]
        originals = {n for entry in entries if (n := _original(entry)) is not None}
        keys = await members.keys(connection, database.shards, member, originals)
    lines = [
        _entry_line(entry, row["key"], row["answer"], keys)
        for entry, row in zip(entries, rows, strict=False)
    ]
    more = str(entries[-1].n) if len(rows) > query.limit else None
    if not query.lots:
        return EntryList(lines, more)
    ledger = await history(call, *member)
    effects = await asyncio.to_thread(entry_effects, program, ledger, call.now)
    rest = effects.get(ledger[-1].n + 1)
    return EntryList(
        [_with_lots(line, effects.get(line.entry)) for line in lines],
        more,
        since=() if rest is None else _meanwhile(rest),
    )


async def list_lots(call: Call) -> LotList:
    at = validation.optional_instant(call.query(LotsQuery).at, "at")
    program, member = await member_of_path(call)
    at = call.now if at is None else at
    standing, lots = await lots_of(call, program, member, at)
    numbers = {share.entry for lot in lots for share in lot.shares if share.entry is not None}
    keys = await _keys(call, member, numbers | {pending.entry for pending in standing.pending})
    return LotList(
        at=format_instant(at),
        balance=standing.balance,
        debt=standing.debt,
        lots=tuple(_lot_line(lot, keys) for lot in lots),
        pending=tuple(_pending_line(pending, keys) for pending in standing.pending),
    )


async def lots_of(
    call: Call, program: Program, member: members.Member, at: int
) -> tuple[Standing, tuple[HeldLot, ...]]:
    """A member's standing at an instant, and the lots of points with their owners."""
    entries = [entry for entry in await history(call, *member) if entry.recorded_at <= at]
    return await asyncio.to_thread(held_lots, program, entries, at)


async def list_tiers(call: Call) -> TierHistory:
    query = call.query(HistoryQuery)
    at = validation.optional_instant(query.at, "at")
    program, member = await member_of_path(call)
    at = call.now if at is None else at
    entries = [entry for entry in await history(call, *member) if entry.recorded_at <= at]
    former: Sequence[Event] = ()
    if any(entry.kind == "checkpoint" for entry in entries):
        former = await events_of(call.parts.log, *member)
    periods = await asyncio.to_thread(tier_periods, program, entries, at, former)
    count = len(periods)
    if query.order == "newest":
        last = min(_place(query.after, count + 1), count + 1)  # counted from 1
        numbers = list(range(last - 1, max(0, last - 1 - query.limit), -1))
        more = numbers and numbers[-1] > 1
    else:
        first = _place(query.after, 0)
        numbers = list(range(first + 1, min(count, first + query.limit) + 1))
        more = numbers and numbers[-1] < count
    page = [periods[number - 1] for number in numbers]
    entry_numbers = {n for period in page if (n := period.move.event.entry) is not None}
    keys = await _keys(call, member, entry_numbers)
    return TierHistory(
        [_period_line(program, period, keys) for period in page], str(numbers[-1]) if more else None
    )


async def member_of_path(call: Call) -> tuple[Program, members.Member]:
    """The program, and the member's customer and program by their numbers. Raises NotAMember for
    whoever never was one."""
    catalog, database = call.parts.catalog, call.parts.database
    number, program = await catalog.need_program(call.project.number, call.param("program"))
    row = await find_customer(call, call.param("source_id"))
    async with database.pool.acquire() as connection:
        standing = await members.standing(connection, database.shards, row.id, number)
    if standing is None or not standing.entries:
        raise NotAMember(customer=call.param("source_id"), program=program.id, path="source_id")
    return program, (row.id, number)


async def _keys(call: Call, member: members.Member, numbers: set[int]) -> dict[int, str]:
    database = call.parts.database
    async with database.pool.acquire() as connection:
        return await members.keys(connection, database.shards, member, numbers)


def _place(after: str | None, start: int) -> int:
    """The number in a cursor; `start` where there is none."""
    if not after:
        return start
    if not (after.isascii() and after.isdigit()) or int(after) > members.ENTRY_MAX:
        reason = "after: expected the `next` of a page of the same list."
        raise Invalid(path="after", reason=reason)
    return int(after)


def _original(entry: Entry) -> int | None:
    """The number of the entry that this one speaks of."""
    origin = None if entry.detail is None else entry.detail.origin
    return None if origin is None else origin.n


def _entry_line(entry: Entry, key: str, answer: str, keys: Mapping[int, str]) -> EntryLine:
    detail = entry.detail or Detail()
    original = _original(entry)
    after = None
    if answer != "null":
        after = first_answer(key, entry.n, entry.points, entry.amount, answer)
    return EntryLine(
        entry=entry.n,
        key=members.caller_key(key),
        kind=entry.kind,
        name=detail.name,
        occurred_at=format_instant(entry.occurred_at),
        recorded_at=format_instant(entry.recorded_at),
        points=entry.points,
        amount=entry.amount,
        of=None if original is None else keys.get(original),
        of_entry=original,
        available_at=responses.instant(detail.available_at),
        expires_at=responses.instant(detail.expires_at),
        counterpart=detail.counterpart,
        reason=detail.reason,
        metadata=detail.metadata,
        balance=None if after is None else after.balance,
        pending=None if after is None else after.pending,
        tier=None if after is None else after.tier,
        events=() if after is None else responses.activity(after).events,
    )


def _with_lots(line: EntryLine, effect: EntryEffect | None) -> EntryLine:
    effect = effect or EntryEffect((), ())
    fields = {field: getattr(line, field) for field in line.__struct_fields__}
    fields |= {"lots": _lot_moves(effect.lots), "meanwhile": _meanwhile(effect)}
    return EntryLine(**fields)


def _lot_moves(lots: Lots) -> tuple[LotMove, ...]:
    return tuple(LotMove(responses.instant(expires_at), points) for expires_at, points in lots)


def _meanwhile(effect: EntryEffect) -> tuple[MeanwhileLine, ...]:
    return tuple(
        MeanwhileLine(format_instant(at), _lot_moves(lots)) for at, lots in effect.meanwhile
    )


def _lot_line(lot: HeldLot, keys: Mapping[int, str]) -> LotLine:
    shares = tuple(
        LotShareLine(share.entry, keys.get(share.entry or 0), share.points) for share in lot.shares
    )
    return LotLine(responses.instant(lot.expires_at), lot.points, shares)


def _pending_line(pending: Pending, keys: Mapping[int, str]) -> PendingLine:
    return PendingLine(
        entry=pending.entry,
        key=keys.get(pending.entry),
        points=pending.points,
        available_at=responses.instant(pending.available_at),
        expires_at=responses.instant(pending.expires_at),
    )


def _period_line(program: Program, period: TierPeriod, keys: Mapping[int, str]) -> TierPeriodLine:
    event = period.move.event
    version = program.versions[event.version - 1]
    return TierPeriodLine(
        seq=event.seq if period.move.announced else None,
        kind=event.kind,
        at=format_instant(event.at),
        tier_from=responses.tier_name(version, event.tier_from),
        tier=responses.tier_name(version, event.tier_to),
        since=responses.instant(event.view.since),
        until=responses.instant(period.until),
        expires_at=responses.instant(event.view.expires_at),
        cause=event.cause,
        version=event.version,
        entry=event.entry,
        key=keys.get(event.entry or 0),
        manual=event.view.manual,
    )


OPERATIONS = (
    Operation(
        "GET", f"{MEMBER}/entries", list_entries,
        "A member's ledger, page by page: what happened, and what each entry did.",
        scopes=("read_customers",), query=EntriesQuery, answer=EntryList,
    ),
    Operation(
        "GET", f"{MEMBER}/lots", list_lots,
        "A member's points by the day on which they expire, and whose activities brought them.",
        scopes=("read_customers",), query=LotsQuery, answer=LotList,
    ),
    Operation(
        "GET", f"{MEMBER}/history", list_tiers,
        "The tiers that a member held: since when, until when, why, and by which rules.",
        scopes=("read_customers",), query=HistoryQuery, answer=TierHistory,
    ),
)  # fmt: skip
