"""Customers who send points to each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tierline.ledger import commands
from tierline.ledger.commands import Command
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.model import ids
from tierline.store import customers
from tierline.store import transfers as store
from tierline.store.transfers import Intent

CLOSED = replace(LADDER, auto_join=False)  # strangers do not become members by themselves


@dataclass
class Circle:
    """A club in which ada has 600 points, and a look at both sides of her transfers."""

    club: Club
    bob: str  # the other customer: in ada's shard, or in the other one

    async def enrol(self, *names: str) -> None:
        async with self.club.writer() as writer:
            for name in names:
                await writer.submit(commands.enrol(self.club.parser.program_ref, name))

    async def balances(self) -> tuple[int, int]:
        return (
            (await self.club.standing("ada")).balance,
            (await self.club.standing(self.bob)).balance,
        )

    def sent(self, points: int = 250, key: str = "t1", **fields: str) -> Command:
        return self.club.activity("transfer", to=self.bob, points=points, key=key, **fields)

    async def sweep(self, sweepers: int = 1) -> None:
        """By processes that know nothing of it."""
        database, catalog, commits = (
            self.club.database,
            self.club.catalog,
            self.club.committed,
        )
        hands = [Sweeper(database, catalog, commits.append) for _ in range(sweepers)]
        await asyncio.gather(*(hand.run_due() for hand in hands))

    async def in_transit(self, intent: Intent) -> int:
        """What a look at the sender shows."""
        shards, place = self.club.database.shards, (intent.customer, intent.program)
        async with self.club.database.pool.acquire() as connection:
            return await store.in_transit(connection, shards, *place)

    async def kinds(self, name: str) -> list[str]:
        rows = await self.club.database.pool.fetch(
            "SELECT e.kind FROM entry e"
            " JOIN alias a ON a.shard = e.shard AND a.customer = e.customer"
            " WHERE a.name = $1 AND e.shard = $2 ORDER BY e.n",
            name,
            customers.shard_of_name(self.club.database.shards, self.club.project.id, name),
        )
        return [row["kind"] for row in rows]

    async def settled(self) -> None:
        """Nothing is under way, and everything follows from the ledger."""
        assert await self.club.count("intent") == 0
        assert [d async for d in verify(self.club.database, self.club.catalog)] == []


async def with_ada(club: Club, *, other: bool) -> Circle:
    def shard(name: str) -> int:
        return ids.shard_of(ids.route(club.project.id, name), club.database.shards)

    names = ("bob", *(f"bob{i}" for i in range(40)))
    bob = next(name for name in names if (shard(name) != shard("ada")) is other)
    async with club.writer() as writer:
        await writer.submit(
            commands.enrol(club.parser.program_ref, "ada"),
        )
        await writer.submit(club.activity(points=600))
    return Circle(club, bob)


async def closed(club: Club, *, other: bool = True) -> Circle:
    """As `circle`, where nobody becomes a member by an activity."""
    await club.create(CLOSED)
    return await with_ada(club, other=other)
