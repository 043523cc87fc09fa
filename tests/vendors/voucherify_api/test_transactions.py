"""`…/transactions` and `…/points-expiration`: what happened to the points of cards."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import as_published, listed
from tests.vendors.voucherify_api.published_points import PublishedBucket, PublishedTransaction
from tests.vendors.voucherify_api.test_members import change, join, with_club

Json = dict[str, Any]
CAMPAIGN = "/v1/loyalties/Club/transactions"
ACTIVITIES = "/api/programs/{}/activities"


@pytest.fixture
async def club(shop: Shop) -> Shop:
    return await with_club(shop)


async def program_id(shop: Shop) -> str:
    (program,) = (await shop.good("GET", "/api/programs"))["programs"]
    return str(program["id"])


async def act(shop: Shop, **activity: Any) -> Json:
    path = ACTIVITIES.format(await program_id(shop))
    answer: Json = await shop.good("POST", path, activity)
    return answer


async def transactions(shop: Shop, path: str) -> list[PublishedTransaction]:
    answer = await shop.good("GET", path)
    return [as_published(each, PublishedTransaction) for each in answer["data"]]


async def walk(shop: Shop, path: str, limit: int) -> list[str]:
    """The ids of all pages."""
    ids: list[str] = []
    joint = "&" if "?" in path else "?"
    after = ""
    while True:
        page = await shop.good("GET", f"{path}{joint}limit={limit}{after}")
        assert len(page["data"]) <= limit
        ids += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            return ids
        after = f"&starting_after_id={page['more_starting_after']}"


async def test_every_kind_of_transaction(sandbox_shop: Shop) -> None:
    """With the key that its caller sent, and the balance right after it."""
    shop = await with_club(sandbox_shop)
    member = await join(shop)
    await change(shop, member, 40, source_id="add-1", reason="Hello")
    await change(shop, member, -5, reason="Sorry")
    await act(
        shop, customer="anna", kind="earn", key="e-1", points=7, available_at="2022-11-12T00:00:00Z"
    )
    await act(shop, customer="anna", kind="custom", name="visit", key="c-1", points=9)
    await act(shop, customer="anna", kind="redeem", key="r-1", points=11)
    await act(shop, customer="anna", kind="void", key="v-1", of="r-1")
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2022-11-12"}
    await change(shop, member, 3, **until)
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-14T00:00:00Z"})
    made = await transactions(shop, f"{member}/transactions?order=id")

    assert [(each.type, each.details.balance.points, each.source_id) for each in made] == [
        ("POINTS_ADDITION", 40, "add-1"),
        ("POINTS_REMOVAL", -5, None),
        ("POINTS_ACCRUAL", 9, "c-1"),
        ("POINTS_REDEMPTION", -11, "r-1"),
        ("POINTS_REFUND", 11, "v-1"),
        ("POINTS_ADDITION", 3, None),
        ("PENDING_POINTS_ACTIVATION", 7, "e-1"),
        ("POINTS_EXPIRATION", -3, None),
    ]
    assert [each.details.balance.balance for each in made] == [40, 35, 44, 33, 44, 47, 54, 51]
    assert [each.reason for each in made][:2] == ["Hello", "Sorry"]
    assert {each.source for each in made} == {"API", "Automation"}
    visit = made[2].details.custom_event
    assert visit
    assert visit.type == "visit"
    tier = made[1].details.holder_loyalty_tier
    assert tier
    assert tier.name == "Silver"
    newest = await transactions(shop, f"{member}/transactions")
    assert newest == made[::-1]


async def test_transactions_are_walked_by_the_last_id(club: Shop) -> None:
    member = await join(club)
    other = await join(club, "bob")
    for n in range(1, 8):
        await change(club, member if n % 3 else other, n)
    for path in (f"{member}/transactions", CAMPAIGN, "/v1/campaigns/Club/transactions"):
        for order in ("id", "-id"):
            whole = await walk(club, f"{path}?order={order}", 100)
            assert len(set(whole)) == len(whole) == (5 if path.startswith(member) else 7)
            assert await walk(club, f"{path}?order={order}", 2) == whole
            assert await walk(club, f"{path}?order={order}", 1) == whole
    newest = await transactions(club, CAMPAIGN)
    assert [each.details.balance.points for each in newest] == [7, 6, 5, 4, 3, 2, 1]


async def test_a_transfer_names_the_other_card(club: Shop) -> None:
    anna, bob = await join(club), await join(club, "bob")
    await change(club, anna, 30)
    await act(club, customer="anna", kind="transfer", key="t-1", points=10, to="bob")
    out, _ = await transactions(club, f"{anna}/transactions")
    (into,) = await transactions(club, f"{bob}/transactions")

    assert (out.type, into.type) == ("POINTS_TRANSFER_OUT", "POINTS_TRANSFER_IN")
    assert (out.related_transaction_id, into.related_transaction_id) == (into.id, out.id)
    assert out.details.destination_voucher
    assert into.details.source_voucher
    assert f"/v1/loyalties/members/{out.details.destination_voucher.id}" == bob
    assert f"/v1/loyalties/members/{into.details.source_voucher.id}" == anna


async def test_transactions_are_filtered(club: Shop) -> None:
    anna, bob = await join(club), await join(club, "bob")
    for n, member in enumerate((anna, bob, anna), 1):
        await change(club, member, n)
    code = (await club.good("GET", bob))["code"]
    made = (await club.good("GET", CAMPAIGN))["data"]
    card = bob.rpartition("/")[2]

    async def points(query: str) -> list[int]:
        items = (await club.good("GET", f"{CAMPAIGN}?{query}"))["data"]
        return [each["details"]["balance"]["points"] for each in items]

    for value in (card, code):
        sent = quote(f"['{value}']")
        assert await points(f"filters[voucher_id][conditions][$in]={sent}") == [2]
        assert await points(f"filters[voucher_id][conditions][$in][0]={quote(value)}") == [2]
        assert await points(f"filters[voucher_id][conditions][$is_not]={quote(value)}") == [3, 1]
    one = f"filters[id][conditions][$is]={made[0]['id']}"
    assert await points(one) == [3]
    both = f"{one}&filters[voucher_id][conditions][$is]={card}"
    assert await points(both) == []
    assert await points(f"{both}&filters[junction]=or") == [3, 2]
    assert await points("filters[created_at][conditions][$after]=2099-01-01T00:00:00Z") == []
    assert await points("filters[created_at][conditions][$more_than]=1") == []
    assert await points("filters[created_at][conditions][$less_than]=1&limit=2") == [3, 2]


WRONG = [
    "limit=0",
    "limit=101",
    "order=created_at",
    "page=1",
    "starting_after_id=vtx_1",
    "starting_after_id=",
    "filters[voucher_id]=x",
    "filters[voucher_id][conditions][$near]=x",
    "filters[colour][conditions][$is]=x",
    "filters[created_at][conditions][$after]=yesterday",
    "filters[created_at][conditions][$more_than]=-1",
    "filters[junction]=xor",
    "filters=x",
    "filters[id][conditions][$in]=[]",
]


@pytest.mark.parametrize("query", WRONG)
async def test_wrong_queries_are_refused(club: Shop, query: str) -> None:
    member = await join(club)
    for path in (CAMPAIGN, f"{member}/transactions"):
        status, key, details = await club.refused("GET", f"{path}?{query}")
        assert (status, key) == (400, "invalid_query_params"), details


async def test_buckets_are_days_of_the_project(sandbox_shop: Shop) -> None:
    """What never expires stands last, without a day."""
    shop = await with_club(sandbox_shop)
    member = await join(shop)
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2022-12-24"}
    await change(shop, member, 5)
    await change(shop, member, 40, **until)
    await change(shop, member, -10)
    path = f"/v1/loyalties/Club/members/{member.rpartition('/')[2]}/points-expiration"
    buckets = listed(await shop.good("GET", path), PublishedBucket)

    assert [(each.expires_at, each.bucket.total_points) for each in buckets[:1]] == [
        ("2022-12-24", 30)
    ]
    assert buckets[1].bucket.total_points == 5
    assert "expires_at" not in (await shop.good("GET", path))["data"][1]
    second = await shop.good("GET", f"{path}?limit=1&page=2")
    assert (second["total"], second["data"][0]["id"]) == (2, buckets[1].id)
    await shop.good("POST", "/api/clock", {"advance_to": "2022-12-25T00:00:00Z"})
    assert (await shop.good("GET", path))["total"] == 1
