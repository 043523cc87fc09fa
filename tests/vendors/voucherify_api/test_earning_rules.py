"""`/v1/loyalties/{campaign}/earning-rules`: what gives points, in every trigger and calculation."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.earning_world import (
    FIXED,
    OF_CUSTOMER,
    RULES,
    TIME,
    balance,
    event,
    of_order,
    order,
    with_club,
    with_rule,
)
from tests.vendors.voucherify_api.published import listed
from tests.vendors.voucherify_api.published_rules import PublishedRule, rule_of

Json = dict[str, Any]
# loyalties/create-earning-rule, the published requests; a campaign of ours has no validation rules.
PUBLISHED: list[Json] = [
    {"event": "order.paid", "loyalty": {"type": "FIXED", "points": "5"}},
    of_order("ORDER_AMOUNT", "amount", every=1, points=1),
    of_order("ORDER_TOTAL_AMOUNT", "total_amount", every=1, points=1),
    of_order("ORDER_METADATA", "metadata", every=2, points=1, property="number_of_store_visits"),
    of_order("ORDER_ITEMS_AMOUNT", "amount", every=2, points=1, object="product", id="prod_0bae"),
    of_order(
        "ORDER_ITEMS_SUBTOTAL_AMOUNT",
        "subtotal_amount",
        every=2,
        points=1,
        object="products_collection",
        id="pc_75U0dHlr7u75BJodrW1AE3t6",
    ),
    of_order("ORDER_ITEMS_QUANTITY", "quantity", every=1, points=1, object="sku", id="sku_0b7d"),
    {"event": "order.paid", "loyalty": OF_CUSTOMER},
    {
        "event": "customer.segment.entered",
        "segment": {"id": "seg_OlE7DmfzMI5pHyD5VAv512r1"},
        "loyalty": OF_CUSTOMER,
    },
    {
        "event": "customer.segment.entered",
        "segment": {"id": "seg_OlE7DmfzMI5pHyD5VAv512r1"},
        "loyalty": {"type": "FIXED", "points": "5"},
    },
    {
        "event": "page_view",
        "custom_event": {"schema_id": "ms_gn4Qe4xsFPf7orCArCiNVY13"},
        "loyalty": {"points": 3, "type": "FIXED"},
    },
    {
        "event": "page_view",
        "custom_event": {"schema_id": "ms_gn4Qe4xsFPf7orCArCiNVY13"},
        "loyalty": {
            "type": "PROPORTIONAL",
            "calculation_type": "CUSTOM_EVENT_METADATA",
            "custom_event": {"metadata": {"every": 1, "points": 2, "property": "volume_number"}},
        },
    },
    {
        "event": "customer.loyalty.tier.prolonged",
        "loyalty_tier": {"id": "__ANY__"},
        "loyalty": OF_CUSTOMER,
    },
]


@pytest.fixture
async def club(shop: Shop) -> Shop:
    """A program `Club` with silver from 0 and gold from 100 points earned in a year; Anna is in."""
    return await with_club(shop)


async def test_the_published_rules(club: Shop) -> None:
    """Each is printed as it was sent, completed; the list has them all."""
    body = [{**rule, **TIME, "source": {"banner": "b"}, "metadata": {"n": 1}} for rule in PUBLISHED]
    made = await club.good("POST", RULES, body)

    assert len({rule["id"] for rule in made}) == len(PUBLISHED)
    for sent, answer in zip(body, made, strict=True):
        rule = rule_of(answer)
        assert rule.source.banner == "b"
        assert {key: answer[key] for key in TIME} == TIME
        same = {key: answer[key] for key in sent if key not in ("loyalty", "source")}
        assert same == {key: sent[key] for key in same}
        assert await club.good("GET", f"{RULES}/{rule.id}") == answer
    assert made[0]["loyalty"] == {"type": "FIXED", "points": 5}
    everything = listed(await club.good("GET", f"{RULES}?limit=100"), PublishedRule)
    assert len(everything) == len(PUBLISHED)
    page = await club.good("GET", f"{RULES}?limit=5&page=3&order=created_at")
    assert (len(page["data"]), page["total"]) == (3, len(PUBLISHED))


ITEMS: list[Json] = [
    {"product": "prod_0bae", "quantity": 2, "amount": 3000, "discounts": 1000},
    {"product": "prod_other", "variant": "sku_0b7d", "quantity": 3, "amount": 9000},
    {"product": "prod_else", "groups": ["pc_75U0dHlr7u75BJodrW1AE3t6"], "amount": 500},
]


@pytest.mark.parametrize(
    ("rule", "points"),
    [
        ({"event": "order.paid", "loyalty": {"type": "FIXED", "points": "5"}}, 5),
        (of_order("ORDER_AMOUNT", "amount", every=500, points=10), 240),
        (of_order("ORDER_TOTAL_AMOUNT", "total_amount", every="500", points="10"), 200),
        (of_order("ORDER_METADATA", "metadata", every=2, points=1, property="visits"), 3),
        (of_order("ORDER_ITEMS_QUANTITY", "quantity", every=1, points=1), 6),
        (
            of_order(
                "ORDER_ITEMS_QUANTITY", "quantity", every=1, points=1, object="sku", id="sku_0b7d"
            ),
            3,
        ),
        (
            of_order(
                "ORDER_ITEMS_AMOUNT",
                "amount",
                every=1000,
                points=1,
                object="product",
                id="prod_0bae",
            ),
            3,
        ),
        (
            of_order(
                "ORDER_ITEMS_SUBTOTAL_AMOUNT",
                "subtotal_amount",
                every=1000,
                points=1,
                applicable_to=[
                    {"object": "product", "id": "prod_0bae"},
                    {"object": "sku", "id": "sku_0b7d"},
                ],
            ),
            11,
        ),
        (
            of_order(
                "ORDER_ITEMS_AMOUNT",
                "amount",
                every=1,
                points=1,
                object="products_collection",
                id="pc_75U0dHlr7u75BJodrW1AE3t6",
            ),
            500,
        ),
        ({"event": "order.paid", "loyalty": OF_CUSTOMER}, 75),
        (
            {
                "event": "order.paid",
                "loyalty": {
                    "type": "FIXED",
                    "points": 3,
                    "points_formula": "IF(ORDER_AMOUNT > 100;ORDER_AMOUNT * 0.105;1)",
                },
            },
            13,  # 12.6
        ),
        (
            {
                "event": "order.paid",
                "loyalty": {
                    "type": "FIXED",
                    "points": 3,
                    "points_formula": 'ORDER_METADATA("none")',
                },
            },
            3,
        ),
        (
            of_order(
                "ORDER_TOTAL_AMOUNT",
                "total_amount",
                every=1000,
                points=1,
                points_formula='IF(CUSTOMER_METADATA("vip") is "true";2;1)',
            ),
            20,
        ),
    ],
)
async def test_every_calculation_of_an_order(club: Shop, rule: Json, points: int) -> None:
    """Amounts in minor units, by whole units of `every`; formulas in whole money, rounded."""
    await club.good("POST", RULES, [rule])
    await club.good("PUT", "/v1/customers/anna", {"name": "Anna"})  # what rules ask for is noted
    assert await order(club, items=ITEMS, metadata={"visits": 7}) == points


async def test_events_earn_by_their_metadata_and_by_the_customer_s(club: Shop) -> None:
    of_event = {
        "type": "PROPORTIONAL",
        "calculation_type": "CUSTOM_EVENT_METADATA",
        "custom_event": {"metadata": {"every": 2, "points": 3, "property": "volume"}},
    }
    await with_rule(club, event="page_view", loyalty=of_event)
    await with_rule(club, event="page_view", loyalty=OF_CUSTOMER)
    await event(club, metadata={"volume": 5})
    assert await balance(club) == 2 * 3 + 75
    value = {"metadata": {"customer_life_time_value": 100}}
    await club.good("PUT", "/v1/customers/anna", value)
    await event(club)
    assert await balance(club) == 81 + 100
    wrong = {"event": "page_view", "customer": "anna", "metadata": {"volume": "much"}}
    status, key, details = await club.refused("POST", "/v1/events", wrong)
    assert (status, key) == (400, "invalid_payload")
    assert "metadata.volume" in details


async def test_a_rule_for_a_tier_gives_once_it_is_reached(club: Shop) -> None:
    """Any tier, or one by its id; and the tier decides what an order's rule gives."""
    tiers = (await club.good("GET", "/v1/loyalties/Club/tiers"))["data"]
    gold = next(tier["id"] for tier in tiers if tier["name"] == "Gold")
    upgraded = "customer.loyalty.tier.upgraded"
    await with_rule(club, event=upgraded, loyalty_tier={"id": gold})
    await with_rule(club, event=upgraded, loyalty_tier={"id": "__ANY__"}, metadata={"n": 2})
    await with_rule(club, event="customer.loyalty.tier.left")
    rule = await with_rule(club, loyalty={"type": "FIXED", "points": 100})
    mapping = {rule["id"]: {"type": "MULTIPLY", "multiplier": 1.5}}
    await club.good("PUT", f"/v1/loyalties/Club/tiers/{gold}", {"earning_rules": mapping})

    assert await order(club) == 100
    assert await balance(club) == 120
    assert await order(club, order="o-2") == 150
    path = f"/v1/loyalties/Club/tiers/{gold}/earning-rules?limit=100"
    as_gold = {each["id"]: each for each in (await club.good("GET", path))["data"]}
    assert as_gold[rule["id"]]["loyalty"]["points"] == 150
    mapping = {rule["id"]: {"type": "CUSTOM", "points": 7}}
    await club.good("PUT", f"/v1/loyalties/Club/tiers/{gold}", {"earning_rules": mapping})
    assert await order(club, order="o-3") == 7
    await club.call("DELETE", f"{RULES}/{rule['id']}")
    tier = await club.good("GET", f"/v1/loyalties/Club/tiers/{gold}")
    assert tier["earning_rules"] == {}
    answered = await club.refused("GET", "/v1/loyalties/Club/tiers/ltr_none/earning-rules")
    assert answered[:2] == (404, "not_found")


