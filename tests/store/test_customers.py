"""Customers: one id for life, every other name an alias, and nothing half-written."""

from __future__ import annotations

import asyncio

import pytest

from tierline.errors import Conflict
from tierline.model import ids
from tierline.model.tenant import Project
from tierline.store import customers, profiles
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.projects import NewProject
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.store.profiles import Profile

NOW = 1_700_000_000_000


async def project_of(database: Database) -> Project:
    catalog = await Catalog.open(database, SecretBox(bytes(32)))
    return await catalog.add_project(NewProject("Shop"), NOW)


async def find(database: Database, project: Project, name: str, kind: str = "source") -> int | None:
    async with database.pool.acquire() as connection:
        return await customers.find(connection, database.shards, project, name, kind)


async def test_a_batch_of_new_customers_is_made_in_one_shard(database: Database) -> None:
    """Each carries its route, and whoever exists already is read instead."""
    project = await project_of(database)
    names = [
        f"c{i}" for i in range(40)
        if customers.shard_of_name(database.shards, project.id, f"c{i}") == 1
    ]  # fmt: skip
    first = [customers.bare(name, NOW) for name in names[:5]]
    everybody = [customers.bare(name, NOW) for name in names]
    async with database.pool.acquire() as connection:
        async with connection.transaction():
            await customers.create(connection, 1, project, first)
        async with connection.transaction():
            made = await customers.create(connection, 1, project, everybody)

    assert set(made) == set(names)
    assert len({row.id for row in made.values()}) == len(names)
    for name, row in made.items():
        assert ids.route_of_customer(row.id) == ids.route(project.id, name)
        assert row.customer.id == ids.customer_id(row.id)
        assert await find(database, project, name) == row.id


async def test_a_profile_is_made_then_changed_in_part(database: Database) -> None:
    """What is not said stays as it is; what is null is emptied."""
    project = await project_of(database)
    first, new = await profiles.put(
        database, project, "anna", Profile(name="Anna", email="a@example.com"), NOW
    )
    second, again = await profiles.put(database, project, "anna", Profile(email=None), NOW + 5)

    assert (new, again) == (True, False)
    assert (first.customer.name, first.customer.email) == ("Anna", "a@example.com")
    assert (second.customer.name, second.customer.email) == ("Anna", None)
    assert (second.customer.created_at, second.customer.updated_at) == (NOW, NOW + 5)


async def test_a_profile_may_repeat_the_name_by_which_it_is_put(database: Database) -> None:
    """New or known; it is no further name, and nothing is claimed twice."""
    project = await project_of(database)
    profile = Profile(source_id="anna", name="Anna")
    first, new = await profiles.put(database, project, "anna", profile, NOW)
    again = await profiles.put(database, project, "anna", profile, NOW + 5)

    assert (new, first.customer.source_id) == (True, "anna")
    assert again == (first, False)


async def test_a_name_that_is_only_claimed_yet_is_a_conflict(database: Database) -> None:
    """By a request that is on its way, or ended halfway; it is no fault of ours."""
    project = await project_of(database)
    async with database.pool.acquire() as connection:
        shard = customers.shard_of_name(database.shards, project.id, "anna")
        facts = (project.number, ["source"], ["anna"], [65_536])
        await connection.fetch(customers.CustomersSql.add_names, shard, *facts)

    with pytest.raises(Conflict) as caught:
        await profiles.put(database, project, "anna", Profile(name="Anna"), NOW)
    assert caught.value.path == "source_id"


async def test_an_unchanged_profile_keeps_its_instant(database: Database) -> None:
    """The same PUT twice changes nothing."""
    project = await project_of(database)
    await profiles.put(database, project, "anna", Profile(name="Anna"), NOW)
    row, _ = await profiles.put(database, project, "anna", Profile(name="Anna"), NOW + 5)

    assert row.customer.updated_at == NOW


