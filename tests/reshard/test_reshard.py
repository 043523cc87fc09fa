"""A whole installation in another database with another number of shards, and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.counts import moves_of, unlisted, wrong_counts
from tests.ledger.conftest import Club, first_half
from tierline.errors import TierlineError
from tierline.ledger import commands
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.model import ids
from tierline.reshard import Copying, copy_installation
from tierline.reshard.errors import CopyDiffers, ReplaysUnfinished, SourceChanged, TargetInUse
from tierline.reshard.tables import LARGE, MADE, NOT_COPIED, OWED, SMALL
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.store.errors import CopyUnfinished, ShardsFixed
from tierline.store.event_log import CursorProgress, EventLog
from tierline.store.event_log_queries import EventLogSql
from tierline.store.heartbeat import InUse, Presence

NOW = 1_700_000_000_000
CUSTOMERS = [f"c{i}" for i in range(24)]
PLACED = (("customer", "id"), ("member", "customer"), ("entry", "customer"))
PLACELESS = "(to_jsonb(t) - '{shard,offset,key,head}'::text[])::text"


@pytest.fixture
async def club(database: Database) -> Club:
    """A source of two shards: 24 customers with three tier events each, and an endpoint."""
    catalog = await Catalog.open(database, SecretBox(bytes(32)))
    club = Club(database, catalog)
    await club.create()
    async with club.writer() as writer:
        for points in (10, 100, 400):
            batch = [
                club.activity(customer=c, points=points, key=f"{c}:{points}") for c in CUSTOMERS
            ]
            await writer.submit_all(batch)
    return club


async def endpoint(club: Club, name: str, **body: Any) -> int:
    """An endpoint's number."""
    body_text = json.dumps({"id": name, "number": 0, "project": 1, "url": "http://x/", **body})
    row = await club.catalog.add_endpoint(club.project.number, name, body_text, b"{}", 0, NOW)
    return row.number


async def stands(
    database: Database, number: int, mark: int, done: bytes = b"", lanes: list[Any] | None = None
) -> None:
    """Put an endpoint's live cursors at an offset, in both shards, with lanes in the first."""
    log = EventLog(database)
    for shard in range(database.shards):
        await log.open_cursors(shard, [(number, 0, mark, None)])
        own = lanes if lanes and shard == 0 else []
        await log.settle(shard, [CursorProgress(number, 0, 1, mark, done, own, [])], [])
    await log.close()


async def content(database: Database, table: str) -> list[str]:
    rows = await database.pool.fetch(f"SELECT {PLACELESS} AS row FROM {table} t")  # noqa: S608
    return sorted(row["row"] for row in rows)


async def log_of(database: Database) -> dict[int, list[Any]]:
    """Shard -> its events, in order."""
    rows = await database.pool.fetch('SELECT * FROM event ORDER BY shard, "offset"')
    return {s: [row for row in rows if row["shard"] == s] for s in range(database.shards)}


async def lanes_of(database: Database, number: int) -> list[Any]:
    return await database.pool.fetch(
        "SELECT l.*, e.id AS event, e.customer FROM lane l"
        ' JOIN event e ON e.shard = l.shard AND e."offset" = l.head'
        " WHERE l.endpoint = $1 ORDER BY l.shard, l.head",
        number,
    )


async def test_points_in_transit_arrive_in_the_copy(
    club: Club, fresh: Callable[[int], Any]
) -> None:
    """A transfer whose second half is open goes on there; one that was refused stays refused."""
    open_ = [
        await first_half(club, club.activity("transfer", c, to="c0", points=1, key="t"))
        for c in CUSTOMERS[1:]
    ]
    async with club.writer() as writer:
        await writer.submit(commands.leave(club.parser.program_ref, "c1"))
        lost = club.activity("transfer", "c0", to="c1", points=100, key="lost")
        on_progress = await writer.submit(lost)
    assert on_progress.transfer is not None
    assert on_progress.transfer.state == "returned"
    refused = await content(club.database, "arrival")
    url = await fresh(5)
    await copy_installation(club.database, url, shards=5, page=7)
    async with await Database.open(url) as copy:
        catalog = await Catalog.open(copy, SecretBox(bytes(32)))
        assert await copy.pool.fetchval("SELECT count(*) FROM intent") == len(open_)
        assert await content(copy, "arrival") == refused
        await Sweeper(copy, catalog, lambda _: None).run_due()
        assert await copy.pool.fetchval("SELECT count(*) FROM intent") == 0
        rows = await copy.pool.fetch("SELECT balance FROM member")
        assert sorted(row["balance"] for row in rows) == [509] * 23 + [533]


