"""The statements of the batch path, bound to one connection.

A `LedgerTx` prepares each statement once and keeps it. It decides nothing: it loads what a batch
speaks of and writes what was decided. All of it runs inside the caller's transaction, in one shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from tierline.store.columns import columns
from tierline.store.named import Queries

Row = Sequence[Any]


class LedgerSql(Queries, file="ledger.sql"):
    """The statements of `sql/ledger.sql`."""

    load: str
    resolve: str
    living: str
    receipts: str
    current: str
    reserve: str
    unreserve: str
    originals: str
    history: str
    add_entries: str
    update_members: str
    add_members: str
    raise_head: str
    add_events: str


class CountDiffers(Exception):
    """A statement touched another number of rows than it was given: roll back, run again."""


# A batch is a handful of look-ups by primary key, and the plan made for empty tables is the one
# that is kept while they fill. So nothing is left to choose: joins in the order in which they are
# written, each a nested loop over an index.
PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "join_collapse_limit": "1",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
}


class LedgerTx:
    """One connection's prepared statements of the batch path."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._prepared: dict[str, Any] = {}

    async def begin(self) -> None:
        await self.connection.execute("BEGIN")

    async def commit(self) -> None:
        await self.connection.execute("COMMIT")

    async def rollback(self) -> None:
        await self.connection.execute("ROLLBACK")

    async def load(self, shard: int, wanted: Iterable[Row]) -> list[asyncpg.Record]:
        """`wanted`: (project, program, name, customer, key) of each command."""
        return await self._fetch(LedgerSql.load, shard, *columns(wanted, "iitit"))

    async def resolve(self, shard: int, names: Iterable[Row]) -> dict[int, int]:
        """(project, name) pairs -> {position: customer} of those that are known here."""
        rows = await self._fetch(LedgerSql.resolve, shard, *columns(names, "it"))
        return {row[0] - 1: row[1] for row in rows}

    async def living(self, shard: int, customers: Sequence[int]) -> set[int]:
        return {row[0] for row in await self._fetch(LedgerSql.living, shard, customers)}

    async def receipts(self, shard: int, keys: Iterable[Row]) -> dict[int, asyncpg.Record]:
        """(customer, key) pairs -> {position: receipt}."""
        rows = await self._fetch(LedgerSql.receipts, shard, *columns(keys, "it"))
        return {row[0] - 1: row for row in rows}

    async def current(self, programs: Sequence[int]) -> dict[int, tuple[int, int | None]]:
        """Program -> (newest version, its project's own clock)."""
        return {r[0]: (r[1], r[2]) for r in await self._fetch(LedgerSql.current, programs)}

    async def reserve(self, shard: int, members: Sequence[Row]) -> None:
        """(customer, program, clock, version) of members-to-be, sorted. CountDiffers when somebody
        else has just made one of them."""
        made = await self._fetch(LedgerSql.reserve, shard, *columns(members, "iiii"))
        if len(made) != len(members):
            raise CountDiffers("reserve")

    async def unreserve(self, shard: int, members: Sequence[Row]) -> None:
        await self._write(LedgerSql.unreserve, len(members), shard, *columns(members, "ii"))

    async def originals(self, shard: int, wanted: Iterable[Row]) -> dict[int, asyncpg.Record]:
        """(customer, program, key) -> {position: the entry and what was taken back of it}."""
        rows = await self._fetch(LedgerSql.originals, shard, *columns(wanted, "iit"))
        return {row[0] - 1: row for row in rows}

    async def history(self, shard: int, customer: int, program: int) -> list[asyncpg.Record]:
        return await self._fetch(LedgerSql.history, shard, customer, program)

    async def add_entries(self, shard: int, rows: Sequence[Row]) -> None:
        await self._write(LedgerSql.add_entries, len(rows), shard, *columns(rows, "iiittxiiiitit"))

    async def update_members(self, shard: int, rows: Sequence[Row]) -> None:
        await self._write(LedgerSql.update_members, len(rows), shard, *columns(rows, "iixtiiiiiii"))

    async def add_members(self, shard: int, rows: Sequence[Row]) -> None:
        await self._write(LedgerSql.add_members, len(rows), shard, *columns(rows, "iixtiiiiiiii"))

    async def raise_head(self, shard: int, events: int, now: int) -> tuple[int, int]:
        """(the last offset before these events, the instant at which they enter the log)."""
        rows = await self._fetch(LedgerSql.raise_head, shard, events, now)
        if not rows:
            raise CountDiffers("raise_head")
        return rows[0][0] - events, rows[0][1]

    async def add_events(
        self, shard: int, after: int, recorded_at: int, rows: Sequence[Row]
    ) -> None:
        """`rows`: (program, customer, id, body, changed_at), in the order of their offsets."""
        sent = columns(rows, "iitti")
        await self._write(LedgerSql.add_events, len(rows), shard, after, recorded_at, *sent)

    async def _fetch(self, text: str, *arguments: Any) -> list[asyncpg.Record]:
        statement = self._prepared.get(text)
        if statement is None:
            statement = self._prepared[text] = await self.connection.prepare(text)
        rows: list[asyncpg.Record] = await statement.fetch(*arguments)
        return rows

    async def _write(self, text: str, count: int, *arguments: Any) -> None:
        statement = self._prepared.get(text)
        if statement is None:
            statement = self._prepared[text] = await self.connection.prepare(text)
        await statement.fetch(*arguments)
        done = statement.get_statusmsg()
        if done is None or done.rpartition(" ")[2] != str(count):
            raise CountDiffers(done)
