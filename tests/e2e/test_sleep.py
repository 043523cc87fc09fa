"""A month's sleep: what fell due meanwhile happens in order, with the instants it fell due at.

One history, three ways through the same month: a sandbox that goes from day to day, one that jumps,
and a server on wall time that was down and starts again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import asyncpg

from tests.e2e.caller import Caller, Json, all_told, check_seqs, check_told, until
from tests.e2e.process import Served, tierline
from tests.receiver import Received, Receiver
from tierline.app import serving
from tierline.bootstrap import Installation, catalogued
from tierline.config import ServeOptions
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.model.calendar import parse_instant
from tierline.store.catalog.projects import NewProject
from tierline.store.customers import shard_of_name
from tierline.store.database import Database

# The month holds the end of a calendar month, and of summer time in Berlin.
BEGIN = datetime(2024, 10, 7, 12, 30, tzinfo=UTC)
END = BEGIN + timedelta(days=31)
ZONE = "Europe/Berlin"
TIERS = [
    {"id": "bronze", "name": "Bronze", "from": 0, "to": 99},
    {"id": "silver", "name": "Silver", "from": 100, "to": 499},
    {"id": "gold", "name": "Gold", "from": 500},
]
GRACE: Json = {"then": "one_step", "grace": "P3D"}
# Every way in which time alone moves a member.
PROGRAMS: dict[str, Json] = {
    "lots": {
        "policy": {"tiers": TIERS},
        "points": {"expiry": {"type": "after", "length": "P10D"}},
    },
    "rolling": {
        "policy": {
            "tiers": TIERS,
            "metric": {"source": "earned"},
            "window": {"type": "rolling", "length": "P9D"},
        },
    },
    "terms": {
        "policy": {
            "tiers": TIERS,
            "metric": {"source": "earned"},
            "window": {"type": "rolling", "length": "P6D"},
            "term": {"type": "duration", "length": "P8D"},
            "lapse": GRACE,
        },
    },
    "months": {
        "policy": {
            "tiers": TIERS,
            "metric": {"source": "earned"},
            "window": {"type": "calendar", "unit": "month"},
            "term": {"type": "window_end"},
        },
    },
    "pending": {"policy": {"tiers": TIERS}, "points": {"pending_days": 5}},
}
SIX = tuple(f"c{c}" for c in range(6))
Moves = dict[tuple[str, str], list[tuple[object, ...]]]


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def history(caller: Caller, customers: Sequence[str] = SIX) -> None:
    """Five programs, six customers in each, with three activities of different size, all at one
    instant; some of their points come with an end of their own."""
    for program, rules in PROGRAMS.items():
        await caller.put(f"/api/programs/{program}", {"name": program.title(), **rules})
        activities = [
            {
                "key": f"{program}-{c}-{n}",
                "customer": customer,
                "kind": "earn",
                "points": points * (c + 1),
                "expires_at": iso(BEGIN + timedelta(days=(3 * c + 11 * n) % 29 + 1, hours=n)),
            }
            for c, customer in enumerate(customers)
            for n, points in enumerate((90, 35, 70))
        ]
        answers = await caller.post(f"/api/programs/{program}/activities", activities)
        assert all("balance" in answer for answer in answers)


def by_member(events: list[Json]) -> Moves:
    """What was told of each member: everything but ids, which name the project."""
    moves: Moves = {}
    for event in events:
        facts = ("seq", "kind", "tier_from", "tier_to", "at", "cause", "version")
        place = event["program"], event["customer"]
        moves.setdefault(place, []).append(tuple(str(event[fact]) for fact in facts))
    return moves


def check_month(moves: Moves) -> None:
    """The month was worth sleeping through: each program moved members, on many days."""
    moved = {program for (program, _), events in moves.items() if len(events) > 1}
    assert moved == set(PROGRAMS)
    days = {str(event[4])[:10] for events in moves.values() for event in events}
    assert len(days) > 12
    assert min(days) == "2024-10-07"
    assert max(days) > "2024-11-01"


async def advance(caller: Caller, to: datetime) -> None:
    await caller.post("/api/clock", {"advance_to": iso(to)})


async def day_by_day(caller: Caller) -> None:
    at = BEGIN
    while at < END:
        at = min(END, at + timedelta(days=1))
        await advance(caller, at)


async def test_a_jump_over_a_month_tells_what_thirty_one_days_tell(
    data_dir: Path, session: aiohttp.ClientSession
) -> None:
    """Two sandboxes with one history: one clock goes day by day, the other all at once; the
    events are the same, at the same instants, in the same order."""
    with Served(data_dir) as served:
        callers = []
        for name in ("Awake", "Jump"):
            sandbox = ("project", "create", name, "--time-zone", ZONE, "--clock", iso(BEGIN))
            assert tierline(*sandbox, data_dir=data_dir).returncode == 0
            made = tierline("key", "create", "--project", name, "--json", data_dir=data_dir)
            callers.append(Caller(session, served.url, json.loads(made.stdout)["key"]))
        awake, jump = callers
        for caller in callers:
            await served_key(caller)
            await history(caller)
        await day_by_day(awake)
        await advance(jump, END)

        events = [await caller.feed() for caller in callers]
        moves = by_member(events[0])
        check_month(moves)
        assert by_member(events[1]) == moves
        for feed in events:
            check_seqs(feed)
        await advance(jump, END)
        assert await jump.feed() == events[1]


async def served_key(caller: Caller) -> None:
    """Until a running server knows a key that the command line made: half a second at most."""
    while (await caller.call("GET", "/api/project")).status != 200:
        pass


class Wall:
    """A wall clock that the test sets."""

    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> int:
        return int(self.at.timestamp() * 1000)


@asynccontextmanager
async def awake_server(
    here: Installation, clock: Wall, session: aiohttp.ClientSession, key: str
) -> AsyncIterator[Caller]:
    """A server with every role, on this clock."""
    options = ServeOptions(port=0, allow=(ip_network("127.0.0.0/8"),))
    async with serving(here, options, clock=clock) as process:
        assert process.url is not None
        yield Caller(session, process.url, key)


async def project_key(here: Installation, name: str, clock: int | None) -> str:
    project = await here.catalog.add_project(
        NewProject(name, ZONE, clock=clock), parse_instant(iso(BEGIN))
    )
    made = await here.catalog.add_key(project.number, "native", (), "", clock or 0)
    return str(made["key"])


def three_each(here: Installation, project: str) -> list[str]:
    """Six customers of the project, of whom either of two shards has three."""
    id_ = next(p.id for p in here.catalog.projects() if p.name == project)
    homes: tuple[list[str], list[str]] = ([], [])
    for n in range(100):
        homes[shard_of_name(len(homes), id_, f"c{n}")].append(f"c{n}")
    return [*homes[0][:3], *homes[1][:3]]


async def caught_up(here: Installation, clock: Wall) -> int:
    """Everything that is due is done; how many members that still moved."""
    sweeper = Sweeper(here.database, here.catalog, lambda _: None, clock=clock)
    return await sweeper.run_due()


async def test_a_server_that_slept_for_a_month_catches_up(
    database: Database, tmp_path: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """Stopped on 7 October and started on 7 November, it walks through every boundary in order,
    tells what would have been told, with the instants of that time, and sends it all."""
    here, clock = await catalogued(database, tmp_path), Wall()
    awake_key = await project_key(here, "Awake", parse_instant(iso(BEGIN)))
    slept_key = await project_key(here, "Slept", None)
    async with awake_server(here, clock, session, slept_key) as slept:
        awake = Caller(session, slept.url, awake_key)
        customers = three_each(here, "Slept")
        await history(awake, customers)
        await day_by_day(awake)
        moves = by_member(await awake.feed())
        check_month(moves)
        await history(slept, customers)
        endpoint = (await slept.post("/api/endpoints", {"url": receiver.url, "since": iso(BEGIN)}))[
            "id"
        ]
        before = await slept.feed()
        await all_told(receiver, before, endpoint)

    clock.at = END
    async with awake_server(here, clock, session, slept_key) as slept:
        await as_many(receiver, moves)
        events = await slept.feed()
        assert events[: len(before)] == before
        assert by_member(events) == moves
        check_seqs(events)
        check_told(receiver, events, endpoint)
    # Nothing is left to do. (The server gave its leases back: on this clock they would not end.)
    assert await caught_up(here, clock) == 0
    await check_shards(database, slept_key, here)


async def as_many(receiver: Receiver, moves: Moves) -> None:
    """As soon as the receiver heard of as many events as there should be."""
    count = sum(map(len, moves.values()))

    def arrived(requests: list[Received]) -> bool:
        return len({request.headers["webhook-id"] for request in requests}) >= count

    await until(receiver, arrived, f"{count} events were to be told")


async def check_shards(database: Database, key: str, here: Installation) -> None:
    """Each shard's log has the slept project's events in order of their instants."""
    number = next(p.number for p in here.catalog.projects() if p.name == "Slept")
    connection: asyncpg.Connection = await database.connect()
    try:
        rows = await connection.fetch(
            'SELECT shard, body FROM event WHERE project = $1 ORDER BY shard, "offset"', number
        )
    finally:
        await connection.close()
    instants: dict[int, list[int]] = {}
    for row in rows:
        instants.setdefault(row["shard"], []).append(json.loads(row["body"])["at"])
    assert len(instants) == database.shards
    assert all(moments == sorted(moments) for moments in instants.values())
