"""Time: what falls due happens in order, once, with the right instants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tierline.errors import Conflict
from tierline.ledger import sandbox
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweep_pass import SweepPass
from tierline.ledger.sweep.sweeper import STUCK_MS, Sweeper
from tierline.model.calendar import format_instant, parse_instant
from tierline.model.encoding import decode_standing, encode_standing
from tierline.rules.expiry import AfterPeriod
from tierline.rules.metric import Metric
from tierline.rules.policy import Policy
from tierline.rules.term import WindowEnd
from tierline.rules.window import Calendar
from tierline.store.catalog.programs import NewVersion
from tierline.store.ledger_transaction import CountDiffers, LedgerTx
from tierline.store.sweep import Lease

YEARLY = replace(
    LADDER,
    policy=Policy(
        tiers=LADDER.policy.tiers,
        metric=Metric(source="earned"),
        window=Calendar("year"),
        term=WindowEnd(windows=1),
    ),
)
EXPIRING = replace(
    LADDER,
    points=replace(LADDER.points, expiry=AfterPeriod(length="P10D")),
)
START = parse_instant("2023-03-15T12:00:00Z")


async def advance(club: Club, to: str) -> int:
    return await sandbox.advance(
        club.database,
        club.catalog,
        club.committed.append,
        club.project.number,
        parse_instant(to),
    )


async def test_a_sandbox_walks_through_every_boundary(club: Club) -> None:
    """Two year ends passed in one go: grace, then the fall, each at its own instant."""
    await club.create(YEARLY, clock=START)
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
        await advance(club, "2026-02-01T00:00:00Z")
    moves = [(e.kind, e.tier_to, e.cause, format_instant(e.at)) for e in await club.events()]
    assert moves == [
        ("joined", "gold", "activity", "2023-03-15T12:00:00.000Z"),
        ("downgraded", "bronze", "term_end", "2025-01-01T00:00:00.000Z"),
    ]
    assert club.catalog.project(club.project.number).clock == parse_instant("2026-02-01T00:00:00Z")
    assert (await club.standing()).balance == 600


async def test_wall_time_is_no_sandbox(club: Club) -> None:
    """Only a sandbox's clock moves by hand, and only forward."""
    await club.create()
    with pytest.raises(Conflict):
        await advance(club, "2040-01-01T00:00:00Z")
    await club.create(clock=START)
    with pytest.raises(Conflict):
        await advance(club, "2020-01-01T00:00:00Z")


