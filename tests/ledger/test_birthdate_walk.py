"""A birthday rule that is new: the walk over those who were members before."""

from __future__ import annotations

from contextlib import suppress

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tierline.errors import Busy
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep import birthdate_walk
from tierline.ledger.sweep.birthdate_walk import WRITTEN, BirthdateWalk
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.writer import Writer
from tierline.rules.earning_rule import Birthday, EarningRule, FixedPoints
from tierline.rules.points import Points
from tierline.store import profiles
from tierline.store.catalog.programs import NewVersion
from tierline.store.profiles import Profile

RULE = EarningRule("birthday", Birthday(), FixedPoints(50))
WITH_BIRTHDAYS = replace(LADDER, points=Points(rules=(RULE,)))


class Walks:
    """The walks of all shards, as one process knows them; `pages` are those that it lives for."""

    def __init__(self, club: Club, writer: Writer, pages: int = 99) -> None:
        self.writer = writer
        self.pages = pages
        shards = range(club.database.shards)
        self.all = [BirthdateWalk(club.database, club.catalog, s, self.opened) for s in shards]

    async def opened(self) -> Writer:
        if self.pages == 0:
            raise Busy
        self.pages -= 1
        return self.writer

    async def go_on(self) -> None:
        for walk in self.all:
            with suppress(Busy):
                await walk.go_on()


async def passes(club: Club) -> set[int]:
    return {row["pass"] for row in await club.database.pool.fetch("SELECT pass FROM rollout")}


@pytest.mark.parametrize("pages", [0, 1, 2, 99])
async def test_the_walk_goes_on_where_a_process_was_gone(
    club: Club, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """It follows the roll-out, leaves out who said no birthdate, and does nothing twice."""
    monkeypatch.setattr(birthdate_walk, "PAGE", 1)
    await club.create()
    async with club.writer() as writer:
        for name in ("ada", "bob", "cid"):
            await profiles.put(
                club.database, club.project, name, Profile(birthdate="1990-05-17"), wall()
            )
        for name in ("ada", "bob", "cid", "eve"):
            await writer.record(club.activity("earn", name, points=5))
        version = NewVersion(rules=WITH_BIRTHDAYS, request="{}")
        await club.catalog.put_program(club.project.number, "club", version, wall())
        await Sweeper(club.database, club.catalog, club.committed.append).run_due()
        await Walks(club, writer).go_on()
        notes = "SELECT count(*) FROM entry WHERE kind = 'attribute'"
        assert await club.database.pool.fetchval(notes) == 0  # old rules may be under way
        await club.database.pool.execute("UPDATE rollout SET pass = 3, after = 0")

        await Walks(club, writer, pages).go_on()
        assert await club.database.pool.fetchval(notes) <= min(pages, 3)
        again = Walks(club, writer)
        for _ in range(2):
            await again.go_on()
        assert await club.database.pool.fetchval(notes) == 3
    assert await passes(club) == {WRITTEN}
    assert (await club.standing("bob")).attributes == {"birthdate": "1990-05-17"}
    assert (await club.standing("eve")).attributes == {}
    assert [str(d) async for d in verify(club.database, club.catalog)] == []


async def test_rules_that_do_not_ask_need_no_walk(club: Club) -> None:
    await club.create()
    async with club.writer() as writer:
        await profiles.put(
            club.database, club.project, "ada", Profile(birthdate="1990-05-17"), wall()
        )
        await writer.record(club.activity("earn", "ada", points=5))
        version = NewVersion(rules=replace(LADDER, name="Other"), request="{}")
        await club.catalog.put_program(club.project.number, "club", version, wall())
        await Sweeper(club.database, club.catalog, club.committed.append).run_due()
        await club.database.pool.execute("UPDATE rollout SET pass = 3, after = 0")
        await Walks(club, writer, pages=0).go_on()
    assert await passes(club) == {3}
    assert (await club.standing("ada")).attributes == {}
