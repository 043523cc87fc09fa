"""`/v1/campaigns`, `/v1/loyalties` and their tiers: programs in the vendor's words."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import (
    PublishedCampaign,
    PublishedTier,
    as_published,
    listed,
)
from tests.web.conftest import CLUB

Json = dict[str, Any]
# loyalties/create-loyalty-campaign, the published request.
PUBLISHED: Json = {
    "name": "Loyalty Program 4",
    "description": "This is a campaign description.",
    "auto_join": True,
    "join_once": True,
    "use_voucher_metadata_schema": True,
    "start_date": "2016-10-26T00:00:00Z",
    "expiration_date": "2024-10-26T00:00:00Z",
    "validity_timeframe": {"duration": "PT1H", "interval": "P1D"},
    "validity_day_of_week": [0, 1, 2, 3, 4, 5],
    "activity_duration_after_publishing": "P24D",
    "category_id": "cat_0b6152ce12414820dc",
    "vouchers_count": 2,
    "voucher": {
        "type": "LOYALTY_CARD",
        "loyalty_card": {
            "points": 0,
            "expiration_rules": {
                "period_type": "MONTH",
                "period_value": 3,
                "rounding_type": "END_OF_QUARTER",
            },
        },
        "redemption": {"quantity": 2},
        "code_config": {"pattern": "L-CARD-#######"},
    },
    "metadata": {"test": True},
    "type": "STATIC",
    "loyalty_tiers_expiration": {
        "qualification_type": "BALANCE",
        "start_date": {"type": "IMMEDIATE"},
        "expiration_date": {
            "type": "CUSTOM",
            "extend": "P3M",
            "rounding": {"type": "MONTH", "strategy": "END"},
        },
    },
}
SILVER: Json = {"name": "Silver", "points": {"from": 0, "to": 99}}
GOLD: Json = {"name": "Gold", "points": {"from": 100}}


@pytest.mark.parametrize("path", ["/v1/campaigns", "/v1/loyalties"])
async def test_the_published_campaign(shop: Shop, path: str) -> None:
    answer = await shop.good("POST", path, PUBLISHED)
    campaign = as_published(answer, PublishedCampaign)

    assert campaign.voucher.code_config.length == 7
    assert campaign.start_date == "2016-10-26T00:00:00.000Z"
    assert campaign.creation_status == "DONE"
    rules = PUBLISHED["loyalty_tiers_expiration"]
    assert campaign.loyalty_tiers_expiration == rules
    for name in (campaign.id, "Loyalty%20Program%204"):
        assert await shop.good("GET", f"/v1/campaigns/{name}") == answer
        assert await shop.good("GET", f"/v1/loyalties/{name}") == answer
    (item,) = listed(await shop.good("GET", path), PublishedCampaign, "campaigns")
    assert msgspec.structs.replace(campaign, validation_rules_assignments=UNSET) == item
    program = await shop.good("GET", f"/api/programs/{campaign.id}")
    assert program["policy"]["term"]["type"] == "duration"


async def test_a_sparse_campaign(shop: Shop) -> None:
    """As the Python SDK sends it: null for whatever was not given."""
    body = {**dict.fromkeys(PUBLISHED), "name": "Club", "referral_program": None}
    campaign = as_published(await shop.good("POST", "/v1/campaigns", body), PublishedCampaign)

    assert campaign.voucher.code_config.pattern == "########"
    assert (campaign.auto_join, campaign.loyalty_tiers_expiration) == (True, UNSET)


async def test_names_are_unique(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    status, key, details = await shop.refused("POST", "/v1/loyalties", {"name": "Club"})

    assert (status, key) == (409, "duplicate_found")
    assert "Club" in details
    await shop.good("POST", "/v1/campaigns", {"name": "Other"})
    answer = await shop.refused("PUT", "/v1/campaigns/Other", {"name": "Club"})
    assert answer[:2] == (409, "duplicate_found")


async def test_of_two_requests_at_once_one_makes_the_campaign(shop: Shop) -> None:
    bodies = [{"name": "Club", "description": f"by {n}"} for n in range(4)]
    answers = await asyncio.gather(*(shop.call("POST", "/v1/campaigns", b) for b in bodies))

    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    (made,) = [answer.json for answer in answers if answer.status == 200]
    campaign = await shop.good("GET", "/v1/campaigns/Club")
    assert campaign["description"] == made["description"]
    assert (await shop.good("GET", f"/api/programs/{made['id']}"))["version"] == 1


async def test_no_change_is_lost_to_another_of_the_same_moment(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    changes = [{"metadata": {f"k{n}": n}} for n in range(4)]
    put = [shop.call("PUT", "/v1/campaigns/Club", change) for change in changes]
    answers = await asyncio.gather(*put)

    metadata: Json = {}
    for change, answer in zip(changes, answers, strict=True):
        if answer.status == 200:
            metadata |= change["metadata"]
        else:
            assert (answer.status, answer.json["key"]) == (409, "multiple_requests")
    assert (await shop.good("GET", "/v1/campaigns/Club"))["metadata"] == metadata


async def test_a_name_that_a_renamed_campaign_left_is_free(shop: Shop) -> None:
    first = await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("PUT", "/v1/campaigns/Club", {"name": "Old club"})
    second = await shop.good("POST", "/v1/campaigns", {"name": "Club"})

    assert first["id"] != second["id"]
    assert (await shop.good("GET", "/v1/campaigns/Old%20club"))["id"] == first["id"]


async def test_a_change_is_laid_over_the_rest(shop: Shop) -> None:
    before = await shop.good("POST", "/v1/campaigns", PUBLISHED)
    tiers = await shop.good("POST", f"/v1/loyalties/{before['id']}/tiers", [SILVER, GOLD])
    change = {"description": "New", "metadata": {"more": 1}, "unset_metadata_fields": ["test"]}
    after = await shop.good("PUT", f"/v1/campaigns/{before['id']}", change)

    assert after["updated_at"] is not None
    changed = {"description": "New", "metadata": {"more": 1}, "updated_at": after["updated_at"]}
    assert after == {**before, **changed}
    assert (await shop.good("GET", f"/v1/loyalties/{before['id']}/tiers"))["data"] == tiers


async def test_a_change_that_changes_nothing_makes_no_version(shop: Shop) -> None:
    campaign = await shop.good("POST", "/v1/campaigns", PUBLISHED)
    again = await shop.good("PUT", f"/v1/campaigns/{campaign['id']}", {"metadata": {"test": True}})

    assert again == campaign
    assert (await shop.good("GET", f"/api/programs/{campaign['id']}"))["version"] == 1


async def test_tiers_come_as_an_array_and_go_as_one(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    body = [{**GOLD, "metadata": {"x": None}, "rewards": None}, {**SILVER, "earning_rules": {}}]
    gold, silver = await shop.good("POST", "/v1/loyalties/Club/tiers", body)

    assert as_published(gold, PublishedTier).metadata == {"x": None}
    assert as_published(silver, PublishedTier).points.to == 99
    assert "to" not in gold["points"]
    answer = await shop.good("GET", "/v1/loyalties/Club/tiers")
    assert [tier.name for tier in listed(answer, PublishedTier)] == ["Silver", "Gold"]
    assert await shop.good("GET", f"/v1/loyalties/Club/tiers/{gold['id']}") == gold
    page = await shop.good("GET", "/v1/loyalties/Club/tiers?limit=1&page=2")
    assert (page["data"], page["total"]) == ([gold], 2)
    status, key, _ = await shop.refused("GET", "/v1/loyalties/Club/tiers/ltr_none")
    assert (status, key) == (404, "not_found")


async def test_tiers_change_and_go_an_extension(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    silver, gold = await shop.good("POST", "/v1/loyalties/Club/tiers", [SILVER, GOLD])
    path = f"/v1/loyalties/Club/tiers/{gold['id']}"
    changed = await shop.good("PUT", path, {"name": "Golden", "points": {"from": 200, "to": None}})

    assert as_published(changed, PublishedTier).points.from_ == 200
    assert (changed["id"], changed["created_at"]) == (gold["id"], gold["created_at"])
    assert (await shop.call("DELETE", path)).status == 204
    assert (await shop.good("GET", "/v1/loyalties/Club/tiers"))["data"] == [silver]


WRONG: list[tuple[Any, str]] = [
    ([], "tiers: expected at least one tier"),
    ([{"points": {"from": 0}}], "name"),
    ([SILVER, {**GOLD, "points": {"from": 50}}], "overlaps with tier 'Silver' (0 to 99)"),
    ([{**SILVER, "points": {"from": "0"}}], "expected a whole number"),
    ([{**SILVER, "level": 1}], "there is no such field"),
    ({"name": "Silver"}, "expected a list"),
]


async def test_wrong_tiers_change_nothing(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    for tiers, details in WRONG:
        status, key, reason = await shop.refused("POST", "/v1/loyalties/Club/tiers", tiers)
        assert (status, key) == (400, "invalid_payload"), tiers
        assert details in reason, tiers

    assert (await shop.good("GET", "/v1/loyalties/Club/tiers"))["total"] == 0


async def test_a_wrong_code_config_changes_nothing(shop: Shop) -> None:
    made = await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    for config in ("x", ["x"], [], 1, False):
        body: Json = {"name": "Other", "voucher": {"code_config": config}}
        for method, path in (
            ("POST", "/v1/campaigns"),
            ("PUT", "/v1/campaigns/Club"),
            ("PUT", "/v1/loyalties/Club"),
            ("POST", "/v1/campaigns/Club/preview"),
        ):
            status, key, reason = await shop.refused(method, path, body)
            assert (status, key) == (400, "invalid_payload"), (method, path, config)
            assert reason == "voucher.code_config: expected an object."

    assert await shop.good("GET", "/v1/campaigns/Club") == made
    assert (await shop.good("GET", "/v1/campaigns"))["total"] == 1


async def test_a_program_in_native_words_is_shown_and_not_changed(shop: Shop) -> None:
    await shop.call("PUT", "/api/programs/club", CLUB)

    campaign = await shop.good("GET", "/v1/campaigns/club")
    assert campaign["name"] == "Club"
    assert [t["name"] for t in (await shop.good("GET", "/v1/loyalties/Club/tiers"))["data"]] == [
        "Bronze",
        "Silver",
        "Gold",
    ]
    status, _, details = await shop.refused("PUT", "/v1/campaigns/club", {"description": "x"})
    assert status == 400
    assert "PUT /api/programs/club" in details


async def test_recalculation_raises_and_never_lowers(shop: Shop) -> None:
    """§3.8: without the option nobody changes; with it who qualifies for more rises."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("POST", "/v1/loyalties/Club/tiers", [{**SILVER, "points": {"from": 10}}])
    card = await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    member = f"/v1/loyalties/members/{card['code']}"
    await shop.good("POST", f"{member}/balance", {"points": 50})
    monthly = {
        "qualification_type": "POINTS_IN_PERIOD",
        "qualification_period": "MONTH",
        "start_date": {"type": "IMMEDIATE"},
        "expiration_date": {"type": "END_OF_PERIOD"},
    }
    change: Json = {"loyalty_tiers_expiration": monthly}
    await shop.good("PUT", "/v1/campaigns/Club", change)
    (tier,) = (await shop.good("GET", f"{member}/tiers"))["data"]
    assert "expiration" not in tier
    other = {**monthly, "expiration_date": {"type": "END_OF_NEXT_PERIOD"}}
    change = {"loyalty_tiers_expiration": other, "options": {"recalculate_tiers": True}}
    await shop.good("PUT", "/v1/campaigns/Club", change)
    (tier,) = (await shop.good("GET", f"{member}/tiers"))["data"]

    assert as_published(tier, PublishedTier).expiration
