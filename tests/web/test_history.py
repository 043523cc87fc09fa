"""The history of one member: what the ledger, the lots and the tiers held say, page by page."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.web.conftest import POLICY, Api
from tierline.model.encoding import decode_standing, encode_standing

ACTIVITIES = "/api/programs/club/activities"
ANNA = "/api/programs/club/members/anna"
EXPIRING: dict[str, Any] = {
    "name": "Club",
    "policy": POLICY,
    "points": {"expiry": {"type": "after", "length": "P30D"}},
}


async def act(api: Api, kind: str, key: str, **facts: Any) -> dict[str, Any]:
    body = {"customer": "anna", "kind": kind, "key": key, **facts}
    answered = await api.post(ACTIVITIES, body)
    assert answered.status == 200, answered.body
    answer: dict[str, Any] = answered.json
    return answer


async def advance(api: Api, at: str) -> None:
    answered = await api.post("/api/clock", {"advance_to": at})
    assert answered.status == 200, answered.body


async def read(api: Api, path: str) -> dict[str, Any]:
    answered = await api.get(path)
    assert answered.status == 200, answered.body
    answer: dict[str, Any] = answered.json
    return answer


async def pages(api: Api, path: str, what: str, limit: int) -> list[dict[str, Any]]:
    """The lines of all pages."""
    lines: list[dict[str, Any]] = []
    after: str | None = ""
    joint = "&" if "?" in path else "?"
    while after is not None:
        page = await read(api, f"{path}{joint}limit={limit}&after={after}")
        assert len(page[what]) <= limit
        lines += page[what]
        after = page["next"]
    return lines


async def year(api: Api) -> None:
    """Points come, go and expire; the tier rises, is pinned, and falls."""
    assert (await api.put("/api/programs/club", EXPIRING)).status == 200
    await act(api, "earn", "a-1", points=60, name="visit", metadata={"shop": "Mitte"})
    await advance(api, "2024-01-11T00:00:00Z")
    await act(api, "order", "o-1", amount=9900, points=90)
    await act(api, "redeem", "r-1", points=70)
    await advance(api, "2024-02-15T00:00:00Z")
    await act(api, "refund", "f-1", of="o-1", points=45)
    pin = {"kind": "pin", "tier": "gold", "until": "2024-03-01T00:00:00Z", "key": "pin-1"}
    assert (await api.put(f"{ANNA}/override", pin)).status == 200
    await advance(api, "2024-04-01T00:00:00Z")


async def test_the_ledger_says_what_each_entry_did(sandbox: Api) -> None:
    """With the caller's keys, the key of what a refund speaks of, and the answers of then."""
    await year(sandbox)
    lines = (await read(sandbox, f"{ANNA}/entries"))["entries"]

    assert [(line["kind"], line["key"]) for line in lines] == [
        ("enrol", None),
        ("earn", "a-1"),
        ("order", "o-1"),
        ("redeem", "r-1"),
        ("refund", "f-1"),
        ("override", "pin-1"),
    ]
    assert [line["entry"] for line in lines] == [1, 2, 3, 4, 5, 6]
    earn, order, redeem, refund, _ = lines[1:]
    assert (earn["points"], earn["name"], earn["metadata"]) == (60, "visit", {"shop": "Mitte"})
    assert [line["balance"] for line in lines[:4]] == [None, 60, 150, 80]
    assert (order["amount"], order["tier"]) == (9900, "silver")
    assert [event["kind"] for event in order["events"]] == ["upgraded"]
    assert (redeem["points"], redeem["tier"]) == (-70, "silver")
    assert (refund["of"], refund["of_entry"], refund["points"]) == ("o-1", 3, -45)
    assert "lots" not in earn


