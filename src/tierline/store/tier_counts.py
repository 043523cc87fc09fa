"""Counts of members per tier and of moves per day, as batches keep them, and their repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from tierline.store.column_encoding import columns
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session


class TierCountsSql(Queries, file="tier_counts.sql"):
    """The statements of `sql/tier_counts.sql`."""

    add_counts: str
    add_moves: str
    counts: str
    moves: str
    due_by_day: str
    stored_counts: str
    lock_counts: str
    counted: str
    all_moves: str
    forget_moves: str


Sql = TierCountsSql


class DueSpan(Struct):
    """How many members have work next in a span of time, and for how many of them it is that
    their tier ends."""

    members: int = 0
    tiers_ending: int = 0


async def counts(connection: Session, shards: int, program: int) -> Counter[str]:
    """Returns the members per tier; without a tier they stand under the empty text."""
    total: Counter[str] = Counter()
    for shard in range(shards):
        for row in await connection.fetch(Sql.counts, shard, program):
            total[row["tier"]] += row["members"]
    return total


async def moves(
    connection: Session, shards: int, program: int, first: int, last: int
) -> Counter[tuple[int, str]]:
    """Returns the moves per civil day and kind, from day `first` to day `last`, both included."""
    total: Counter[tuple[int, str]] = Counter()
    for shard in range(shards):
        for row in await connection.fetch(Sql.moves, shard, program, first, last):
            total[row["day"], row["kind"]] += row["moves"]
    return total


async def due(
    connection: Session, shards: int, clock: int, program: int, bounds: Sequence[int]
) -> list[DueSpan]:
    """Returns one span for each two neighbours of `bounds` (instants, rising). What is overdue is
    in the first. It costs what is due on this clock until the last bound."""
    starts, end = list(bounds[:-1]), bounds[-1]
    spans = [DueSpan() for _ in starts]
    for shard in range(shards):
        for row in await connection.fetch(Sql.due_by_day, shard, clock, program, end, starts):
            span = spans[row["nth"] - 1]
            span.members += row["members"]
            span.tiers_ending += row["tiers_ending"]
    return spans


class CountDifference(Struct, frozen=True):
    """A count that is not what a count of the members says."""

    program: int
    tier: str
    stored: int
    members: int


async def differences(connection: Session, shard: int) -> list[CountDifference]:
    """Returns the counts of a shard that are wrong. One snapshot: nobody is held up by it."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        stored = await connection.fetch(Sql.stored_counts, shard)
        members = await connection.fetch(Sql.counted, shard)
    return _compare(stored, members)


async def recount(connection: Session, shard: int) -> int:
    """Puts a shard's counts right; returns how many were wrong. Batches that change a tier wait
    meanwhile: what they add comes on top of what is counted here."""
    async with connection.transaction():
        stored = await connection.fetch(Sql.lock_counts, shard)
        wrong = _compare(stored, await connection.fetch(Sql.counted, shard))
        if wrong:
            rows = [(each.program, each.tier, each.members - each.stored) for each in wrong]
            await connection.execute(Sql.add_counts, shard, *columns(rows, "iti"))
    return len(wrong)


async def move(
    connection: Session, shard: int, program: int, before: str | None, after: str | None
) -> None:
    """One member's tier was put right: the counts follow, in the caller's transaction."""
    rows = sorted([(program, before or "", -1), (program, after or "", 1)])
    await connection.execute(Sql.add_counts, shard, *columns(rows, "iti"))


def _compare(stored: Sequence[Record], members: Sequence[Record]) -> list[CountDifference]:
    before = {(row["program"], row["tier"]): int(row["members"]) for row in stored}
    now = {(row["program"], row["tier"]): int(row["members"]) for row in members}
    return [
        CountDifference(*key, before.get(key, 0), now.get(key, 0))
        for key in sorted(before.keys() | now.keys())
        if before.get(key, 0) != now.get(key, 0)
    ]
