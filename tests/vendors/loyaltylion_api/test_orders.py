"""`/v2/orders`: the whole state, told again and again and in any order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import CLUB, Shop

Json = dict[str, Any]
ORDER = {
    "customer_id": "ann",
    "customer_email": "ann@example.com",
    "merchant_id": 4001,
    "merchant_number": "#1001",
    "total": "250.00",
    "total_shipping": 10,
    "total_tax": "40",
    "discount_codes": [{"code": "X", "amount": "5.00"}],
    "payment_status": "paid",
    "something_else": {"of": "a shop's module"},
    "metadata": {"$magento_payload": {"x": 1}, "source": "web"},
}


@pytest.fixture
async def spend(shop: Shop) -> Shop:
    """Tiers by money: Silver from $100, Gold from $500; a point for each dollar."""
    settings = {
        **CLUB["settings"],
        "boundary_mode": "spend",
        "tiers": [
            {"id": 15, "name": "Bronze", "lower_bound": 0},
            {"id": 16, "name": "Silver", "lower_bound": 10_000},
            {"id": 17, "name": "Gold", "lower_bound": 50_000},
        ],
    }
    body = {**CLUB, "settings": settings, "points": {"orders": {"every": 100, "points": 1}}}
    await shop.good("PUT", "/api/programs/club", body)
    return shop


async def state(shop: Shop) -> tuple[int, str]:
    ann = await shop.customer("ann")
    return ann["points_approved"], ann["loyalty_tier_membership"]["loyalty_tier"]["name"]


async def test_an_order_is_told_and_shown(spend: Shop) -> None:
    for _ in range(2):
        answered = await spend.call("POST", "/v2/orders?site_id=1", ORDER)
        assert (answered.status, answered.json) == (201, "")
    order = (await spend.good("GET", "/v2/orders/4001"))["order"]

    assert await state(spend) == (250, "Silver")
    assert order == {
        "id": order["id"],
        "merchant_id": "4001",
        "merchant_number": "#1001",
        "total": "250.00",
        "total_tax": "40.00",
        "total_shipping": "10.00",
        "total_discounts": "5.00",
        "total_paid": "250.00",
        "total_refunded": "0.00",
        "payment_status": "paid",
        "fulfillment_status": "not_fulfilled",
        "refund_status": "not_refunded",
        "cancellation_status": "not_cancelled",
        "customer": order["customer"],
        "metadata": {"source": "web"},
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
    }
    assert order["customer"]["email"] == "ann@example.com"
    assert (await spend.good("GET", "/v2/orders"))["orders"] == [order]


async def test_refunds_and_payments_change_points_in_proportion(spend: Shop) -> None:
    await spend.good("POST", "/v2/orders", {**ORDER, "payment_status": "unpaid"})
    ann = await spend.customer("ann")
    assert (ann["points_approved"], ann["enrolled"]) == (0, False)
    for change, expected in (
        ({"payment_status": "partially_paid", "total_paid": "100.00"}, 100),
        ({"payment_status": "paid"}, 250),
        ({"refund_status": "partially_refunded", "total_refunded": "50.00"}, 200),
        ({"refund_status": "partially_refunded", "total_refunded": 50}, 200),
        ({"refund_status": "refunded"}, 0),
        ({"refund_status": "not_refunded", "total_refunded": "0.00"}, 0),
    ):
        await spend.good("PUT", "/v2/orders/4001", change)
        assert (await state(spend))[0] == expected, change


async def test_the_state_is_the_same_in_whatever_order_it_is_told(spend: Shop) -> None:
    """Of a paid, partly refunded and then cancelled order nothing is left, and of one that was not
    cancelled so much."""
    changes = (
        {"payment_status": "paid", "total_paid": "250.00"},
        {"refund_status": "partially_refunded", "total_refunded": "50.00", "total_paid": "250.00"},
        {"cancellation_status": "cancelled"},
    )
    for n, order in enumerate(itertools.permutations(changes)):
        name = f"p{n}"
        whole = {**ORDER, "merchant_id": name, "customer_id": name, "payment_status": "not_paid"}
        await spend.good("POST", "/v2/orders", whole)
        for change in (*order, order[0]):
            await spend.good("PUT", f"/v2/orders/{name}", change)
        assert (await spend.customer(name))["points_approved"] == 0
        shape = (await spend.good("GET", f"/v2/orders/{name}"))["order"]
        assert shape["cancellation_status"] == "cancelled"
        assert shape["total_refunded"] == "50.00"


async def test_the_older_calls_tell_one_change(spend: Shop) -> None:
    await spend.good("POST", "/v2/orders", {**ORDER, "payment_status": "not_paid"})
    await spend.good("POST", "/v2/orders/4001/payments", {"amount": 120})
    await spend.good("PUT", "/v2/orders/4001/paid")
    await spend.good("POST", "/v2/orders/4001/refunds", {"amount": "20.00"})
    assert await state(spend) == (230, "Silver")
    await spend.good("PUT", "/v2/orders/4001/refunded", {})
    assert (await state(spend))[0] == 0
    await spend.good("PUT", "/v2/orders/4001/cancelled")
    order = (await spend.good("GET", "/v2/orders/4001"))["order"]
    assert order["cancellation_status"] == "cancelled"


async def test_an_update_before_the_order_is_not_found(spend: Shop) -> None:
    for method, path in (("PUT", ""), ("PUT", "/paid"), ("GET", "")):
        body: Any = {} if method == "PUT" else None
        assert (await spend.refused(method, f"/v2/orders/4001{path}", body))[0] == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"total": "x"}, "total"),
        ({"total": -1}, "total"),
        ({"total": "1e400"}, "total"),
        ({"total": "1e3"}, "total"),
        ({"total": "1_000"}, "total"),
        ({"total": "+5"}, "total"),
        ({"total": "٣"}, "total"),
        ({"total": None}, "total"),
        ({"total_shipping": "NaN"}, "total_shipping"),
        ({"total_refunded": "300.00"}, "total_refunded"),
        ({"payment_status": "maybe"}, "payment_status"),
        ({"payment_status": "partially_paid"}, "total_paid"),
        ({"customer_id": " ann"}, "customer_id"),
        ({"merchant_id": ""}, "merchant_id"),
        ({"date": "2100-01-01T00:00:00Z"}, "date"),
        ({"metadata": {"a": {"b": "\u0000"}}}, "metadata.a.b"),
    ],
)
async def test_a_wrong_order_changes_nothing(spend: Shop, change: Json, field: str) -> None:
    status, error = await spend.refused("POST", "/v2/orders", {**ORDER, **change})

    assert (status, list(error["details"])) == (400, [field])
    assert (await spend.good("GET", "/v2/orders"))["orders"] == []
    assert (await spend.good("GET", "/v2/customers"))["customers"] == []


async def test_orders_are_walked_by_ids_and_by_their_last_change(spend: Shop) -> None:
    for n in range(7):
        order = {**ORDER, "merchant_id": f"o{n}", "customer_id": f"c{n}"}
        await spend.good("POST", "/v2/orders", order)
    names = [f"o{n}" for n in range(7)]

    assert await walked(spend, "") == names[::-1]
    assert await walked(spend, "&since_id=0") == names
    assert await walked(spend, "&since_id=5") == names[5:]
    assert await walked(spend, "&updated_at_min=2020-01-01T00:00:00Z") == names
    assert await walked(spend, "&created_at_max=2020-01-01T00:00:00Z") == []
    first = await spend.good("GET", "/v2/orders?limit=3")
    second = await spend.good("GET", f"/v2/orders?limit=3&cursor={first['cursor']['next']}")
    back = await spend.good("GET", f"/v2/orders?limit=3&cursor={second['cursor']['prev']}")
    assert back["orders"] == first["orders"]
    for query in ("since_id=1&updated_at_min=2020-01-01T00:00:00Z", "since_id=-1", "cursor=e30"):
        assert (await spend.refused("GET", f"/v2/orders?{query}"))[0] == 400
    reader = await spend.with_scopes("read_customers")
    assert (await spend.call("GET", "/v2/orders", headers=reader)).status == 403


async def walked(shop: Shop, query: str) -> list[str]:
    """The names of all orders, by the cursor in the body."""
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await shop.good("GET", f"/v2/orders?limit=3{query}&cursor={cursor}")
        names += [order["merchant_id"] for order in page["orders"]]
        cursor = page["cursor"]["next"]
    return names
