"""Points by hand, activities with their states, and tiers by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import CLUB, Shop

Json = dict[str, Any]
RULES = [
    {"id": "signup", "trigger": {"type": "event", "name": "$signup"},
     "points": {"type": "fixed", "points": 50}},
    {"id": "review", "trigger": {"type": "event", "name": "review"},
     "points": {"type": "fixed", "points": 120}, "pending_days": 30},
]  # fmt: skip


@pytest.fixture
async def rules(club: Shop) -> Shop:
    """The club with points for joining, and for a review once it was approved or a month passed."""
    body = {**CLUB, "points": {"rules": RULES}}
    await club.good("PUT", "/api/programs/club", body)
    return club


async def points(shop: Shop, name: str = "ann") -> tuple[int, int, int]:
    customer = await shop.customer(name)
    return customer["points_approved"], customer["points_pending"], customer["points_spent"]


async def test_points_by_hand_come_and_go(club: Shop) -> None:
    await club.good("PUT", "/api/programs/club/members/ann", {})
    added = await club.call("POST", "/v2/customers/ann/points", {"points": 210, "reason": "Hi"})

    assert (added.status, added.json) == (201, "")
    ann = await club.customer("ann")
    assert ann["loyalty_tier_membership"]["loyalty_tier"]["name"] == "Silver"
    await club.good("POST", "/v2/customers/ann/remove_points", {"points": 200, "reason": None})
    await club.good("DELETE", "/v2/customers/ann/points", {"points": 5})
    assert await points(club) == (5, 0, 0)
    ann = await club.customer("ann")
    assert ann["loyalty_tier_membership"]["loyalty_tier"]["name"] == "Silver"
    refused = await club.refused("POST", "/v2/customers/ann/remove_points", {"points": 6})
    assert refused[0] == 422
    assert await points(club) == (5, 0, 0)


async def test_a_repeated_key_adds_points_once(club: Shop) -> None:
    await club.good("PUT", "/api/programs/club/members/ann", {})
    headers = {**club.token, "idempotency-key": "k-1"}
    calls = (
        club.call("POST", "/v2/customers/ann/points", {"points": 7}, headers=headers)
        for _ in range(3)
    )

    assert {answered.status for answered in await asyncio.gather(*calls)} == {201}
    assert await points(club) == (7, 0, 0)
    other = await club.call("POST", "/v2/customers/ann/points", {"points": 8}, headers=headers)
    assert other.status == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"points": 0}, "points"),
        ({"points": 1_000_001}, "points"),
        ({"points": "7"}, "points"),
        ({"points": None}, "points"),
        ({"points": 1.5}, "points"),
        ({}, "points"),
        ({"points": 1, "reason": "x" * 501}, "reason"),
        ({"points": 1, "reason": "a\u0000"}, "reason"),
        ({"points": 1, "colour": "red"}, "colour"),
    ],
)
async def test_wrong_points_change_nothing(club: Shop, body: Json, field: str) -> None:
    await club.good("PUT", "/api/programs/club/members/ann", {})
    status, error = await club.refused("POST", "/v2/customers/ann/points", body)

    assert (status, list(error["details"])) == (400, [field])
    assert await points(club) == (0, 0, 0)
    assert (await club.refused("POST", "/v2/customers/bob/points", {"points": 1}))[0] == 404


async def test_signing_up_enrols_once_and_earns_once(rules: Shop) -> None:
    body = {"name": "$signup", "customer_id": 77, "customer_email": "ann@example.com"}
    for _ in range(2):
        assert (await rules.call("POST", "/v2/activities", body)).status == 201
    customer = await rules.customer("77")

    assert (customer["email"], customer["enrolled"]) == ("ann@example.com", True)
    assert customer["points_approved"] == 50
    assert customer["loyalty_tier_membership"]["loyalty_tier"]["number"] == 1


async def test_an_activity_is_pending_until_it_is_approved(rules: Shop) -> None:
    """Telling its state again changes nothing."""
    activity = {
        "name": "review",
        "customer_id": "ann",
        "merchant_id": "r/1",
        "properties": {"a": 1},
    }
    for _ in range(2):
        await rules.good("POST", "/v2/activities", activity)
    assert await points(rules) == (0, 120, 0)
    for _ in range(2):
        await rules.good("PUT", "/v2/activities/review/r%252F1", {"state": "approved"})
        assert await points(rules) == (120, 0, 0)
    for state in ("declined", "void", "void"):
        await rules.good("PUT", "/v2/activities/review/r%2F1", {"state": state})
        assert await points(rules) == (0, 0, 0)
    status, error = await rules.refused("PUT", "/v2/activities/review/r%2F1", {"state": "approved"})
    assert status == 422
    assert "void" in error["message"]


async def test_states_at_once_take_points_back_once(rules: Shop) -> None:
    activity = {"name": "review", "customer_id": "ann", "merchant_id": 1}
    await rules.good("POST", "/v2/activities", activity)
    path = "/v2/activities/review/1"
    states = ("approved", "void", "void", "declined", "void")
    calls = (rules.call("PUT", path, {"state": state}) for state in states)
    statuses = [answered.status for answered in await asyncio.gather(*calls)]

    assert set(statuses[1:]) == {204}
    assert statuses[0] in (204, 422)
    assert await points(rules) == (0, 0, 0)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "review"}, 400, "customer_id"),
        ({"name": "", "customer_id": "ann"}, 400, "name"),
        ({"name": None, "customer_id": "ann"}, 400, "name"),
        ({"name": "review", "customer_id": ""}, 400, "customer_id"),
        ({"name": "review", "customer_id": "ann", "date": "soon"}, 400, "date"),
        ({"name": "review", "customer_id": "ann", "date": "2100-01-01T00:00:00Z"}, 400, "date"),
        ({"name": "review", "customer_id": "ann", "properties": []}, 400, "properties"),
        ({"name": "review", "customer_id": "ann", "merchant_id": "x" * 200}, 400, "merchant_id"),
    ],
)
async def test_a_wrong_activity_makes_nobody(
    rules: Shop, body: Json, status: int, field: str
) -> None:
    got, error = await rules.refused("POST", "/v2/activities", body)

    assert (got, list(error["details"])) == (status, [field])
    assert (await rules.call("GET", "/v2/customers/ann")).status == 404


async def test_the_state_of_what_is_not_there(rules: Shop) -> None:
    assert (await rules.refused("PUT", "/v2/activities/review/1", {"state": "void"}))[0] == 404
    status, error = await rules.refused("PUT", "/v2/activities/review/1", {"state": "pending"})
    assert (status, list(error["details"])) == (400, ["state"])


async def test_a_tier_by_hand_and_its_end(club: Shop) -> None:
    await club.good("PUT", "/api/programs/club/members/ann", {})
    path = "/v2/customers/ann/loyalty_tier_membership"
    for tier in (16, 17):
        answer = await club.good("PUT", path, {"loyalty_tier_id": tier, "reason": "VIP"})
        membership = answer["customer"]["loyalty_tier_membership"]
        assert (membership["manual"], membership["expires_at"]) == (True, None)
        assert membership["loyalty_tier"]["id"] == tier
    status, error = await club.refused("PUT", path, {"loyalty_tier_id": 18})
    assert (status, list(error["details"])) == (400, ["loyalty_tier_id"])
    await club.good("DELETE", path)
    membership = (await club.customer("ann"))["loyalty_tier_membership"]
    assert (membership["manual"], membership["loyalty_tier"]["id"]) == (False, 15)
    assert (await club.refused("DELETE", path))[0] == 422


async def test_a_project_without_a_program_says_what_to_do(shop: Shop) -> None:
    await shop.good("PUT", "/api/customers/ann", {})
    status, error = await shop.refused("POST", "/v2/customers/ann/points", {"points": 1})

    assert status == 422
    assert "loyaltylion_program" in error["message"]
    for name in ("one", "two"):
        await shop.good("PUT", f"/api/programs/{name}", CLUB)
    assert (await shop.refused("POST", "/v2/customers/ann/points", {"points": 1}))[0] == 422
    await shop.good("PATCH", "/api/project", {"loyaltylion_program": "two"})
    await shop.good("PUT", "/api/programs/two/members/ann", {})
    await shop.good("POST", "/v2/customers/ann/points", {"points": 1})
