"""`/v1/orders`: told whole or in part, again and again and out of order; paid ones earn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.earning_world import balance, of_order, with_club, with_rule
from tests.vendors.voucherify_api.published import as_published, listed
from tests.vendors.voucherify_api.published_orders import PublishedOrder

Json = dict[str, Any]
# orders/create-order, the published request.
PUBLISHED: Json = {
    "source_id": "new",
    "status": "FULFILLED",
    "customer": {"source_id": "anna"},
    "items": [
        {
            "source_id": "prod_1",
            "related_object": "product",
            "quantity": 2,
            "price": 60000,
            "product": {"name": "Apple iPhone 12", "metadata": {"vendor": "mall"}},
        },
        {
            "source_id": "ComicBook_1",
            "related_object": "sku",
            "product_id": "prod_0b7d7dfb05cbe5c616",
            "quantity": 1,
            "amount": 1700,
            "sku": {"sku": "Comics1", "metadata": {"color": ["golden"]}, "price": 1700},
        },
    ],
    "metadata": {"payment_mean": ["paypal", "credit-card"]},
    "referrer": None,
    "initial_amount": None,
}


@pytest.fixture
async def club(shop: Shop) -> Shop:
    """Anna is a member of `Club`, which gives a point for each 1000 that are paid."""
    await with_club(shop)
    loyalty = of_order("ORDER_TOTAL_AMOUNT", "total_amount", every=1000, points=1)["loyalty"]
    await with_rule(shop, loyalty=loyalty)
    return shop


async def tell(shop: Shop, **fields: Any) -> Json:
    body = {"source_id": "o-1", "customer": {"source_id": "anna"}, "amount": 10_000}
    answer: Json = await shop.good("POST", "/v1/orders", {**body, **fields})
    return answer


async def test_the_published_order(club: Shop) -> None:
    """Printed as it was sent, with what is calculated; found by id and by source id."""
    answer = await club.good("POST", "/v1/orders", PUBLISHED)
    order = as_published(answer, PublishedOrder)

    assert (order.status, order.amount, order.total_amount) == ("FULFILLED", 121_700, 121_700)
    assert [item.subtotal_amount for item in order.items] == [120_000, 1700]
    assert answer["items"][1]["sku"] == PUBLISHED["items"][1]["sku"]
    assert order.metadata == PUBLISHED["metadata"]
    anna = await club.good("GET", "/v1/customers/anna")
    assert answer["customer"] == {"id": anna["id"], "object": "customer"}
    assert await balance(club) == 121
    for name in ("new", order.id):
        assert await club.good("GET", f"/v1/orders/{name}") == answer
    assert await club.good("POST", "/v1/orders", PUBLISHED) == answer
    again = await club.good("PUT", f"/v1/orders/{order.id}", answer | {"customer": None})
    assert again | {"updated_at": None} == answer
    assert await balance(club) == 121
    native = await club.good("GET", "/api/orders/new")
    assert (native["paid"], native["items"][1]["variant"]) == (121_700, "ComicBook_1")


async def test_an_order_earns_once_it_is_paid(club: Shop) -> None:
    order = await tell(club)
    assert (order["status"], order["updated_at"], await balance(club)) == ("CREATED", None, 0)
    paid = await club.good("PUT", f"/v1/orders/{order['id']}", {"status": "PAID"})
    assert (paid["status"], paid["amount"], await balance(club)) == ("PAID", 10_000, 10)
    assert paid["updated_at"] is not None
    again = await club.good("PUT", "/v1/orders/o-1", {"metadata": {"a": 1}, "customer": None})
    assert (again["status"], again["metadata"], await balance(club)) == ("PAID", {"a": 1}, 10)
    canceled = await club.good("PUT", "/v1/orders/o-1", {"status": "CANCELED"})
    assert (canceled["status"], await balance(club)) == ("CANCELED", 0)


async def test_out_of_order_the_status_only_goes_on(club: Shop) -> None:
    """And what was paid is what was paid, whatever comes late."""
    await tell(club, status="PAID")
    for late in ({"status": "CREATED"}, {"status": "PAID"}, {"status": None}):
        assert (await tell(club, **late))["status"] == "PAID"
    assert (await tell(club, status="FULFILLED"))["status"] == "FULFILLED"
    assert (await tell(club, status="PAID"))["status"] == "FULFILLED"
    assert await balance(club) == 10
    await tell(club, status="CANCELED")
    assert (await tell(club, status="PAID"))["status"] == "CANCELED"
    assert await balance(club) == 0


async def test_a_correction_of_the_amount_is_booked(club: Shop) -> None:
    """More is earned anew, less is taken back; discounts count."""
    await tell(club, status="PAID")
    assert (await tell(club, amount=20_000))["amount"] == 20_000
    assert await balance(club) == 20
    order = await tell(club, amount=20_000, discount_amount=5000)
    assert (order["total_discount_amount"], order["total_amount"]) == (5000, 15_000)
    assert await balance(club) == 15
    items = [{"product_id": "p", "amount": 4000, "discount_amount": 1000}]
    order = await tell(club, items=items, amount=None, discount_amount=0)
    sums = ("amount", "items_discount_amount", "total_amount")
    assert [order[key] for key in sums] == [4000, 1000, 3000]
    assert await balance(club) == 3


async def test_at_once_it_is_booked_once(club: Shop) -> None:
    answers = await asyncio.gather(*(tell(club, status="PAID") for _ in range(6)))
    assert {answer["status"] for answer in answers} == {"PAID"}
    assert await balance(club) == 10


async def test_an_order_may_be_of_nobody_s_program(shop: Shop) -> None:
    """It is kept, and earns once it is told again of a member."""
    order = await tell(shop, status="PAID", customer={"source_id": "bob", "name": "Bob"})
    assert (order["status"], order["source_id"]) == ("PAID", "o-1")
    assert (await shop.good("GET", "/api/orders/o-1"))["programs"] == []
    await shop.good("POST", "/v1/campaigns", {"name": "Club", "auto_join": False})
    await with_rule(shop)
    assert (await tell(shop, status="PAID", customer="bob"))["id"] == order["id"]
    assert await balance(shop, "bob") == 0
    await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "bob"})
    await tell(shop, status="PAID", customer="bob")
    assert await balance(shop, "bob") == 10
    await tell(shop, status="PAID", customer="bob")
    assert await balance(shop, "bob") == 10


async def test_an_order_enrols_where_the_program_lets_it(club: Shop) -> None:
    await tell(club, status="PAID", customer={"source_id": "bob"})
    assert await balance(club, "bob") == 10
    cards = (await club.good("GET", "/v1/loyalties/Club/members?customer=bob"))["vouchers"]
    assert len(cards[0]["code"]) == 8


async def test_an_order_without_a_name_gets_an_id(club: Shop) -> None:
    order = await tell(club, source_id=None, status="PAID")
    assert order["source_id"] is None
    changed = await club.good("PUT", f"/v1/orders/{order['id']}", {"status": "FULFILLED"})
    assert (changed["id"], changed["status"]) == (order["id"], "FULFILLED")
    again = await club.good("POST", "/v1/orders", {"id": order["id"], "status": "CANCELED"})
    assert (again["id"], await balance(club)) == (order["id"], 0)


async def test_an_order_that_moves_to_another_customer_moves_its_points(club: Shop) -> None:
    await tell(club, status="PAID")
    moved = await tell(club, customer={"source_id": "bob"})
    bob = await club.good("GET", "/v1/customers/bob")
    assert (moved["customer_id"], await balance(club)) == (bob["id"], 0)
    await club.good("POST", "/v1/loyalties/Club/members", {"customer": "bob"})
    await tell(club, customer={"source_id": "bob"})
    assert await balance(club, "bob") == 10


async def test_orders_are_listed_by_last_change(club: Shop) -> None:
    for i in range(12):
        await tell(club, source_id=f"o-{i}")
    everything = [f"o-{i}" for i in range(12)]
    page = await club.good("GET", "/v1/orders?limit=5&page=2&order=updated_at")
    assert [order.source_id for order in listed(page, PublishedOrder, "orders")] == everything[5:10]
    assert page["total"] == 12
    newest = (await club.good("GET", "/v1/orders"))["orders"]
    assert [order["source_id"] for order in newest] == everything[:1:-1]
    assert (await club.refused("GET", "/v1/orders?limit=100&page=1000"))[:2] == (
        400,
        "invalid_query_params",
    )


async def test_an_order_of_the_native_api_is_read_here(club: Shop) -> None:
    program = (await club.good("GET", "/v1/loyalties/Club"))["id"]
    body: Json = {"kind": "order", "order": "n-1", "customer": "anna", "total": 5000, "paid": 4000}
    body |= {"discounts": 1000, "items": [{"product": "mug", "name": "Mug", "amount": 5000}]}
    await club.good("POST", f"/api/programs/{program}/activities", body)
    order = as_published(await club.good("GET", "/v1/orders/n-1"), PublishedOrder)
    assert (order.status, order.amount, order.total_amount) == ("PAID", 5000, 4000)
    assert order.items[0].product == {"name": "Mug"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"status": "NEW"}, "status"),
        ({"amount": -1}, "amount"),
        ({"amount": "100"}, "amount"),
        ({"amount": 10**15}, "amount"),
        ({"source_id": ""}, "source_id"),
        ({"source_id": "x" * 141}, "source_id"),
        ({"items": [{"quantity": 1}]}, "items[0].product_id"),
        ({"items": [{"product_id": "p", "price": 1.5}]}, "items[0].price"),
        ({"items": [{"product_id": "p", "colour": "red"}]}, "items[0].colour"),
        ({"items": [{"product_id": "p"}] * 501}, "items"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": "2199-01-01T00:00:00Z"}, "created_at"),
        ({"metadata": {"a": "\u0000"}}, "metadata"),
        ({"customer": None}, "customer"),
        ({"customer": 5}, "customer"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_a_wrong_order_is_named_and_changes_nothing(
    shop: Shop, body: Json, path: str
) -> None:
    whole = {"source_id": "o-1", "amount": 100, "customer": {"source_id": "bob"}, **body}
    status, key, details = await shop.refused("POST", "/v1/orders", whole)
    assert (status, key) == (400, "invalid_payload")
    assert path in details
    assert (await shop.good("GET", "/v1/orders"))["total"] == 0
    assert (await shop.call("GET", "/v1/customers/bob")).status == 404


async def test_what_is_not_there_is_named(club: Shop) -> None:
    for method, path, body in (
        ("GET", "/v1/orders/none", None),
        ("PUT", "/v1/orders/ord_snone", {}),
        ("POST", "/v1/orders", {"id": "ord_none", "customer": "anna"}),
        ("POST", "/v1/orders", {"source_id": "x", "customer": "cust_1", "amount": 1}),
    ):
        status, key, _ = await club.refused(method, path, body)
        assert (status, key) == (404, "not_found"), path
    await tell(club)
    refused = await club.refused("PUT", "/v1/orders/o-1", {"source_id": "o-2"})
    assert refused[:2] == (400, "invalid_payload")
