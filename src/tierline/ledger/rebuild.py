"""Rebuild: the ledger is the truth, a standing and the log are what `decide` makes of it.

`verify` folds every member's entries anew and compares the standing's bytes, the member's columns
and each event of the log (body and id) with what is stored. `repair` puts the standings right; the
log is never rewritten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.engine.checkpoints import last_checkpoint
from tierline.engine.decide import decide
from tierline.engine.timeline import due_again
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.stored_originals import entry_of
from tierline.model import ids
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.entries import Entry
from tierline.model.events import Decision, Event
from tierline.model.standing import EDITION, Standing, carried, effective_ledger
from tierline.rules.program import Program
from tierline.store import last_changes, tier_counts
from tierline.store import rebuild as store
from tierline.store.catalog.closures import deleted_among
from tierline.store.database import Database
from tierline.store.ledger_transaction import LedgerTx
from tierline.store.rebuild import LedgerPage

CUSTOMERS_MAX: Final = 200  # of a page: a snapshot stays well under a second
ENTRIES_MAX: Final = 20_000  # of a page, unless one customer alone has more
_COLUMNS: Final = ("tier", "since", "expires_at", "balance", "entries", "seq")
_NOTHING: Final = "nothing"

_text = msgspec.json.Encoder().encode
Pair = tuple[str, Any, Any]  # what it is, as stored, as the ledger says


class Difference(Struct, frozen=True):
    """Something stored that the ledger does not say, or the other way round."""

    shard: int
    customer: int
    program: int
    what: str  # member | standing | column:NAME | entry:N | event:SEQ | event:SEQ:id | ledger | …
    stored: str
    folded: str

    def __str__(self) -> str:
        if not self.customer:
            place = f"program {self.program} in shard {self.shard}"
            return f"{place}: {self.what} is {self.stored}, a count says {self.folded}"
        who = f"{ids.customer_id(self.customer)} in program {self.program}"
        return f"{who}: {self.what} is {self.stored}, the ledger says {self.folded}"


class VerificationProgress(Struct, frozen=True):
    """How far a verification has come."""

    members: int = 0
    entries: int = 0
    events: int = 0
    erased: int = 0  # of the members, those of whom only numbers are left

    def plus(self, page: LedgerPage) -> VerificationProgress:
        return VerificationProgress(
            self.members + len(page.members),
            self.entries + len(page.entries),
            self.events + len(page.events),
            self.erased + sum(row["erased_at"] is not None for row in page.members),
        )


class _LogPlace(Struct, frozen=True):
    """What a row of the log says of its place in a member's history."""

    seq: int
    at: int


_read_log_place = msgspec.json.Decoder(_LogPlace).decode


