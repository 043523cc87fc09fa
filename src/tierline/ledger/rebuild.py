"""Rebuild: the ledger is the truth, a standing and the log are what `decide` makes of it.

`verify` folds every member's entries anew and compares the standing's bytes, the member's columns
and each event (body and id) with what is stored. `repair` puts the standings right; the log is
never rewritten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from tierline.engine import ids
from tierline.engine.codec import decode_standing, encode_standing
from tierline.engine.decide import decide
from tierline.engine.model import Decision, Entry, Event, Standing
from tierline.engine.policy import Program
from tierline.ledger.batch import Catalog, entry_of
from tierline.store import rebuild as store
from tierline.store.database import Database
from tierline.store.ledger import LedgerTx
from tierline.store.rebuild import Page

MEMBERS_MAX: Final = 200  # of a page: a snapshot stays well under a second
_COLUMNS: Final = ("tier", "since", "expires_at", "balance", "entries", "seq")

_text = msgspec.json.Encoder().encode


class Difference(Struct, frozen=True):
    """Something stored that the ledger does not say."""

    shard: int
    customer: int
    program: int
    what: str  # standing | column:NAME | event:SEQ
    stored: str
    folded: str

    def __str__(self) -> str:
        who = f"{ids.customer_id(self.customer)} in program {self.program}"
        return f"{who}: {self.what} is {self.stored}, the ledger says {self.folded}"


class Progress(Struct, frozen=True):
    """How far a verification has come."""

    members: int = 0
    entries: int = 0
    events: int = 0

    def plus(self, page: Page) -> Progress:
        return Progress(
            self.members + len(page.members),
            self.entries + len(page.entries),
            self.events + len(page.events),
        )


class Folded:
    """A stored member beside the fold of their ledger."""

    def __init__(self, program: Program, stored: asyncpg.Record) -> None:
        self.program = program
        self.stored = stored
        self.entries: list[Entry] = []
        self.events: list[asyncpg.Record] = []

    def differences(self, shard: int) -> list[Difference]:
        now = self._folded()
        raw, wanted = bytes(self.stored["standing"]), encode_standing(now.standing)
        pairs: list[tuple[str, Any, Any]] = []
        if raw != wanted:
            pairs.append(("standing", raw.hex(), wanted.hex()))
        columns = zip(_COLUMNS, self._columns(now.standing), strict=True)
        pairs += [(f"column:{name}", self.stored[name], value) for name, value in columns]
        pairs += self._event_pairs(now.events)
        key = (shard, self.stored["customer"], self.stored["program"])
        return [Difference(*key, what, str(x), str(y)) for what, x, y in pairs if x != y]

    def row(self) -> tuple[Any, ...]:
        """The member's row as the ledger says, for `update_members`."""
        now = self._folded().standing
        latest = self.program.versions[-1].number
        key = (self.stored["customer"], self.stored["program"])
        return (*key, encode_standing(now), *self._columns(now), now.due_at, latest)

    def _folded(self) -> Decision:
        """The member's whole history, decided anew up to where the stored standing is."""
        at = self.entries[-1].recorded_at if self.entries else 0
        with suppress(msgspec.MsgspecError, ValueError):  # broken ones are what this is for
            at = max(at, decode_standing(self.stored["standing"]).at)
        return decide(self.program, Standing(), self.entries, at)

    def _columns(self, now: Standing) -> tuple[Any, ...]:
        return (now.tier, now.since, now.expires_at, now.balance, now.entries, now.seq)

    def _event_pairs(self, folded: Sequence[Event]) -> list[tuple[str, Any, Any]]:
        """Each event's id and body; an id is of the instant at which the log took the event."""
        pairs: list[tuple[str, Any, Any]] = []
        for row, event in zip_longest(self.events, folded):
            if row is None or event is None:
                seq = event.seq if event is not None else len(folded) + 1
                pairs.append((f"event:{seq}", row and row["id"], event and event.kind))
                continue
            id_ = ids.event_id(
                self.program.project,
                self.program.id,
                self.stored["customer"],
                event.seq,
                row["recorded_at"],
                event.kind,
            )
            told = (row["id"], row["body"])
            pairs.append((f"event:{event.seq}", told, (id_, _text(event).decode())))
        return pairs


async def verify(
    database: Database,
    catalog: Catalog,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> AsyncIterator[Difference]:
    """Every difference between what is stored and a fold of the ledger; none when all is well.
    Reads page by page and blocks nobody."""
    done = Progress()
    connection = await database.connect()
    try:
        for shard in range(database.shards):
            after = (-1, 0)
            while (page := await store.page(connection, shard, after, MEMBERS_MAX)).members:
                for member in await _members(catalog, page):
                    for difference in member.differences(shard):
                        yield difference
                after = (page.members[-1]["customer"], page.members[-1]["program"])
                done = done.plus(page)
                on_progress(done)
    finally:
        await connection.close(timeout=5)


async def repair(database: Database, catalog: Catalog, found: Difference) -> bool:
    """Store what the ledger says of the member, and end a quarantine; False when nothing was
    wrong any more. Events stay as they were told."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            page = await store.lock(connection, found.shard, found.customer, found.program)
            for member in await _members(catalog, page):
                if any(not d.what.startswith("event:") for d in member.differences(found.shard)):
                    await LedgerTx(connection).update_members(found.shard, [member.row()])
                    return True
    finally:
        await connection.close(timeout=5)
    return False


async def _members(catalog: Catalog, page: Page) -> list[Folded]:
    folded: dict[tuple[int, int], Folded] = {}
    for stored in page.members:
        # The newest version that any batch can have used was there before this page was read.
        number = stored["program"]
        program = await catalog.program_numbered(number, stored["version"])
        folded[stored["customer"], number] = Folded(program, stored)
    for row in page.entries:
        if (member := folded.get((row["customer"], row["program"]))) is not None:
            member.entries.append(entry_of(tuple(row)[2:]))
    for row in page.events:
        if (member := folded.get((row["customer"], row["program"]))) is not None:
            member.events.append(row)
    return list(folded.values())
