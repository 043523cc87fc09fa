"""Customers of a club who are erased, and what is to be true of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.ledger.conftest import Club, wall
from tests.web.erasure.traces import in_database
from tierline.ledger.erasure.erasures import AGAIN_MS, Erasures
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweeper import Sweeper

ANN = "zqann"


@asynccontextmanager
async def erasing(club: Club) -> AsyncIterator[Erasures]:
    async with club.writer() as writer:
        yield Erasures(club.database, club.catalog, writer, club.committed.append)


async def with_ann(club: Club) -> None:
    """A club with somebody who sent points, got some, and has an order."""
    await club.create()
    async with club.writer() as writer:
        for name in (ANN, "bob"):
            await writer.submit(club.activity(customer=name, points=300, key=f"{name}-1"))
        said = {"metadata": {"note": ANN}}
        await writer.submit(
            club.activity("transfer", ANN, to="bob", points=20, key=f"{ANN}-t", **said)
        )
        await writer.submit(club.activity("transfer", "bob", to=ANN, points=5, key="bob-t", **said))
        order = {"order": f"{ANN}-o", "paid": 5000, "key": f"{ANN}-s", **said}
        await writer.record(club.activity("order", ANN, **order))


async def sweep(club: Club, *, later: int = 0, sweepers: int = 1) -> None:
    hands = [
        Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: wall() + later)
        for _ in range(sweepers)
    ]
    await asyncio.gather(*(hand.run_due() for hand in hands))


async def gone(club: Club) -> None:
    """No trace is left, what is left is sound, and after a while nobody looks any more."""
    assert await traces(club) == []
    assert [str(d) async for d in verify(club.database, club.catalog)] == []
    await sweep(club, later=2 * AGAIN_MS)
    assert await club.database.pool.fetchval("SELECT count(due_at) FROM erasure") == 0
    assert await traces(club) == []


async def traces(club: Club) -> list[str]:
    async with club.database.pool.acquire() as connection:
        return await in_database(connection, ANN)