async def test_entering_a_segment_is_an_attribute_of_the_member(club: Shop) -> None:
    await with_rule(club, event="customer.segment.entered", segment={"id": "seg_1"})
    program = (await club.good("GET", "/v1/loyalties/Club"))["id"]
    path = f"/api/programs/{program}/members/anna/attributes"
    for _ in range(2):
        await club.good("PUT", path, {"attributes": {"segment.seg_1": True}})
    assert await balance(club) == 10


async def test_a_rule_is_changed_disabled_enabled_and_deleted(club: Shop) -> None:
    """Each is a version; what was earned stays; saying the same again makes none."""
    made = await with_rule(club)
    path = f"{RULES}/{made['id']}"
    assert await order(club) == 10
    change = {"loyalty": {"type": "FIXED", "points": 20}, "metadata": {"x": None}, "event": None}
    changed = await club.good("PUT", path, change)
    assert changed["loyalty"] == {"type": "FIXED", "points": 20}
    assert changed["updated_at"] is not None
    assert await club.good("PUT", path, change) == changed
    assert await order(club, order="o-2") == 20
    assert (await club.good("POST", f"{path}/disable"))["active"] is False
    assert await order(club, order="o-3") == 0
    assert (await club.good("POST", f"{path}/enable"))["active"] is True
    assert await order(club, order="o-4") == 20
    assert (await club.call("DELETE", path)).status == 204
    assert await order(club, order="o-5") == 0
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")):
        status, key, details = await club.refused(method, path + rest)
        assert (status, key) == (404, "not_found")
        assert details == f"Cannot find earning_rule with id {made['id']}"
    assert await balance(club) == 50


