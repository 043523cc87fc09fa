"""Lists by last change: whatever lies at or below a mark that somebody read is final."""

from __future__ import annotations

import asyncio

from tests.counts import unlisted
from tierline.ledger.list_upkeep import ListUpkeep
from tierline.store import customers, last_changes
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.projects import NewProject
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

NOW = 1_700_000_000_000


async def make(database: Database, count: int) -> dict[int, list[int]]:
    """Customers of a project, by shard."""
    catalog = await Catalog.open(database, SecretBox(bytes(32)))
    project = await catalog.add_project(NewProject(name="Shop"), NOW)
    by_shard: dict[int, list[int]] = {shard: [] for shard in range(database.shards)}
    for i in range(count):
        shard = customers.shard_of_name(database.shards, project.id, f"c{i}")
        async with database.pool.acquire() as connection, connection.transaction():
            new = [customers.bare(f"c{i}", NOW)]
            made = await customers.create(connection, shard, project, new)
        by_shard[shard] += [row.id for row in made.values()]
    return by_shard


async def changed_at(database: Database, customer: int) -> int:
    at: int = await database.pool.fetchval(
        "SELECT changed_at FROM last_change WHERE customer = $1", customer
    )
    return at


async def test_a_change_is_listed_above_every_mark_before_it(database: Database) -> None:
    """Also when the clock stands still, or goes back."""
    by_shard = await make(database, 6)
    shard = next(shard for shard, some in by_shard.items() if some)
    customer = by_shard[shard][0]
    marks, instants = [], []
    async with database.pool.acquire() as connection:
        for now in (NOW, NOW, NOW - 5_000, NOW + 10):
            marks.append(await last_changes.mark(connection, database.shards, now))
            await last_changes.note(connection, shard, [customer])
            await last_changes.catch_up(connection, shard, now)
            instants.append(await changed_at(database, customer))

    assert all(at > mark for at, mark in zip(instants, marks, strict=True))
    assert instants == sorted(set(instants))


async def test_what_is_not_committed_is_listed_after_the_mark(database: Database) -> None:
    """A mark that is read while a batch is open lies below what the batch will list."""
    by_shard = await make(database, 6)
    shard = next(shard for shard, some in by_shard.items() if some)
    customer = by_shard[shard][0]
    async with database.pool.acquire() as writer, database.pool.acquire() as reader:
        async with writer.transaction():
            await last_changes.note(writer, shard, [customer])
            mark = await last_changes.mark(reader, database.shards, NOW + 60_000)
            before = await changed_at(database, customer)
        await last_changes.mark(reader, database.shards, NOW)

    assert before <= mark < await changed_at(database, customer)


async def test_many_at_once_list_every_note(database: Database) -> None:
    """Upkeeps of several processes, and readers: nothing stays, nothing is lost."""
    by_shard = await make(database, 9)

    async def note() -> None:
        async with database.pool.acquire() as connection:
            for _ in range(40):
                for shard, some in by_shard.items():
                    if some:
                        await last_changes.note(connection, shard, some[:2])

    upkeeps = [ListUpkeep(database).run_once() for _ in range(3)]
    await asyncio.gather(note(), *upkeeps, note())
    wrong = await unlisted(database)

    assert wrong == []
    assert await database.pool.fetchval("SELECT count(*) FROM unlisted_change") == 0
