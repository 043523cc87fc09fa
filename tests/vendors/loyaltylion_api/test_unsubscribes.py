"""`/v2/loyalty_emails/unsubscribes`: a list of addresses that others send by."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import Shop, error_of
from tests.vendors.loyaltylion_api.test_customers import with_people

UNSUBSCRIBES = "/v2/loyalty_emails/unsubscribes"


async def add(shop: Shop, email: str) -> int:
    answered = await shop.call("POST", UNSUBSCRIBES, {"email": email})
    return answered.status


async def test_an_address_is_noted_once(club: Shop) -> None:
    """In whichever case; listed by pages with the shop's id."""
    await with_people(club, 4)
    assert [await add(club, f"c0{n}@example.com") for n in (2, 0, 1)] == [201, 201, 201]
    assert [await add(club, email) for email in ("c00@example.com", "C00@EXAMPLE.COM")] == [
        200,
        200,
    ]
    every = await club.good("GET", UNSUBSCRIBES)

    assert every == [{"email": f"c0{n}@example.com", "id": f"c0{n}"} for n in range(3)]
    pages = [await club.good("GET", f"{UNSUBSCRIBES}?limit=2&page={n}") for n in (1, 2, 3)]
    assert pages == [every[:2], every[2:], []]


async def test_it_follows_its_customer(club: Shop) -> None:
    """Another address leaves it, an erasure takes it away; it is no name to find somebody by."""
    await with_people(club, 2)
    for n in (0, 1):
        await add(club, f"c0{n}@example.com")
    await club.good("PUT", "/api/customers/c00", {"email": "new@example.com", "source_id": "ann"})
    assert (await club.good("GET", UNSUBSCRIBES))[0] == {"email": "c00@example.com", "id": "ann"}
    assert (await club.call("GET", "/api/customers/c01@example.com")).status == 404
    data = (await club.good("GET", "/api/customers/c01/data"))["names"]
    assert "c01@example.com" in str(data)
    await club.call("POST", "/api/customers/c01/erase", {})
    while len(await club.good("GET", UNSUBSCRIBES)) > 1:
        pass  # an erasure goes on after its answer


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "nobody@example.com"}, 422),
        ({"email": "c0@example.co"}, 422),
        ({"email": "not a mail"}, 400),
        ({"email": "@x"}, 400),
        ({"email": 7}, 400),
        ({"email": "a@b\x00"}, 400),
        ({}, 400),
        ({"email": "c00@example.com", "x": 1}, 400),
    ],
)
async def test_a_wrong_address_is_not_noted(club: Shop, body: Any, status: int) -> None:
    await with_people(club, 1)
    assert (await club.refused("POST", UNSUBSCRIBES, body))[0] == status
    assert await club.good("GET", UNSUBSCRIBES) == []


async def test_scopes_and_pages(club: Shop) -> None:
    reader = await club.with_scopes("read_unsubscribes")
    other = await club.with_scopes("write_customers", "read_orders")
    writer = await club.with_scopes("write_unsubscribes")
    body = {"email": "nobody@example.com"}
    for method, sent, headers, status in (
        ("GET", None, reader, 200),
        ("GET", None, writer, 200),
        ("GET", None, other, 403),
        ("POST", body, reader, 403),
        ("POST", body, writer, 422),
    ):
        answered = await club.call(method, UNSUBSCRIBES, sent, headers=headers)
        assert answered.status == status
    for query in ("limit=0", "limit=501", "page=0", "page=1001", "page=101&limit=500", "cursor=x"):
        answered = await club.call("GET", f"{UNSUBSCRIBES}?{query}")
        assert error_of(answered)[0] == 400, query
