"""What statements note in orders' rows at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from msgspec.structs import replace

from tests.ledger.conftest import Club, wall
from tierline.errors import NotFound
from tierline.ledger.orders.order_rows import Claim, OrderRows
from tierline.ledger.orders.record import PendingStatement
from tierline.ledger.orders.statements import keyed_state
from tierline.store import removals
from tierline.store.orders import OrderPlace

NAMES = [f"o{i}" for i in range(40)]


def claim(club: Club, name: str, customer: str = "ada") -> Claim:
    command = club.activity("order", customer, order=name, paid=1000)
    place = OrderPlace.of(club.database.shards, club.project.number, name)
    return Claim(club.project, place, keyed_state(command, 0), "")


async def tell(rows: OrderRows, claims: list[Claim]) -> list[Any]:
    return await asyncio.gather(*map(rows.decide, claims), return_exceptions=True)


async def noted(club: Club) -> dict[str, int]:
    """The pending orders, with the transactions that noted them."""
    query = "SELECT name, xmin::text::bigint AS by FROM order_state WHERE pending IS NOT NULL"
    return {row["name"]: row["by"] for row in await club.database.pool.fetch(query)}


async def test_who_waits_together_is_noted_by_one_transaction_of_the_shard(club: Club) -> None:
    await club.create()
    decisions = await tell(OrderRows(club.database, wall), [claim(club, n) for n in NAMES])
    assert all(isinstance(each, PendingStatement) for each in decisions)
    there = await noted(club)
    assert sorted(there) == sorted(NAMES)
    assert len(set(there.values())) <= club.database.shards


async def test_nobody_fails_for_a_stranger(club: Club) -> None:
    """What the database cannot hold, and a project that is gone, fail alone."""
    await club.create()
    claims = [claim(club, name) for name in NAMES]
    buyer = replace(claims[3].statement.buyer, name="a\0b")
    claims[3] = replace(claims[3], statement=replace(claims[3].statement, buyer=buyer))
    claims[7] = replace(claims[7], place=replace(claims[7].place, project=999))
    async with club.database.pool.acquire() as connection:
        await removals.begin(connection, claims[7].place.shard, -999)
    decisions = await tell(OrderRows(club.database, wall), claims)
    assert isinstance(decisions[3], asyncpg.CharacterNotInRepertoireError)
    assert isinstance(decisions[7], NotFound)
    assert sorted(await noted(club)) == sorted(set(NAMES) - {"o3", "o7"})
