"""The statements of the sweep: what is due, leases, and members that rules changes make due."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from tierline.store.named import Queries


class SweepSql(Queries, file="sweep.sql"):
    """The statements of `sql/sweep.sql`."""

    next_due: str
    due: str
    quarantine: str
    add_ops_event: str
    open_lease: str
    take_lease: str
    keep_lease: str
    give_lease: str
    behind: str
    lock_behind: str
    mark_due: str


Sql = SweepSql


class Lease:
    """A shard's lease by name: whose turn it is to do what only one process should do."""

    def __init__(self, shard: int, name: str, owner: str) -> None:
        self.shard = shard
        self.name = name
        self.owner = owner
        self.generation = -1  # not ours

    async def take(self, connection: asyncpg.Connection, now: int, until: int) -> bool:
        """Whether it is ours now, in a new generation. Opens the lease where there is none."""
        found = await connection.fetchval(
            Sql.take_lease, self.shard, self.name, self.owner, until, now
        )
        if found is None:
            opened = await connection.execute(Sql.open_lease, self.shard, self.name)
            if opened.endswith(" 1"):
                return await self.take(connection, now, until)
        self.generation = -1 if found is None else found
        return found is not None

    async def keep(self, connection: asyncpg.Connection, until: int) -> bool:
        """Whether it still is ours, and will be until then."""
        kept = await connection.fetchval(
            Sql.keep_lease, self.shard, self.name, self.generation, until
        )
        if kept is None:
            self.generation = -1
        return kept is not None

    async def give(self, connection: asyncpg.Connection) -> None:
        await connection.execute(Sql.give_lease, self.shard, self.name, self.generation)
        self.generation = -1


async def next_due(connection: asyncpg.Connection, shard: int, clock: int) -> int | None:
    found: int | None = await connection.fetchval(Sql.next_due, shard, clock)
    return found


async def due(
    connection: asyncpg.Connection, lease: Lease, clock: int, upto: int, limit: int
) -> list[asyncpg.Record]:
    """(customer, program, standing, due_at) of who is due first; nobody when the lease is lost."""
    return await connection.fetch(
        Sql.due, lease.shard, clock, upto, limit, lease.name, lease.generation
    )


async def quarantine(
    connection: asyncpg.Connection, shard: int, customer: int, program: int, reason: str
) -> None:
    await connection.execute(Sql.quarantine, shard, customer, program, reason)


async def add_ops_event(
    connection: asyncpg.Connection, shard: int, place: Sequence[int | str], body: str
) -> None:
    """`place`: (offset, program, customer, id, recorded_at)."""
    await connection.execute(Sql.add_ops_event, shard, *place, body)


async def behind(connection: asyncpg.Connection, shard: int, program: int, latest: int) -> bool:
    return await connection.fetchval(Sql.behind, shard, program, latest) is not None


async def mark_due(
    connection: asyncpg.Connection, shard: int, program: int, latest: int, after: int, limit: int
) -> int | None:
    """Make the next members after this customer due when their rules change. Answers the last of
    them; None when there are no more. One short transaction."""
    async with connection.transaction():
        rows: Sequence[asyncpg.Record] = await connection.fetch(
            Sql.lock_behind, shard, program, latest, after, limit
        )
        if not rows:
            return None
        customers, instants = zip(*rows, strict=True)
        await connection.execute(Sql.mark_due, shard, program, latest, customers, instants)
        last: int = customers[-1]
        return last
