"""One program in two vendors' shapes at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.receiver import Receiver
from tests.vendors.loyaltylion_api.conftest import CLUB, shop_of
from tierline.clock import wall
from tierline.store.database import Database

Json = dict[str, Any]
UPGRADED = ("program_events/customer.tier_upgraded", "customer.loyalty.tier.upgraded")


async def test_a_move_is_announced_twice_and_a_customer_is_one(
    database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    """A program in LoyaltyLion's words is read and announced in both vendors' shapes; what is
    changed over one vendor's API is seen over the other's, and over ours."""
    async with shop_of(database, tmp_path) as shop:
        await shop.good("PUT", "/api/programs/club", CLUB)
        keys = await shop.catalog.add_key(shop.number, "voucherify", (), "", wall())
        app = {"x-app-id": keys["app_id"], "x-app-token": keys["app_token"]}
        campaign = (await shop.call("GET", "/v1/loyalties/club", headers=app)).json
        ladder = (await shop.call("GET", "/v1/loyalties/club/tiers", headers=app)).json["data"]
        path = f"/headless/2025-06/{shop.keys['site_id']}/configuration?channel=web"
        front = await shop.good("GET", path)
        tiers = front["tier_configuration"]["tiers"]
        webhook = {"webhook": {"topic": UPGRADED[0], "address": receiver.url}}
        await shop.good("POST", "/v2/webhooks", webhook)
        other = {"url": receiver.url, "format": "voucherify", "kinds": ["upgraded"]}
        await shop.good("POST", "/api/endpoints", other)
        await shop.good("PUT", "/api/programs/club/members/ann", {})
        birthday = {"customer": {"birthday": "1990-01-29"}}
        await shop.good("PATCH", "/v2/customers/ann", birthday)
        voucherify = await shop.call("GET", "/v1/customers/ann", headers=app)
        changed = {"name": "Ann", "email": "ann@example.com"}
        await shop.call("PUT", "/v1/customers/ann", changed, headers=app)
        lion = await shop.customer("ann")
        await shop.good("POST", "/v2/customers/ann/points", {"points": 300})
        bodies = [json.loads(request.body) for request in await receiver.wait(2)]
        by_name = {body.get("topic") or body["type"]: body for body in bodies}

        assert (campaign["name"], front["program"]["name"]) == ("Club", "Club")
        assert [tier["name"] for tier in ladder] == [tier["name"] for tier in tiers]
        assert [tier["points"]["from"] for tier in ladder] == [
            tier["lower_bound"] for tier in tiers
        ]
        assert voucherify.json["birthdate"] == "1990-01-29"
        assert (lion["email"], lion["properties"]) == ("ann@example.com", {"name": "Ann"})
        assert set(by_name) == set(UPGRADED)
        properties = by_name[UPGRADED[0]]["payload"]["properties"]
        assert properties["customer"] == await shop.customer("ann")
        card = by_name[UPGRADED[1]]["data"]
        assert card["customer"]["email"] == "ann@example.com"
        assert properties["new_tier"]["name"] == "Silver"
        assert "Silver" in json.dumps(card)