async def test_what_one_shard_cannot_give_back_the_others_do(club: Club) -> None:
    """A clock's next move need not wait for leases that were only forgotten."""
    await club.create(clock=START)
    await advance(club, "2023-03-16T00:00:00Z")
    await club.database.pool.execute(
        "ALTER TABLE lease ADD CONSTRAINT kept CHECK (shard <> 0 OR until <> 0) NOT VALID"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await advance(club, "2023-03-17T00:00:00Z")
    query = "SELECT shard, until = 0 AS given FROM lease WHERE name = $1"
    rows = await club.database.pool.fetch(query, f"clock:{club.project.number}")
    assert dict(map(tuple, rows)) == {0: False, 1: True}


async def test_a_month_of_sleep_is_caught_up_in_order(club: Club) -> None:
    """A server that slept finds what fell due meanwhile and tells it in order of instants across
    members, with the times at which it took effect."""
    await club.create(EXPIRING)
    day, now = 86_400_000, wall()
    due = [now + (i * 7 % 30 + 1) * day + i for i in range(40)]  # not in the customers' order
    async with club.writer() as writer:
        for i, expires_at in enumerate(due):
            await writer.submit(club.points_until(expires_at, f"c{i}"))
    month_later = Sweeper(
        club.database, club.catalog, club.committed.append, clock=lambda: now + 31 * day + 50
    )
    assert await month_later.run_due() == 40
    for shard in range(club.database.shards):
        fallen = [e.at for e in await club.events(shard) if e.kind == "downgraded"]
        assert fallen
        assert fallen == sorted(fallen)
    assert sorted(e.at for e in await club.events() if e.kind == "downgraded") == sorted(due)
    assert await month_later.run_due() == 0


async def test_the_sweeper_wakes_at_the_due_instant(club: Club) -> None:
    """Running in the background, it tells a tier's end soon after it happened."""
    await club.create(EXPIRING)
    sweeper = Sweeper(club.database, club.catalog, club.committed.append)
    await sweeper.start()
    try:
        async with club.writer() as writer:
            await writer.submit(club.points_until(wall() + 3_000))
            async with asyncio.timeout(30):
                while len(await club.events()) < 2:
                    await asyncio.sleep(0.02)
    finally:
        await sweeper.stop()
    assert await club.announcements() == [
        "joined -->silver activity",
        "downgraded silver->bronze expiry",
    ]


async def test_a_lost_lease_sweeps_nothing(club: Club) -> None:
    """Who holds an old generation of the lease finds nothing to do."""
    await club.create(EXPIRING)
    async with club.writer() as writer:
        await writer.submit(club.points_until(wall() + 60_000))
    later = wall() + 120_000
    shard = await club.database.pool.fetchval("SELECT shard FROM member")
    old, new = (
        SweepPass(club.database, club.catalog, Lease(shard, "sweep", o), club.committed.append)
        for o in ("old", "new")
    )
    old_connection = (await old.connected()).connection
    assert await old.lease.take(old_connection, 1000, 2000)
    assert not await new.lease.take(old_connection, 1500, 2500)
    assert await new.lease.take(old_connection, 2001, 3000)
    assert (await old.step(later, later)).members == 0
    assert (await new.step(later, later)).members == 1
    await old.close()
    await new.close()


async def three_due_soon(club: Club) -> int:
    """When the points of three members expire."""
    await club.create(EXPIRING)
    soon = wall() + 60_000
    async with club.writer() as writer:
        for name in ("ada", "bob", "eve"):
            await writer.submit(club.points_until(soon, name))
    return soon


async def test_a_member_whose_step_fails_is_set_aside(club: Club) -> None:
    """A standing that cannot be walked is quarantined with an operational event; others go on."""
    soon = await three_due_soon(club)
    (row,) = await club.database.pool.fetch("SELECT shard, customer, standing FROM member LIMIT 1")
    broken = replace(decode_standing(row["standing"]), lots=((soon, "many"),))
    await club.database.pool.execute(
        "UPDATE member SET standing = $3, due_at = 1 WHERE shard = $1 AND customer = $2",
        row["shard"],
        row["customer"],
        encode_standing(broken),
    )
    sweeper = Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: soon + 1)
    assert await sweeper.run_due() == 3
    reason = await club.database.pool.fetchval(
        "SELECT quarantined FROM member WHERE quarantined IS NOT NULL"
    )
    assert reason
    ops = await club.database.pool.fetchval("SELECT body FROM event WHERE class = 'ops'")
    assert '"member.quarantined"' in ops
    assert await club.database.pool.fetchval("SELECT count(*) FROM event WHERE class = 'tier'") == 5


async def test_a_member_whose_event_is_refused_is_set_aside(club: Club) -> None:
    """The log takes no event of a customer without a row. It says so in the message that commits
    them all; the others go on."""
    soon = await three_due_soon(club)
    pool = club.database.pool
    gone = await pool.fetchval(
        "DELETE FROM customer WHERE id = (SELECT min(id) FROM customer) RETURNING id"
    )
    sweeper = Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: soon + 1)
    assert await sweeper.run_due() == 3
    aside = await pool.fetch("SELECT customer FROM member WHERE quarantined IS NOT NULL")
    assert [row["customer"] for row in aside] == [gone]
    events = await pool.fetch("SELECT class, customer FROM event ORDER BY class, customer")
    assert [row["customer"] for row in events if row["class"] == "ops"] == [gone]
    assert [row["customer"] for row in events].count(gone) == 2  # joined, and set aside
    assert len(events) == 6


async def test_without_the_logs_head_nothing_is_swept(club: Club) -> None:
    """What is appended takes its shard from there: who is due stays due."""
    soon = await three_due_soon(club)
    await club.database.pool.execute("DELETE FROM shard_head")
    sweeper = Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: soon + 1)
    with pytest.raises(CountDiffers):
        await sweeper.run_due()
    due = await club.database.pool.fetch("SELECT due_at FROM member")
    assert [row["due_at"] for row in due] == [soon] * 3


class Interrupted(SweepPass):
    """A pass that `hold` gets in between of: right before it sets somebody aside."""

    hold: Callable[[], Awaitable[None]]

    async def connected(self) -> LedgerTx:
        await self.hold()
        return await super().connected()


