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
from tierline.store.catalog.closures import ProjectBeingErased, StateChange
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
    assert club.catalog.project(club.project.number).state == "paused"
    assert all(key.disabled_at for key in club.catalog.keys(club.project.number))
    query = "SELECT kind, after FROM audit WHERE kind LIKE 'project.eras%' ORDER BY id"
    lines = [tuple(row) for row in await club.database.pool.fetch(query)]
    assert lines == [
        ("project.erasing", '{"state":"erasing"}'),
        ("project.erased", '{"state":"paused","customers":4}'),
    ]
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
    assert club.catalog.project(club.project.number).state == "erasing"
    assert await erase(club) == ProjectErased(0, 0, 0)
    for action in ("paused", "resumed"):
        with pytest.raises(ProjectBeingErased):
            await club.catalog.change_state(StateChange(club.project.number, action))
    await sweep(club)
    assert club.catalog.project(club.project.number).state == "erasing"  # until it has looked again
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


class Stopped(Exception):
    """The process is gone."""


async def nothing(*_: object, **__: object) -> None:
    raise Stopped


SHUT = ("disable_key", "delete_endpoint")


@pytest.mark.parametrize("last", [*SHUT, "erase_numbered"])
async def test_a_sweep_ends_what_was_stopped(
    club: Club, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its keys are disabled, its endpoints deleted, its customers erased: nobody has to call
    again."""
    other = await with_people(club)
    await club.catalog.add_endpoint(club.project.number, "ep_1", "{}", b"secret", 0, wall())
    with monkeypatch.context() as gone:
        gone.setattr(Erasures if last not in SHUT else type(club.catalog), last, nothing)
        with pytest.raises(Stopped):
            await erase(club)
    assert await people(club.database, club.project) == 4
    await asyncio.gather(sweep(club, sweepers=2), sweep(club))
    assert await people(club.database, club.project) == 0
    assert [row for row in club.catalog.endpoints() if row.project == club.project.number] == []
    await over(club, other)


async def test_who_comes_while_it_is_erased_goes_too(club: Club) -> None:
    """Another process had not heard of it: whoever was made by it is erased before the end."""
    other = await with_people(club)
    await erase(club)
    state = "UPDATE project SET state = $1 WHERE number = $2"
    await club.database.pool.execute(state, "active", club.project.number)
    stale = Club(club.database, await type(club.catalog).open(club.database, club.catalog.box))
    stale.project, stale.parser = club.project, club.parser
    await club.database.pool.execute(state, "erasing", club.project.number)
    async with stale.writer() as writer:
        await writer.submit(stale.activity(customer=ANN, points=1, key=f"{ANN}-late"))
    assert await people(club.database, club.project) == 1
    await sweep(club, later=2 * AGAIN_MS)
    assert await people(club.database, club.project) == 0
    assert await traces(club) == []
    assert (await other.standing("eve")).tier == "silver"


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_project_that_goes_on_is_not_erased_again(club: Club, is_open: bool) -> None:
    """A process that slept since, before or after keys were disabled, sweeps: whoever came after
    the end stays, with their orders."""
    await with_people(club)
    if not is_open:
        await erase(club)
    await club.catalog.change_state(StateChange(club.project.number, "erasing"))
    stale = await stranger(club)
    await erase(club)
    await sweep(club, later=2 * AGAIN_MS)
    await club.catalog.change_state(StateChange(club.project.number, "resumed"))
    async with club.writer() as writer:
        order = {"order": "o-1", "paid": 5000, "key": "s-1"}
        await writer.record(club.activity("order", "newcomer", **order))
    assert stale.catalog.project(club.project.number).state == "erasing"
    await sweep(stale, later=2 * AGAIN_MS)
    await club.catalog.refresh()
    assert club.catalog.project(club.project.number).state == "active"
    assert await people(club.database, club.project) == 1
    assert await club.count("order_state") == 1


async def stranger(club: Club) -> Club:
    """The same club in a process that hears of nothing from now on."""
    other = Club(club.database, await type(club.catalog).open(club.database, club.catalog.box))
    other.project, other.program, other.parser = club.project, club.program, club.parser
    return other


async def test_deleting_ends_an_erasure_that_is_under_way(club: Club) -> None:
    """The project is gone for good then, and nothing wakes it."""
    await with_people(club)
    await club.catalog.change_state(StateChange(club.project.number, "erasing"))
    await club.catalog.change_state(StateChange(club.project.number, "deleted"))
    await sweep(club)
    await sweep(club, later=2 * AGAIN_MS)
    assert await people(club.database, club.project) == 0
    assert club.catalog.project(club.project.number).state == "deleted"
    assert await traces(club) == []
