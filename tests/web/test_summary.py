"""A program in numbers: members per tier, moves by day and kind, what falls due."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import CLUB, POLICY, Api

SUMMARY = "/api/programs/club/summary"
YEARLY: dict[str, Any] = {
    "window": {"type": "calendar", "unit": "year"},
    "term": {"type": "window_end", "windows": 1},
}


async def test_an_empty_program_has_noughts(club: Api) -> None:
    """Every tier of the ladder, in its order, and thirty days ahead."""
    summary = (await club.get(SUMMARY)).json

    assert summary["members"] == 0
    assert [line["tier"] and line["tier"]["id"] for line in summary["tiers"]] == [
        *("bronze", "silver", "gold"),
        None,
    ]
    assert summary["moves"] == []
    assert len(summary["due"]) == 30
    assert {line["members"] for line in summary["due"]} == {0}


async def test_members_are_counted_by_tier_and_moves_by_day(sandbox: Api) -> None:
    """In the project's own time; days without a move are left out."""
    for name, points in (("anna", 10), ("ben", 120), ("cem", 130)):
        await sandbox.earn(name, points)
    await sandbox.post("/api/clock", {"advance_to": "2024-01-05T12:00:00Z"})
    await sandbox.earn("anna", 600)
    await sandbox.call("DELETE", "/api/programs/club/members/ben")
    summary = (await sandbox.get(SUMMARY)).json

    counts = {line["tier"] and line["tier"]["name"]: line["members"] for line in summary["tiers"]}
    assert counts == {"Bronze": 0, "Silver": 1, "Gold": 1, None: 1}
    assert summary["members"] == 3
    assert summary["moves"] == [
        {"day": "2024-01-01", "moves": {"joined": 3}},
        {"day": "2024-01-05", "moves": {"left": 1, "upgraded": 1}},
    ]


async def test_what_falls_due_stands_under_its_day(sandbox: Api) -> None:
    """The end of a tier, and points that expire; what lies further ahead is not counted yet."""
    await sandbox.put("/api/programs/club", CLUB | {"policy": POLICY | YEARLY})
    await sandbox.earn("anna", 120)
    lots = {"customer": "ben", "kind": "earn", "points": 5, "expires_at": "2024-01-11T00:00:00Z"}
    answered = await sandbox.post("/api/programs/club/activities", lots)
    assert answered.status == 200, answered.body
    soon = {line["day"]: line for line in (await sandbox.get(SUMMARY)).json["due"]}
    await sandbox.post("/api/clock", {"advance_to": "2024-12-20T00:00:00Z"})
    later = {line["day"]: line for line in (await sandbox.get(SUMMARY)).json["due"]}

    assert soon["2024-01-11"] == {"day": "2024-01-11", "members": 1, "tiers_ending": 0}
    assert sum(line["members"] for line in soon.values()) == 1
    assert next(iter(soon)) == "2024-01-01"
    assert later["2025-01-01"]["members"] == 2
    assert sum(line["members"] for line in later.values()) == 2


async def test_a_tier_that_the_rules_no_longer_have_is_still_counted(club: Api) -> None:
    """Until its members are judged by the new ladder."""
    await club.earn("anna", 600)
    ladder = [
        {"id": "bronze", "name": "Bronze", "from": 0, "to": 99},
        {"id": "silver", "name": "Silver", "from": 100},
    ]
    put = await club.put("/api/programs/club", CLUB | {"policy": POLICY | {"tiers": ladder}})
    assert put.status == 200, put.body
    summary = (await club.get(SUMMARY)).json

    counts = [(line["tier"] and line["tier"]["id"], line["members"]) for line in summary["tiers"]]
    before = [("bronze", 0), ("silver", 0), ("gold", 1), (None, 0)]
    assert counts in (before, [("bronze", 0), ("silver", 1), (None, 0)])  # the sweep may be quicker
