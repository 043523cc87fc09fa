"""The headless API: the program, and a customer with history and progress."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import CLUB, Shop, error_of

Json = dict[str, Any]
RULES = [
    {"id": "signup", "name": "Join", "trigger": {"type": "event", "name": "$signup"},
     "points": {"type": "fixed", "points": 50}},
    {"id": "review", "name": "Write a review", "trigger": {"type": "event", "name": "review"},
     "points": {"type": "fixed", "points": 120}, "limit": {"times": 1, "per": "month"}},
    {"id": "buy", "trigger": {"type": "order"},
     "points": {"type": "per", "every": 100, "points": 2}},
]  # fmt: skip


class Storefront:
    """Calls the headless API as the vendor's own client does: the channel as a header, ids encoded
    twice."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.root = f"/headless/2025-06/{shop.keys['site_id']}"
        self.headers = {**shop.token, "x-loyaltylion-channel": "web"}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answered = await self.shop.call(method, self.root + path, body, headers=self.headers)
        assert answered.status == 200, (path, answered.status, answered.body)
        return answered.json

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        return error_of(await self.shop.call(method, self.root + path, body, headers=self.headers))

    async def customer(self, name: str = "ann") -> Json:
        customer: Json = (await self.call("GET", f"/customers/{name}"))["customer"]
        return customer

    async def progress(self) -> Json:
        """Which the native API tells in its own words, too."""
        progress: Json = (await self.customer())["tier_membership"]["progress"]
        own = (await self.shop.good("GET", "/api/programs/club/members/ann"))["progress"]
        assert own["valid_until"] == progress["valid_until"]
        if (values := progress.get("tier_points")) is not None:
            assert (own["metric"], own["at_expiry"]) == (values["now"], values["at_expiration"])
        return progress


@pytest.fixture
async def front(sandbox_shop: Shop) -> Storefront:
    await sandbox_shop.good("PUT", "/api/programs/club", {**CLUB, "points": {"rules": RULES}})
    return Storefront(sandbox_shop)


async def test_the_configuration(front: Storefront) -> None:
    answer = await front.call("GET", "/configuration")

    assert (answer["channel"], answer["currency"], answer["language"]) == ("web", "usd", "en")
    assert answer["program"] == {"name": "Club"}
    tiers = answer["tier_configuration"]
    assert tiers["membership"] == {"mode": "rolling", "duration_months": 12}
    assert (tiers["boundary_mode"], tiers["tier_benefits"]) == ("points", [])
    assert tiers["tiers"][1] == {
        "id": 16,
        "name": "Silver",
        "position": 2,
        "hidden": False,
        "benefit_ids": [],
        "kind": "points",
        "lower_bound": 200,
        "upper_bound": 499,
    }
    kinds = [rule["kind"] for rule in answer["rules"]]
    assert kinds == ["join_program", "custom", "purchase"]
    review = answer["rules"][1]
    assert review["limit"] == {"count": 1, "interval": "month"}
    assert review["properties"] == {"name": "review"}
    assert [variant["tier_id"] for variant in review["variants"]] == [15, 16, 17]
    purchase = answer["rules"][2]["variants"][0]
    assert purchase["result"] == {"kind": "points", "per_currency_unit": 1, "points": 2}
    assert answer["rewards"] == []


async def test_a_shopper_from_the_first_visit_on(front: Storefront) -> None:
    """A guest who is made by a session, enrols, completes a rule as often as it gives, and says
    when they were born, once."""
    visit = {"customer": {"email": "ann@example.com"}, "session": {"page_url": "https://x"}}
    answer = await front.call("POST", "/customers/ann/sessions", visit)
    assert answer["customer"] == {
        "id": answer["customer"]["id"],
        "merchant_id": "ann",
        "email": "ann@example.com",
        "first_name": None,
        "last_name": None,
        "state": "guest",
    }
    assert answer["requested_cart_actions"] == []
    enrolled = await front.call("POST", "/customers/ann/enroll")
    assert enrolled["enrolled"] is True
    assert enrolled["customer"]["state"] == "enrolled"
    assert (await front.call("POST", "/customers/ann/enroll"))["enrolled"] is False
    rule = (await front.call("GET", "/configuration"))["rules"][1]["id"]
    body = {"rule_id": rule, "customer_merchant_id": "gid://shopify/Customer/ann"}
    done = await front.call("POST", "/rules/custom/complete", body)
    assert [action["points"] for action in done["actions"]] == [120]
    assert done["customer"]["points_approved"] == 120
    available = {each["kind"]: each for each in done["customer"]["available_rules"]}
    assert available["custom"]["context"]["completion_count"] == 1
    status, error = await front.refused("POST", "/rules/custom/complete", body)
    assert (status, error["code"]) == (422, "rule_limit_reached")
    for year, updated in ((1990, True), (1991, False)):
        birthday = {"birthday": {"month": 1, "day": 29, "year": year}}
        answer = await front.call("POST", "/customers/ann/birthday", birthday)
        assert answer["updated"] is updated
        assert answer["birthday"] == {"month": 1, "day": 29, "year": 1990}


