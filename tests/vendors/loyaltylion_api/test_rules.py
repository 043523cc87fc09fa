"""Rules in LoyaltyLion's words: what gives points, and a tier that is held by a condition."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import CLUB, Shop

Json = dict[str, Any]
ORDER = {
    "customer_id": "ann",
    "merchant_id": 1,
    "total": "100.00",
    "total_shipping": "8.00",
    "total_tax": "20.00",
    "total_discounts": "5.50",
    "payment_status": "paid",
}


async def with_rules(shop: Shop, *rules: Json, **settings: Any) -> None:
    body = {**CLUB, "settings": {**CLUB["settings"], **settings, "rules": rules}}
    await shop.good("PUT", "/api/programs/club", body)


async def points(shop: Shop, name: str = "ann") -> int:
    balance: int = (await shop.customer(name))["points_approved"]
    return balance


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"points": 1}, 100),
        ({"points": 5, "per_currency_unit": 2}, 250),
        ({"points": 1, "exclude": ["shipping"]}, 92),
        ({"points": 1, "exclude": ["shipping", "tax"]}, 72),
        ({"points": 2, "exclude": ["tax"], "include_discounts": True}, 170),
        ({"points": 2, "variants": [{"tier_id": 15, "points": 3}]}, 300),
        ({"points": 2, "variants": [{"tier_id": 15, "enabled": False}]}, 0),
    ],
)
async def test_a_purchase_by_rate_exclusions_and_tier(
    sandbox_shop: Shop, rule: Json, expected: int
) -> None:
    await with_rules(sandbox_shop, {"kind": "purchase", **rule})
    await sandbox_shop.good("POST", "/v2/orders", ORDER)
    assert await points(sandbox_shop) == expected
    half = {"refund_status": "partially_refunded", "total_refunded": "50.00"}
    await sandbox_shop.good("PUT", "/v2/orders/1", half)
    assert await points(sandbox_shop) == expected // 2


async def test_joining_birthdays_and_custom_activities(sandbox_shop: Shop) -> None:
    """Points wait for their approval period; a limit holds for its interval."""
    shop = sandbox_shop
    limit = {"count": 1, "interval": "month"}
    await with_rules(
        shop,
        {"kind": "join_program", "points": 50},
        {"kind": "birthday", "points": 100},
        {"kind": "custom", "name": "review", "points": 20, "limit": limit, "approval_days": 14},
    )
    await shop.good("POST", "/v2/activities", {"name": "$signup", "customer_id": "ann"})
    await shop.good("PATCH", "/v2/customers/ann", {"customer": {"birthday": "1990-03-20"}})
    for n in range(2):
        review = {"name": "review", "customer_id": "ann", "merchant_id": n}
        await shop.good("POST", "/v2/activities", review)
    ann = await shop.customer("ann")
    assert (ann["points_approved"], ann["points_pending"]) == (50, 20)
    await shop.good("POST", "/api/clock", {"advance_to": "2024-03-16T00:00:00Z"})
    assert await points(shop) == 70
    await shop.good("POST", "/api/clock", {"advance_to": "2024-03-21T00:00:00Z"})
    assert await points(shop) == 170


async def test_a_conditional_tier_is_held_while_its_condition_is(sandbox_shop: Shop) -> None:
    """As a subscription's: entered from the top as from below, and left for what is earned. No
    amount leads there."""
    shop = sandbox_shop
    tiers = [
        *CLUB["settings"]["tiers"],
        {"id": 18, "name": "Subscriber", "condition": "subscriber"},
    ]
    await with_rules(shop, tiers=tiers)
    await shop.good("PUT", "/api/programs/club/members/ann", {})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 600})
    path = "/api/programs/club/members/ann/attributes"
    for value, number in ((True, 18), (False, 17)):
        await shop.good("PUT", path, {"attributes": {"subscriber": value}})
        membership = (await shop.customer("ann"))["loyalty_tier_membership"]
        assert membership["loyalty_tier"]["id"] == number
    root = f"/headless/2025-06/{shop.keys['site_id']}"
    answer = await shop.good("GET", f"{root}/customers/ann?channel=web")
    progress = answer["customer"]["tier_membership"]["progress"]
    assert (progress["upgrade_tier_id"], progress["points_needed_for_upgrade"]) == (None, None)
    kinds = [t["kind"] for t in answer["configuration"]["tier_configuration"]["tiers"]]
    assert kinds == ["points", "points", "points", "conditional"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"rules": [{"kind": "referral", "points": 1}]}, "settings.rules[0].kind"),
        ({"rules": [{"kind": "custom", "points": 1}]}, "settings.rules[0].name"),
        ({"rules": [{"kind": "purchase", "points": 0}]}, "settings.rules[0].points"),
        (
            {"rules": [{"kind": "purchase", "points": 1, "variants": [{"tier_id": 99}]}]},
            "settings.rules[0].variants[0].tier_id",
        ),
        (
            {"rules": [{"kind": "join_program", "points": 1}] * 2},
            "settings.rules[1]",
        ),
        (
            {"tiers": [{"name": "A", "lower_bound": 0}, {"name": "B"}]},
            "settings.tiers[1].lower_bound",
        ),
        (
            {"tiers": [{"name": "A", "lower_bound": 0, "condition": "x"}]},
            "settings.tiers[0].lower_bound",
        ),
    ],
)
async def test_wrong_rules_are_named(shop: Shop, settings: Json, field: str) -> None:
    body = {**CLUB, "settings": {**CLUB["settings"], **settings}}
    answered = await shop.call("PUT", "/api/programs/club", body)
    assert answered.problem == (400, "invalid", field)
