"""An instant that selects a sandbox's events is of the sandbox's own time.

The story: at some instants four customers join; the clock goes there by hand, in the
last step far ahead of the wall's. Points live for fifty days, so on the way others leave.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.receiver import Receiver
from tests.web.conftest import POLICY, Api
from tierline.cli import main
from tierline.model.calendar import parse_instant
from tierline.store.database import Database

STEPS = (
    "2024-01-10T00:00:00Z", "2024-02-10T00:00:00Z", "2024-02-20T00:00:00Z", "2025-06-01T00:00:00Z",
    "2041-06-01T00:00:00Z",
)  # fmt: skip
INSTANTS = (*STEPS, "2023-01-01T00:00:00Z", "2024-03-01T00:00:00Z", "2026-01-01T00:00:00Z")
EXPIRING = {
    "name": "Club",
    "policy": {**POLICY, "metric": {"source": "balance"}},
    "points": {"expiry": {"type": "after", "length": "P50D"}},
}


@pytest.fixture
async def years(sandbox: Api) -> Api:
    """A sandbox with all of the story in its log."""
    assert (await sandbox.put("/api/programs/club", EXPIRING)).status == 200
    for step, instant in enumerate(STEPS):
        moved = await sandbox.post("/api/clock", {"advance_to": instant})
        assert moved.status == 200, moved.body
        for customer in range(4):
            assert (await sandbox.earn(f"{step}-{customer}", 120)).status == 200
    return sandbox


async def feed(api: Api, query: str = "") -> list[dict[str, Any]]:
    answered = await api.get(f"/api/events?limit=1000{query}")
    assert answered.status == 200, answered.body
    events: list[dict[str, Any]] = answered.json["events"]
    return events


def from_(instant: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: parse_instant(event["at"]) >= parse_instant(instant)


@pytest.mark.parametrize("instant", INSTANTS)
async def test_the_feed_starts_at_an_instant_of_the_sandbox(years: Api, instant: str) -> None:
    """Whatever the wall says: behind it, ahead of it, between two moves of the clock."""
    whole = await feed(years)
    events = await feed(years, f"&since={instant}")

    assert len(whole) > 30
    assert events == list(filter(from_(instant), whole))
    assert instant != STEPS[3] or 4 < len(events) < len(whole)


async def test_the_feed_waits_for_an_instant_ahead(years: Api) -> None:
    """And goes on from there, for as long as its cursor is sent."""
    none = (await years.get("/api/events?since=2041-07-01T00:00:00Z")).json
    await years.post("/api/clock", {"advance_to": "2041-07-02T00:00:00Z"})
    await years.earn("late", 120)
    later = await feed(years, f"&after={none['next']}")

    assert none["events"] == []
    assert [event["customer"] for event in later] == ["late"]


@pytest.mark.parametrize("instant", INSTANTS[1::2])
async def test_an_endpoint_hears_from_an_instant_of_the_sandbox(
    years: Api, receiver: Receiver, instant: str
) -> None:
    """And shows that instant."""
    expected = {event["id"] for event in filter(from_(instant), await feed(years))}
    made = await years.post("/api/endpoints", {"url": receiver.url, "since": instant})
    await arrived(receiver, expected)

    assert made.status == 201, made.body
    assert parse_instant(made.json["since"]) == parse_instant(instant)


async def test_an_endpoint_without_an_instant_hears_from_now_on(
    years: Api, receiver: Receiver
) -> None:
    """Nothing that was before, though the sandbox's time stands still; it shows that time."""
    made = await years.post("/api/endpoints", {"url": receiver.url})
    await years.earn("next", 120)
    expected = {event["id"] for event in await feed(years) if event["customer"] == "next"}
    await arrived(receiver, expected)

    clock = (await years.get("/api/project")).json["clock"]
    assert made.json["since"] == clock


async def test_a_replay_is_of_a_stretch_of_the_sandboxs_time(
    years: Api, receiver: Receiver
) -> None:
    """`since` inclusive, `until` exclusive; counted and sent."""
    since, until = STEPS[1], STEPS[3]
    stretch = {"since": since, "until": until}
    expected = [
        event["id"] for event in filter(from_(since), await feed(years)) if not from_(until)(event)
    ]
    made = (await years.post("/api/endpoints", {"url": receiver.url})).json
    path = f"/api/endpoints/{made['id']}/replay"
    counted = await years.post(path, {**stretch, "dry_run": True})
    begun = await years.post(path, stretch)
    nothing = await years.post(path, {"since": "2041-06-02T00:00:00Z"})

    assert counted.json == {"run": None, "events": len(expected), "complete": True}
    assert begun.json == {"run": 1}
    assert nothing.problem[0] == 409
    await arrived(receiver, set(expected))


async def test_a_rewind_goes_to_an_instant_of_the_sandbox(years: Api, receiver: Receiver) -> None:
    """All since then, and only that, is sent again."""
    expected = {event["id"] for event in filter(from_(STEPS[2]), await feed(years))}
    made = (await years.post("/api/endpoints", {"url": receiver.url})).json
    rewound = await years.post(f"/api/endpoints/{made['id']}/rewind", {"since": STEPS[2]})

    assert rewound.status == 200, rewound.body
    await arrived(receiver, expected)


async def test_the_command_line_replays_the_sandboxs_time(
    years: Api, database: Database, tmp_path: Path
) -> None:
    """As the API does."""
    events = [event for event in await feed(years) if not from_(STEPS[2])(event)]
    made = (await years.post("/api/endpoints", {"url": "https://hooks.example.com/"})).json
    place = ("--database-url", database.url, "--data-dir", str(tmp_path))
    which = ("--project", "Shop", "--endpoint", made["id"], "--until", STEPS[2], "--dry-run")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["replay", *place, *which])

    assert (result.exit_code, result.output) == (0, f"{len(events)} events\n")


async def test_operational_events_are_of_the_walls_time(years: Api) -> None:
    """They tell of requests and machines, in a sandbox too."""
    made = (await years.post("/api/endpoints", {"url": "https://hooks.example.com/"})).json
    await years.post(f"/api/endpoints/{made['id']}/pause")
    await years.post(f"/api/endpoints/{made['id']}/resume")
    whole = await feed(years, "&class=ops")

    assert [event["kind"] for event in whole] == ["endpoint.paused", "endpoint.resumed"]
    assert await feed(years, "&class=ops&since=2025-01-01T00:00:00Z") == whole
    assert await feed(years, "&class=ops&since=2041-01-01T00:00:00Z") == []


async def test_where_an_endpoint_begins_is_set_when_it_is_made(club: Api) -> None:
    """Later it is wound back instead: a change that says otherwise is no silent one."""
    made = (await club.post("/api/endpoints", {"url": "https://hooks.example.com/"})).json
    changed = await club.call(
        "PATCH", f"/api/endpoints/{made['id']}", {"since": "2024-01-01T00:00:00Z"}
    )

    assert changed.problem == (400, "invalid", "since")
    assert "rewind" in changed.json["detail"]


async def arrived(receiver: Receiver, expected: set[str]) -> None:
    """All of these events come, and no others beside them."""
    await receiver.wait(len(expected), timeout=30)
    assert {json.loads(request.body)["data"]["id"] for request in receiver.requests} == expected
