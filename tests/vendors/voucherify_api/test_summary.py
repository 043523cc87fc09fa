"""`/v1/campaigns/{campaign}/summary`: what became of a program's points."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.test_transactions import act

SUMMARY = "/v1/campaigns/Club/summary"


async def club(shop: Shop) -> None:
    """Two members with five points for joining, and ten for every order."""
    voucher = {"type": "LOYALTY_CARD", "loyalty_card": {"points": 5}}
    await shop.good("POST", "/v1/campaigns", {"name": "Club", "voucher": voucher})
    rule = {"event": "order.paid", "loyalty": {"type": "FIXED", "points": 10}}
    await shop.good("POST", "/v1/loyalties/Club/earning-rules", [rule])
    for name in ("ann", "bob"):
        await shop.good("POST", "/v1/loyalties/Club/members", {"customer": name})


async def summary(shop: Shop, query: str = "") -> dict[str, Any]:
    """What is not 0 of the answer."""
    answer = await shop.good("GET", SUMMARY + query)
    others = ("object", "campaign")
    return {key: value for key, value in answer.items() if value and key not in others}


async def test_points_are_added_up_by_what_became_of_them(sandbox_shop: Shop) -> None:
    shop = sandbox_shop
    await club(shop)
    order = {"source_id": "o", "status": "PAID", "amount": 900, "customer": "ann"}
    await shop.good("POST", "/v1/orders", order)
    await act(shop, customer="ann", kind="adjust", key="a", points=20)
    await act(shop, customer="ann", kind="adjust", key="b", points=-4)
    await act(shop, customer="ann", kind="redeem", key="c", points=6)
    await act(shop, customer="ann", kind="transfer", key="d", points=7, to="bob")
    waits = {"points": 30, "available_at": "2023-01-01T00:00:00Z"}
    await act(shop, customer="bob", kind="earn", key="e", **waits)

    assert await summary(shop) == {
        "created_vouchers_points": 10,
        "vouchers_created": 2,
        "publications": 2,
        "publications_succeeded": 2,
        "points_rewarded": 10,
        "points_added": 20,
        "points_subtracted": 4,
        "points_redeemed": 6,
        "points_transferred_in": 7,
        "points_transferred_out": 7,
        "pending_points_added": 30,
        "redemptions": 1,
        "redemptions_succeeded": 1,
        "orders_amount": 900,
    }


async def test_days_bound_what_is_added_up(sandbox_shop: Shop) -> None:
    """Both belong to it; the sandbox stands at 10 November."""
    await club(sandbox_shop)
    inside = await summary(sandbox_shop, "?start_date=2022-11-10&end_date=2022-11-10")

    assert inside["created_vouchers_points"] == 10
    assert await summary(sandbox_shop, "?start_date=2022-11-11") == {}
    assert await summary(sandbox_shop, "?end_date=2022-11-09") == {}


@pytest.mark.parametrize("query", ["start_date=soon", "end_date=2022-13-01", "page=1"])
async def test_a_wrong_query_is_named(shop: Shop, query: str) -> None:
    await club(shop)

    status, key, details = await shop.refused("GET", f"{SUMMARY}?{query}")
    assert (status, key) == (400, "invalid_query_params")
    assert query.partition("=")[0] in details
    assert (await shop.refused("GET", "/v1/campaigns/None/summary"))[:2] == (404, "not_found")