@pytest.mark.parametrize("numbers", [(5, 3), (1, 4)], ids=["2-5-3", "2-1-4"])
async def test_everything_arrives_in_its_place(
    club: Club, fresh: Callable[[int], Any], numbers: tuple[int, ...]
) -> None:
    """Through two copies: the same rows, each in the shard of its route; logs without gaps, whose
    instants never decrease, in which every customer's events keep their order."""
    await stands(club.database, await endpoint(club, "e1"), 3)
    async with club.writer() as writer:
        await writer.submit(club.activity(kind="adjust", customer="c0", points=1))
    source = club.database
    events = {e["id"]: e for log in (await log_of(source)).values() for e in log}
    async with AsyncExitStack() as stack:
        for shards in numbers:
            url = await fresh(shards)
            copied = await copy_installation(source, url, shards=shards, page=11)
            copy = await stack.enter_async_context(await Database.open(url))

            assert copied.rows["event"] == len(events) == 72
            assert await wrong_counts(copy) == []
            assert await unlisted(copy) == []
            assert await moves_of(copy) == await moves_of(club.database) != []
            assert copy.shards == shards
            assert copy.epoch != source.epoch
            for table in (*SMALL, "customer", "alias", "member", "entry", "event", "member_audit"):
                assert await content(copy, table) == await content(club.database, table), table
            assert await content(copy, "audit")
            assert await content(copy, "member_audit")
            for table, column in PLACED:
                for row in await copy.pool.fetch(f"SELECT shard, {column} AS id FROM {table}"):  # noqa: S608
                    assert row["shard"] == ids.shard_of(ids.route_of_customer(row["id"]), shards)
            for shard, log in (await log_of(copy)).items():
                instants = [event["recorded_at"] for event in log]
                assert [event["offset"] for event in log] == list(range(1, len(log) + 1))
                assert instants == sorted(instants)
                head = await copy.pool.fetchrow(EventLogSql.head, shard)
                assert head is not None
                assert head["head"] == len(log)
                for customer in {event["customer"] for event in log}:
                    theirs = [e["id"] for e in log if e["customer"] == customer]
                    assert theirs == sorted(theirs, key=lambda id_: events[id_]["offset"])
            source = copy


async def test_work_goes_on_in_the_copy(club: Club, fresh: Callable[[int], Any]) -> None:
    """A key that was used before is answered from its receipt, and a new customer's number is
    one that nobody had."""
    url = await fresh(3)
    await copy_installation(club.database, url, shards=3)
    async with await Database.open(url) as copy:
        old = {row["id"] for row in await copy.pool.fetch("SELECT id FROM customer")}
        moved = Club(copy, await Catalog.open(copy, SecretBox(bytes(32))))
        moved.project, moved.program, moved.parser = club.project, club.program, club.parser
        async with moved.writer() as writer:
            again = await writer.submit(moved.activity(customer="c0", points=400, key="c0:400"))
            more = [moved.activity(customer=f"new{i}", points=5) for i in range(30)]
            answers = await writer.submit_all(more)
        now = {row["id"] for row in await copy.pool.fetch("SELECT id FROM customer")}

    assert again.repeated
    assert again.balance == 510
    assert not [answer for answer in answers if isinstance(answer, TierlineError)]
    assert len(now) == len(old) + 30


