"""The statements of rebuilding: members, their ledger and their log, page by page."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
from msgspec import Struct

from tierline.store.named import Queries


class RebuildSql(Queries, file="rebuild.sql"):
    """The statements of `sql/rebuild.sql`."""

    members_after: str
    entries_of: str
    events_of: str
    lock_member: str


Sql = RebuildSql


class Page(Struct, frozen=True):
    """Some members and everything about them, as of one instant."""

    members: Sequence[asyncpg.Record]
    entries: Sequence[asyncpg.Record]
    events: Sequence[asyncpg.Record]


async def page(
    connection: asyncpg.Connection, shard: int, after: tuple[int, int], limit: int
) -> Page:
    """The members after a (customer, program), in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        members = await connection.fetch(Sql.members_after, shard, *after, limit)
        return await _about(connection, shard, members)


async def lock(connection: asyncpg.Connection, shard: int, customer: int, program: int) -> Page:
    """One member, locked until the caller's transaction ends."""
    members = await connection.fetch(Sql.lock_member, shard, customer, program)
    return await _about(connection, shard, members)


async def _about(
    connection: asyncpg.Connection, shard: int, members: Sequence[asyncpg.Record]
) -> Page:
    customers = sorted({member["customer"] for member in members})
    entries = await connection.fetch(Sql.entries_of, shard, customers) if customers else []
    events = await connection.fetch(Sql.events_of, shard, customers) if customers else []
    return Page(members, entries, events)
