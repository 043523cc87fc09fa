"""`…/qualifications`: what an order would earn, and nothing recorded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.earning_world import balance, of_order, with_club, with_rule

Json = dict[str, Any]
LONG_NAME: Json = {"items": [{"product_id": "x" * 201, "quantity": 1, "price": 1}]}
PATH = "/v1/loyalties/Club/qualifications"
ORDER: Json = {"amount": 51_000}


@pytest.fixture
async def club(shop: Shop) -> Shop:
    """A point for each 1000 that are paid; Anna is a member."""
    await with_club(shop)
    loyalty = of_order("ORDER_TOTAL_AMOUNT", "total_amount", every=1000, points=1)["loyalty"]
    await with_rule(shop, loyalty=loyalty)
    return shop


async def estimation(shop: Shop, order: Json, customer: str = "anna") -> int:
    body = {"customer": {"source_id": customer}, "order": order}
    points: int = (await shop.good("POST", PATH, body))["points_estimation"]
    return points


async def test_what_an_order_would_earn(club: Shop) -> None:
    """By its items, its discounts, or the name of an order that is known; of whomever it is."""
    assert await estimation(club, ORDER) == 51
    assert await estimation(club, ORDER | {"discount_amount": 1000}) == 50
    assert await estimation(club, {"items": [{"product_id": "p", "price": 5000}]}) == 5
    assert await estimation(club, ORDER, "somebody-new") == 51
    paid = {"source_id": "o-1", "amount": 7000, "status": "PAID", "customer": "anna"}
    order = await club.good("POST", "/v1/orders", paid)
    assert await balance(club) == 7
    assert await estimation(club, {"source_id": "o-1"}) == 7
    assert await estimation(club, {"id": order["id"]}) == 7
    assert await balance(club) == 7
    assert (await club.good("GET", "/v1/orders"))["total"] == 1
    assert (await club.call("GET", "/v1/customers/somebody-new")).status == 404


async def test_a_campaign_may_take_nobody_in_or_be_off(club: Shop) -> None:
    new = {"customer": {"source_id": "bob"}, "order": ORDER}
    await club.good("PUT", "/v1/campaigns/Club", {"auto_join": False})
    assert (await club.refused("POST", PATH, new))[:2] == (400, "campaign_not_allow_auto_join")
    assert await estimation(club, ORDER) == 51
    await club.good("POST", "/v1/campaigns/Club/disable")
    anna = new | {"customer": {"source_id": "anna"}}
    assert (await club.refused("POST", PATH, anna))[:2] == (400, "campaign_not_active")
    await club.good(
        "PUT", "/v1/campaigns/Club", {"active": True, "start_date": "2199-01-01T00:00:00Z"}
    )
    assert (await club.refused("POST", PATH, anna))[:2] == (400, "campaign_not_active")


async def test_nothing_is_redeemable(shop: Shop) -> None:
    body = {
        "customer": {"source_id": "anna"},
        "order": ORDER,
        "tracking_id": "t",
        "scenario": "ALL",
    }
    answer = await shop.good("POST", "/v1/qualifications", body)
    assert (answer["redeemables"]["data"], answer["tracking_id"]) == ([], "t")
    assert "tracking_id" not in await shop.good("POST", "/v1/qualifications", {})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"order": ORDER}, "customer"),
        ({"customer": {"source_id": "anna"}}, "order"),
        ({"customer": {"source_id": "anna"}, "order": {"amount": -1}}, "order.amount"),
        ({"customer": {"source_id": "anna"}, "order": ORDER, "more": 1}, "more"),
        ({"customer": {"source_id": "anna"}, "order": LONG_NAME}, "items[0].product"),
    ],
)
async def test_a_wrong_question_is_named(club: Shop, body: Json, path: str) -> None:
    status, key, details = await club.refused("POST", PATH, body)
    assert (status, key) == (400, "invalid_payload")
    assert path in details
    assert (await club.refused("POST", "/v1/loyalties/none/qualifications", body | {}))[0] in (
        400,
        404,
    )