async def test_what_an_endpoint_is_owed_becomes_a_lane_per_customer(
    club: Club, fresh: Callable[[int], Any]
) -> None:
    """A lane keeps its schedule; what the cursor had not settled is due at once; cursors are at the
    new heads; nothing is owed that was settled."""
    logs = await log_of(club.database)
    first = logs[0][0]
    later = {e["customer"] for log in logs.values() for e in log[4:]}
    settled = {e["id"] for log in logs.values() for e in log[:4]} | {
        log[5]["id"] for log in logs.values()
    }
    number = await endpoint(club, "e1")
    lane = (first["customer"], 1, 3, NOW + 9, "retrying", '{"frozen":1}', NOW)
    await stands(club.database, number, 4, b"\x02", [lane])
    unheard = await endpoint(club, "never")
    url = await fresh(5)
    await copy_installation(club.database, url, shards=5)

    async with await Database.open(url) as copy:
        lanes = await lanes_of(copy, number)
        cursors = await copy.pool.fetch("SELECT * FROM cursor ORDER BY shard")
        heads = await copy.pool.fetch("SELECT head FROM shard_head ORDER BY shard")

        assert {row["endpoint"] for row in cursors} == {number}
        assert unheard not in {row["endpoint"] for row in lanes}
        assert [row["mark"] for row in cursors] == [row["head"] for row in heads]
        rows = [row for row in lanes if row["event"] == first["id"]]
        assert [(r["attempt"], r["due_at"], r["format"], r["first_at"]) for r in rows] == [
            (3, NOW + 9, '{"frozen":1}', NOW)
        ]
        others = [row for row in lanes if row["event"] != first["id"]]
        assert {row["key"] for row in lanes} == later | {first["customer"]}
        assert len(lanes) == len(later | {first["customer"]})
        assert all(row["key"] == row["customer"] and row["attempt"] == 0 for row in others)
        assert not {row["event"] for row in others} & settled


async def test_lanes_follow_the_order_of_their_endpoint(
    club: Club, fresh: Callable[[int], Any]
) -> None:
    """One lane per shard under fifo, one per event where there is no order."""
    fifo, loose = (
        await endpoint(club, "f", mode="fifo"),
        await endpoint(club, "u", mode="unordered"),
    )
    for number in (fifo, loose):
        await stands(club.database, number, 4)
    url = await fresh(4)
    await copy_installation(club.database, url, shards=4)
    owed = sum(len(log) - 4 for log in (await log_of(club.database)).values())

    async with await Database.open(url) as copy:
        in_order = await lanes_of(copy, fifo)
        one_by_one = await lanes_of(copy, loose)

    assert [row["key"] for row in in_order] == [0] * len({row["shard"] for row in in_order})
    assert len(one_by_one) == owed
    assert all(row["key"] == row["head"] for row in one_by_one)


async def test_attempts_and_health_follow_their_events_and_endpoints(
    club: Club, fresh: Callable[[int], Any]
) -> None:
    """The attempt log names the event's new offset; an endpoint's state lies in its new home."""
    number = await endpoint(club, "e1")
    event = (await log_of(club.database))[1][7]
    home = ids.shard_of(ids.route("endpoint", "e1"), 2)
    await stands(club.database, number, 0)
    log = EventLog(club.database)
    row = (number, 0, NOW, "d1", 1, 8, event["id"], 200, "delivered", 3, "{}")
    await log.settle(1, [CursorProgress(number, 0, 1, 0, b"", [], [])], [row])
    await log.close()
    await club.database.pool.execute(EventLogSql.put_health, home, number, "failing", NOW, "{}")
    url = await fresh(5)
    await copy_installation(club.database, url, shards=5)

    async with await Database.open(url) as copy:
        attempt = await copy.pool.fetchrow("SELECT * FROM attempt")
        health = await copy.pool.fetchrow("SELECT * FROM health")
        assert attempt is not None
        assert health is not None
        there = (await log_of(copy))[attempt["shard"]][attempt["offset"] - 1]

    assert there["id"] == attempt["event"] == event["id"]
    assert health["shard"] == ids.shard_of(ids.route("endpoint", "e1"), 5)


class Unplugged(Exception):
    """The machine went away."""


async def test_an_interrupted_copy_goes_on_where_it_was(
    club: Club, fresh: Callable[[int], Any]
) -> None:
    """Cut off again and again, a few pages further each time: the target stays closed, and in the
    end every row is there once."""
    await stands(club.database, await endpoint(club, "e1"), 3)
    url = await fresh(5)
    cuts, copied = 0, None
    while copied is None:
        budget = 30 + cuts

        def cut(_: Copying) -> None:
            nonlocal budget
            budget -= 1
            if budget < 0:
                raise Unplugged

        try:
            copied = await copy_installation(club.database, url, shards=5, page=9, on_progress=cut)
        except Unplugged:
            cuts += 9
            with pytest.raises(CopyUnfinished):
                await Database.open(url)

    assert cuts > 9
    assert copied.rows["entry"] == len(await content(club.database, "entry"))
    async with await Database.open(url) as copy:
        for table in ("customer", "alias", "member", "entry", "event"):
            assert await content(copy, table) == await content(club.database, table), table


