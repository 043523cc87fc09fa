"""What is wrong with an earning rule is named, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.earning_world import (
    FIXED,
    RULES,
    TIME,
    of_order,
    with_club,
    with_rule,
)

Json = dict[str, Any]


@pytest.fixture
async def club(shop: Shop) -> Shop:
    """A program `Club` with silver from 0 and gold from 100 points earned in a year; Anna is in."""
    return await with_club(shop)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"loyalty": FIXED}, "event"),
        ({"event": "order.paid"}, "loyalty"),
        ({"event": "order.paid", "loyalty": {"type": "OTHER"}}, "loyalty.type"),
        ({"event": "order.paid", "loyalty": {"type": "FIXED"}}, "loyalty.points"),
        ({"event": "order.paid", "loyalty": {"type": "FIXED", "points": -1}}, "loyalty.points"),
        ({"event": "order.paid", "loyalty": {"type": "FIXED", "points": "x"}}, "loyalty.points"),
        ({"event": "order.paid", "loyalty": {**FIXED, "more": 1}}, "loyalty.more"),
        ({"event": "order.paid", "loyalty": {"type": "PROPORTIONAL"}}, "calculation_type"),
        (
            {
                "event": "order.paid",
                "loyalty": {"type": "PROPORTIONAL", "calculation_type": "ORDER_TOTAL_AMOUNT"},
            },
            "loyalty.order.total_amount",
        ),
        (of_order("ORDER_AMOUNT", "amount", every=0, points=1), "every"),
        (of_order("ORDER_AMOUNT", "amount", every=1), "points"),
        (of_order("ORDER_METADATA", "metadata", every=1, points=1), "property"),
        ({**of_order("ORDER_AMOUNT", "amount", every=1, points=1), "event": "x"}, "order.paid"),
        ({"event": "order.paid", "loyalty": {**FIXED, "points_formula": "1 +"}}, "points_formula"),
        ({"event": "customer.segment.entered", "loyalty": FIXED}, "segment.id"),
        ({"event": "customer.loyalty.tier.lost", "loyalty": FIXED}, "event"),
        ({"event": "x", "loyalty": FIXED, "validation_rule_id": "val_1"}, "validation_rule_id"),
        ({"event": "x", "loyalty": FIXED, "start_date": "today"}, "start_date"),
        (
            {"event": "x", "loyalty": FIXED, "validity_timeframe": {"duration": "PT1H"}},
            "validity_timeframe",
        ),
        (
            {"event": "x", "loyalty": FIXED, "validity_timeframe": TIME["validity_timeframe"]},
            "start_date",
        ),
        ({"event": "x", "loyalty": FIXED, "validity_day_of_week": [7]}, "validity_day_of_week"),
        (
            {
                "event": "x",
                "loyalty": FIXED,
                "validity_hours": {"daily": [{"start_time": "25:00"}]},
            },
            "validity_hours",
        ),
        (
            {
                "event": "x",
                "loyalty": FIXED,
                "pending_points": {"period_type": "DAY", "period_value": 91},
            },
            "pending_points.period_value",
        ),
        ({"event": "x", "loyalty": FIXED, "unknown": 1}, "unknown"),
    ],
)
async def test_a_wrong_rule_is_named_and_none_is_made(club: Shop, rule: Json, path: str) -> None:
    good = {"event": "order.paid", "loyalty": FIXED}
    status, key, details = await club.refused("POST", RULES, [good, rule])
    assert (status, key) == (400, "invalid_payload"), details
    assert path in details
    assert (await club.good("GET", RULES))["total"] == 0


async def test_other_refusals(club: Shop) -> None:
    made = await with_rule(club)
    other = {
        "event": "customer.loyalty.tier.left",
        "loyalty_tier": {"id": "ltr_1"},
        "loyalty": FIXED,
    }
    status, key, details = await club.refused("POST", RULES, [other])
    assert (status, key, details) == (404, "not_found", "Cannot find loyalty_tier with id ltr_1")
    many: list[Json] = [{"event": "x", "loyalty": FIXED}] * 100
    for rules in ([], many):
        assert (await club.refused("POST", RULES, rules))[:2] == (400, "invalid_payload")
    wrong: list[Any] = [{}, None, "x", [1]]
    for body in wrong:
        assert (await club.refused("POST", RULES, body))[0] in (400, 415)
    change = {"event": "page_view"}
    assert (await club.refused("PUT", f"{RULES}/{made['id']}", change))[:2] == (
        400,
        "invalid_payload",
    )
    assert (await club.refused("GET", f"{RULES}?limit=101"))[:2] == (400, "invalid_query_params")
    assert (await club.refused("GET", "/v1/loyalties/none/earning-rules"))[0] == 404