async def test_points_wait_and_expire_by_the_rule(sandbox_shop: Shop) -> None:
    """14 days later they are there; a month after that they are gone."""
    club = await with_club(sandbox_shop)
    await with_rule(
        club,
        pending_points={"period_type": "DAY", "period_value": 14},
        expiration_rules={"period_type": "MONTH", "period_value": 1},
    )
    assert await order(club) == 10
    for day, points in (
        ("2022-11-23", 0),
        ("2022-11-24", 10),
        ("2022-12-24", 10),
        ("2022-12-26", 0),
    ):
        await club.good("POST", "/api/clock", {"advance_to": f"{day}T12:00:00Z"})
        assert await balance(club) == points, day


HOURS: Json = {"daily": [{"start_time": "09:30", "expiration_time": "10:30", "days_of_week": [4]}]}
LATER: Json = {"daily": [{"start_time": "11:00", "expiration_time": "12:00"}]}
FRAME: Json = {"duration": "PT2H", "interval": "P1D"}
TIMES: list[tuple[Json, bool]] = [
    ({"start_date": "2022-11-10T09:00:00Z"}, True),
    ({"start_date": "2022-11-10T09:00:01Z"}, False),
    ({"expiration_date": "2022-11-10T09:00:00Z"}, False),
    ({"validity_day_of_week": [4]}, True),
    ({"validity_day_of_week": [0, 3]}, False),
    ({"validity_hours": HOURS}, True),
    ({"validity_hours": LATER}, False),
    ({"validity_timeframe": FRAME, "start_date": "2022-11-01T08:00:00Z"}, True),
    ({"validity_timeframe": FRAME, "start_date": "2022-11-01T06:00:00Z"}, False),
    ({"active": False}, False),
]