async def test_the_history_of_a_customer(front: Storefront) -> None:
    shop = front.shop
    await shop.good("POST", "/v2/activities", {"name": "$signup", "customer_id": "ann"})
    await shop.good("POST", "/api/clock", {"advance_to": "2024-03-02T10:00:00Z"})
    order = {"customer_id": "ann", "merchant_id": 1, "total": "80", "payment_status": "paid"}
    await shop.good("POST", "/v2/orders", order)
    await shop.good("POST", "/api/clock", {"advance_to": "2024-03-03T10:00:00Z"})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 7, "reason": "Sorry"})
    await shop.good("POST", "/api/clock", {"advance_to": "2024-03-04T10:00:00Z"})
    await shop.good("POST", "/v2/customers/ann/remove_points", {"points": 2})
    await shop.good("PUT", "/v2/orders/1", {"cancellation_status": "cancelled"})
    history = (await front.customer())["history"]

    assert [
        (each["kind"], each["label"], each.get("points"), each.get("state")) for each in history
    ] == [
        ("points_removed", "Adjustment", -2, "applied"),
        ("points_added", "Sorry", 7, "approved"),
        ("entered_tier", "Entered Silver", None, None),
        ("earned_points_from_rule", "buy", 160, "void"),
        ("entered_tier", "Entered Bronze", None, None),
        ("earned_points_from_rule", "Join", 50, "approved"),
    ]


async def test_progress_in_a_rolling_year(front: Storefront) -> None:
    shop = front.shop
    await shop.good("PUT", "/api/programs/club/members/ann", {})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 150})
    assert await front.progress() == {
        "kind": "points",
        "valid_until": "2025-03-01T00:00:00.000Z",
        "points_needed_for_renewal": None,
        "upgrade_tier_id": 16,
        "points_needed_for_upgrade": 50,
        "tier_points": {"now": 150, "at_expiration": None},
        "forecasted_tier_id": None,
    }
    await shop.good("POST", "/api/clock", {"advance_to": "2024-06-10T10:00:00Z"})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 70})
    assert await front.progress() == {
        "kind": "points",
        "valid_until": "2025-03-01T00:00:00.000Z",
        "points_needed_for_renewal": 200,
        "upgrade_tier_id": 17,
        "points_needed_for_upgrade": 280,
        "tier_points": {"now": 220, "at_expiration": 0},
        "forecasted_tier_id": 15,
    }
    await shop.good("POST", "/api/clock", {"advance_to": "2024-07-10T10:00:00Z"})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 90})
    progress = await front.progress()
    assert progress["tier_points"] == {"now": 310, "at_expiration": 90}
    assert (progress["points_needed_for_renewal"], progress["forecasted_tier_id"]) == (110, 15)
    await shop.good("POST", "/v2/customers/ann/points", {"points": 300})
    top = await front.progress()
    assert (top["upgrade_tier_id"], top["points_needed_for_upgrade"]) == (None, None)
    assert top["tier_points"] == {"now": 610, "at_expiration": 0}


