"""Programs and projects that are paused, ended, and go on: nothing new, and the past is settled."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import CLUB, Api, running
from tierline.ledger.commands import ProgramRef
from tierline.ledger.files.importer import Importer
from tierline.ledger.program_end import end_memberships
from tierline.ledger.writer import Writer
from tierline.store.database import Database

PROGRAM = "/api/programs/club"
ACTIVITIES = f"{PROGRAM}/activities"
ANNA = f"{PROGRAM}/members/anna"
NEW: list[dict[str, Any]] = [
    {"kind": "earn", "customer": "anna", "points": 5},
    {"kind": "earn", "customer": "nobody", "points": 5},
    {"kind": "redeem", "customer": "anna", "points": 5},
    {"kind": "order", "customer": "anna", "amount": 5},
    {"kind": "custom", "customer": "anna", "name": "visit"},
    {"kind": "order", "order": "1001", "customer": "anna", "total": 5490, "paid": 5490},
    {"kind": "transfer", "customer": "anna", "to": "bob", "points": 5},
]
OLD: list[dict[str, Any]] = [
    {"kind": "adjust", "customer": "anna", "points": 5},
    {"kind": "approve", "customer": "anna", "of": "later"},
    {"kind": "refund", "customer": "anna", "of": "o-1", "amount": 100},
    {"kind": "void", "of": "a-2"},
]


@pytest.fixture
async def full(club: Api) -> Api:
    """The club with anna, who has something to settle, and bob."""
    later = {"kind": "earn", "customer": "anna", "points": 9, "key": "later"}
    await club.earn("anna", 100, "a-1")
    await club.earn("anna", 50, "a-2")
    order = {"kind": "order", "customer": "anna", "amount": 500, "key": "o-1"}
    assert (await club.post(ACTIVITIES, order)).status == 200
    await club.earn("bob", 1)
    await club.post(ACTIVITIES, {**later, "available_at": "2099-01-01T00:00:00Z"})
    return club


async def close(api: Api, how: str) -> str:
    """Closes the program; returns the code with which it refuses."""
    path = {"pause": f"{PROGRAM}/pause", "end": f"{PROGRAM}/end"}.get(how, "/api/project/pause")
    answer = await api.post(path)
    assert answer.status == 200, answer.body
    return "program_ended" if how == "end" else "program_paused"


@pytest.mark.parametrize("how", ["pause", "end", "project"])
async def test_nothing_new_is_taken_whichever_way_it_comes(full: Api, how: str) -> None:
    """And nothing of it is recorded, nobody is made; what was answered before is not again."""
    code = await close(full, how)
    ndjson = b"\n".join(json.dumps(each).encode() for each in NEW)
    kind = {"content-type": "application/x-ndjson"}
    lines = (await full.post(ACTIVITIES, ndjson, headers=kind)).body.splitlines()
    refused = [
        *[(await full.post(ACTIVITIES, each)).json for each in NEW],
        *(await full.post(ACTIVITIES, NEW)).json,
        *[json.loads(line) for line in lines],
        *[(await full.post(f"{PROGRAM}/dry-run", each)).json for each in NEW[:6]],
        (await full.earn("anna", 100, "a-1")).json,
        (await full.put(f"{PROGRAM}/members/carl", {})).json,
        (await full.put(f"{ANNA}/attributes", {"attributes": {"vip": True}})).json,
    ]

    assert {(each.get("code"), each.get("status")) for each in refused} == {(code, 422)}
    assert (await full.get(ANNA)).json["points"]["balance"] == 150
    assert (await full.get("/api/customers/nobody")).status == 404


@pytest.mark.parametrize("how", ["pause", "end", "project"])
async def test_the_past_is_settled_and_operators_go_on(full: Api, how: str) -> None:
    await close(full, how)
    answers = [
        *[await full.post(ACTIVITIES, each) for each in OLD],
        await full.put(f"{ANNA}/override", {"kind": "pin", "tier": "gold"}),
        await full.call("DELETE", f"{ANNA}/override"),
        await full.put(PROGRAM, {**CLUB, "name": "Other"}),
        await full.get(f"{ANNA}/explain"),
        await full.call("DELETE", ANNA),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers)


@pytest.mark.parametrize("how", ["pause", "end", "project"])
async def test_it_goes_on(full: Api, how: str) -> None:
    await close(full, how)
    path = "/api/project/resume" if how == "project" else f"{PROGRAM}/resume"
    assert (await full.post(path)).status == 200
    assert (await full.earn("anna", 5)).status == 200
    assert (await full.get(f"{PROGRAM}/state")).json == {
        "program": "club", "state": "active", "ended_at": None,
    }  # fmt: skip


async def test_a_program_stays_paused_when_its_project_goes_on(full: Api) -> None:
    await close(full, "pause")
    await close(full, "project")
    await full.post("/api/project/resume")
    assert (await full.earn("anna", 5)).problem[:2] == (422, "program_paused")
    assert (await full.put("/api/programs/other", CLUB)).status == 201
    other = {"kind": "earn", "customer": "anna", "points": 5}
    assert (await full.post("/api/programs/other/activities", other)).status == 200


async def test_an_end_that_lies_ahead(sandbox: Api) -> None:
    """By the project's own time: before it nothing changes, from it on nothing new is taken; and
    time goes on passing."""
    await sandbox.earn("anna", 100)
    at = "2024-06-01T00:00:00Z"
    assert (await sandbox.post(f"{PROGRAM}/end", {"at": "2023-06-01T00:00:00Z"})).status == 400
    assert (await sandbox.post(f"{PROGRAM}/end", {"at": at})).json["state"] == "active"
    assert (await sandbox.earn("anna", 1)).status == 200
    for to, status in (("2024-05-31T23:59:59Z", 200), (at, 422), ("2024-07-01T00:00:00Z", 422)):
        assert (await sandbox.post("/api/clock", {"advance_to": to})).status == 200
        assert (await sandbox.earn("anna", 1)).status == status
    assert (await sandbox.get(f"{PROGRAM}/state")).json["state"] == "ended"


async def test_an_import_is_refused_record_by_record(full: Api, tmp_path: Path) -> None:
    """In a dry run too; and no profile is left of who brings a membership."""
    await close(full, "pause")
    file = tmp_path / "people.csv"
    file.write_text("customer,points\ndan,5\nanna,7\n")
    here = full.installation
    writer = Writer(here.database, here.catalog, lambda _: None)
    await writer.start()
    try:
        for way in (None, writer):
            project = here.catalog.projects()[0]
            done = await Importer(here.database, here.catalog, way, project, 1).run(file)
            assert (done.records, done.refused, done.commands) == (2, 2, 0)
            assert "paused" in done.problems[0].reason
    finally:
        await writer.stop()
    assert (await full.get("/api/customers/dan")).status == 404


async def test_every_member_may_leave_when_it_has_ended(full: Api) -> None:
    """Once, however often it is said; it is announced, and points stay."""
    await close(full, "end")
    here = full.installation
    closure = here.catalog.closures[1]
    assert closure.ended_at is not None
    writer = Writer(here.database, here.catalog, lambda _: None)
    await writer.start()
    try:
        ref = ProgramRef(here.catalog.projects()[0], 1)
        runs = [await end_memberships(here.database, writer, ref, closure.ended_at) for _ in "12"]
    finally:
        await writer.stop()
    events = (await full.get("/api/events")).json["events"]

    assert runs == [2, 0]
    assert sorted(e["customer"] for e in events if e["kind"] == "left") == ["anna", "bob"]
    anna = (await full.get(ANNA)).json
    assert (anna["member"], anna["tier"], anna["points"]["balance"]) == (False, None, 150)


async def test_another_process_follows(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as one, running(database, tmp_path) as two:
        await one.put(PROGRAM, CLUB)
        two.key = one.key
        assert (await two.earn("anna", 1)).status == 200
        await close(one, "pause")
        async with asyncio.timeout(20):
            while (await two.earn("anna", 1)).status == 200:
                await two.get("/healthz")
        assert (await two.earn("anna", 1)).problem[:2] == (422, "program_paused")


async def test_who_may_not_write_programs_closes_none(full: Api) -> None:
    key = (await full.post("/api/keys", {"scopes": ["write_customers", "read_programs"]})).json[
        "key"
    ]
    for path in (f"{PROGRAM}/pause", f"{PROGRAM}/end", "/api/project/pause"):
        assert (await full.post(path, key=key)).status == 403
    assert (await full.post("/api/programs/none/pause")).status == 404
    assert (await full.earn("anna", 5)).status == 200
