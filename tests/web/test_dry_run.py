"""A dry run tells what an activity would do, and does nothing."""

from __future__ import annotations

from tests.web.conftest import CLUB, POLICY, Api

PATH = "/api/programs/club/dry-run"
ANNA = "/api/programs/club/members/anna"


async def test_the_outcome_is_told_and_nothing_is_recorded(club: Api) -> None:
    """The same answer that the activity then gets."""
    await club.earn("anna", 90)
    activity = {"customer": "anna", "kind": "earn", "points": 20, "key": "k"}
    before = (await club.get(ANNA)).json
    tried = (await club.post(PATH, activity)).json
    after = (await club.get(ANNA)).json
    real = (await club.post("/api/programs/club/activities", activity)).json

    assert (tried["tier_before"], tried["balance_before"]) == ("bronze", 90)
    assert tried["member"]["tier"]["id"] == "silver"
    for field in ("entry", "points", "balance", "tier", "events"):
        assert tried["activity"][field] == real[field]
    assert (before["seq"], before["points"]) == (after["seq"], after["points"])


async def test_a_stranger_may_be_tried(club: Api) -> None:
    """Where the program enrols by itself; no customer is made."""
    stranger = {"customer": "new", "kind": "earn", "points": 500}
    tried = (await club.post(PATH, stranger)).json

    assert [event["kind"] for event in tried["activity"]["events"]] == ["joined"]
    assert (await club.get("/api/customers/new")).status == 404


async def test_a_refusal_is_the_real_one(club: Api) -> None:
    """With its code and field."""
    await club.earn("anna", 10)
    await club.put("/api/programs/closed", CLUB | {"auto_join": False})
    much = await club.post(PATH, {"customer": "anna", "kind": "redeem", "points": 99})
    closed = {"customer": "anna", "kind": "earn", "points": 1}
    stranger = await club.post("/api/programs/closed/dry-run", closed)
    wrong = await club.post(PATH, {"customer": "anna", "kind": "earn", "points": 0})

    assert much.problem == (422, "insufficient_points", "points")
    assert stranger.problem[:2] == (422, "not_a_member")
    assert wrong.problem == (400, "invalid", "points")


async def test_a_refund_is_tried_against_its_original(club: Api) -> None:
    """As much as is left of it, and unknown ones are said."""
    await club.earn("anna", 120, "k1")
    void = await club.post(PATH, {"customer": "anna", "kind": "void", "of": "k1"})
    unknown = await club.post(PATH, {"customer": "anna", "kind": "void", "of": "k2"})

    assert (void.json["activity"]["points"], void.json["member"]["tier"]["id"]) == (-120, "bronze")
    assert unknown.problem[:2] == (409, "unknown_original")


async def test_a_late_activity_is_tried_against_all_that_came_before(sandbox: Api) -> None:
    """Where corrections are retroactive, only the whole history can tell."""
    policy = POLICY | {"window": {"type": "calendar", "unit": "year"}}
    late = policy | {"corrections": "retroactive"}
    assert (await sandbox.put("/api/programs/late", {"name": "Late", "policy": late})).status == 201
    earn = {"customer": "anna", "kind": "earn"}
    await sandbox.post("/api/clock", {"advance_to": "2024-02-01T00:00:00Z"})
    first = await sandbox.post("/api/programs/late/activities", earn | {"points": 80})
    await sandbox.post("/api/clock", {"advance_to": "2024-06-01T00:00:00Z"})
    body = earn | {"points": 30, "occurred_at": "2024-01-20T00:00:00Z"}
    tried = await sandbox.post("/api/programs/late/dry-run", body)
    done = await sandbox.post("/api/programs/late/activities", body)

    assert (first.json["tier"], tried.json["tier_before"]) == ("bronze", "bronze")
    assert [event["cause"] for event in tried.json["activity"]["events"]] == ["correction"]
    assert tried.json["member"]["tier"]["id"] == done.json["tier"] == "silver"
