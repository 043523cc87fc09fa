"""`/v2/transactions` and `/v2/activities`: every change of points, in one order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import CLUB, Shop

Json = dict[str, Any]
TRANSACTIONS = "/v2/transactions"
RULES = [
    {"id": "review", "trigger": {"type": "event", "name": "review"},
     "points": {"type": "fixed", "points": 120}, "pending_days": 30},
]  # fmt: skip
POINTS = {"rules": RULES, "orders": {"every": 100, "points": 1},
          "expiry": {"type": "after", "length": "P3M"}}  # fmt: skip


async def life(shop: Shop) -> None:
    """An order, a review that is approved and declined, points by hand, spent, expired."""
    await shop.good("PUT", "/api/programs/club", {**CLUB, "points": POINTS})
    order = {"customer_id": "ann", "merchant_id": 7, "total": "80", "payment_status": "paid"}
    await shop.good("POST", "/v2/orders", order)
    review = {"name": "review", "customer_id": "ann", "merchant_id": "r1"}
    await shop.good("POST", "/v2/activities", review)
    await shop.good("PUT", "/v2/activities/review/r1", {"state": "approved"})
    await shop.good("PUT", "/v2/activities/review/r1", {"state": "void"})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 9, "reason": "Hi"})
    redeem = {"customer": "ann", "kind": "redeem", "points": 30}
    await shop.good("POST", "/api/programs/club/activities", redeem)
    await shop.good("POST", "/api/clock", {"advance_to": "2024-07-01T10:00:00Z"})


async def test_what_each_change_says(sandbox_shop: Shop) -> None:
    await life(sandbox_shop)
    page = (await sandbox_shop.good("GET", f"{TRANSACTIONS}?since_id=0"))["transactions"]

    assert [(t["resource"], t["points_approved"], t["points_pending"]) for t in page] == [
        ("activity", 80, 0),
        ("activity", 0, 120),
        ("activity", 120, -120),
        ("activity", -120, 0),
        ("adjustment", 9, 0),
        ("claimed_reward", -30, 0),
        ("expiry", -59, 0),
    ]
    ids = [t["id"] for t in page]
    assert ids == sorted(set(ids))
    assert page[0]["activity"] == {
        "id": ids[0],
        "merchant_id": "7",
        "value": 80,
        "state": "approved",
        "rule": page[0]["activity"]["rule"],
        "created_at": page[0]["created_at"],
        "resource": None,
    }
    for line in page[1:4]:
        assert (line["activity"]["id"], line["activity"]["state"]) == (ids[1], "void")
        assert (line["activity"]["merchant_id"], line["activity"]["rule"]["name"]) == (
            "r1",
            "review",
        )
    assert page[4]["adjustment"] == {"id": ids[4], "value": 9, "reason": "Hi"}
    assert page[6]["created_at"] == "2024-06-02T00:00:00.000Z"
    ann = await sandbox_shop.customer("ann")
    keys = ("id", "merchant_id", "email", "points_approved", "points_pending", "points_spent")
    assert page[0]["customer"] == {key: ann[key] for key in keys}
    activities = (await sandbox_shop.good("GET", "/v2/activities"))["activities"]
    assert [(a["id"], a["value"], a["state"]) for a in activities] == [
        (ids[1], 120, "void"),
        (ids[0], 80, "approved"),
    ]
    assert activities[0]["customer"] == page[0]["customer"]


async def test_points_for_joining_are_those_of_signup(sandbox_shop: Shop) -> None:
    """They are an activity in both lists, and of the rule that the configuration shows."""
    joining = {"kind": "join_program", "points": 50}
    body = {**CLUB, "settings": {**CLUB["settings"], "rules": [joining]}}
    await sandbox_shop.good("PUT", "/api/programs/club", body)
    await sandbox_shop.good("POST", "/v2/activities", {"name": "$signup", "customer_id": "ann"})
    (line,) = (await sandbox_shop.good("GET", TRANSACTIONS))["transactions"]
    (activity,) = (await sandbox_shop.good("GET", "/v2/activities"))["activities"]
    path = f"/headless/2025-06/{sandbox_shop.keys['site_id']}/configuration?channel=web"
    (rule,) = (await sandbox_shop.good("GET", path))["rules"]

    assert (line["resource"], line["points_approved"]) == ("activity", 50)
    assert {**line["activity"], "customer": line["customer"]} == activity
    assert activity["rule"] == {"id": rule["id"], "name": "$signup", "title": "join_program"}
    assert (activity["merchant_id"], activity["value"], activity["state"]) == (
        None,
        50,
        "approved",
    )


async def test_lists_by_customer_by_time_and_as_csv(sandbox_shop: Shop) -> None:
    await life(sandbox_shop)
    await sandbox_shop.good("PUT", "/api/programs/club/members/bob", {})
    await sandbox_shop.good("POST", "/v2/customers/bob/points", {"points": 5})
    ann = (await sandbox_shop.customer("ann"))["id"]
    whole = (await sandbox_shop.good("GET", TRANSACTIONS))["transactions"]
    hers = (await sandbox_shop.good("GET", f"{TRANSACTIONS}?customer_id={ann}"))["transactions"]

    assert [t["id"] for t in whole] == sorted((t["id"] for t in whole), reverse=True)
    assert [t for t in whole if t["customer"]["id"] == ann] == hers
    path = "/v2/customers/bob/transactions"
    assert len((await sandbox_shop.good("GET", path))["transactions"]) == 1
    june = "created_at_min=2024-06-01T00:00:00Z&created_at_max=2024-06-30T00:00:00Z"
    (line,) = (await sandbox_shop.good("GET", f"{TRANSACTIONS}?{june}"))["transactions"]
    assert line["resource"] == "expiry"
    answered = await sandbox_shop.call("GET", f"{TRANSACTIONS}?type=csv&limit=2")
    assert answered.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(answered.body.splitlines()) == 3
    assert 'rel="next"' in answered.headers["link"]


async def test_a_cursor_goes_on_and_back(sandbox_shop: Shop) -> None:
    await life(sandbox_shop)
    first = await sandbox_shop.good("GET", f"{TRANSACTIONS}?limit=3")
    second = await sandbox_shop.good(
        "GET", f"{TRANSACTIONS}?limit=3&cursor={first['cursor']['next']}"
    )
    back = await sandbox_shop.good(
        "GET", f"{TRANSACTIONS}?limit=3&cursor={second['cursor']['prev']}"
    )
    third = await sandbox_shop.good(
        "GET", f"{TRANSACTIONS}?limit=3&cursor={second['cursor']['next']}"
    )

    assert back["transactions"] == first["transactions"]
    assert len(third["transactions"]) == 1
    assert third["cursor"]["next"] is None


async def test_a_client_may_go_back_before_the_first_id(club: Shop) -> None:
    """One does so for fear of gaps; there are none here (`test_lists_while_written.py`)."""
    await club.good("PUT", "/api/programs/club/members/ann", {})
    for _ in range(3):
        await club.good("POST", "/v2/customers/ann/points", {"points": 1})
    page = await club.good("GET", f"{TRANSACTIONS}?since_id=-500")

    assert [line["id"] for line in page["transactions"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since_id=x", "since_id"),
        ("limit=501", "limit"),
        ("since_id=99999999999999999999999", "since_id"),
        ("customer_id=99999999999999999999999", "customer_id"),
        ("cursor=eyJxdWVyeSI6e30sInBsYWNlIjpbOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTldfQ", "cursor"),
        ("type=xml", "type"),
        ("customer_id=0", "customer_id"),
        ("cursor=abc", "cursor"),
        ("created_at_min=now", "created_at_min"),
        ("colour=red", "colour"),
    ],
)
async def test_a_wrong_query_is_named(club: Shop, query: str, field: str) -> None:
    status, error = await club.refused("GET", f"{TRANSACTIONS}?{query}")

    assert (status, list(error["details"])) == (400, [field])


async def test_a_scope_is_needed(club: Shop) -> None:
    other = await club.with_scopes("read_orders")
    for path in (TRANSACTIONS, "/v2/activities"):
        assert (await club.call("GET", path, headers=other)).status == 403
    assert (await club.good("GET", f"{TRANSACTIONS}?customer_id=12345"))["transactions"] == []
