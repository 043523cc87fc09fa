"""Whether the copy is what the source holds: rows counted and hashed on both sides, by PostgreSQL,
each without its place; the sums do not depend on order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
from msgspec import Struct

from tierline.reshard.errors import CopyDiffers
from tierline.reshard.progress import Tally, share_of
from tierline.reshard.queries import ReshardSql as Sql
from tierline.reshard.row_moves import Pair
from tierline.reshard.tables import CUSTOMER, ENTRY, EVENT, LARGE, MEMBER, SMALL, Table
from tierline.store.database import rows_of_table

PAGE: Final = 20_000
WRAP: Final = 1 << 64
Job = Callable[[Pair], Awaitable[None]]


class Sum(Struct):
    """Of one table on one side."""

    rows: int = 0
    hashes: int = 0


class Check:
    """Collects both sides' sums: `jobs`, and when they are done `verdict`."""

    def __init__(self, tally: Tally, shards: int, new: int) -> None:
        self._tally = tally
        self._sides = (shards, new)
        self._sums = {(table.name, side): Sum() for table in LARGE for side in (0, 1)}

    def jobs(self) -> list[Job]:
        """One for each table, side and shard."""

        def job(table: Table, side: int, shard: int) -> Job:
            return lambda pair: self._add(pair, table, side, shard)

        return [
            job(table, side, shard)
            for table in LARGE
            for side, count in enumerate(self._sides)
            for shard in range(count)
        ]

    async def _add(self, pair: Pair, table: Table, side: int, shard: int) -> None:
        connection = pair.target if side else pair.source
        sums = self._sums[table.name, side]
        counter = await _counter(connection, shard)
        key, rows, share = table.start, 0, 0.0
        while share < 1.0:
            page = await connection.fetch(table.sums, shard, *key, PAGE)
            sums.rows += len(page)
            sums.hashes = (sums.hashes + sum(row["sum"] for row in page)) % WRAP
            rows += len(page)
            if len(page) < PAGE:
                share = 1.0
            else:
                key = tuple(page[-1][name] for name in table.key)
                by_customer = table in {CUSTOMER, MEMBER, ENTRY}
                share = min(0.99, share_of(key, counter)) if by_customer else 0.0
            if side == 0:
                self._tally.report("check", table.name, shard, rows, share)

    async def verdict(self, pair: Pair) -> None:
        """Raise CopyDiffers for the first table that is not the same on both sides."""
        for name in SMALL:
            await _compare_rows_of_table(pair, name)
        for table in LARGE:
            there, here = self._sums[table.name, 0], self._sums[table.name, 1]
            if there != here:
                raise CopyDiffers(table=table.name, source=there.rows, copy=here.rows)
        heads = await pair.target.fetch(Sql.heads)
        events = self._sums[EVENT.name, 1].rows
        if sum(row["head"] for row in heads) != events:
            raise CopyDiffers(table="shard_head", source=events, copy=len(heads))


async def _counter(connection: asyncpg.Connection, shard: int) -> int:
    rows = await connection.fetch(Sql.heads)
    return int(next(row["customers"] for row in rows if row["shard"] == shard))


async def _compare_rows_of_table(pair: Pair, name: str) -> None:
    there, here = await rows_of_table(pair.source, name), await rows_of_table(pair.target, name)
    if sorted(map(repr, there)) != sorted(map(repr, here)):
        raise CopyDiffers(table=name, source=len(there), copy=len(here))
