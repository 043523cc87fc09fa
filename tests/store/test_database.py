"""Opening an installation: fresh, again, too new, from many processes at once."""

from __future__ import annotations

import asyncio

from tierline.store.database import Database


async def test_opening_an_empty_database_makes_an_installation(empty_url: str) -> None:
    """The first open makes schema, installation, heads and leases."""
    async with await Database.open(empty_url, shards=4) as database:
        heads = await database.pool.fetch("SELECT shard FROM shard_head ORDER BY shard")

        assert database.shards == 4
        assert [row["shard"] for row in heads] == [0, 1, 2, 3]


async def test_ten_processes_that_start_at_once_make_one_installation(empty_url: str) -> None:
    """Whoever loses the race waits, and finds the work done."""
    opened = await asyncio.gather(*(Database.open(empty_url, pool_max=1) for _ in range(10)))
    for database in opened:
        await database.close()

    assert len({database.epoch for database in opened}) == 1
