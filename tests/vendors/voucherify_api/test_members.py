"""`/v1/loyalties/…/members`: cards, balances and the tier that a member holds."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import (
    PublishedBalance,
    PublishedCard,
    PublishedTier,
    as_published,
    listed,
)

Json = dict[str, Any]
MEMBERS = "/v1/loyalties/Club/members"
CODES = {"pattern": "L-##-##", "charset": "AB", "prefix": "<", "postfix": ">"}
TIERS = [
    {"name": "Silver", "points": {"from": 10, "to": 99}},
    {"name": "Gold", "points": {"from": 100}},
]


@pytest.fixture
async def club(shop: Shop) -> Shop:
    """A program `Club`: silver from 10 points of balance, gold from 100."""
    return await with_club(shop)


async def with_club(shop: Shop) -> Shop:
    voucher = {"type": "LOYALTY_CARD", "loyalty_card": {"points": 0}, "code_config": CODES}
    await shop.good("POST", "/v1/campaigns", {"name": "Club", "voucher": voucher})
    await shop.good("POST", "/v1/loyalties/Club/tiers", TIERS)
    return shop


async def join(shop: Shop, customer: str = "anna") -> str:
    card = await shop.good("POST", MEMBERS, {"customer": customer})
    return f"/v1/loyalties/members/{card['id']}"


async def change(shop: Shop, member: str, points: int, **more: Any) -> Json:
    answer: Json = await shop.good("POST", f"{member}/balance", {"points": points, **more})
    return answer


async def test_joining_gives_a_card_whose_code_follows_the_campaign(club: Shop) -> None:
    answer = await club.good("POST", MEMBERS, {"customer": "anna", "channel": "x", "voucher": None})
    card = as_published(answer, PublishedCard)

    assert re.fullmatch("<L-[AB]{2}-[AB]{2}>", card.code)
    assert (card.campaign, card.active, card.loyalty_card.balance) == ("Club", True, 0)
    anna = await club.good("GET", "/v1/customers/anna")
    assert card.holder_id == anna["id"]
    code = card.code.replace("<", "%3C").replace(">", "%3E")
    for way in (f"members/{code}", f"members/{card.id}", f"{card.campaign_id}/members/{card.id}"):
        assert await club.good("GET", f"/v1/loyalties/{way}") == answer
    assert await club.good("GET", f"/v1/vouchers/{code}") == answer


@pytest.mark.parametrize("customer", ["anna", {"source_id": "anna", "name": "Anna", "email": None}])
async def test_joining_again_is_answered_with_the_same_card(club: Shop, customer: Any) -> None:
    first = await club.good("POST", MEMBERS, {"customer": "anna"})
    again = await club.good("POST", MEMBERS, {"customer": customer, "voucher": "OTHER"})

    assert again == first


async def test_everybody_gets_a_code_of_their_own(club: Shop) -> None:
    """There are sixteen codes, and ten people at once."""
    people = [club.good("POST", MEMBERS, {"customer": f"c{n}"}) for n in range(10)]
    cards = await asyncio.gather(*people)

    assert len({card["code"] for card in cards}) == 10


async def test_two_requests_at_once_give_codes_that_both_work(club: Shop) -> None:
    """One is the card's at last; the other stays a name of its holder."""
    twice = [club.good("POST", MEMBERS, {"customer": "anna"}) for _ in range(4)]
    cards = await asyncio.gather(*twice)

    assert len({card["id"] for card in cards}) == 1
    for card in cards:
        code = card["code"].replace("<", "%3C").replace(">", "%3E")
        answer = await club.good("GET", f"/v1/loyalties/members/{code}")
        assert answer["id"] == card["id"]


async def test_a_code_that_is_brought_along(club: Shop) -> None:
    card = await club.good("POST", MEMBERS, {"customer": "anna", "voucher": "KpzbHUY5"})
    taken = {"customer": "bob", "voucher": "KpzbHUY5"}

    assert card["code"] == "KpzbHUY5"
    answer = await club.refused("POST", MEMBERS, taken)
    assert answer[:2] == (400, "voucher_already_published")
    assert (await club.call("GET", "/v1/customers/bob")).status == 404
    id_ = {"customer": "bob", "voucher": card["id"]}
    assert (await club.refused("POST", MEMBERS, id_))[:2] == (400, "invalid_payload")
    mine = {"customer": {"source_id": "anna"}, "voucher": "KpzbHUY5"}
    assert await club.good("POST", MEMBERS, mine) == card