async def test_a_source_that_is_at_work_is_refused(club: Club, fresh: Callable[[int], Any]) -> None:
    """A server's sign of life is enough; one that left is none."""
    async with club.database.errand() as connection:
        await Presence("api", "p1").beat(connection)
    url = await fresh(2)
    with pytest.raises(InUse) as caught:
        await copy_installation(club.database, url)
    await club.database.pool.execute(EventLogSql.leave, "p1")

    assert "api" in str(caught.value)
    assert (await copy_installation(club.database, url)).shards == 2


async def test_a_source_that_changes_is_noticed(club: Club, fresh: Callable[[int], Any]) -> None:
    """Points that came in meanwhile make the sums differ, an event moves a head: either way the
    target stays closed."""
    url = await fresh(2)

    async def earn(customer: str) -> None:
        async with club.writer() as writer:
            await writer.submit(club.activity(customer=customer, points=1))

    seen: list[Copying] = []
    with pytest.raises(Unplugged):
        await copy_installation(club.database, url, page=20, on_progress=_until("check", seen))
    await earn("c1")
    with pytest.raises(CopyDiffers):
        await copy_installation(club.database, url, page=20)
    await earn("newcomer")
    with pytest.raises(SourceChanged):
        await copy_installation(club.database, url, page=20)
    with pytest.raises(CopyUnfinished):
        await Database.open(url)


def _until(step: str, seen: list[Copying]) -> Callable[[Copying], None]:
    def on_progress(progress: Copying) -> None:
        seen.append(progress)
        if progress.step == step:
            raise Unplugged

    return on_progress


async def test_a_target_with_an_installation_is_refused(
    club: Club, fresh: Callable[[int], Any]
) -> None:
    """Nothing is ever mixed: not with another installation, not with itself, not with another
    number of shards than the database was made for."""
    url = await fresh(3)
    async with await Database.open(url, shards=3) as other:
        with pytest.raises(ShardsFixed):
            await copy_installation(club.database, url, shards=4)
        await Club(other, await Catalog.open(other, SecretBox(bytes(32)))).create()
    for place in (url, club.database.url):
        with pytest.raises(TargetInUse):
            await copy_installation(club.database, place)


async def test_replays_end_first(club: Club, fresh: Callable[[int], Any]) -> None:
    """They are named and refused, or left behind on purpose."""
    number = await endpoint(club, "e1")
    log = EventLog(club.database)
    await log.open_cursors(0, [(number, 0, 72, None), (number, 7, 0, "{}")])
    await log.close()
    url = await fresh(2)
    with pytest.raises(ReplaysUnfinished) as caught:
        await copy_installation(club.database, url)
    await copy_installation(club.database, url, end_replays=True)

    assert "e1" in str(caught.value)
    async with await Database.open(url) as copy:
        assert await copy.pool.fetch("SELECT 1 FROM cursor WHERE run <> 0") == []


async def test_progress_comes_to_an_end(club: Club, fresh: Callable[[int], Any]) -> None:
    """Every table is reported until it is whole, in both steps; shares never fall."""
    seen: list[Copying] = []
    await copy_installation(
        club.database, await fresh(3), shards=3, page=10, on_progress=seen.append
    )
    last = {(p.step, p.table): p.share for p in seen}

    assert set(last) == {(step, t.name) for step in ("copy", "check") for t in LARGE}
    assert set(last.values()) == {1.0}


@pytest.mark.parametrize("server", ["plain"], indirect=True)
async def test_no_table_is_forgotten(database: Database) -> None:
    """A table that a migration adds must be given its place in a copy."""
    rows = await database.pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND relnamespace = 'public'::regnamespace"
    )

    assert {row["relname"] for row in rows} == (
        {table.name for table in LARGE} | MADE | OWED | NOT_COPIED | set(SMALL)
    )