class Folded:
    """A stored member (None: there is no such row) beside the fold of their ledger."""

    def __init__(self, program: Program, place: tuple[int, int], log_start: int) -> None:
        self.program = program
        self.place = place  # customer, program
        self.log_start = log_start
        self.stored: asyncpg.Record | None = None
        self.rows: list[asyncpg.Record] = []  # of the ledger
        self.events: list[asyncpg.Record] = []

    def differences(self, shard: int) -> list[Difference]:
        try:
            pairs = [*self._member_pairs(), *self._event_pairs(self.now.events)]
        except Exception as fault:  # noqa: BLE001  (a broken ledger is told, not stumbled over)
            pairs = [("ledger", repr(fault), "it cannot be folded")]
        key = (shard, *self.place)
        return [Difference(*key, what, str(x), str(y)) for what, x, y in pairs if x != y]

    def row(self) -> tuple[Any, ...]:
        """The member's row as the ledger says, for `update_members`."""
        latest, now = self.program.versions[-1].number, self.untouched or self.now.standing
        due_at = None if self.erased else now.due_at
        return (*self.place, encode_standing(now), *self._columns(now), due_at, latest)

    @property
    def erased(self) -> bool:
        """Whether the ledger is only its numbers, and a fold begins at the last checkpoint."""
        return self.stored is not None and self.stored["erased_at"] is not None

    @cached_property
    def now(self) -> Decision:
        """The member's whole history, decided anew up to where the stored standing is; or to what
        the log tells beyond that, where the same follows from the ledger: a standing that was set
        back must not be told again."""
        entries = self.entries
        at = entries[-1].recorded_at if entries else 0
        if self.stored is not None:
            with suppress(msgspec.MsgspecError, ValueError):  # broken ones are what this is for
                at = max(at, decode_standing(self.stored["standing"]).at)
        decision = self._decided(entries, at)
        last = max((t for row in self.events if (t := _log_place(row))), default=None, key=_seq)
        if last is not None and last.seq > decision.standing.seq and last.at > at:
            further = self._decided(entries, last.at)
            if further.standing.seq == last.seq and further.events[-1].at == last.at:
                return further
        return decision

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The ledger as it is read today."""
        rows = self.rows
        if self.erased:
            last = max((i for i, row in enumerate(rows) if row["kind"] == "checkpoint"), default=0)
            rows = rows[last:]
        return effective_ledger([entry_of(tuple(row)[2:]) for row in rows], self.untouched)

    @cached_property
    def untouched(self) -> Standing | None:
        """The stored standing, where the rules were read in another way when it was decided: it is
        what the next checkpoint will note."""
        with suppress(msgspec.MsgspecError, ValueError):
            if self.stored is not None:
                standing = decode_standing(self.stored["standing"])
                return standing if standing.edition != EDITION else None
        return None

    @cached_property
    def noted(self) -> int:
        """How many events were told before the last checkpoint: they stand as they were told."""
        place = last_checkpoint(self.entries)
        detail = None if place is None else self.entries[place].detail
        if detail is None or detail.standing is None:
            return 0
        return carried(detail.standing).seq

    def _decided(self, entries: Sequence[Entry], at: int) -> Decision:
        return decide(self.program, Standing(), entries, at)

    def _member_pairs(self) -> Iterator[Pair]:
        for n, row in enumerate(self.rows, 1):
            if row["n"] != n:
                yield f"entry:{n}", _NOTHING, "an entry"
                break
        if self.stored is None:
            yield "member", _NOTHING, f"entries: {len(self.rows)}"
            return
        now = self.now.standing if self.untouched is None else self.untouched
        raw, folded = bytes(self.stored["standing"]), encode_standing(now)
        if raw != folded and not self._means(raw, folded):
            yield "standing", raw.hex(), folded.hex()
        for name, value in zip(_COLUMNS, self._columns(now), strict=True):
            yield f"column:{name}", self.stored[name], value

    def _means(self, raw: bytes, folded: bytes) -> bool:
        """Whether the stored standing says the same in other bytes: as an older release wrote it,
        with fewer fields; or but for when it is due next, as it was right before some of the rules
        were written: rules that are to come move nobody yet."""
        with suppress(msgspec.MsgspecError, ValueError):
            stored = decode_standing(raw)
            if encode_standing(stored) == folded:
                return True
            if encode_standing(replace(stored, due_at=self.now.standing.due_at)) == folded:
                versions = self.program.versions
                earlier = (
                    replace(self.program, versions=versions[:count])
                    for count in range(1, len(versions))
                )
                return stored.due_at in {due_again(program, stored) for program in earlier}
        return False

    def _columns(self, now: Standing) -> tuple[Any, ...]:
        return (now.tier, now.since, now.expires_at, now.balance, now.entries, now.seq)

    def _event_pairs(self, folded: Sequence[Event]) -> Iterator[Pair]:
        """Each event's id and body, those that are missing, and those that nobody decided."""
        expected = {event.seq: event for event in folded}
        before = range(1, self.noted + 1)
        logged: dict[int, asyncpg.Record] = {}
        for row in self.events:
            place = _log_place(row)
            if (
                place is None
                or place.seq in logged
                or (place.seq not in expected and place.seq not in before)
            ):
                yield f"event at offset {row['offset']}", row["id"], _NOTHING
            else:
                logged[place.seq] = row
        for one, seq in pairwise(logged):
            if seq < one:
                yield f"event:{seq}", f"told after event:{one}", "before it"
        for seq in before:
            if seq not in logged and (self.log_start <= 1 or seq > min(logged, default=seq)):
                yield f"event:{seq}", _NOTHING, "an event before the checkpoint"
        for seq, event in expected.items():
            if seq in logged:
                yield f"event:{seq}:id", logged[seq]["id"], self._id(event, logged[seq])
                yield f"event:{seq}", logged[seq]["body"], _text(event).decode()
            elif self.log_start <= 1 or seq > min(logged, default=seq):
                yield f"event:{seq}", _NOTHING, event.kind

    def _id(self, event: Event, row: asyncpg.Record) -> str:
        """An id is of the instant at which the log took the event."""
        program, customer = self.program, self.place[0]
        fact = ids.event_fact(program.project, program.id, customer, event.seq, event.kind)
        return ids.event_id(fact, customer, row["recorded_at"])


