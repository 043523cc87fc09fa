"""`/v2/customers`: lists that miss nobody, searches, and what a shop changes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import Shop

Json = dict[str, Any]
CUSTOMERS = "/v2/customers"


async def with_people(shop: Shop, count: int) -> None:
    puts = (
        shop.good("PUT", f"/api/customers/c{n:02}", {"email": f"c{n:02}@Example.com"})
        for n in range(count)
    )
    await asyncio.gather(*puts)


async def walk(shop: Shop, path: str) -> list[list[Json]]:
    """All pages, by the cursor in the body."""
    pages, cursor = [], ""
    while True:
        answer = await shop.good("GET", f"{path}{cursor}")
        pages.append(answer["customers"])
        if answer["cursor"]["next"] is None:
            return pages
        cursor = f"&cursor={answer['cursor']['next']}"


async def walk_links(shop: Shop, path: str) -> list[Json]:
    """All items, by the header `Link`, as clients do that know no other way."""
    items: list[Json] = []
    while True:
        answered = await shop.call("GET", path)
        assert answered.status == 200, answered.body
        items += answered.json["customers"]
        link = re.search(r'<([^>]+)>; rel="next"', answered.headers.get("link", ""))
        if link is None:
            return items
        path = link[1]


async def test_everybody_is_listed_newest_first_guests_among_them(club: Shop) -> None:
    await with_people(club, 5)
    await club.good("PUT", "/api/programs/club/members/c01", {})
    pages = await walk(club, f"{CUSTOMERS}?limit=2")
    ids = [customer["id"] for page in pages for customer in page]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 5
    enrolled = {c["merchant_id"]: c["enrolled"] for page in pages for c in page}
    assert enrolled == {f"c{n:02}": n == 1 for n in range(5)}
    by_link = await walk_links(club, f"{CUSTOMERS}?limit=2")
    assert [customer["id"] for customer in by_link] == ids


async def test_a_cursor_goes_back_and_holds_its_filters(club: Shop) -> None:
    await with_people(club, 5)
    first = await club.good("GET", f"{CUSTOMERS}?limit=2&email=@EXAMPLE")
    second = await club.good("GET", f"{CUSTOMERS}?limit=2&cursor={first['cursor']['next']}")
    back = await club.good("GET", f"{CUSTOMERS}?limit=2&cursor={second['cursor']['prev']}")
    ignored = f"{CUSTOMERS}?limit=2&email=nobody&cursor={first['cursor']['next']}"

    assert first["cursor"]["prev"] is None
    assert back["customers"] == first["customers"]
    assert back["cursor"]["prev"] is None
    assert (await club.good("GET", ignored))["customers"] == second["customers"]
    text = first["cursor"]["next"]
    decoded = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert decoded["query"] == {"email": "@EXAMPLE"}


async def test_since_id_misses_nobody_while_others_write(club: Shop) -> None:
    """As the vendor's clients walk: from the last id that they saw, until a page is not full. Who
    comes meanwhile, by whichever way, is met at last, and nobody is met twice."""
    met: list[int] = []
    since, made = 0, 0
    for _ in range(12):
        new = [f"n{made + n:03}" for n in range(7)]
        made += len(new)
        activity = {"kind": "earn", "points": 1}
        await asyncio.gather(
            *(club.good("PUT", f"/api/customers/{name}", {}) for name in new[:3]),
            *(
                club.good("POST", "/api/programs/club/activities", {**activity, "customer": name})
                for name in new[3:]
            ),
            walk(club, f"{CUSTOMERS}?limit=3&since_id={since}"),
        )
        page = (await club.good("GET", f"{CUSTOMERS}?limit=5&since_id={since}"))["customers"]
        met += [customer["id"] for customer in page]
        since = met[-1]
    while rest := (await club.good("GET", f"{CUSTOMERS}?limit=5&since_id={since}"))["customers"]:
        met += [customer["id"] for customer in rest]
        since = met[-1]

    assert len(met) == made
    assert met == sorted(set(met))


async def test_a_window_of_updated_at_holds_what_changed_in_it(club: Shop) -> None:
    await with_people(club, 3)
    before = (await club.customer("c02"))["updated_at"]
    assert len((await walk(club, f"{CUSTOMERS}?sort_field=updated_at"))[0]) == 3
    changed = await club.good("PATCH", f"{CUSTOMERS}/c01", {"customer": {"blocked": True}})
    page = await club.good("GET", f"{CUSTOMERS}?updated_at_min={before}&limit=1")

    assert page["customers"] == [changed["customer"]]
    none = await club.good("GET", f"{CUSTOMERS}?updated_at_max=2020-01-01T00:00:00Z")
    assert none["customers"] == []
    ascending = await walk(club, f"{CUSTOMERS}?sort_field=updated_at&sort_direction=asc&limit=1")
    assert [page[0]["merchant_id"] for page in ascending if page][-1] == "c01"
    made = await club.good("GET", f"{CUSTOMERS}?created_at_max=2020-01-01T00:00:00Z")
    assert made["customers"] == []
    assert (
        len(
            (await club.good("GET", f"{CUSTOMERS}?created_at_min={before[:10]}T00:00:00Z"))[
                "customers"
            ]
        )
        == 3
    )


async def test_an_email_is_searched_by_a_part(club: Shop) -> None:
    await with_people(club, 3)
    page = await club.good("GET", f"{CUSTOMERS}?email=C01@example")

    assert [customer["merchant_id"] for customer in page["customers"]] == ["c01"]
    assert (await club.good("GET", f"{CUSTOMERS}?email=c01%25"))["customers"] == []


async def test_a_customer_is_changed_and_found_by_every_spelling(club: Shop) -> None:
    await club.good("PUT", "/api/customers/1001", {"name": "Ann", "metadata": {"a": 1}})
    change = {
        "birthday": "1990-01-29",
        "blocked": True,
        "metadata": {"b": 2},
        "properties": {"vip": 1},
    }
    answer = await club.good("PATCH", f"{CUSTOMERS}/1001", {"customer": change})
    customer = answer["customer"]

    assert (customer["birthday"], customer["blocked"]) == ("1990-01-29", True)
    assert (customer["metadata"], customer["properties"]) == ({"a": 1, "b": 2}, {"vip": 1})
    native = (await club.good("GET", "/api/customers/1001"))["birthdate"]
    assert native == "1990-01-29"
    twice = "gid%253A%252F%252Fshopify%252FCustomer%252F1001"
    assert await club.customer(twice) == customer
    emptied = await club.good("PUT", f"{CUSTOMERS}/1001", {"customer": {"birthday": None}})
    assert emptied["customer"]["birthday"] is None
    assert emptied["customer"]["blocked"] is True


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("since_id=-1", "since_id"),
        ("since_id=9007199254740993", "since_id"),
        ("cursor=abc", "cursor"),
        ("cursor=e30", "cursor"),
        ("cursor=eyJxdWVyeSI6e30sInBsYWNlIjpbOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTksMV19", "cursor"),
        ("cursor=eyJxdWVyeSI6e30sInBsYWNlIjpbXX0", "cursor"),
        ("cursor=eyJxdWVyeSI6e30sInBsYWNlIjpbIngiLDFdfQ", "cursor"),
        ("sort_field=name", "sort_field"),
        ("created_at_min=yesterday", "created_at_min"),
        ("updated_at_min=2024-01-01", "updated_at_min"),
        ("since_id=1&sort_field=updated_at", "sort_field"),
        ("colour=red", "colour"),
        ("email=%00", "email"),
        ("page=2", "page"),
    ],
)
async def test_a_wrong_query_is_named(club: Shop, query: str, field: str) -> None:
    status, error = await club.refused("GET", f"{CUSTOMERS}?{query}")

    assert status == 400
    assert list(error["details"]) == [field]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"customer": {"birthday": "1990-13-01"}}, 400, "customer.birthday"),
        ({"customer": {"birthday": 7}}, 400, "customer.birthday"),
        ({"customer": {"blocked": "yes"}}, 400, "customer.blocked"),
        ({"customer": {"points": 7}}, 400, "customer.points"),
        ({"customer": None}, 400, "customer"),
        ({}, 400, "customer"),
        (b"{", 400, None),
        (b'{"customer": {}, "customer": {}}', 400, "customer"),
    ],
)
async def test_a_wrong_change_changes_nothing(
    club: Shop, body: Any, status: int, field: str | None
) -> None:
    await club.good("PUT", "/api/customers/ann", {})
    before = await club.customer("ann")
    got, error = await club.refused("PATCH", f"{CUSTOMERS}/ann", body)

    assert got == status
    assert list(error.get("details", {})) == ([] if field is None else [field])
    assert await club.customer("ann") == before
    assert (await club.refused("PATCH", f"{CUSTOMERS}/nobody", {"customer": {}}))[0] == 404
