"""The same activity again: at once, later, and with another body."""

from __future__ import annotations

import asyncio

from tests.e2e.caller import STAIRS, Caller

SENT = {"key": "order-4711", "customer": "anna", "kind": "earn", "points": 75}


async def test_ten_times_at_once_counts_once(caller: Caller) -> None:
    """One entry, ten equal answers, one event; another body under the same key is a conflict."""
    await caller.put("/api/programs/ten", STAIRS)
    path = "/api/programs/ten/activities"
    answers = await asyncio.gather(*(caller.post(path, SENT) for _ in range(10)))
    assert sorted(answer.pop("repeated") for answer in answers) == [False] + [True] * 9
    assert all(answer == answers[0] for answer in answers)

    reused = await caller.call("POST", path, SENT | {"points": 76})
    assert reused.problem == (409, "key_reused", "key")
    reordered = await caller.post(path, dict(reversed(SENT.items())))
    assert reordered == answers[0] | {"repeated": True}
    assert await caller.balance("ten", "anna") == 75
    events = [e for e in await caller.feed() if e["program"] == "ten"]
    assert [(e["kind"], e["seq"]) for e in events] == [("joined", 1)]


async def test_keys_are_each_members_own(caller: Caller) -> None:
    """Two customers may use the same key, and so may one customer in two programs."""
    for program in ("east", "west"):
        await caller.put(f"/api/programs/{program}", STAIRS)
    for program, customer in (("east", "ben"), ("east", "eve"), ("west", "ben")):
        path = f"/api/programs/{program}/activities"
        answer = await caller.post(path, SENT | {"customer": customer})
        assert answer["repeated"] is False

    again = await caller.post("/api/programs/west/activities", SENT | {"customer": "ben"})
    assert again["repeated"] is True
