"""Reminders: asked for by the program, heard by endpoints that name them, in the feed for all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.receiver import Receiver
from tests.web.conftest import Api

PATH = "/api/programs/club/activities"
KINDS = ["tier_ending", "tier_near", "points_expiring", "tier_waiting", "tier_skipped"]
YEARLY: dict[str, Any] = {
    "name": "Club",
    "policy": {
        "metric": {"source": "earned"},
        "window": {"type": "calendar", "unit": "year"},
        "term": {"type": "window_end", "windows": 1},
        "tiers": [
            {"id": "silver", "name": "Silver", "from": 100},
            {"id": "gold", "name": "Gold", "from": 200},
        ],
    },
    "points": {"expiry": {"type": "after", "length": "P3M"}},
    "reminders": {
        "tier_ending": {"lead_days": [30, 7]},
        "points_expiring": {"lead_days": [14]},
        "tier_near": {"within": 20},
        "tier_skipped": "first",
    },
}


async def send(api: Api, key: str, points: int) -> None:
    activity = {"customer": "anna", "key": key, "kind": "earn", "points": points}
    answered = await api.post(PATH, activity)
    assert answered.status in (200, 201), answered.body


async def reminders(api: Api) -> list[dict[str, Any]]:
    answered = await api.get("/api/events?class=reminder")
    assert answered.status == 200, answered.body
    events: list[dict[str, Any]] = answered.json["events"]
    return events


async def test_a_clock_walks_through_what_is_told(sandbox: Api, receiver: Receiver) -> None:
    """In the order in which it falls due, signed, with what keeps the tier and what follows."""
    assert (await sandbox.put("/api/programs/club", YEARLY)).status == 200
    body = {"url": receiver.url, "kinds": [*KINDS, "joined", "downgraded", "left"]}
    made = (await sandbox.post("/api/endpoints", body)).json
    await send(sandbox, "a", 185)
    await send(sandbox, "b", 40)
    await sandbox.post("/api/clock", {"advance_to": "2026-02-01T00:00:00Z"})

    requests = await receiver.wait(6)
    bodies = [json.loads(request.body) for request in requests]
    assert [body["type"] for body in bodies] == [
        "tier.joined",
        "reminder.tier_near",
        "reminder.points_expiring",
        "reminder.tier_ending",
        "reminder.tier_ending",
        "tier.left",
    ]
    ending = next(body["data"] for body in bodies if body["type"] == "reminder.tier_ending")
    assert ending["at"] == "2025-12-02T00:00:00.000Z"
    assert (ending["tier"]["id"], ending["tier_then"], ending["lead_days"]) == ("gold", None, 30)
    assert (ending["needed"], ending["last_valid_day"]) == (200, "2025-12-31")
    assert "seq" not in ending
    assert all(
        "tierline-seq" not in r.headers
        for r, b in zip(requests, bodies, strict=True)
        if b["type"].startswith("reminder.")
    )
    assert Webhook(made["secret"]).verify(requests[1].body, requests[1].headers)
    expiring = next(b["data"] for b in bodies if b["type"] == "reminder.points_expiring")
    assert (expiring["expiring"], expiring["points"]["balance"]) == (225, 225)
    feed = await reminders(sandbox)
    assert [event["id"] for event in feed] == [
        b["data"]["id"] for b in bodies if b["type"].startswith("reminder.")
    ]


async def test_what_lies_ahead_is_shown(sandbox: Api) -> None:
    """Of a member, as of a later instant too; and a preview counts what would be told."""
    assert (await sandbox.put("/api/programs/club", YEARLY)).status == 200
    await send(sandbox, "a", 250)
    ahead = (await sandbox.get("/api/programs/club/members/anna")).json["reminders"]
    assert [(one["kind"], one["at"][:10], one["lead_days"]) for one in ahead] == [
        ("points_expiring", "2024-03-19", 14),
        ("tier_ending", "2025-12-02", 30),
        ("tier_ending", "2025-12-25", 7),
    ]
    assert (ahead[0]["expiring"], ahead[0]["when"]) == (250, "2024-04-02T00:00:00.000Z")
    assert (ahead[1]["tier"]["id"], ahead[1]["tier_then"], ahead[1]["needed"]) == (
        "gold", None, 200,
    )  # fmt: skip
    later = "/api/programs/club/members/anna?at=2025-12-10T00:00:00Z"
    assert [one["at"][:10] for one in (await sandbox.get(later)).json["reminders"]] == [
        "2025-12-25"
    ]

    body = YEARLY | {"until": "2026-01-01T00:00:00Z", "reminders": {}}
    report = (await sandbox.post("/api/programs/club/preview", body)).json
    assert report["events"] == {"left": 1}
    assert report["otherwise"] == {"left": 1, "points_expiring": 1, "tier_ending": 2}


async def test_an_endpoint_that_names_none_hears_none(sandbox: Api, receiver: Receiver) -> None:
    """Who subscribed before there were any gets what they got; `seq` has no gaps."""
    assert (await sandbox.put("/api/programs/club", YEARLY)).status == 200
    await sandbox.post("/api/endpoints", {"url": receiver.url})
    await send(sandbox, "a", 250)
    await sandbox.post("/api/clock", {"advance_to": "2026-02-01T00:00:00Z"})

    requests = await receiver.wait(2)
    assert [json.loads(r.body)["data"]["seq"] for r in requests] == [1, 2]
    kinds = [event["kind"] for event in await reminders(sandbox)]
    assert kinds == ["tier_skipped", "points_expiring", "tier_ending", "tier_ending"]


async def test_a_program_that_asks_for_none_tells_none(sandbox: Api) -> None:
    """And one that asked keeps it over a change of its rules, until it says otherwise."""
    silent = {k: v for k, v in YEARLY.items() if k != "reminders"}
    assert (await sandbox.put("/api/programs/club", silent)).json["reminders"] == {}
    await send(sandbox, "a", 190)
    assert await reminders(sandbox) == []

    assert (await sandbox.put("/api/programs/club", YEARLY)).status == 200
    later = (await sandbox.put("/api/programs/club", silent)).json
    assert later["reminders"]["tier_near"]["within"] == 20
    off = (await sandbox.put("/api/programs/club", silent | {"reminders": {}})).json
    assert off["reminders"] == {}


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"tier_ending": {"lead_days": []}}, "reminders.tier_ending.lead_days"),
        ({"tier_near": {}}, "reminders.tier_near"),
        ({"tier_ending": {"lead_days": [7, 7]}}, "reminders.tier_ending.lead_days[1]"),
        ({"tier_lost": {}}, "reminders"),
        ({"tier_skipped": "never"}, "reminders.tier_skipped"),
        ({"points_expiring": {"lead_days": ["7"]}}, "reminders.points_expiring.lead_days[0]"),
    ],
)
async def test_what_cannot_be_told_is_refused(
    sandbox: Api, changed: dict[str, Any], path: str
) -> None:
    """With the field that is wrong; nothing is changed."""
    answered = await sandbox.put("/api/programs/club", YEARLY | {"reminders": changed})

    assert answered.status in (400, 422), answered.body
    assert answered.json["path"].startswith(path), answered.json
    assert (await sandbox.get("/api/programs/club")).json["version"] == 1
