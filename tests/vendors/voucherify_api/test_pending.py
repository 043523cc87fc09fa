"""`…/pending-points`, `…/transfers` and `…/activity`, and the lists of what there is none of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import PublishedCard, as_published
from tests.vendors.voucherify_api.test_members import change, join, with_club
from tests.vendors.voucherify_api.test_transactions import act, transactions, walk

Json = dict[str, Any]
CAMPAIGN = "/v1/loyalties/Club"
_VERBS: list[tuple[str, Any]] = [("activate", None), ("cancel", None), ("balance", {"points": 1})]
SOON = "2022-11-12T00:00:00Z"


@pytest.fixture
async def club(sandbox_shop: Shop) -> Shop:
    return await with_club(sandbox_shop)


async def waiting(shop: Shop, path: str) -> list[Json]:
    items: list[Json] = (await shop.good("GET", f"{path}/pending-points?order=id"))["data"]
    return items


async def test_pending_points_are_listed_changed_activated_and_taken_away(club: Shop) -> None:
    member = await join(club)
    for key, points in (("a", 10), ("b", 20), ("c", 30)):
        await act(club, customer="anna", kind="earn", key=key, points=points, available_at=SOON)
    ten, twenty, thirty = await waiting(club, member)

    assert [each["points"] for each in (ten, twenty, thirty)] == [10, 20, 30]
    assert ten["activates_at"] == "2022-11-12"
    one = f"{member}/pending-points"
    active = await club.good("POST", f"{one}/{ten['id']}/activate")
    assert (active["points"], active["balance"], active["total"]) == (10, 10, 10)
    assert (await club.refused("POST", f"{one}/{ten['id']}/activate"))[:2] == (404, "not_found")
    less = await club.good("POST", f"{one}/{twenty['id']}/balance", {"points": -5})
    assert (less["points"], less["total"]) == (-5, 45)
    more = await club.good("POST", f"{one}/{twenty['id']}/balance", {"points": 7})
    assert (more["points"], more["total"]) == (7, 52)
    assert (await club.call("POST", f"{one}/{thirty['id']}/cancel")).status == 204
    assert [each["points"] for each in await waiting(club, member)] == [15, 7]
    assert (await club.good("GET", f"{CAMPAIGN}/pending-points"))["data"] == (
        await waiting(club, member)
    )[::-1]
    assert len(await walk(club, f"{one}?order=id", 1)) == 2
    await club.good("POST", "/api/clock", {"advance_to": "2022-11-14T00:00:00Z"})
    assert await waiting(club, member) == []
    assert (await club.good("GET", member))["loyalty_card"]["balance"] == 32


async def test_wrong_changes_of_pending_points(club: Shop) -> None:
    member, other = await join(club), await join(club, "bob")
    await act(club, customer="anna", kind="earn", key="a", points=10, available_at=SOON)
    (pending,) = await waiting(club, member)
    mine, theirs = f"{member}/pending-points", f"{other}/pending-points"

    for path in (f"{theirs}/{pending['id']}", f"{mine}/lopp_1", f"{mine}/{pending['id']}0"):
        for verb, body in _VERBS:
            answer = await club.refused("POST", f"{path}/{verb}", body)
            assert answer[:2] == (404, "not_found"), path
    one = f"{mine}/{pending['id']}/balance"
    wrong: list[Any] = [{"points": 0}, {"points": 1.5}, {"points": None}, {}, []]
    for body in (*wrong, {"points": 1, "x": 1}):
        assert (await club.refused("POST", one, body))[:2] == (400, "invalid_payload"), body
    answer = await club.refused("POST", one, {"points": -11})
    assert answer[:2] == (400, "loyalty_card_points_exceeded")
    assert await waiting(club, member) == [pending]


async def test_points_are_transferred_to_the_card_of_the_path(club: Shop) -> None:
    anna, bob, cleo = [await join(club, name) for name in ("anna", "bob", "cleo")]
    await change(club, anna, 30)
    await change(club, bob, 30)
    codes = [(await club.good("GET", each))["code"] for each in (anna, bob, cleo)]
    path = f"{CAMPAIGN}/members/{cleo.rpartition('/')[2]}/transfers"
    body = [
        {"code": codes[0], "points": 10, "source_id": "t-1", "reason": "A gift"},
        {"code": codes[1], "points": 20, "source_id": "t-2"},
    ]
    for _ in range(2):
        card = as_published(await club.good("POST", path, body), PublishedCard)
        assert (card.code, card.loyalty_card.balance) == (codes[2], 30)
    first = (await transactions(club, f"{cleo}/transactions?order=id"))[0]
    assert (first.type, first.reason) == ("POINTS_TRANSFER_IN", "A gift")
    assert (await club.good("GET", bob))["loyalty_card"]["balance"] == 10


async def test_wrong_transfers_move_nothing(club: Shop) -> None:
    anna, bob = await join(club), await join(club, "bob")
    await change(club, anna, 30)
    code, own = [(await club.good("GET", each))["code"] for each in (anna, bob)]
    path = f"{CAMPAIGN}/members/{bob.rpartition('/')[2]}/transfers"
    good = {"code": code, "points": 20, "source_id": "t-1"}
    wrong: list[tuple[Any, str]] = [
        ([], "invalid_payload"),
        ({}, "invalid_payload"),
        ([good] * 21, "invalid_payload"),
        ([good, {**good, "source_id": "t-2"}], "loyalty_card_points_exceeded"),
        ([good, {**good, "code": own}], "invalid_payload"),
        ([good, {**good, "code": "nobody"}], "not_found"),
        ([{**good, "points": 0}], "invalid_payload"),
        ([{**good, "points": -1}], "invalid_payload"),
        ([{**good, "source_id": None}], "invalid_payload"),
        ([{**good, "unknown": 1}], "invalid_payload"),
    ]
    for body, key in wrong:
        assert (await club.refused("POST", path, body))[1] == key, body
    assert (await club.good("GET", anna))["loyalty_card"]["balance"] == 30


async def test_activity_says_what_happened(club: Shop) -> None:
    """In the vendor's types, to the member and to the customer, page by page."""
    member = await join(club)
    await join(club, "bob")
    await change(club, member, 12)
    await act(club, customer="anna", kind="earn", key="a", points=5, available_at=SOON)
    (pending,) = await waiting(club, member)
    one = f"{member}/pending-points/{pending['id']}"
    await club.good("POST", f"{one}/balance", {"points": -2})
    await act(club, customer="anna", kind="transfer", key="t", points=5, to="bob")
    await club.good("POST", "/v1/events", {"event": "visit", "customer": {"source_id": "anna"}})
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2022-11-13"}
    await change(club, member, 100, **until)
    await club.good("POST", "/api/clock", {"advance_to": "2022-11-16T00:00:00Z"})
    items = (await club.good("GET", f"{member}/activity?order=created_at&limit=100"))["data"]

    assert [each["type"].removeprefix("customer.") for each in items] == [
        "voucher.loyalty_card.points_added",
        "loyalty.tier.joined",
        "voucher.loyalty_card.pending_points.added",
        "voucher.loyalty_card.pending_points.updated",
        "voucher.loyalty_card.points_transferred",
        "loyalty.tier.left",
        "voucher.loyalty_card.points_added",
        "loyalty.tier.joined",
        "voucher.loyalty_card.pending_points.activated",
        "voucher.loyalty_card.points_expired",
        "loyalty.tier.downgraded",
    ]
    newest = (await club.good("GET", f"{member}/activity?limit=100"))["data"]
    assert newest == items[::-1]
    ids = await walk(club, f"{member}/activity?order=created_at", 3)
    assert ids == [each["id"] for each in items]
    path = "/v1/customers/anna/activity?limit=100"
    whole = (await club.good("GET", path))["data"]
    assert len(whole) == len(items) + 1
    (visit,) = (await club.good("GET", f"{path}&category=ACTION"))["data"]
    assert visit["data"]["data"]["event"]["type"] == "visit"
    assert (await club.good("GET", f"{path}&type=customer.custom_event"))["data"] == [visit]
    assert (await club.good("GET", f"{path}&campaign_id=camp_x"))["data"] == []
    assert (await club.good("GET", f"{path}&start_date=2099-01-01"))["data"] == []
    for span in (
        "start_date=2022-11-10&end_date=2022-11-16",
        "end_date=2022-11-16T00:00:00%2B00:00",
    ):
        assert (await club.good("GET", f"{path}&{span}"))["data"] == whole
    for query in ("start_date=x", "end_date=2022-13-01", "campaign_type=X", "end_date=2022-11-16T"):
        answer = await club.refused("GET", f"{path}&{query}")
        assert answer[:2] == (400, "invalid_query_params"), query
    for query in ("order=id", "limit=0", "starting_after_id=evcus_1", "page=1"):
        answer = await club.refused("GET", f"{member}/activity?{query}")
        assert answer[:2] == (400, "invalid_query_params"), query
    assert (await club.refused("GET", "/v1/customers/nobody/activity"))[0] == 404


