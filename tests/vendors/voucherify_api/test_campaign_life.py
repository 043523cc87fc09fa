"""What a campaign says means something: its times, its points at joining, on and off, its end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.earning_world import balance, event, with_rule

Json = dict[str, Any]
CAMPAIGN: Json = {"name": "Club", "type": "AUTO_UPDATE", "campaign_type": "LOYALTY_PROGRAM"}


def with_points(points: int) -> Json:
    return {"voucher": {"type": "LOYALTY_CARD", "loyalty_card": {"points": points}}}


async def join(shop: Shop, customer: str = "anna") -> Json:
    body = {"customer": customer}
    card: Json = await shop.good("POST", "/v1/loyalties/Club/members", body)
    return card


async def test_a_card_s_points_are_credited_at_joining(shop: Shop) -> None:
    """Once; they reach a tier; a change of the campaign credits who joins from then on."""
    await shop.good("POST", "/v1/campaigns", CAMPAIGN | with_points(110))
    await shop.good("POST", "/v1/loyalties/Club/tiers", [{"name": "Gold", "points": {"from": 100}}])
    card = await join(shop)
    assert (card["loyalty_card"]["points"], card["loyalty_card"]["balance"]) == (110, 110)
    assert (await join(shop))["loyalty_card"]["balance"] == 110
    tiers = await shop.good("GET", f"/v1/loyalties/members/{card['id']}/tiers")
    assert [tier["name"] for tier in tiers["data"]] == ["Gold"]
    await shop.good("PUT", "/v1/campaigns/Club", with_points(0))
    assert (await join(shop, "bob"))["loyalty_card"]["balance"] == 0


@pytest.mark.parametrize(
    ("times", "earns"),
    [
        ({}, True),
        ({"start_date": "2022-11-10T09:00:00Z", "expiration_date": "2022-11-10T09:00:01Z"}, True),
        ({"start_date": "2022-11-10T09:00:01Z"}, False),
        ({"expiration_date": "2022-11-10T09:00:00Z"}, False),
        ({"active": False}, False),
        ({"validity_day_of_week": [0, 6]}, False),
        ({"validity_day_of_week": [4]}, True),
        ({"validity_hours": {"daily": [{"start_time": "11:00"}]}}, False),
    ],
)
async def test_outside_its_times_nothing_is_earned(
    sandbox_shop: Shop, times: Json, earns: bool
) -> None:
    """Neither by a rule nor at joining; a rule's own days are instead of the campaign's, and its
    dates inside of them. Points by hand are added all the same."""
    shop = sandbox_shop  # a Thursday, 10:00 in Warsaw
    await shop.good("POST", "/v1/campaigns", CAMPAIGN | with_points(5) | times)
    await with_rule(shop, event="page_view")
    card = await join(shop)
    await event(shop)
    assert await balance(shop) == (15 if earns else 0)
    added = f"/v1/loyalties/members/{card['id']}/balance"
    assert (await shop.good("POST", added, {"points": 1}))["balance"] == 1 + (15 if earns else 0)


async def test_a_campaign_is_switched_off_and_on(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", CAMPAIGN)
    await with_rule(shop, event="page_view")
    await join(shop)
    for action, active, points in (
        *(("disable", False, 0), ("disable", False, 0)),
        *(("enable", True, 10), ("enable", True, 20)),
    ):
        assert await shop.good("POST", f"/v1/campaigns/Club/{action}") == {}
        assert (await shop.good("GET", "/v1/campaigns/Club"))["active"] is active
        await event(shop)
        assert await balance(shop) == points
    assert (await shop.refused("POST", "/v1/campaigns/none/enable"))[:2] == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/campaigns", "/v1/loyalties"])
async def test_a_deleted_campaign_is_gone(shop: Shop, path: str) -> None:
    """Its name is free again, its members are none of the new one, and it takes nothing new."""
    first = await shop.good("POST", "/v1/campaigns", CAMPAIGN | with_points(5))
    card = await join(shop)
    answered = await shop.call("DELETE", f"{path}/Club?force=true")
    assert (answered.status, answered.json["async_action_id"][:3]) == (202, "aa_")
    for gone in (f"{path}/Club", f"{path}/{first['id']}", f"/v1/loyalties/members/{card['id']}"):
        assert (await shop.refused("GET", gone))[:2] == (404, "not_found")
    assert (await shop.refused("DELETE", f"{path}/Club"))[0] == 404
    assert (await shop.good("GET", path))["total"] == 0
    anna = await shop.good("GET", "/v1/customers/anna")
    assert anna["loyalty"] == {"points": 0, "referred_customers": 0, "campaigns": {}}
    await event(shop)

    second = await shop.good("POST", "/v1/campaigns", CAMPAIGN)
    assert second["id"] != first["id"]
    assert (await join(shop))["loyalty_card"]["balance"] == 0
    native = await shop.good("GET", f"/api/programs/{first['id']}/members/anna")
    assert native["points"]["balance"] == 5


async def test_two_changes_of_a_campaign_lose_nothing(shop: Shop) -> None:
    """Rules and mappings stay through every other change of a campaign."""
    await shop.good("POST", "/v1/campaigns", CAMPAIGN)
    (tier,) = await shop.good(
        "POST", "/v1/loyalties/Club/tiers", [{"name": "All", "points": {"from": 0}}]
    )
    rule = await with_rule(shop, event="page_view")
    mapping = {rule["id"]: {"type": "MULTIPLY", "multiplier": 3}}
    await shop.good("PUT", f"/v1/loyalties/Club/tiers/{tier['id']}", {"earning_rules": mapping})
    for change in (
        {"name": "Club"},
        {"description": "x"},
        {"metadata": {"a": 1}},
        {"active": True},
    ):
        campaign = await shop.good("PUT", "/v1/campaigns/Club", change)
        assert "earning_rules" not in campaign
    after = await shop.good("GET", f"/v1/loyalties/Club/tiers/{tier['id']}")
    assert after["earning_rules"] == mapping
    await join(shop)
    await event(shop)
    assert await balance(shop) == 30
