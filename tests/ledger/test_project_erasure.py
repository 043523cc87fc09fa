"""Erasing a project: all of its people go, other projects stay, and it may be stopped anywhere."""

from __future__ import annotations

import asyncio

import pytest

from tests.ledger.conftest import LADDER, Club, first_half, wall
from tests.ledger.erasing import ANN, erasing, sweep, traces, with_ann
from tierline.errors import Busy
from tierline.ledger.erasure.erasures import AGAIN_MS, Erased, Erasures
from tierline.ledger.erasure.project_erasure import ProjectErased, ProjectNotErased, erase_project
from tierline.ledger.rebuild import verify
from tierline.model.tenant import Project
from tierline.store.database import Database

EVERYBODY = (ANN, "zqbob", "zqcy")


async def with_people(club: Club) -> Club:
    """The club, of which somebody has points under way; and another project's with a member."""
    await with_ann(club)
    async with club.writer() as writer:
        for name in EVERYBODY[1:]:
            await writer.submit(club.activity(customer=name, points=150, key=f"{name}-1"))
    await first_half(club, club.activity("transfer", ANN, to="zqcy", points=7, key=f"{ANN}-w"))
    await club.catalog.add_key(club.project.number, "native", (), "key", wall())
    other = Club(club.database, club.catalog)
    await other.create(LADDER)
    async with other.writer() as writer:
        await writer.submit(other.activity(customer="eve", points=150, key="eve-1"))
    return other


async def erase(club: Club) -> ProjectErased:
    async with erasing(club) as erasures:
        return await erase_project(club.catalog, erasures, club.project)


async def people(database: Database, project: Project) -> int:
    query = "SELECT count(*) FROM customer WHERE project = $1 AND erased_at IS NULL"
    return int(await database.pool.fetchval(query, project.number))


async def over(club: Club, other: Club) -> None:
    """Nobody is left, other projects are as they were, and the ledger is sound."""
    assert await people(club.database, club.project) == 0
    await sweep(club, later=2 * AGAIN_MS)
    assert await traces(club) == []
    assert [str(d) async for d in verify(club.database, club.catalog)] == []
    assert (await other.standing("eve")).tier == "silver"
    assert await club.count("order_state") == await club.count("erased_name") == 0
    tops = await club.database.pool.fetch(
        'SELECT count(*) n, max("offset") last FROM event GROUP BY shard'
    )
    assert all(row["n"] == row["last"] for row in tops)


async def test_everybody_of_a_project_goes(club: Club) -> None:
    """Keys, endpoints and programs end first; a second run finds nothing to do."""
    other = await with_people(club)
    done = await erase(club)
    assert done == ProjectErased(keys=1, endpoints=0, customers=4)
    assert [key.disabled_at is None for key in club.catalog.keys(club.project.number)] == [False]
    assert club.catalog.project(club.project.number).state == "paused"
    assert await erase(club) == ProjectErased(0, 0, 0)
    lines = await club.database.pool.fetch("SELECT after FROM audit WHERE kind = 'project.erased'")
    assert [row["after"] for row in lines] == ['{"customers":4}']
    await over(club, other)
    async with other.writer() as writer:
        assert (await writer.submit(other.activity(customer="eve", points=1))).balance == 151


async def test_two_run_at_once(club: Club) -> None:
    """Both end well, and each customer is told of once."""
    other = await with_people(club)
    await asyncio.gather(erase(club), erase(club))
    assert await club.database.pool.fetchval("SELECT count(*) FROM event WHERE class = 'ops'") == 4
    await over(club, other)


class Gone(Erasures):
    """Cannot erase some customers, or is gone after a few."""

    left = 1
    fault: Exception = Busy()

    async def go_on(self, customer: int, *, again: bool = False) -> Erased:
        if self.left == 0:
            raise self.fault
        self.left -= 1
        return await super().go_on(customer, again=again)


@pytest.mark.parametrize("stops", [True, False])
async def test_a_run_that_stopped_is_begun_again(club: Club, stops: bool) -> None:
    """Killed among its customers, or kept from some of them: it says so, and the next one ends."""
    other = await with_people(club)
    async with club.writer() as writer:
        hand = Gone(club.database, club.catalog, writer)
        hand.fault = RuntimeError("gone") if stops else Busy()
        with pytest.raises(RuntimeError if stops else ProjectNotErased):
            await erase_project(club.catalog, hand, club.project)
    assert 0 < await people(club.database, club.project) < 4
    again = await erase(club)
    assert (again.keys, again.customers) == (0, 3)
    await over(club, other)
