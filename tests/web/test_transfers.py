"""Points from one customer to another, over HTTP."""

from __future__ import annotations

from typing import Any

from tests.ledger.conftest import Club, first_half
from tests.web.conftest import CLUB, Answered, Api
from tierline.ledger.command_parsing import CommandParser

ACTIVITIES = "/api/programs/club/activities"


async def send(api: Api, to: str, points: int, **more: Any) -> Answered:
    activity = {"customer": "anna", "kind": "transfer", "to": to, "points": points, **more}
    return await api.post(ACTIVITIES, activity)


async def points_of(api: Api, name: str) -> dict[str, Any]:
    points: dict[str, Any] = (await api.get(f"/api/programs/club/members/{name}")).json["points"]
    return points


async def test_a_transfer_is_answered_with_its_end(sandbox: Api) -> None:
    """Arrived, or returned with the reason; any other activity has no such part."""
    earned = await sandbox.earn("anna", 120)
    sent = (await send(sandbox, "bob", 50, key="t1", reason="a gift")).json
    await sandbox.put("/api/programs/club", CLUB | {"auto_join": False})
    lost = (await send(sandbox, "carl", 20)).json

    assert "transfer" not in earned.json
    assert sent["transfer"] == {"to": "bob", "state": "arrived"}
    assert (sent["points"], sent["balance"]) == (-50, 70)
    assert lost["transfer"]["state"] == "returned"
    assert lost["transfer"]["code"] == "not_a_member"
    assert lost["balance"] == 70
    assert (await points_of(sandbox, "bob"))["balance"] == 50


async def test_what_is_wrong_names_its_field(club: Api) -> None:
    """Oneself, nobody, nothing, and fields of other kinds."""
    await club.earn("anna", 120)
    problems = [
        (await club.post(ACTIVITIES, {"customer": "anna", "kind": "transfer", **body})).problem
        for body in (
            {"to": "anna", "points": 1},
            {"to": "", "points": 1},
            {"points": 1},
            {"to": "bob"},
            {"to": "bob", "points": 0},
            {"to": "bob", "points": -5},
            {"to": "bob", "points": 5, "amount": 1},
            {"to": "bob\n", "points": 5},
            {"to": "bob", "points": 121},
        )
    ]
    other = await club.post(
        ACTIVITIES, {"customer": "anna", "kind": "earn", "points": 1, "to": "bob"}
    )

    fields = ["to", "to", "to", "points", "points", "points", "amount", "to"]
    assert problems == [
        *((400, "invalid", field) for field in fields),
        (422, "insufficient_points", "points"),
    ]
    assert other.problem == (400, "invalid", "to")
    assert (await points_of(club, "anna"))["balance"] == 120


async def test_points_in_transit_are_shown(club: Api) -> None:
    """Those that left the sender, and did not arrive because a process was gone; the sweep of this
    server, or the same request again, brings them home."""
    await club.earn("anna", 120)
    (project,) = club.installation.catalog.projects()
    (program,) = club.installation.catalog.programs(project.number)
    ledger = Club(club.installation.database, club.installation.catalog)
    ledger.parser, ledger.project = CommandParser(project, program.number), project
    fields = {"to": "bob", "points": 50, "key": "t1"}
    await first_half(ledger, ledger.activity("transfer", "anna", **fields))
    before = await points_of(club, "anna")
    again = (await send(club, "bob", 50, key="t1")).json
    after = await points_of(club, "anna")

    assert (before["balance"], before["in_transit"]) == (70, 50)
    assert (again["repeated"], again["transfer"]["state"]) == (True, "arrived")
    assert (after["balance"], after["in_transit"]) == (70, 0)
    assert (await points_of(club, "bob"))["balance"] == 50