async def test_who_joined_without_a_card_is_found_by_its_id(club: Shop) -> None:
    """By the native API, and by the first activity."""
    campaign = await club.good("GET", "/v1/campaigns/Club")
    activity = {"customer": "anna", "kind": "earn", "points": 20}
    await club.good("POST", f"/api/programs/{campaign['id']}/activities", activity)
    (card,) = listed(await club.good("GET", f"{MEMBERS}?customer=anna"), PublishedCard, "vouchers")

    assert card.code == card.id
    assert card.loyalty_card.points == 20
    assert (await club.good("GET", f"/v1/loyalties/members/{card.code}"))["id"] == card.id
    joined = await club.good("POST", MEMBERS, {"customer": "anna"})
    assert joined["id"] == card.id
    assert joined["code"] != card.id


async def test_a_card_belongs_to_its_program(club: Shop) -> None:
    await club.good("POST", "/v1/campaigns", {"name": "Other"})
    card = await club.good("POST", MEMBERS, {"customer": "anna", "voucher": "ONE"})
    other = await club.good(
        "POST", "/v1/loyalties/Other/members", {"customer": "anna", "voucher": "TWO"}
    )

    assert (await club.good("GET", "/v1/loyalties/members/TWO"))["id"] == other["id"]
    assert card["id"] != other["id"]
    status, key, details = await club.refused("GET", "/v1/loyalties/Other/members/ONE")
    assert (status, key, details) == (404, "not_found", "Cannot find voucher with id ONE")
    listing = await club.good("GET", "/v1/loyalties/Other/members?code=ONE")
    assert listing["total"] == 0


async def test_a_card_that_nobody_has_is_not_found(club: Shop) -> None:
    """Of an unknown customer, of another project's program, and in another spelling."""
    card = await club.good("POST", MEMBERS, {"customer": "anna"})
    customer = int(card["id"][2:16], 16)
    for id_ in (f"v_{customer + (1 << 16):014x}1", f"{card['id']}1", card["id"].upper()):
        answer = await club.refused("GET", f"/v1/loyalties/members/{id_}")
        assert answer == (404, "not_found", f"Cannot find voucher with id {id_}")


async def test_points_and_tiers(club: Shop) -> None:
    member = await join(club)
    assert listed(await club.good("GET", f"{member}/tiers"), PublishedTier) == []
    answer = as_published(await change(club, member, 120, reason="Sorry"), PublishedBalance)

    assert (answer.points, answer.total, answer.balance) == (120, 120, 120)
    (tier,) = listed(await club.good("GET", f"{member}/tiers"), PublishedTier)
    assert tier.name == "Gold"
    answer = as_published(await change(club, member, -50), PublishedBalance)
    # What is taken back by hand was never accumulated, in the vendor's words.
    assert (answer.points, answer.total, answer.balance) == (-50, 70, 70)
    card = as_published(await club.good("GET", member), PublishedCard).loyalty_card
    assert (card.points, card.balance, card.subtracted_points) == (120, 70, 50)
    (tier,) = listed(await club.good("GET", f"{member}/tiers"), PublishedTier)
    assert tier.name == "Silver"
    anna = await club.good("GET", "/v1/customers/anna")
    silver = {"points": 70, "referred_customers": 0, "loyalty_tier": tier.id}
    assert anna["loyalty"] == {"points": 70, "referred_customers": 0, "campaigns": {"Club": silver}}


async def test_a_source_id_makes_a_repetition_safe(club: Shop) -> None:
    member = await join(club)
    first = await change(club, member, 30, source_id="x1")

    assert await change(club, member, 30, source_id="x1") == first
    await change(club, member, 5)
    assert await change(club, member, 30, source_id="x1") == first
    answer = await club.refused("POST", f"{member}/balance", {"points": 31, "source_id": "x1"})
    assert answer[:2] == (409, "duplicate_found")
    assert (await club.good("GET", member))["loyalty_card"]["balance"] == 35


