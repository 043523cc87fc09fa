"""Many people at once: whoever is plainly new is made, everybody else is left as they were."""

from __future__ import annotations

import asyncio

from tests.store.test_customers import NOW, find, project_of
from tierline.model.tenant import Customer
from tierline.store import bulk_customers, customers, profiles
from tierline.store.database import Database
from tierline.store.profiles import Profile


async def customer_of(database: Database, number: int | None) -> Customer:
    assert number is not None
    async with database.pool.acquire() as connection:
        row = await customers.read(connection, database.shards, number)
    assert row is not None
    return row.customer


async def test_newcomers_are_as_if_put_one_by_one(database: Database) -> None:
    """The same profiles, ids and names, in however many shards."""
    project, other = await project_of(database), await project_of(database)
    people = {
        f"c{i}": Profile(
            id=f"cust_{i}", number=1000 + i, name=f"Person {i}", metadata={"i": i},
            created_at=NOW - i, names={"card": (f"C-{i}",), "merchant": (f"M-{i}",)},
        )
        for i in range(30)
    }  # fmt: skip
    assert await bulk_customers.add(database, project, people, NOW) == set(people)
    for source_id, profile in people.items():
        put, new = await profiles.put(database, other, source_id, profile, NOW)
        assert new
        number = await find(database, project, source_id)
        assert await customer_of(database, number) == put.customer
        for kind, name in profiles.claims_of(profile, new=True):
            assert await find(database, project, name, kind) == number


async def test_whoever_is_not_plainly_new_is_left_alone(database: Database) -> None:
    """Known by name, or asking for a name, an id or a number that somebody has: nothing of theirs
    is written, and none of their names stays claimed."""
    project = await project_of(database)
    anna = Profile(id="cust_anna", number=7, names={"card": ("C-anna",)})
    await profiles.put(database, project, "anna", anna, NOW)
    made, _ = await profiles.put(database, project, "made-here", Profile(), NOW)
    people = {
        "anna": Profile(name="Another Anna"),
        "ben": Profile(name="Ben", names={"card": ("C-ben", "C-anna")}),
        "cleo": Profile(id="cust_anna", names={"card": ("C-cleo",)}),
        "dora": Profile(number=made.customer.number, names={"card": ("C-dora",)}),
        "eve": Profile(names={"card": ("C-eve", "C-both")}),
        "fay": Profile(names={"card": ("C-fay", "C-both")}),
        "gil": Profile(name="Gil"),
    }
    made_now = await bulk_customers.add(database, project, people, NOW)
    rivals = {"eve", "fay"}  # for one name: whose shard comes first gets it
    assert made_now - rivals == {"gil"}
    (lucky,) = made_now & rivals
    (unlucky,) = rivals - made_now
    assert (await customer_of(database, await find(database, project, "anna"))).name is None
    for name in ("ben", "cleo", "dora", unlucky):
        assert await find(database, project, name) is None
        assert await find(database, project, f"C-{name}", "card") is None
    assert await find(database, project, "C-both", "card") == await find(database, project, lucky)


async def test_the_same_people_added_at_once_are_made_once(database: Database) -> None:
    """Two imports of one file: each person exists once, with every name theirs."""
    project = await project_of(database)
    people = {f"c{i}": Profile(id=f"cust_{i}", names={"card": (f"C-{i}",)}) for i in range(40)}
    made = await asyncio.gather(
        *(bulk_customers.add(database, project, people, NOW) for _ in range(4))
    )
    assert sum(map(len, made)) <= len(people)
    for source_id, profile in people.items():  # what nobody got through is for `put`, as ever
        await profiles.put(database, project, source_id, profile, NOW)
        number = await find(database, project, source_id)
        assert (await customer_of(database, number)).id == profile.id
        assert await find(database, project, f"C-{source_id[1:]}", "card") == number
