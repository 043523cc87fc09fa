"""Points events: for endpoints that ask, with what happened and the balance after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook

from tests.receiver import Received, Receiver
from tests.web.conftest import CLUB, Api
from tierline.cli import main
from tierline.ledger.rebuild import verify
from tierline.store.database import Database

ALL = ["earned", "activated", "spent", "expired", "reversed", "transferred", "adjusted"]
KINDS = [f"points.{kind}" for kind in ALL]
PATH = "/api/programs/club/activities"


async def endpoint(api: Api, receiver: Receiver, **body: Any) -> dict[str, Any]:
    answered = await api.post("/api/endpoints", {"url": receiver.url, "kinds": KINDS} | body)
    assert answered.status == 201, answered.body
    made: dict[str, Any] = answered.json
    return made


async def send(api: Api, *activities: dict[str, Any]) -> None:
    for activity in activities:
        answered = await api.post(PATH, {"customer": "anna"} | activity)
        assert answered.status in (200, 201), answered.body


def short(requests: Sequence[Received]) -> list[tuple[str, int, int, int, str | None]]:
    """Kind, points, balance, pending and the caller's key."""
    events = [json.loads(request.body)["data"] for request in requests]
    return [
        (e["kind"].removeprefix("points."), e["change"], *e["points"].values(), e["key"])
        for e in events
    ]


async def test_each_kind_tells_points_and_balance(sandbox: Api, receiver: Receiver) -> None:
    """What people do, and what time does, in the order in which it happened."""
    points = {"expiry": {"type": "after", "length": "P1M"}}
    assert (await sandbox.put("/api/programs/club", CLUB | {"points": points})).status == 200
    made = await endpoint(sandbox, receiver)
    await send(
        sandbox,
        {"key": "a", "kind": "earn", "points": 100},
        {"key": "b", "kind": "earn", "points": 20, "available_at": "2024-01-10T00:00:00Z"},
        {"key": "c", "kind": "redeem", "points": 30},
        {"key": "d", "kind": "adjust", "points": 5},
        {"key": "e", "kind": "transfer", "points": 15, "to": "ben"},
        {"key": "f", "kind": "void", "of": "c"},
    )
    await sandbox.post("/api/clock", {"advance_to": "2024-03-01T00:00:00Z"})
    requests = await receiver.wait(11)

    anna = [r for r in requests if json.loads(r.body)["data"]["customer"] == "anna"]
    ben = [r for r in requests if r not in anna]
    assert short(anna) == [
        ("earned", 100, 100, 0, "a"),
        ("earned", 20, 100, 20, "b"),
        ("spent", -30, 70, 20, "c"),
        ("adjusted", 5, 75, 20, "d"),
        ("transferred", -15, 60, 20, "e"),
        ("reversed", 30, 90, 20, "f"),
        ("activated", 20, 110, 0, None),
        ("expired", -90, 20, 0, None),
        ("expired", -20, 0, 0, None),
    ]
    assert [line[:2] for line in short(ben)] == [("transferred", 15), ("expired", -15)]
    assert Webhook(made["secret"]).verify(requests[0].body, requests[0].headers)
    assert "tierline-seq" not in requests[0].headers


async def test_nothing_is_logged_where_nobody_asks(club: Api, receiver: Receiver) -> None:
    """And from the moment on at which an endpoint asks, all of it; until it asks no more."""
    await send(club, {"kind": "earn", "points": 1, "key": "a"})
    made = await endpoint(club, receiver, kinds=["points.earned", "upgraded"])
    await send(club, {"kind": "earn", "points": 2, "key": "b"})
    path = f"/api/endpoints/{made['id']}"
    assert (await club.call("PATCH", path, {"kinds": ["upgraded"]})).status == 200
    await send(club, {"kind": "earn", "points": 3, "key": "c"})

    events = (await club.get("/api/events?class=points")).json["events"]
    assert [event["key"] for event in events] == ["b"]
    tiers = (await club.get("/api/events")).json["events"]
    assert [event["kind"] for event in tiers] == ["joined"]


async def test_points_come_before_the_tier_that_they_move(club: Api, receiver: Receiver) -> None:
    """One customer's events keep their order, whatever they are about."""
    await endpoint(club, receiver, kinds=["points.earned", "joined", "upgraded"])
    await send(club, {"kind": "earn", "points": 50}, {"kind": "earn", "points": 50})
    requests = await receiver.wait(4)

    types = [json.loads(request.body)["type"] for request in requests]
    assert types == ["points.earned", "tier.joined", "points.earned", "tier.upgraded"]


