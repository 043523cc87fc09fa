"""A batch of the sweep that begins while the one before it is written."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Self

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tierline.ledger.sweep.sweep_pass import SweepPass
from tierline.model import ids
from tierline.rules.expiry import AfterPeriod
from tierline.store.errors import DatabaseUnreachable
from tierline.store.sweep import Lease

EXPIRING = replace(LADDER, points=replace(LADDER.points, expiry=AfterPeriod(length="P10D")))


def neighbours(club: Club, count: int) -> list[str]:
    """Customers of the first shard."""
    project, shards = club.project.id, club.database.shards
    names = (f"c{i}" for i in range(1_000))
    here = (n for n in names if ids.shard_of(ids.route(project, n), shards) == 0)
    return list(islice(here, count))


async def one_after_another(club: Club, soon: int) -> SweepPass:
    """Five members of a shard who fall by and by, the first of them twice: first and third. A pass
    that holds their lease."""
    await club.create(EXPIRING)
    twice, *others = neighbours(club, 5)
    async with club.writer() as writer:
        await writer.submit(club.points_until(soon, twice, 600))
        await writer.submit(club.points_until(soon + 2, twice, 150))
        for when, name in zip((1, 3, 4, 5), others, strict=True):
            await writer.submit(club.points_until(soon + when, name))
    sweep = SweepPass(club.database, club.catalog, Lease(0, "sweep", "test"), club.committed.append)
    assert await sweep.lease.take((await sweep.connected()).connection, 1, soon + 60_000)
    return sweep


async def falls(club: Club) -> list[int]:
    """When, in the order of the log."""
    return [event.at for event in await club.events() if event.kind == "downgraded"]


LOG = "SELECT FROM shard_head WHERE shard = 0 FOR UPDATE"
PROGRAMS = "LOCK TABLE program IN ACCESS EXCLUSIVE MODE"


class Held:
    """What a batch needs, held by somebody else: the first shard's log, or the programs."""

    def __init__(self, club: Club, what: str = LOG) -> None:
        self.database = club.database
        self.what = what

    async def __aenter__(self) -> Self:
        self.blocker = await self.database.connect()
        self.witness = await self.database.connect_to(0, "errand")  # where the batches are
        await self.blocker.execute("BEGIN")
        await self.blocker.execute(self.what)
        return self

    async def seen(self, condition: str, what: str = "1") -> None:
        """Once some connection is found as told."""
        text = f"SELECT {what} FROM pg_stat_activity WHERE datname = current_database() AND "  # noqa: S608
        while not await self.witness.fetch(f"{text} ({condition})"):
            await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        await self.blocker.close()
        await self.witness.close()


WAITS = (
    "query LIKE 'EXECUTE tierline_update_members%' AND state = 'active'"
    " AND clock_timestamp() - query_start > interval '100 ms'"
)
DECIDED = "query LIKE 'EXECUTE tierline_update_members%' AND state = 'idle in transaction'"
GIVEN_UP = "query = 'ROLLBACK' AND state = 'idle'"


async def test_the_order_of_instants_is_kept(club: Club) -> None:
    """Who falls once more before the next batch's members comes before them."""
    soon = wall() + 60_000
    sweep = await one_after_another(club, soon)
    async with Held(club) as log:
        step = asyncio.create_task(sweep.step(soon + 9, soon + 9, 2, ahead=True))
        await log.seen(WAITS)
        await log.seen(f"({DECIDED} OR {GIVEN_UP})")
    taken = [await step]
    while (taken[-1]).members:
        taken.append(await sweep.step(soon + 9, soon + 9, 2, ahead=True))
    await sweep.close()
    assert [(t.members, t.upto - soon) for t in taken] == [(2, 1), (2, 3), (2, 5), (0, 9)]
    assert await falls(club) == [soon + when for when in range(6)]


async def test_it_ends_with_the_batch_before_it(club: Club) -> None:
    """The first one's connection is cut as it waits for the log: what was decided ahead goes with
    it, and then all of it happens once, in order."""
    soon = wall() + 60_000
    sweep = await one_after_another(club, soon)
    async with Held(club) as log:
        step = asyncio.create_task(sweep.step(soon + 9, soon + 9, 3, ahead=True))
        await log.seen(DECIDED)
        await log.seen(WAITS, "pg_terminate_backend(pid)")
        with pytest.raises(DatabaseUnreachable):
            await step
        assert await falls(club) == []
    while (await sweep.step(soon + 9, soon + 9, 2, ahead=True)).members:
        pass
    await sweep.close()
    assert await falls(club) == [soon + when for when in range(6)]


async def test_nothing_is_left_of_a_step_that_is_cancelled(club: Club) -> None:
    """Neither as it decides nor as it waits for the log: no batch goes on behind its back."""
    soon = wall() + 60_000
    sweep = await one_after_another(club, soon)
    for what, then in ((PROGRAMS, "wait_event_type = 'Lock'"), (LOG, f"{WAITS} OR {DECIDED}")):
        async with Held(club, what) as held:
            step = asyncio.create_task(sweep.step(soon + 9, soon + 9, 3, ahead=True))
            await held.seen(then)
            step.cancel()
            with pytest.raises(asyncio.CancelledError):
                await step
            assert not [task for task in asyncio.all_tasks() if "Stretch" in repr(task)]
    while (await sweep.step(soon + 9, soon + 9, 2, ahead=True)).members:
        pass
    await sweep.close()
    assert await falls(club) == [soon + when for when in range(6)]


async def test_a_batch_whose_lease_passed_on_is_given_up(club: Club) -> None:
    """It was held up for so long that somebody else sweeps now: the log stays in order."""
    soon = wall() + 60_000
    sweep = await one_after_another(club, soon)
    other = SweepPass(
        club.database, club.catalog, Lease(0, "sweep", "other"), club.committed.append
    )
    async with Held(club) as log:
        step = asyncio.create_task(sweep.step(soon + 9, soon + 9, 3, ahead=True))
        await log.seen(WAITS)
        connection = (await other.connected()).connection
        assert await other.lease.take(connection, soon + 70_000, soon + 99_000)
    assert (await step).members == 0
    assert await falls(club) == []
    while (await other.step(soon + 9, soon + 9, 3, ahead=True)).members:
        pass
    await sweep.close()
    await other.close()
    assert await falls(club) == [soon + when for when in range(6)]