@pytest.mark.parametrize(
    ("windows", "expected"),
    [(1, (0, 700, 17, "2026-01-01")), (0, (500, 0, 15, "2025-01-01"))],
)
async def test_progress_by_the_calendar(
    front: Storefront, windows: int, expected: tuple[int, int, int, str]
) -> None:
    """By windows, the one that has closed is judged; without any, the new one."""
    period = {"starts_on": {"month": 1, "day": 1}, "duration": {"months": 12}}
    membership = {"mode": "calendar", "evaluation_period": period, "duration": {"windows": windows}}
    settings = {**CLUB["settings"], "membership": membership}
    await front.shop.good("PUT", "/api/programs/club", {**CLUB, "settings": settings})
    await front.shop.good("PUT", "/api/programs/club/members/ann", {})
    await front.shop.good("POST", "/v2/customers/ann/points", {"points": 700})
    if windows:
        await front.shop.good("POST", "/api/clock", {"advance_to": "2025-02-01T00:00:00Z"})
        await front.shop.good("POST", "/v2/customers/ann/points", {"points": 700})
    customer = await front.customer()
    progress = customer["tier_membership"]["progress"]

    got = (
        progress["points_needed_for_renewal"],
        progress["tier_points"]["at_expiration"],
        progress["forecasted_tier_id"],
        customer["tier_membership"]["expires_at"][:10],
    )
    assert got == expected
    assert progress["tier_points"]["now"] == 700


@pytest.mark.parametrize(("mode", "value"), [("spend", 12_050), ("orders", 3)])
async def test_progress_by_money_and_by_orders(front: Storefront, mode: str, value: int) -> None:
    tiers = [
        {"id": 15, "name": "Bronze", "lower_bound": 0},
        {"id": 16, "name": "Silver", "lower_bound": value},
    ]
    settings = {"boundary_mode": mode, "membership": {"mode": "lifetime"}, "tiers": tiers}
    await front.shop.good("PUT", "/api/programs/club", {**CLUB, "settings": settings})
    order = {"customer_id": "ann", "merchant_id": 1, "total": "20.25", "payment_status": "paid"}
    await front.shop.good("POST", "/v2/orders", order)
    progress = await front.progress()

    needed: Any = {"spend": {"amount": 100.25, "formatted": "$100.25"}, "orders": 2}[mode]
    assert progress["kind"] == mode
    assert progress[f"{mode}_needed_for_upgrade"] == needed
    assert (progress["valid_until"], progress["forecasted_tier_id"]) == (None, None)
    now = progress[f"tier_{mode}"]["now"]
    assert now == ({"amount": 20.25, "formatted": "$20.25"} if mode == "spend" else 1)
    configuration = await front.call("GET", "/configuration")
    bound = configuration["tier_configuration"]["tiers"][1]["lower_bound"]
    assert bound == ({"amount": 120.5, "formatted": "$120.50"} if mode == "spend" else 3)


async def test_who_is_blocked_or_not_enrolled(front: Storefront) -> None:
    await front.call("POST", "/customers/ann/sessions", {"customer": {"email": "a@b.c"}})
    birthday = {"birthday": {"month": 1, "day": 29, "year": 1990}}
    status, error = await front.refused("POST", "/customers/ann/birthday", birthday)
    assert (status, error["code"]) == (422, "customer_not_enrolled")
    await front.shop.good("PATCH", "/v2/customers/ann", {"customer": {"blocked": True}})
    assert (await front.customer())["state"] == "blocked"
    status, error = await front.refused("POST", "/customers/ann/enroll")
    assert (status, error["code"]) == (422, "customer_blocked")


async def test_what_is_wrong_is_named(front: Storefront) -> None:
    await front.shop.good("PUT", "/api/programs/club/members/ann", {})
    for path, status in (
        ("/customers/nobody", 404),
        ("/customers/ann?channel=fax", 400),
        ("/customers/ann?colour=red", 400),
    ):
        assert (await front.refused("GET", path))[0] == status
    for body in ({"birthday": {"month": 13, "day": 1, "year": 1990}}, {"birthday": None}, {}):
        assert (await front.refused("POST", "/customers/ann/birthday", body))[0] == 400
    rule = {"rule_id": 1, "customer_merchant_id": "ann"}
    for kind in ("custom", "clickthrough"):
        assert (await front.refused("POST", f"/rules/{kind}/complete", rule))[0] == 404
    reward = {"reward_id": 1, "customer_merchant_id": "ann"}
    assert (await front.refused("POST", "/rewards/gift_card/redeem", reward))[0] == 404
    shop, path = front.shop, front.root + "/configuration"
    assert (await shop.call("GET", path)).status == 400
    assert (await shop.call("GET", path, headers=shop.basic)).status == 401
    other = path.replace(str(shop.keys["site_id"]), "999")
    assert (await shop.call("GET", other, headers=front.headers)).status == 404
    assert (await shop.call("GET", f"{path}?channel=pos")).json["channel"] == "pos"
