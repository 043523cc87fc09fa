"""Whom a name means: the same everywhere, whoever asks, and however many ask at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.conftest import CLUB, Api
from tierline.clock import wall
from tierline.store.catalog.projects import NewProject

ACTIVITIES = "/api/programs/club/activities"
NAMES: dict[str, Any] = {"id": "ext-1", "number": 6932, "names": {"card": ["CARD 7", "\u00e9/8"]}}
HOLDERS = {"anna": "anna", "ext-1": "ext-1", "CARD%207": "CARD 7", "%C3%A9%2F8": "\u00e9/8"}


async def count(api: Api, table: str) -> int:
    pool = api.installation.database.pool
    return int(await pool.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


async def id_of(api: Api, name: str) -> str:
    """The id that we made: of somebody without an imported one."""
    return str((await api.get(f"/api/customers/{name}")).json["id"])


@pytest.fixture
async def anna(club: Api) -> Api:
    """The club with anna, who has names of every kind, and bob, who has one and 100 points."""
    assert (await club.put("/api/customers/anna", NAMES)).status == 201
    assert (await club.earn("bob", 100)).status == 200
    return club


@pytest.mark.parametrize("name", HOLDERS)
async def test_every_name_finds_its_customer_everywhere(anna: Api, name: str) -> None:
    """To read, to write, to be recorded for, to get points, and to be tried out."""
    text = HOLDERS[name]
    member = f"/api/programs/club/members/{name}"
    earn = {"kind": "earn", "customer": text, "points": 60}
    transfer = {"kind": "transfer", "customer": "bob", "to": text, "points": 10}
    put = await anna.put(f"/api/customers/{name}", {"email": "a@example.com"})
    answers = [
        await anna.put(member, {}),
        await anna.post(ACTIVITIES, earn),
        await anna.post(ACTIVITIES, transfer),
        await anna.put(f"{member}/attributes", {"attributes": {"vip": True}}),
        await anna.put(f"{member}/override", {"kind": "floor", "tier": "gold"}),
        await anna.call("DELETE", f"{member}/override"),
        await anna.post("/api/programs/club/dry-run", earn),
        await anna.get(member),
        await anna.get(f"{member}/explain"),
        await anna.get(f"/api/customers/{name}"),
        await anna.call("DELETE", member),
    ]

    assert put.status == 200
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert answers[7].json["customer"] == "anna"
    assert answers[7].json["points"]["balance"] == 70
    assert await count(anna, "customer") == 2


async def test_an_id_that_we_made_is_a_name(anna: Api) -> None:
    """Also where it is written by: it makes nobody, in this project or in another."""
    bob = await id_of(anna, "bob")
    earned = await anna.earn(bob, 5)
    put = await anna.put(f"/api/customers/{bob}", {"name": "Bob"})
    transfer = {"kind": "transfer", "customer": bob, "to": "anna", "points": 100}
    sent = await anna.post(ACTIVITIES, transfer)
    nobody = "cust_00000000fffff0"
    unknown = [
        await anna.earn(nobody, 5),
        await anna.put(f"/api/customers/{nobody}", {}),
        await anna.put(f"/api/programs/club/members/{nobody}", {}),
        await anna.get(f"/api/customers/{nobody}"),
    ]
    catalog = anna.installation.catalog
    project = await catalog.add_project(NewProject("Other"), wall())
    key = (await catalog.add_key(project.number, "native", (), "", wall()))["key"]
    assert (await anna.put("/api/programs/club", CLUB, key=key)).status == 201
    earn = {"kind": "earn", "customer": bob, "points": 5}
    elsewhere = [
        await anna.post(ACTIVITIES, earn, key=key),
        await anna.put(f"/api/customers/{bob}", {}, key=key),
        await anna.get(f"/api/customers/{bob}", key=key),
    ]

    assert (earned.json["balance"], put.status, sent.json["balance"]) == (105, 200, 5)
    assert [answer.problem[:2] for answer in unknown + elsewhere] == [(404, "not_found")] * 7
    assert await count(anna, "customer") == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"names": {"card": "anna"}}, "names.card"),
        ({"names": {"card": "ext-1"}}, "names.card"),
        ({"names": {"merchant": "CARD 7"}}, "names.merchant"),
        ({"source_id": "CARD 7"}, "source_id"),
        ({"id": "anna"}, "id"),
        ({"number": 6932}, "number"),
    ],
)
async def test_a_name_has_one_holder(anna: Api, body: dict[str, Any], field: str) -> None:
    """Of whatever kind it is; a number is no name."""
    refused = await anna.put("/api/customers/carl", body)
    number = await anna.put("/api/customers/6932", {})

    assert refused.problem == (409, "conflict", field)
    assert number.status == 201
    assert (await anna.get("/api/customers/carl")).status == 404


async def test_the_id_of_another_customer_is_no_free_name(anna: Api) -> None:
    """Also one that no name in the database tells of."""
    bob = await id_of(anna, "bob")
    for body in ({"names": {"card": bob}}, {"id": bob}, {"source_id": bob}):
        refused = await anna.put("/api/customers/carl", body)
        assert refused.problem[:2] == (409, "conflict")


@pytest.mark.parametrize("dots", [".", ".."])
async def test_dots_are_no_names(anna: Api, dots: str) -> None:
    """A path with them means another one."""
    inside = dots.replace(".", "%2E")
    transfer = {"kind": "transfer", "customer": "bob", "to": dots, "points": 1}
    answers = [
        await anna.put(f"/api/customers/{inside}", {}),
        await anna.earn(dots, 1),
        await anna.post(ACTIVITIES, transfer),
        await anna.put("/api/customers/carl", {"names": {"card": dots}}),
        await anna.put("/api/customers/carl", {"source_id": dots}),
        await anna.put(f"/api/programs/{inside}", CLUB),
    ]

    assert [answer.problem[:2] for answer in answers] == [(400, "invalid")] * 6


async def test_names_are_compared_byte_by_byte(club: Api) -> None:
    """Case and the ways in which Unicode writes a letter are part of a name; mails are kept as
    they are sent."""
    names = ("Anna", "anna", "Zo\u00eb", "Zoe\u0308", "stra\u00dfe", "strasse")
    for name in names:
        assert (await club.earn(name, 1)).json["balance"] == 1
    answered = await club.put("/api/customers/anna", {"email": "Anna@Example.COM"})

    assert answered.json["email"] == "Anna@Example.COM"
    assert await count(club, "customer") == len(names)


@pytest.mark.parametrize(
    "body",
    [NAMES, {"id": "ext-1"}, {"number": 6932}, {"names": {"merchant": "m", "card": "c"}}, {}],
)
async def test_equal_requests_at_once_make_one_customer(club: Api, body: dict[str, Any]) -> None:
    """One of them is the maker; the others find what they ask for."""
    answers = await asyncio.gather(*(club.put("/api/customers/anna", body) for _ in range(20)))

    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert await count(club, "customer") == 1
    again = await club.put("/api/customers/anna", body)
    assert again.status == 200


async def test_null_empties(anna: Api) -> None:
    """Metadata, presentations and further names: all of them, or one format, one kind."""
    full = {
        "metadata": {"a": None, "b": 1},
        "presentations": {"voucherify": {"phone": "1"}, "loyaltylion": {"x": 1}},
        "names": {"merchant": "m-1"},
    }
    assert (await anna.put("/api/customers/anna", full)).json["metadata"] == {"a": None, "b": 1}
    part = {"presentations": {"voucherify": None}, "names": {"card": None}}
    one = await anna.put("/api/customers/anna", part)
    cards = await anna.get("/api/customers/CARD%207")
    empty = {"metadata": None, "presentations": None, "names": None, "name": None, "email": None}
    rest = await anna.put("/api/customers/anna", empty)
    merchants = await anna.get("/api/customers/m-1")

    assert (one.status, one.json["presentations"]) == (200, {"loyaltylion": {"x": 1}})
    assert (rest.status, rest.json["metadata"], rest.json["presentations"]) == (200, {}, {})
    assert [answer.status for answer in (cards, merchants)] == [404, 404]
    assert (await anna.get("/api/customers/ext-1")).status == 200
    freed = await anna.put("/api/customers/carl", {"names": {"card": "CARD 7"}})
    assert freed.status == 201
