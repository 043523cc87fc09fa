"""`…/preview`: what a change of a campaign would do, and that it does nothing yet."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.test_members import change, join, with_club

BY_POINTS = {
    "qualification_type": "POINTS_IN_PERIOD",
    "qualification_period": "YEAR",
    "start_date": {"type": "IMMEDIATE"},
    "expiration_date": {"type": "END_OF_PERIOD"},
}
CHANGE = {"loyalty_tiers_expiration": BY_POINTS, "options": {"recalculate_tiers": True}}


async def test_a_recalculation_is_previewed_and_then_made(sandbox_shop: Shop) -> None:
    """Anna has earned enough for silver, and spent it: by points of the period she has it."""
    shop = await with_club(sandbox_shop)
    member = await join(shop)
    await change(shop, member, 12)
    await change(shop, member, -8)
    before = await shop.good("GET", "/v1/campaigns/Club")
    assert (await shop.good("GET", f"{member}/tiers"))["data"] == []
    for base in ("campaigns", "loyalties"):
        report = await shop.good("POST", f"/v1/{base}/Club/preview", CHANGE)
        assert "joined" in msgspec.json.encode(report).decode()
    assert await shop.good("GET", "/v1/campaigns/Club") == before
    assert (await shop.good("GET", f"{member}/tiers"))["data"] == []

    await shop.good("PUT", "/v1/campaigns/Club", CHANGE)
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-10T09:00:01Z"})
    (tier,) = (await shop.good("GET", f"{member}/tiers"))["data"]
    assert tier["name"] == "Silver"


async def test_wrong_previews_are_refused(sandbox_shop: Shop) -> None:
    shop = await with_club(sandbox_shop)
    unknown = {"qualification_type": "X"}
    wrong: list[Any] = [{"unknown": 1}, {"loyalty_tiers_expiration": unknown}, []]
    for body in wrong:
        answer = await shop.refused("POST", "/v1/campaigns/Club/preview", body)
        assert answer[:2] == (400, "invalid_payload"), body
    assert (await shop.refused("POST", "/v1/campaigns/None/preview", {}))[0] == 404
