"""Where somebody stands, by hand and by time, now and at other instants."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import CLUB, POLICY, Api

ANNA = "/api/programs/club/members/anna"


def yearly(**more: Any) -> dict[str, Any]:
    """The club, counted and held by calendar years."""
    window, term = {"type": "calendar", "unit": "year"}, {"type": "window_end", "windows": 1}
    return CLUB | {"policy": POLICY | {"window": window, "term": term, **more}}


async def test_a_member_shows_what_is_needed_next(club: Api) -> None:
    """The tier, the points, and how much is missing."""
    await club.earn("anna", 120)
    answer = (await club.get(ANNA)).json

    assert answer["tier"] == {"id": "silver", "name": "Silver"}
    assert answer["points"]["balance"] == 120
    assert answer["progress"]["to_next"]["tier"]["id"] == "gold"
    assert answer["progress"]["to_next"]["needed"] == 380


async def test_somebody_enrolled_is_a_member_with_nothing(club: Api) -> None:
    """A PUT twice is one membership; leaving ends it."""
    first = await club.put(ANNA, {})
    again = await club.put(ANNA, {})
    left = await club.call("DELETE", ANNA)
    after = await club.get(ANNA)

    assert (first.status, again.status, left.status) == (200, 200, 200)
    assert first.json["member"] is True
    assert first.json["tier"]["id"] == "bronze"
    assert after.json["member"] is False
    assert after.json["tier"] is None


async def test_an_import_says_since_when_and_in_which_tier(sandbox: Api) -> None:
    """And until when."""
    await sandbox.put("/api/programs/club", yearly())
    body = {
        "enrolled_at": "2020-05-01T00:00:00Z", "tier": "gold",
        "expires_at": "2024-07-01T00:00:00Z",
    }  # fmt: skip
    answer = (await sandbox.put(ANNA, body)).json

    assert answer["joined_at"] == "2020-05-01T00:00:00.000Z"
    assert answer["tier"]["id"] == "gold"
    assert answer["expires_at"] == "2024-07-01T00:00:00.000Z"
    unknown = await sandbox.put("/api/programs/club/members/ben", {"tier": "platinum"})
    assert unknown.problem == (400, "invalid", "tier")


async def test_a_month_asleep_passes_through_every_boundary(sandbox: Api) -> None:
    """The clock is moved once; what fell due on the way is committed when it is answered."""
    await sandbox.put("/api/programs/club", yearly())
    await sandbox.earn("anna", 600)
    moved = await sandbox.post("/api/clock", {"advance_to": "2026-02-01T00:00:00Z"})
    answer = (await sandbox.get(ANNA)).json
    events = (await sandbox.get("/api/events")).json["events"]

    assert moved.json == {"clock": "2026-02-01T00:00:00.000Z"}
    # The new rules moved the clock by the millisecond that parts them from the old ones.
    assert [(event["kind"], event["at"]) for event in events if event["kind"] != "prolonged"] == [
        ("joined", "2024-01-01T00:00:00.001Z"),
        ("downgraded", "2026-01-01T00:00:00.000Z"),
    ]
    assert answer["tier"]["id"] == "bronze"


async def test_a_clock_never_goes_back_and_wall_time_does_not_move(
    sandbox: Api,
) -> None:
    """Only a sandbox has a clock to move."""
    back = await sandbox.post("/api/clock", {"advance_to": "2023-12-31T00:00:00Z"})

    assert back.problem == (422, "refused", "advance_to")


async def test_wall_time_is_nobodys_to_move(club: Api) -> None:
    """A project without a clock says so."""
    answered = await club.post("/api/clock", {"advance_to": "2099-01-01T00:00:00Z"})

    assert answered.problem == (422, "refused", "advance_to")


async def test_a_member_is_shown_as_of_another_instant(sandbox: Api) -> None:
    """What was, and what will be if nothing happens."""
    await sandbox.put("/api/programs/club", yearly())
    await sandbox.earn("anna", 600)
    await sandbox.post("/api/clock", {"advance_to": "2024-03-01T00:00:00Z"})
    await sandbox.earn("anna", 1)
    past = await sandbox.get(f"{ANNA}?at=2024-02-01T00:00:00Z")
    future = await sandbox.get(f"{ANNA}?at=2026-06-01T00:00:00Z")

    assert (past.json["points"]["balance"], past.json["tier"]["id"]) == (600, "gold")
    assert future.json["tier"]["id"] == "bronze"
    assert [risk["kind"] for risk in past.json["risks"]] == ["downgraded"]


async def test_an_override_is_asserted_and_released(sandbox: Api) -> None:
    """A pin decides while it holds; then the rules do again."""
    await sandbox.earn("anna", 10)
    pin = {"kind": "pin", "tier": "gold", "until": "2024-02-01T00:00:00Z", "reason": "gift"}
    pinned = await sandbox.put(f"{ANNA}/override", pin)
    during = (await sandbox.get(ANNA)).json
    released = await sandbox.call("DELETE", f"{ANNA}/override")

    assert pinned.json["tier"] == "gold"
    assert (during["manual"], during["held_tier"]["id"]) == (True, "bronze")
    assert during["overrides"][0]["until"] == "2024-02-01T00:00:00.000Z"
    assert released.json["tier"] == "bronze"


async def test_a_wrong_override_names_the_field(sandbox: Api) -> None:
    """Nothing is asserted."""
    await sandbox.earn("anna", 10)
    for body, path in (
        ({"kind": "pin", "tier": "platinum"}, "tier"),
        ({"kind": "floor"}, "tier"),
        ({"kind": "pin", "tier": "gold", "until": "2023-01-01T00:00:00Z"}, "until"),
        ({"kind": "wish"}, "kind"),
    ):
        answered = await sandbox.put(f"{ANNA}/override", body)
        assert answered.problem[2] == path, answered.body
    assert (await sandbox.get(ANNA)).json["overrides"] == []


async def test_a_decision_is_explained(sandbox: Api) -> None:
    """Which entries, which total, which threshold."""
    await sandbox.earn("anna", 120)
    await sandbox.earn("anna", 30)
    answer = (await sandbox.get(f"{ANNA}/explain")).json

    assert answer["tier"] == "silver"
    assert answer["totals"]["metric"]["total"] == 150
    assert [line["counts"] for line in answer["totals"]["metric"]["counted"]] == [120, 30]
    assert [(v["tier"], v["holds"]) for v in answer["ladder"]] == [
        ("bronze", False), ("silver", True), ("gold", False),
    ]  # fmt: skip
    assert answer["last_event"]["kind"] == "joined"


async def test_attributes_are_facts_that_criteria_ask_for(sandbox: Api) -> None:
    """They are set together, and null takes one away."""
    entry = {"type": "attribute", "name": "vip"}
    tiers = [*POLICY["tiers"], {"id": "vip", "name": "VIP", "entry": entry}]
    await sandbox.put("/api/programs/club", CLUB | {"policy": POLICY | {"tiers": tiers}})
    await sandbox.earn("anna", 10)
    is_vip = {"attributes": {"vip": True, "city": "Rome"}}
    put = await sandbox.put(f"{ANNA}/attributes", is_vip)
    off = await sandbox.put(f"{ANNA}/attributes", {"attributes": {"vip": None}})

    assert (put.json["tier"], off.json["tier"]) == ("vip", "bronze")
    assert (await sandbox.get(ANNA)).json["attributes"] == {"city": "Rome"}


async def test_nobody_is_explained_or_shown_who_is_no_member(club: Api) -> None:
    """A customer without membership is told apart from nobody at all."""
    await club.put("/api/customers/anna", {})

    assert (await club.get(ANNA)).problem == (422, "not_a_member", "source_id")
    assert (await club.get("/api/programs/club/members/ben")).problem[:2] == (404, "not_found")


async def test_a_member_has_a_hundred_attributes(sandbox: Api) -> None:
    """More are refused at the door, or all together; what is taken away makes room first."""
    await sandbox.earn("anna", 10)
    flood = {f"a{i}": True for i in range(101)}
    old, new = ({f"{c}{i}": True for i in range(50)} for c in "xy")
    too_many = await sandbox.put(f"{ANNA}/attributes", {"attributes": flood})
    await sandbox.put(f"{ANNA}/attributes", {"attributes": old | new})
    full = await sandbox.put(f"{ANNA}/attributes", {"attributes": {"x1": 2, "z": 1}})
    assert (await sandbox.get(ANNA)).json["attributes"] == old | new
    swapped = {"attributes": {"z": 1} | dict.fromkeys(old)}

    assert too_many.problem == full.problem == (422, "too_many", "attributes")
    assert (await sandbox.put(f"{ANNA}/attributes", swapped)).status == 200
    assert (await sandbox.get(ANNA)).json["attributes"] == new | {"z": 1}