async def test_a_tier_that_is_earned_again_shows_its_later_end(sandbox_shop: Shop) -> None:
    """V 3.5: in a later period while it runs. A renewal is *prolonged*, and nothing besides."""
    shop = sandbox_shop
    expiration = {
        "qualification_type": "POINTS_IN_PERIOD",
        "qualification_period": "MONTH",
        "expiration_date": {"type": "END_OF_NEXT_PERIOD"},
    }
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("POST", f"{CAMPAIGN}/tiers", [{"name": "Gold", "points": {"from": 100}}])
    await shop.good("PUT", "/v1/campaigns/Club", {"loyalty_tiers_expiration": expiration})
    member = await join(shop)
    await change(shop, member, 120)
    await shop.good("POST", "/api/clock", {"advance_to": "2022-12-05T09:00:00Z"})
    await change(shop, member, 60)
    await change(shop, member, 60)
    items = (await shop.good("GET", f"{member}/activity?order=created_at"))["data"]
    (changed,) = (each for each in items if "expiration" in each["type"])
    (tier,) = (await shop.good("GET", f"{member}/tiers"))["data"]

    assert changed["type"] == "customer.loyalty.tier.expiration.changed"
    data = changed["data"]["data"]
    assert data["created_at"] == items[-1]["created_at"] == "2022-12-05T09:00:00.000Z"
    assert data["expiration_date"] == "2023-01-31T22:59:59.999Z"  # midnight in Warsaw
    assert tier["expiration"]["expiration_date"] == "2023-01-31"
    assert data["loyalty_tier"]["id"] == tier["id"]
    await shop.good("POST", "/api/clock", {"advance_to": "2023-03-01T00:00:00Z"})
    kinds = [each["type"] for each in (await shop.good("GET", f"{member}/activity"))["data"]]
    assert kinds.count("customer.loyalty.tier.expiration.changed") == 1
    assert kinds[0] == "customer.loyalty.tier.left"


