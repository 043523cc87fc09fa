"""Kill -9 in the middle of erasing, at every step and every table: it is gone on with, to its end,
without anybody asking again."""

from __future__ import annotations

import pytest

from tests.ledger.conftest import Club
from tests.ledger.erasing import ANN, erasing, gone, sweep, traces, with_ann
from tests.ledger.erasure_killing import killed_at
from tests.ledger.test_project_erasure import over, people, with_people
from tierline.ledger.erasure.erasures import STEPS
from tierline.store.erasures import CLEARED

CUSTOMER = ("customer", ANN)
PROJECT = ("project",)
# Those that erasing writes, of somebody with points, transfers either way and an order.
WRITES = (
    *("INSERT ON entry", "UPDATE ON member", "UPDATE ON customer", "INSERT ON event"),
    *("INSERT OR UPDATE ON tier_count", "DELETE ON alias", "UPDATE ON entry", "UPDATE ON event"),
    *("DELETE ON order_booking", "DELETE ON order_state"),
)


# A cluster knows no triggers on what it distributes.
pytestmark = pytest.mark.parametrize("server", ["plain"], indirect=True)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("step", STEPS[1:-1])
async def test_a_customer_at_each_step(club: Club, step: str, done: bool) -> None:
    """When a step is about to be noted: the note is still written, or is not."""
    await with_ann(club)
    when = f"BEFORE UPDATE ON erasure FOR EACH ROW WHEN (NEW.step = '{step}')"
    await killed_at(club, when, CUSTOMER, done=done)
    if not (step == CLEARED and done):
        await sweep(club, sweepers=2)
    await gone(club)


@pytest.mark.parametrize("write", WRITES)
async def test_a_customer_in_the_middle_of_a_step(club: Club, write: str) -> None:
    """At the first row that a step writes in a table."""
    await with_ann(club)
    await killed_at(club, f"BEFORE {write}", CUSTOMER, done=False)
    await sweep(club, sweepers=2)
    await gone(club)


@pytest.mark.parametrize("table", ["erased_name", "erasure", "member_audit"])
async def test_before_it_is_noted_nothing_has_happened(club: Club, table: str) -> None:
    """Nobody is refused as erased who is not, and whoever asks again erases them."""
    await with_ann(club)
    await killed_at(club, f"BEFORE INSERT ON {table}", CUSTOMER, done=False)
    await sweep(club)
    assert [await club.count(t) for t in ("erased_name", "erasure", "member_audit")] == [0, 0, 0]
    assert (await club.standing(ANN)).balance > 0
    async with erasing(club) as erasures:
        await erasures.erase(club.project, ANN)
    await gone(club)


PLACES = (
    "BEFORE UPDATE ON api_key",
    "BEFORE UPDATE ON endpoint",
    *(
        f"BEFORE UPDATE ON erasure FOR EACH ROW WHEN (NEW.step = '{step}')"
        for step in ("settled", "emptied", "counterparts", "ledger", CLEARED)
    ),
    "BEFORE DELETE ON erased_name",
)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("place", PLACES)
async def test_a_project_at_each_step(club: Club, place: str, done: bool) -> None:
    """While it is being shut, among its customers, and at its end: a sweep does what is left."""
    other = await with_people(club)
    add = club.catalog.add_endpoint
    await add(club.project.number, "ep_1", "{}", b"secret", 0, 0)
    await killed_at(club, place, PROJECT, done=done)
    await club.catalog.refresh()
    assert club.catalog.project(club.project.number).state == "erasing"
    await sweep(club, sweepers=2)
    assert await people(club.database, club.project) == 0
    await over(club, other)


async def test_a_project_before_it_is_noted(club: Club) -> None:
    """Nothing has happened, and it is as it was."""
    await with_people(club)
    await killed_at(club, "BEFORE UPDATE ON project", PROJECT, done=False)
    await sweep(club)
    assert club.catalog.project(club.project.number).state == "active"
    assert await people(club.database, club.project) == 4
    assert ANN in str(await traces(club))