async def test_only_who_fails_is_set_aside(club: Club) -> None:
    """Not who is due next, when a request holds the other right after the step that failed."""
    soon = await three_due_soon(club)
    pool = club.database.pool
    shard = await pool.fetchval("SELECT shard FROM member GROUP BY 1 HAVING count(*) > 1")
    (row, *_) = await pool.fetch("SELECT customer, standing FROM member WHERE shard = $1", shard)
    broken = replace(decode_standing(row["standing"]), lots=((soon, "many"),))
    await pool.execute(
        "UPDATE member SET standing = $3, due_at = 1 WHERE shard = $1 AND customer = $2",
        shard,
        row["customer"],
        encode_standing(broken),
    )
    lease = Lease(shard, "sweep", "test")
    request, witness = [await club.database.connect_to(shard, "errand") for _ in range(2)]
    assert await lease.take(request, 1, soon + 60_000)
    held = request.transaction()

    async def hold() -> None:
        await held.start()
        await request.execute(
            "SELECT FROM member WHERE shard = $1 AND customer = $2 FOR UPDATE",
            shard,
            row["customer"],
        )

    sweep = Interrupted(club.database, club.catalog, lease, club.committed.append)
    sweep.hold = hold
    step = asyncio.create_task(sweep.step(soon + 1, soon + 1))
    waiting = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
        AND clock_timestamp() - query_start > interval '100 ms'"""
    while not step.done() and not await witness.fetchval(waiting):
        await asyncio.sleep(0.01)
    await witness.close()
    await held.rollback()
    await step
    await request.close()
    await sweep.close()
    aside = await pool.fetch("SELECT customer FROM member WHERE quarantined IS NOT NULL")
    assert [member["customer"] for member in aside] == [row["customer"]]


async def test_new_rules_reach_every_member_at_their_instant(club: Club) -> None:
    """A version that re-judges moves members who do nothing, at the instant it comes into force,
    also those stored before it was known."""
    await club.create(clock=START)
    async with club.writer() as writer:
        for i in range(30):
            await writer.submit(club.activity(customer=f"c{i}", points=300))
    tiers = tuple(
        replace(tier, from_=bound, to=None)
        for tier, bound in zip(LADDER.policy.tiers, (0, 50, 250), strict=True)
    )
    easier = replace(LADDER, policy=replace(LADDER.policy, tiers=tiers))
    at = parse_instant("2023-04-01T00:00:00Z")
    await club.catalog.put_program(
        club.project.number,
        "club",
        NewVersion(rules=easier, request="{}", effective_at=at, on_change="rejudge"),
        wall(),
    )
    await advance(club, "2023-05-01T00:00:00Z")
    moved = [e for e in await club.events() if e.kind == "upgraded"]
    assert len(moved) == 30
    assert {(e.tier_to, e.at, e.cause) for e in moved} == {("gold", at, "rules")}


async def test_rules_that_count_something_new_ask_the_whole_history(club: Club) -> None:
    """A version whose metric no standing ever kept is judged on the ledger from its start."""
    await club.create(clock=START)
    async with club.writer() as writer:
        for name, amount in (("ada", 90_000), ("bob", 5_000)):
            await writer.submit(club.activity("order", customer=name, amount=amount))
        assert (await club.standing()).tier == "gold"
        by_money = replace(
            LADDER,
            policy=Policy(
                tiers=tuple(
                    replace(tier, from_=bound, to=None)
                    for tier, bound in zip(LADDER.policy.tiers, (0, 4_000, 100_000), strict=True)
                ),
                metric=Metric(source="spend"),
                window=Calendar("year"),
            ),
        )
        at = parse_instant("2023-04-01T00:00:00Z")
        version = NewVersion(rules=by_money, request="{}", effective_at=at, on_change="rejudge")
        await club.catalog.put_program(club.project.number, "club", version, wall())
        await advance(club, "2023-05-01T00:00:00Z")
        assert (await club.standing()).tier == (await club.standing("bob")).tier == "silver"
        answer = await writer.submit(club.activity("order", amount=10_000))
    assert answer.tier == "gold"
    assert [d async for d in verify(club.database, club.catalog)] == []


async def test_a_sweep_that_gets_nowhere_is_not_working(club: Club) -> None:
    """Its loops run, but every round fails: after a minute that is said."""
    now = wall()
    sweeper = Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: now)
    await sweeper.start()
    try:
        async with asyncio.timeout(30):
            while len(sweeper.lag_ms) < club.database.shards:
                await asyncio.sleep(0)
            now += STUCK_MS - 1
            assert sweeper.working
            await club.database.pool.execute("ALTER TABLE member RENAME TO elsewhere")
            now += STUCK_MS
            while sweeper.working:
                await asyncio.sleep(0)
    finally:
        await sweeper.stop()
