"""Tables that are moved row by row: each page of a source shard is one transaction, in which its
rows go to whichever new shards they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

from tierline.model import ids
from tierline.reshard.progress import Position, Positions, Tally, share_of
from tierline.reshard.queries import ReshardSql as Sql
from tierline.reshard.tables import ATTEMPT, CUSTOMER, ENTRY, MEMBER, Key, Places, Table

PAGE: Final = 5_000  # rows: a transaction of about 0.2 s


class Pair(Struct, frozen=True):
    """A worker's two connections."""

    source: asyncpg.Connection
    target: asyncpg.Connection


class Move(Struct, frozen=True):
    """What all jobs of one copy share."""

    places: Places
    positions: Positions
    tally: Tally
    counters: dict[int, int]  # source shard -> its counter of customers
    page: int = PAGE


Record = tuple[Any, ...]


async def move(job: Move, table: Table, shard: int, pair: Pair) -> None:
    """One shard of one table, from where an earlier run stopped."""
    at = job.positions.get(shard, table.name)
    job.tally.report("copy", table.name, shard, at.rows, _share(job, table, shard, at))
    while not at.ended:
        after = at.after or table.start
        rows = await pair.source.fetch(table.page, shard, *after, job.page)
        records = await _placed(pair, job, table, rows)
        last = tuple(rows[-1][name] for name in table.key) if rows else after
        to = Position(last, rows=at.rows + len(rows), ended=len(rows) < job.page)
        async with pair.target.transaction():
            await job.positions.advance(pair.target, shard, table.name, to)
            await insert(pair.target, table.name, list(rows[0].keys()) if rows else [], records)
        job.positions.advanced(shard, table.name, to)
        at = to
        job.tally.report("copy", table.name, shard, at.rows, _share(job, table, shard, at))


async def insert(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], records: Iterable[Record]
) -> None:
    """By COPY, which a distributed table deals out by itself."""
    if columns:
        await connection.copy_records_to_table(table, records=records, columns=list(columns))


async def _placed(
    pair: Pair, job: Move, table: Table, rows: Sequence[asyncpg.Record]
) -> list[Record]:
    if table is ATTEMPT:
        return await _placed_attempts(pair, job.places, rows)
    of_row = job.places.of_row
    return [(of_row(table, row), *tuple(row)[1:]) for row in rows]


async def _placed_attempts(
    pair: Pair, places: Places, rows: Sequence[asyncpg.Record]
) -> list[Record]:
    """Attempts follow their event: to its shard, and with its new offset. Where the log no longer
    has it, the offset is 0."""
    events_by_home: dict[int, set[tuple[int, str]]] = {}
    shards = []
    for row in rows:
        customer = _customer_of(row["event"])
        home = places.of_customer(customer) if customer else places.of_endpoint(row["endpoint"])
        events_by_home.setdefault(home, set()).add((customer, row["event"]))
        shards.append(home)
    offsets: dict[str, int] = {}
    for shard, events in sorted(events_by_home.items()):
        customers, names = zip(*events, strict=True)
        placed = await pair.target.fetch(Sql.offsets, shard, customers, names)
        offsets |= {row["id"]: row["offset"] for row in placed}
    return [
        tuple({**row, "shard": shard, "offset": offsets.get(row["event"], 0)}.values())
        for shard, row in zip(shards, rows, strict=True)
    ]


def _customer_of(event: str) -> int:
    """0 for events that are no customer's."""
    try:
        return ids.customer_of_event(event)
    except ValueError:
        return 0


def _share(job: Move, table: Table, shard: int, at: Position) -> float:
    if at.ended:
        return 1.0
    if not at.after or table not in {CUSTOMER, MEMBER, ENTRY}:
        return 0.0
    key: Key = at.after
    return share_of(key, job.counters[shard])