async def test_what_entries_and_time_did_to_lots_adds_up(sandbox: Api) -> None:
    """Every point that came into a lot left it, or is there."""
    await year(sandbox)
    await act(sandbox, "earn", "a-2", points=5, available_at="2024-05-01T00:00:00Z")
    await advance(sandbox, "2024-05-02T00:00:00Z")
    answer = await read(sandbox, f"{ANNA}/entries?lots=true")
    lots = await read(sandbox, f"{ANNA}/lots")
    lines = {line["key"]: line for line in answer["entries"]}

    assert lines["a-1"]["lots"] == [{"expires_at": "2024-02-01T00:00:00.000Z", "points": 60}]
    assert [move["points"] for move in lines["r-1"]["lots"]] == [-60, -10]
    assert [step["lots"][0]["points"] for step in lines["f-1"]["meanwhile"]] == [-80]
    assert [step["at"] for step in answer["since"]] == ["2024-05-01T00:00:00.000Z"]
    rest: dict[str | None, int] = {}
    steps = [step for line in lines.values() for step in line["meanwhile"]] + answer["since"]
    for change in [*lines.values(), *steps]:
        for move in change["lots"]:
            rest[move["expires_at"]] = rest.get(move["expires_at"], 0) + move["points"]
    held = {lot["expires_at"]: lot["points"] for lot in lots["lots"]}
    assert {lot: points for lot, points in rest.items() if points} == held
    assert sum(held.values()) - lots["debt"] == lots["balance"]


async def test_a_ledger_is_paged_both_ways_while_it_grows(club: Api) -> None:
    """Nothing comes twice, nothing is left out."""
    for n in range(1, 8):
        await club.earn("anna", n, f"k-{n}")
    oldest = await pages(club, f"{ANNA}/entries", "entries", 3)
    page = await read(club, f"{ANNA}/entries?order=newest&limit=3")
    await club.earn("anna", 8, "k-8")
    newest, after = page["entries"], page["next"]
    while after is not None:
        page = await read(club, f"{ANNA}/entries?order=newest&limit=3&after={after}")
        newest, after = newest + page["entries"], page["next"]

    assert [line["key"] for line in oldest] == [None, *(f"k-{n}" for n in range(1, 8))]
    assert newest == oldest[::-1]
    assert len(await pages(club, f"{ANNA}/entries", "entries", 3)) == 9


async def test_lots_say_whose_points_they_are(sandbox: Api) -> None:
    """By the callers' keys, also of points on their way, and as of then."""
    assert (await sandbox.put("/api/programs/club", EXPIRING)).status == 200
    await act(sandbox, "earn", "a-1", points=60)
    await act(sandbox, "earn", "a-2", points=40)
    await act(sandbox, "redeem", "r-1", points=70)
    await act(sandbox, "earn", "a-3", points=9, available_at="2024-02-01T00:00:00Z")
    now = await read(sandbox, f"{ANNA}/lots")
    later = await read(sandbox, f"{ANNA}/lots?at=2024-02-02T00:00:00Z")

    assert now["lots"] == [
        {
            "expires_at": "2024-02-01T00:00:00.000Z",
            "points": 30,
            "entries": [{"entry": 3, "key": "a-2", "points": 30}],
        }
    ]
    assert [(line["key"], line["points"]) for line in now["pending"]] == [("a-3", 9)]
    assert [share["key"] for lot in later["lots"] for share in lot["entries"]] == ["a-3"]
    assert (now["balance"], later["balance"], later["pending"]) == (30, 9, [])


async def test_the_tiers_held_have_dates_causes_and_rules(sandbox: Api) -> None:
    """Each until the next, with the key of what brought it."""
    await year(sandbox)
    lines = (await read(sandbox, f"{ANNA}/history"))["history"]
    moves = [(line["seq"], line["kind"], line["tier"]["id"], line["cause"]) for line in lines]

    assert [line["key"] for line in lines] == ["a-1", "o-1", "pin-1", None]
    assert moves == [
        (1, "joined", "bronze", "activity"),
        (2, "upgraded", "silver", "activity"),
        (3, "upgraded", "gold", "override"),
        (4, "downgraded", "silver", "override"),
    ]
    assert [line["until"] for line in lines] == [*(line["at"] for line in lines[1:]), None]
    assert {line["version"] for line in lines} == {2}


async def test_a_tier_that_was_brought_along_is_history_too(sandbox: Api) -> None:
    """Nobody was told of it, and it counts."""
    body = {"tier": "gold", "enrolled_at": "2023-05-01T00:00:00Z", "quiet": True}
    assert (await sandbox.put(ANNA, body)).status == 200
    (line,) = (await read(sandbox, f"{ANNA}/history"))["history"]

    assert (line["seq"], line["tier"]["name"], line["cause"]) == (None, "Gold", "import")