def _log_place(row: asyncpg.Record) -> _LogPlace | None:
    try:
        return _read_log_place(row["body"])
    except msgspec.MsgspecError:
        return None


def _seq(place: _LogPlace) -> int:
    return place.seq


async def verify(
    database: Database,
    catalog: ProgramCatalog,
    on_progress: Callable[[VerificationProgress], None] = lambda _: None,
) -> AsyncIterator[Difference]:
    """Every difference between what is stored and a fold of the ledger; none when all is well.
    Reads page by page and blocks nobody."""
    done = VerificationProgress()
    connection = await database.connect()
    try:
        for shard in range(database.shards):
            after: int | None = 0
            while after is not None:
                page = await store.page(connection, shard, after, CUSTOMERS_MAX, ENTRIES_MAX)
                for member in await _members(catalog, page):
                    for difference in member.differences(shard):
                        yield difference
                after = page.last
                done = done.plus(page)
                on_progress(done)
            for count in await tier_counts.differences(connection, shard):
                if count.program in deleted_among(catalog.closures):
                    continue
                what = f"members:{count.tier or 'none'}"
                facts = (str(count.stored), str(count.members))
                yield Difference(shard, 0, count.program, what, *facts)
    finally:
        await connection.close(timeout=5)


async def repair(database: Database, catalog: ProgramCatalog, difference: Difference) -> bool:
    """Store what the ledger says of the member, and end a quarantine; False when nothing was
    wrong any more, or nothing can be repaired. Events stay as they were told."""
    connection = await database.connect()
    try:
        if not difference.customer:
            return await tier_counts.recount(connection, difference.shard) > 0
        async with connection.transaction():
            page = await store.lock(
                connection, difference.shard, difference.customer, difference.program
            )
            for member in await _members(catalog, page):
                if member.stored is None or member.place != (
                    difference.customer,
                    difference.program,
                ):
                    continue
                wrong = {d.what for d in member.differences(difference.shard)}
                if any(what == "standing" or what.startswith("column:") for what in wrong):
                    tx = LedgerTx(connection)
                    tx.update_members(difference.shard, [member.row()])
                    await tx.flush()
                    await last_changes.note(connection, difference.shard, [difference.customer])
                    before, after = member.stored["tier"], member.now.standing.tier
                    if before != after and not member.erased:
                        place = difference.shard, difference.program
                        await tier_counts.move(connection, *place, before, after)
                    return True
    finally:
        await connection.close(timeout=5)
    return False


async def _members(catalog: ProgramCatalog, page: LedgerPage) -> list[Folded]:
    """Everybody of whom there is a row, an entry or an event."""
    folded: dict[tuple[int, int], Folded] = {}
    deleted = deleted_among(catalog.closures)
    for kind in ("members", "entries", "events"):
        for row in getattr(page, kind):
            place = row["customer"], row["program"]
            if place[1] in deleted:
                continue  # it goes row by row, and what is left of it means nothing
            if place not in folded:
                # The newest version that any batch can have used was there before this page.
                latest = row["version"] if kind == "members" else 0
                program = await catalog.program_numbered(place[1], latest)
                folded[place] = Folded(program, place, page.log_start)
            if kind == "members":
                folded[place].stored = row
            else:
                (folded[place].rows if kind == "entries" else folded[place].events).append(row)
    return list(folded.values())