async def test_a_rule_gives_while_it_is_valid(sandbox_shop: Shop) -> None:
    """By its dates, by days of the week (0 is Sunday), by hours in the project's time zone."""
    club = await with_club(sandbox_shop)  # a Thursday, 10:00 in Warsaw
    loyalty = {"type": "FIXED", "points": 1}
    for part, gives in TIMES:
        before = await balance(club)
        rule = await with_rule(club, event="page_view", loyalty=loyalty, **part)
        await event(club)
        assert await balance(club) == before + gives, part
        assert (await club.call("DELETE", f"{RULES}/{rule['id']}")).status == 204


async def test_an_event_enrols_where_the_program_lets_it(club: Shop) -> None:
    """With a card by the campaign's codes; where no rule answers, or `auto_join` is off: nobody."""
    await with_rule(club, event="page_view")
    await event(club, customer={"source_id": "bob"})
    assert await balance(club, "bob") == 10
    cards = (await club.good("GET", "/v1/loyalties/Club/members?customer=bob"))["vouchers"]
    assert len(cards[0]["code"]) == 8
    await event(club, name="other", customer="carl")
    await club.good("PUT", "/v1/campaigns/Club", {"auto_join": False})
    await event(club, customer="dora")
    for nobody in ("carl", "dora"):
        path = f"/v1/loyalties/Club/members?customer={nobody}"
        assert (await club.good("GET", path))["total"] == 0


async def test_two_rules_at_once_are_both_there_or_one_is_refused(club: Shop) -> None:
    """A change that would lose another's is refused as such."""
    body = [{"event": "page_view", "loyalty": {"type": "FIXED", "points": 1}}]
    answers = await asyncio.gather(*(club.call("POST", RULES, body) for _ in range(4)))
    good = [answered for answered in answers if answered.status == 200]
    assert {answered.status for answered in answers} <= {200, 409}
    assert (await club.good("GET", RULES))["total"] == len(good) >= 1


async def test_a_rule_of_a_program_s_own_settings_is_listed_and_changed(shop: Shop) -> None:
    """One that came with the settings of the native API has an id, too."""
    rule = of_order("ORDER_AMOUNT", "amount", every=500, points=10)
    settings = {"loyalty_tiers": [{"name": "All", "points": {"from": 0}}], "earning_rules": [rule]}
    body = {"name": "Club", "format": "voucherify", "settings": settings}
    assert (await shop.call("PUT", "/api/programs/club", body)).status == 201
    (listing,) = listed(await shop.good("GET", RULES.replace("Club", "club")), PublishedRule)
    changed = await shop.good(
        "PUT", f"/v1/loyalties/club/earning-rules/{listing.id}", {"loyalty": FIXED}
    )
    assert changed["loyalty"] == FIXED
    campaign = await shop.good("GET", "/v1/campaigns/club")
    assert "earning_rules" not in campaign
    assert msgspec.convert(changed, PublishedRule).id == listing.id