async def test_what_was_announced_before_an_upgrade_is_told_as_it_was(sandbox: Api) -> None:
    """By the log, though today's code would have decided otherwise."""
    await act(sandbox, "earn", "a-1", points=60)
    pool = sandbox.installation.database.pool
    raw = await pool.fetchval("SELECT standing FROM member")
    older = replace(decode_standing(raw), edition=1, held="silver", tier="silver")
    await pool.execute("UPDATE member SET standing = $1, tier = 'silver'", encode_standing(older))
    await act(sandbox, "earn", "a-2", points=900)
    lines = (await read(sandbox, f"{ANNA}/history"))["history"]
    entries = (await read(sandbox, f"{ANNA}/entries"))["entries"]

    assert [(line["seq"], line["kind"], line["key"]) for line in lines] == [
        (1, "joined", "a-1"),
        (2, "upgraded", "a-2"),
    ]
    assert lines[1]["tier_from"] == {"id": "silver", "name": "Silver"}
    assert [(line["kind"], line["key"]) for line in entries[2:]] == [
        ("checkpoint", None),
        ("earn", "a-2"),
    ]


async def test_histories_are_paged_both_ways(sandbox: Api) -> None:
    """And end at an instant that is asked for."""
    await year(sandbox)
    oldest = await pages(sandbox, f"{ANNA}/history", "history", 2)
    newest = await pages(sandbox, f"{ANNA}/history?order=newest", "history", 3)
    then = await read(sandbox, f"{ANNA}/history?at=2024-01-05T00:00:00Z")

    assert newest == oldest[::-1]
    assert len(oldest) >= 3
    assert [line["kind"] for line in then["history"]] == ["joined"]
    assert then["history"][0]["until"] is None


async def test_who_is_no_member_has_no_history(club: Api) -> None:
    """And wrong cursors name their field."""
    await club.put("/api/customers/ben", {})
    await club.earn("anna", 1)
    for what in ("entries", "lots", "history"):
        nobody = await club.get(f"/api/programs/club/members/nobody/{what}")
        ben = await club.get(f"/api/programs/club/members/ben/{what}")
        assert nobody.problem == (404, "not_found", "source_id")
        assert ben.problem[1:] == ("not_a_member", "source_id")
        if what != "lots":
            wrong = await club.get(f"{ANNA}/{what}?after=x")
            assert wrong.problem == (400, "invalid", "after")


async def test_one_customers_events_are_read_alone(club: Api) -> None:
    """By any name, page by page, and on from there when more come; a cursor of theirs is of no use
    for the whole feed or for anybody else."""
    await club.put("/api/customers/anna", {"names": {"card": "4711"}})
    for n, points in enumerate((10, 120, 500)):
        await club.earn("anna", points, f"a-{n}")
        await club.earn("ben", points, f"b-{n}")
    everything = (await read(club, "/api/events"))["events"]
    theirs = await pages_of_events(club, "anna")
    end = (await read(club, "/api/events?customer=4711"))["next"]
    await club.post(ACTIVITIES, {"customer": "anna", "kind": "void", "of": "a-2"})
    news = await read(club, f"/api/events?customer=anna&after={end}")
    from_start = await read(club, "/api/events?customer=anna&since=2024-01-01T00:00:00Z")

    assert theirs == [event for event in everything if event["customer"] == "anna"]
    assert [event["kind"] for event in news["events"]] == ["downgraded"]
    assert len(theirs) == 3
    assert from_start["events"] == theirs + news["events"]
    for query in (f"after={end}", f"customer=ben&after={end}"):
        assert (await club.get(f"/api/events?{query}")).status in (400, 410)
    assert (await club.get("/api/events?customer=nobody")).problem == (404, "not_found", "customer")


async def pages_of_events(api: Api, customer: str) -> list[dict[str, Any]]:
    """All events of a customer, one a page."""
    events: list[dict[str, Any]] = []
    after, more = "", True
    while more:
        page = await read(api, f"/api/events?customer={customer}&limit=1&after={after}")
        assert len(page["events"]) <= 1
        events += page["events"]
        after, more = page["next"], page["more"]
    return events
