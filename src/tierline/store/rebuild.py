"""The statements of rebuilding: members, their ledger and their log, page by page."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
from msgspec import Struct

from tierline.store.named_queries import Queries


class RebuildSql(Queries, file="rebuild.sql"):
    """The statements of `sql/rebuild.sql`."""

    customers_after: str
    log_start: str
    members_of: str
    entries_of: str
    events_of: str
    lock_member: str


Sql = RebuildSql


class LedgerPage(Struct, frozen=True):
    """Some customers and everything about them, as of one instant. `last`: the last of these
    customers, None where there are no more. `log_start`: what was told before it is gone."""

    last: int | None
    log_start: int
    members: Sequence[asyncpg.Record]
    entries: Sequence[asyncpg.Record]
    events: Sequence[asyncpg.Record]


async def page(
    connection: asyncpg.Connection, shard: int, after: int, limit: int, entries_max: int
) -> LedgerPage:
    """The customers after one, in one snapshot: so many, or as many as have so many entries
    together, and one at least."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        customers: list[int] = []
        total = 0
        for row in await connection.fetch(Sql.customers_after, shard, after, limit):
            total += row["entries"]
            if customers and total > entries_max:
                break
            customers.append(row["id"])
        members = await connection.fetch(Sql.members_of, shard, customers) if customers else []
        return await _about(connection, shard, customers, members)


async def lock(
    connection: asyncpg.Connection, shard: int, customer: int, program: int
) -> LedgerPage:
    """One member, locked until the caller's transaction ends."""
    members = await connection.fetch(Sql.lock_member, shard, customer, program)
    return await _about(connection, shard, [customer], members)


async def _about(
    connection: asyncpg.Connection,
    shard: int,
    customers: Sequence[int],
    members: Sequence[asyncpg.Record],
) -> LedgerPage:
    if not customers:
        return LedgerPage(None, 0, (), (), ())
    log_start = await connection.fetchval(Sql.log_start, shard)
    entries = await connection.fetch(Sql.entries_of, shard, customers)
    events = await connection.fetch(Sql.events_of, shard, customers)
    return LedgerPage(customers[-1], log_start, members, entries, events)