async def test_imported_ids_and_numbers_are_kept_and_found(database: Database) -> None:
    """They are what payloads show; our own number still routes."""
    project = await project_of(database)
    imported = Profile(id="cust_xyz", number=6932, created_at=5, updated_at=6)
    row, _ = await profiles.put(database, project, "2134606599", imported, NOW)
    async with database.pool.acquire() as connection:
        by_number = await customers.find_numbered(connection, database.shards, project, 6932)

    assert (row.customer.id, row.customer.number) == ("cust_xyz", 6932)
    assert (row.customer.created_at, row.customer.updated_at) == (5, 6)
    assert await find(database, project, "cust_xyz", "id") == row.id == by_number


async def test_a_number_made_here_is_found_without_an_alias(database: Database) -> None:
    """It carries its route, above all imported ones."""
    catalog = await Catalog.open(database, SecretBox(bytes(32)))
    project = await catalog.add_project(NewProject("Shop"), NOW)
    await catalog.make_room(project.number, 90_000_000)
    row, _ = await profiles.put(database, project, "anna", Profile(), NOW)
    async with database.pool.acquire() as connection:
        number = await customers.find_numbered(
            connection, database.shards, project, row.customer.number
        )

    assert row.customer.number > 90_000_000
    assert number == row.id


@pytest.mark.parametrize(
    ("field", "profile"),
    [
        ("id", Profile(name="Ben", id="cust_anna")),
        ("number", Profile(name="Ben", number=7)),
        ("source_id", Profile(name="Ben", source_id="anna")),
        ("names.card", Profile(name="Ben", names={"card": ("C-new", "C-anna")})),
    ],
)
async def test_a_name_of_somebody_else_is_refused_and_nothing_written(
    database: Database, field: str, profile: Profile
) -> None:
    """Not the customer, and not the names claimed before the refused one."""
    project = await project_of(database)
    taken = Profile(id="cust_anna", number=7, names={"card": ("C-anna",)})
    await profiles.put(database, project, "anna", taken, NOW)

    with pytest.raises(Conflict) as refused:
        await profiles.put(database, project, "ben", profile, NOW)

    assert refused.value.path == field
    assert await find(database, project, "ben") is None
    assert await find(database, project, "C-new", "card") is None


async def test_id_and_number_are_fixed_once_made(database: Database) -> None:
    """Payloads that were sent speak of them."""
    project = await project_of(database)
    await profiles.put(database, project, "anna", Profile(), NOW)

    for field, profile in (("id", Profile(id="other")), ("number", Profile(number=5))):
        with pytest.raises(Conflict) as refused:
            await profiles.put(database, project, "anna", profile, NOW)
        assert refused.value.path == field


async def test_a_renamed_customer_is_found_by_both_names(database: Database) -> None:
    """The shop changed its id; nothing of the customer moves."""
    project = await project_of(database)
    row, _ = await profiles.put(database, project, "anna", Profile(), NOW)
    renamed, new = await profiles.put(
        database, project, "anna", Profile(source_id="anna-2"), NOW + 1
    )

    assert not new
    assert renamed.customer.source_id == "anna-2"
    assert await find(database, project, "anna") == row.id
    assert await find(database, project, "anna-2") == row.id


async def test_an_interrupted_import_goes_on_with_its_own_claims(database: Database) -> None:
    """A crash between claiming a name and writing the profile leaves a name of nobody."""
    project = await project_of(database)
    shard = customers.shard_of_name(database.shards, project.id, "cust_anna")
    async with database.pool.acquire() as connection:
        reserved = await customers.reserve(connection, database.shards, project, "anna")
        await connection.execute(
            "INSERT INTO alias VALUES ($1, $2, 'id', 'cust_anna', $3)",
            shard, project.number, reserved,
        )  # fmt: skip

    row, _ = await profiles.put(database, project, "anna", Profile(id="cust_anna"), NOW)

    assert row.id == reserved


async def test_ten_writers_of_one_new_customer_make_one(database: Database) -> None:
    """Who comes second changes what the first made."""
    project = await project_of(database)
    answers = await asyncio.gather(
        *(profiles.put(database, project, "anna", Profile(name=f"A{i}"), NOW) for i in range(10))
    )
    count = await database.pool.fetchval("SELECT count(*) FROM customer")

    assert count == 1
    assert len({row.id for row, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