async def test_all_members_are_listed(club: Shop) -> None:
    """Those made last first, by pages; or of a time, or by their ids."""
    cards = []
    for n in range(5):
        await club.good("POST", "/api/clock", {"advance_to": f"2022-11-{11 + n}T00:00:00Z"})
        cards.append((await join(club, f"c{n}")).rpartition("/")[2])
    path = f"{CAMPAIGN}/members"

    async def ids(query: str) -> list[str]:
        answer = await club.good("GET", f"{path}?{query}")
        return [each["id"] for each in answer["vouchers"]]

    assert await ids("") == cards[::-1]
    assert await ids("order=created_at&limit=2") == cards[:2]
    assert await ids("order=created_at&limit=2&page=3") == cards[4:]
    assert await ids("order=updated_at") == cards
    assert await ids(f"ids={cards[0]},{cards[2]}&order=created_at") == [cards[0], cards[2]]
    assert await ids("created_at[after]=2022-11-14T12:00:00Z") == [cards[4]]
    assert await ids("created_at[before]=2022-11-11T12:00:00Z") == [cards[0]]
    assert (await club.good("GET", f"{path}?limit=1"))["total"] == 5
    for query in ("created_at[before]=x", "order=code", "created_at=x", "page=0"):
        assert (await club.refused("GET", f"{path}?{query}"))[0] == 400, query


async def test_what_there_is_none_of(club: Shop) -> None:
    member = await join(club)
    tier = (await club.good("GET", f"{CAMPAIGN}/tiers"))["data"][0]["id"]
    for path in (
        f"{CAMPAIGN}/rewards?limit=5&page=2",
        f"{CAMPAIGN}/reward-assignments",
        f"{CAMPAIGN}/tiers/{tier}/rewards",
        f"{member}/rewards?affordable_only=true",
    ):
        assert (await club.good("GET", path))["total"] == 0
    for path in (
        f"{CAMPAIGN}/rewards/rewa_1",
        f"{CAMPAIGN}/tiers/x/rewards",
        "/v1/async-actions/a",
    ):
        assert (await club.refused("GET", path))[:2] == (404, "not_found")
    assert (await club.good("GET", "/v1/async-actions?limit=3"))["async_actions"] == []