WRONG: list[tuple[Any, str, str]] = [
    ({"points": -31}, "loyalty_card_points_exceeded", "30 points, fewer than the 31"),
    ({"points": 0}, "invalid_payload", "points"),
    ({"points": 1.5}, "invalid_payload", "points: expected a whole number"),
    ({"points": "5"}, "invalid_payload", "points: expected a whole number"),
    ({"points": None}, "invalid_payload", "points: expected a whole number"),
    ({}, "invalid_payload", "points: it is needed"),
    ({"points": 5, "expiration_type": "SOON"}, "invalid_payload", "PROGRAM_RULES"),
    ({"points": 5, "expiration_type": "CUSTOM_DATE"}, "invalid_payload", "expiration_date"),
    (
        {"points": 5, "expiration_type": "CUSTOM_DATE", "expiration_date": "soon"},
        "invalid_payload",
        "expiration_date: expected a date",
    ),
    (
        {"points": 5, "expiration_type": "CUSTOM_DATE", "expiration_date": "2020-01-01"},
        "invalid_expiration_date",
        "over already",
    ),
    ({"points": 5, "tier": "Gold"}, "invalid_payload", "tier: there is no such field"),
    (b"{", "invalid_payload", "JSON"),
    (b'{"points": 1, "points": 2}', "invalid_payload", "points"),
]


async def test_wrong_balances_change_nothing(club: Shop) -> None:
    member = await join(club)
    await change(club, member, 30)
    for body, key, details in WRONG:
        answer = await club.refused("POST", f"{member}/balance", body)
        assert answer[:2] == (400, key), body
        assert details in answer[2], body

    assert (await club.good("GET", member))["loyalty_card"]["balance"] == 30


async def test_a_debt_is_shown_as_nothing(club: Shop) -> None:
    member = await join(club)
    campaign = await club.good("GET", "/v1/campaigns/Club")
    path = f"/api/programs/{campaign['id']}/activities"
    await club.good("POST", path, {"customer": "anna", "kind": "earn", "points": 20, "key": "e"})
    await club.good("POST", path, {"customer": "anna", "kind": "redeem", "points": 15})
    answer = await club.good("POST", path, {"customer": "anna", "kind": "void", "of": "e"})

    assert answer["balance"] == -15
    card = as_published(await club.good("GET", member), PublishedCard)
    assert card.loyalty_card.balance == 0
    assert (await change(club, member, 5))["balance"] == 0


async def test_expirations_are_days_of_the_project(sandbox_shop: Shop) -> None:
    """§3.4's published example: three months from 10 November, to the month's end."""
    shop = await with_club(sandbox_shop)
    rounding = {"type": "MONTH", "strategy": "END"}
    expiration = {"type": "CUSTOM", "extend": "P3M", "rounding": rounding}
    rules = {"qualification_type": "BALANCE", "expiration_date": expiration}
    await shop.good("PUT", "/v1/campaigns/Club", {"loyalty_tiers_expiration": rules})
    member = await join(shop)
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2022-11-10T00:00:00Z"}
    await change(shop, member, 40, **until)
    await change(shop, member, 60, expiration_type="NON_EXPIRING")

    (tier,) = listed(await shop.good("GET", f"{member}/tiers"), PublishedTier)
    assert tier.expiration
    assert tier.expiration.start_date == "2022-11-10"
    assert tier.expiration.expiration_date == "2023-02-28"
    card = as_published(await shop.good("GET", member), PublishedCard).loyalty_card
    assert (card.next_expiration_date, card.next_expiration_points) == ("2022-11-10", 40)
    # Warsaw's midnight is 23:00 UTC.
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-10T22:59:59Z"})
    assert (await shop.good("GET", member))["loyalty_card"]["balance"] == 100
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-10T23:00:00Z"})
    card = as_published(await shop.good("GET", member), PublishedCard).loyalty_card
    assert (card.balance, card.expired_points, card.next_expiration_date) == (60, 40, None)


async def test_a_page_of_members_is_bounded(club: Shop) -> None:
    answer = await club.refused("GET", f"{MEMBERS}?customer=anna&limit=101")
    assert answer[:2] == (400, "invalid_query_params")
    assert (await club.good("GET", f"{MEMBERS}?customer=nobody"))["total"] == 0
