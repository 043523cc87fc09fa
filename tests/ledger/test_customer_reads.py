"""Customers as vendors' routes look them up: with where they stand, by one statement."""

from __future__ import annotations

import asyncio

from tests.ledger.conftest import LADDER, Club, wall
from tests.ledger.erasing import erasing
from tierline.ledger.commands import ProgramRef, enrol
from tierline.model import ids
from tierline.model.tenant import Project
from tierline.store import customers, profiles
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject
from tierline.store.profiles import Profile
from tierline.store.shared_reads import CustomerReads, CustomerStandings

PEOPLE = [f"c{n}" for n in range(12)]
RENAMED, ERASED = "c3", "c4"


async def two_programs(club: Club) -> list[str]:
    """Twelve people with cards, of whom some are in none, some in one, some in two programs;
    returns all names that there ever were."""
    await club.create()
    second = NewVersion(rules=LADDER, request="{}")
    put = await club.catalog.put_program(club.project.number, "second", second, wall())
    made = []
    async with club.writer() as writer:
        for n, name in enumerate(PEOPLE):
            card = Profile(names={"card": (f"card-{n}",)}, name=name.upper())
            row, _ = await profiles.put(club.database, club.project, name, card, wall())
            made.append(row)
            for program in (club.program, put.program)[: n % 3]:
                await writer.submit(enrol(ProgramRef(club.project, program), name))
    other_name = Profile(source_id="anna")
    await profiles.put(club.database, club.project, RENAMED, other_name, wall())
    async with erasing(club) as erasures:
        await erasures.erase(club.project, ERASED)
    cards = [f"card-{n}" for n in range(len(PEOPLE))]
    return [*PEOPLE, *cards, "anna", "nobody", "cust_x", *(row.customer.id for row in made)]


async def apart(reads: CustomerReads, project: Project, name: str) -> CustomerStandings | None:
    row = await reads.named(project, name)
    return None if row is None else CustomerStandings(row, await reads.standings(row.id))


async def test_one_statement_says_what_three_say(club: Club) -> None:
    """By every name: people of no, one and two programs, whose further names lie in either shard,
    one who was renamed, one who was erased, and nobody."""
    names = await two_programs(club)
    reads = CustomerReads(club.database)
    together = await asyncio.gather(*(reads.with_standings(club.project, name) for name in names))

    assert together == [await apart(reads, club.project, name) for name in names]
    holders = {name: holder for name, holder in zip(names, together, strict=True) if holder}
    assert {len(holder.standings or ()) for holder in holders.values()} == {0, 1, 2}
    assert holders["anna"].row.id == holders["card-3"].row.id
    homes = {
        customers.shard_of_name(club.database.shards, club.project.id, name)
        == ids.shard_of(ids.route_of_customer(holder.row.id), club.database.shards)
        for name, holder in holders.items()
    }
    assert homes == {True, False}  # names beside their customers, and elsewhere
    assert not {ERASED, "card-4", "nobody", "cust_x"} & set(holders)


async def test_another_project_knows_none_of_them(club: Club) -> None:
    names = await two_programs(club)
    other = await club.catalog.add_project(NewProject("Other"), wall())
    reads = CustomerReads(club.database)

    assert {await reads.with_standings(other, name) for name in names} == {None}
