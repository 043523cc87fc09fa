"""The statements of the sweep: what is due, leases, and members that rules changes make due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session


class SweepSql(Queries, file="sweep.sql"):
    """The statements of `sql/sweep.sql`."""

    next_due: str
    due: str
    quarantine: str
    project_of: str
    open_lease: str
    take_lease: str
    keep_lease: str
    give_lease: str
    rollout: str
    begin_rollout: str
    note_rollout: str
    birthdates: str
    next_members: str
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
        generation = await connection.fetchval(
            Sql.take_lease, self.shard, self.name, self.owner, until, now
        )
        if generation is None:
            opened = await connection.execute(Sql.open_lease, self.shard, self.name)
            if opened.endswith(" 1"):
                return await self.take(connection, now, until)
        self.generation = -1 if generation is None else generation
        return generation is not None

    async def keep(self, connection: asyncpg.Connection, until: int) -> bool:
        """Whether it still is ours, and will be until then."""
        generation = await connection.fetchval(
            Sql.keep_lease, self.shard, self.name, self.generation, until
        )
        if generation is None:
            self.generation = -1
        return generation is not None

    async def give(self, connection: asyncpg.Connection) -> None:
        await connection.execute(Sql.give_lease, self.shard, self.name, self.generation)
        self.generation = -1


async def next_due(connection: asyncpg.Connection, shard: int, clock: int) -> int | None:
    due_at: int | None = await connection.fetchval(Sql.next_due, shard, clock)
    return due_at


async def due(
    connection: asyncpg.Connection, lease: Lease, clock: int, upto: int, limit: int
) -> list[asyncpg.Record]:
    """(customer, program, standing, due_at, head) of who is due first; nobody when the lease is
    lost."""
    return await connection.fetch(
        Sql.due, lease.shard, clock, upto, limit, lease.name, lease.generation
    )


async def quarantine(
    connection: asyncpg.Connection,
    shard: int,
    customer: int,
    program: int,
    standing: bytes,
    reason: str,
) -> bool:
    """Whether the member still is as they were, and set aside."""
    done = await connection.execute(Sql.quarantine, shard, customer, program, standing, reason)
    return done.endswith(" 1")


async def project_of(connection: asyncpg.Connection, program: int) -> int:
    """Whose program it is."""
    project: int = await connection.fetchval(Sql.project_of, program)
    return project


class RolloutState(Struct, frozen=True):
    """How far the roll-out of a version has come: the pass, and the customer up to whom."""

    version: int
    began_at: int
    number: int
    after: int


async def rollout(connection: Session, shard: int, program: int) -> RolloutState | None:
    row = await connection.fetchrow(Sql.rollout, shard, program)
    return None if row is None else RolloutState(*row)


async def begin_rollout(
    connection: asyncpg.Connection, shard: int, program: int, version: int, now: int
) -> None:
    await connection.execute(Sql.begin_rollout, shard, program, version, now)


async def note_rollout(connection: Session, shard: int, program: int, state: RolloutState) -> None:
    await connection.execute(
        Sql.note_rollout, shard, program, state.version, state.number, state.after
    )


async def birthdates(
    connection: Session, shard: int, program: int, after: int, limit: int
) -> list[asyncpg.Record]:
    """The next members of a program whose profiles hold a birthdate, with standing and profile."""
    rows: list[asyncpg.Record] = await connection.fetch(
        Sql.birthdates, shard, program, after, limit
    )
    return rows


async def mark_due(
    connection: asyncpg.Connection, shard: int, program: int, state: RolloutState, limit: int
) -> RolloutState:
    """Make the next stretch of members due when their rules change; the state after it. One short
    transaction."""
    async with connection.transaction():
        upto = await connection.fetchval(Sql.next_members, shard, state.after, limit)
        if upto is None:
            state = replace(state, number=state.number + 1, after=0)
        else:
            await connection.execute(Sql.mark_due, shard, program, state.version, state.after, upto)
            state = replace(state, after=upto)
        await note_rollout(connection, shard, program, state)
    return state