async def test_one_lot_of_points_a_bonus_and_its_rule(club: Api, receiver: Receiver) -> None:
    """A rule's bonus says which rule gave it; an order's own points say the key."""
    rules = [
        {"id": "hello", "trigger": {"type": "joining"}, "points": {"type": "fixed", "points": 7}}
    ]
    await club.put("/api/programs/club", CLUB | {"points": {"rules": rules}})
    await endpoint(club, receiver, kinds=["points.earned"])
    await send(club, {"kind": "earn", "points": 1, "key": "a"})
    requests = await receiver.wait(2)

    events = [json.loads(request.body)["data"] for request in requests]
    assert [(e["change"], e["rule"], e["key"]) for e in events] == [
        (7, "hello", None),
        (1, None, "a"),
    ]
    assert events[0]["entry"] == 1
    differences = [d async for d in verify(club.installation.database, club.installation.catalog)]
    assert differences == []


@pytest.mark.parametrize("format_", ["standard", "cloudevents"])
async def test_a_test_event_and_a_replay_speak_of_points(
    club: Api, receiver: Receiver, format_: str
) -> None:
    """In the endpoint's format, thin where it is; a replay has the same ids and bytes."""
    made = await endpoint(club, receiver, format=format_, kinds=["points.spent", "points.earned"])
    path = f"/api/endpoints/{made['id']}"
    tested = await club.post(f"{path}/test")
    assert (tested.json["kind"], tested.json["status"]) == ("points.earned", 200)
    await send(club, {"kind": "earn", "points": 9, "key": "a"}, {"kind": "redeem", "points": 4})
    _, earned, spent = await receiver.wait(3)
    replay = await club.post(f"{path}/replay", {"kinds": ["points.spent"]})
    assert replay.status in (200, 202), replay.body
    *_, again = await receiver.wait(4)

    prefix = "tierline." if format_ == "cloudevents" else ""
    assert json.loads(earned.body)["type"] == f"{prefix}points.earned"
    assert (again.body, again.headers["webhook-id"]) == (spent.body, spent.headers["webhook-id"])


async def test_the_command_line_counts_what_a_replay_of_points_sends(
    club: Api, receiver: Receiver, database: Database, tmp_path: Path
) -> None:
    """By the same kinds as the API, each event that the endpoint's filter lets through."""
    made = await endpoint(club, receiver, filter={"change": {"gte": 5}})
    await send(club, {"kind": "earn", "points": 9}, {"kind": "earn", "points": 4})
    await receiver.wait(1)
    place = ("--database-url", database.url, "--data-dir", str(tmp_path))
    which = ("--project", "Shop", "--endpoint", made["id"], "--kind", "points.earned", "--dry-run")
    counted = await asyncio.to_thread(CliRunner().invoke, main, ["replay", *place, *which])
    path = f"/api/endpoints/{made['id']}/replay"
    dry = await club.post(path, {"kinds": ["points.earned"], "dry_run": True})
    await club.post(path, {"kinds": ["points.earned"]})
    first, again = await receiver.wait(2)

    assert (counted.exit_code, counted.stdout) == (0, "1 event\n")
    assert dry.json == {"run": None, "events": 1, "complete": True}
    assert first.headers["webhook-id"] == again.headers["webhook-id"]


async def test_a_filter_sees_a_points_events_fields(club: Api, receiver: Receiver) -> None:
    """Which the linter of filters knows."""
    await endpoint(club, receiver, filter={"change": {"gte": 100}})
    await send(club, {"kind": "earn", "points": 99}, {"kind": "earn", "points": 100, "key": "b"})
    (request,) = await receiver.wait(1)

    assert short([request]) == [("earned", 100, 199, 0, "b")]


async def test_a_quiet_member_tells_nothing(club: Api, receiver: Receiver) -> None:
    """Points that were brought along quietly are no news."""
    await endpoint(club, receiver)
    body = {"quiet": True, "key": "q", "enrolled_at": "2020-01-01T00:00:00Z"}
    assert (await club.put("/api/programs/club/members/zoe", body)).status in (200, 201)
    await send(club, {"kind": "earn", "points": 1, "key": "a"})

    events = (await club.get("/api/events?class=points")).json["events"]
    assert [event["key"] for event in events] == ["a"]


async def test_a_key_without_read_customers_hears_no_points(club: Api, receiver: Receiver) -> None:
    """They are facts about people."""
    made = await club.post("/api/keys", {"scopes": ["manage_endpoints"]})
    body = {"url": receiver.url, "kinds": ["points.earned"]}
    refused = await club.post("/api/endpoints", body, key=made.json["key"])
    assert refused.problem[:2] == (403, "forbidden")
    feed = await club.get("/api/events?class=points", key=made.json["key"])
    assert feed.problem[:2] == (403, "forbidden")


async def test_a_vendors_format_without_points_refuses_the_kind(
    club: Api, receiver: Receiver
) -> None:
    """With the kinds that it has."""
    body = {"url": receiver.url, "format": "loyaltylion", "kinds": ["points.earned"]}
    refused = await club.post("/api/endpoints", body)
    assert refused.problem == (400, "invalid", "kinds[0]")
