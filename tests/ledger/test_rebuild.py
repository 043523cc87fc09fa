"""The ledger is the truth: folding it again gives the stored bytes, and shows what is wrong."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tests.ledger.test_sweep import EXPIRING, START, YEARLY
from tierline.errors import TierlineError
from tierline.ledger import commands, rebuild, sandbox
from tierline.ledger.rebuild import Difference, VerificationProgress, repair, verify
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.entries import Override
from tierline.model.standing import Standing
from tierline.rules.program import Rules

DAY = 86_400_000


async def differences(club: Club) -> list[Difference]:
    return [difference async for difference in verify(club.database, club.catalog)]


async def test_a_changed_standing_is_found_and_repaired(club: Club) -> None:
    """What somebody changed behind our back is told by member and field, and put right."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
        await writer.submit(club.activity(customer="bob", points=60))
    assert await differences(club) == []
    (row,) = await club.database.pool.fetch(
        "SELECT shard, customer, standing FROM member WHERE balance = 600"
    )
    wrong = replace(decode_standing(row["standing"]), earned=7)
    await club.database.pool.execute(
        "UPDATE member SET standing = $2, balance = 7 WHERE customer = $1",
        row["customer"],
        encode_standing(wrong),
    )
    faults = await differences(club)
    assert [d.what for d in faults] == ["standing", "column:balance"]
    assert await repair(club.database, club.catalog, faults[0])
    assert await differences(club) == []
    assert not await repair(club.database, club.catalog, faults[0])


async def three_events(club: Club) -> None:
    """Joined gold, downgraded to bronze, upgraded to gold."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
        await writer.submit(club.activity("redeem", points=590))
        await writer.submit(club.activity(points=600))
    assert [e.seq for e in await club.events()] == [1, 2, 3]
    assert await differences(club) == []


COPIED = """INSERT INTO event SELECT shard, 9, class, project, program, customer, 'evt_more',
            recorded_at, {} FROM event WHERE "offset" = 3"""


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE event SET body = replace(body, 'gold', 'lead') WHERE {}", "event:2"),
        ("UPDATE event SET body = replace(body, 'e\":10', 'e\":11') WHERE {}", "event:2"),
        ("UPDATE event SET id = 'evt_other' WHERE {}", "event:2:id"),
        ("UPDATE event SET recorded_at = recorded_at - 1 WHERE {}", "event:2:id"),
        ("DELETE FROM event WHERE {}", "event:2"),
        ('UPDATE event SET "offset" = 9 WHERE {}', "event:2"),
        (COPIED.format("replace(body, 'q\":3', 'q\":4')"), "event at offset 9"),
        (COPIED.format("body"), "event at offset 9"),
        (COPIED.format("'nonsense'"), "event at offset 9"),
        ("DELETE FROM entry WHERE n = 1", "entry:1"),
        ("DELETE FROM member", "member"),
        ("UPDATE entry SET detail = '[]' WHERE n = 2", "ledger"),
    ],
    ids=[
        *("tier", "view", "id", "recorded", "missing", "order", "more", "twice", "unreadable"),
        *("entry", "member", "ledger"),
    ],
)
async def test_what_is_wrong_is_named(club: Club, statement: str, fault: str) -> None:
    """The log is held against the ledger too, event by event: body, id, order, and that there is
    none too few and none too many. A member or an entry that is gone is told as well."""
    await three_events(club)
    changed = await club.database.pool.execute(statement.replace("{}", '"offset" = 2'))
    assert changed.endswith(" 1")
    names = [d.what for d in await differences(club)]
    assert names[0] == fault
    assert "event" not in fault or names == [fault]


async def test_what_retention_dropped_is_not_missed(club: Club) -> None:
    """Where the log starts later, a member's first events may be gone, but none in between."""
    await three_events(club)
    pool = club.database.pool
    await pool.execute('DELETE FROM event WHERE "offset" = 1')
    assert [d.what for d in await differences(club)] == ["event:1"]
    await pool.execute("UPDATE shard_head SET log_start = 2")
    assert await differences(club) == []
    await pool.execute('DELETE FROM event WHERE "offset" = 2')
    await pool.execute("UPDATE shard_head SET log_start = 3")
    assert await differences(club) == []
    await pool.execute('DELETE FROM event WHERE "offset" = 3')
    await pool.execute("UPDATE shard_head SET log_start = 4")
    assert await differences(club) == []


@pytest.mark.parametrize("broken", [False, True], ids=["older", "unreadable"])
async def test_a_standing_set_back_is_not_told_again(club: Club, *, broken: bool) -> None:
    """A standing from before what time brought since, or one that nobody can read, is rebuilt up
    to what the log has told: the sweep then finds nothing to tell a second time."""
    await club.create(EXPIRING, clock=START)
    pool, project = club.database.pool, club.project.number
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
    old = b"\xff" if broken else await pool.fetchval("SELECT standing FROM member")
    for day in (400, 401):
        to = START + day * DAY
        await sandbox.advance(club.database, club.catalog, club.committed.append, project, to)
    events = await club.events()
    assert len(events) > 1
    await pool.execute("UPDATE member SET standing = $1", old)
    faults = await differences(club)
    assert "standing" in [d.what for d in faults]
    assert not any(d.what.startswith("event") for d in faults)
    assert await repair(club.database, club.catalog, faults[0])
    to = START + 402 * DAY
    await sandbox.advance(club.database, club.catalog, club.committed.append, project, to)
    assert await club.events() == events
    assert await differences(club) == []


async def test_pages_hold_a_bounded_number_of_entries(
    club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the members share their entries out, everybody is read, once."""
    await club.create()
    async with club.writer() as writer:
        for customer, times in (("ada", 7), ("bob", 1), ("cy", 1), ("dan", 4), ("eve", 1)):
            for _ in range(times):
                await writer.submit(club.activity(customer=customer, points=600))
    monkeypatch.setattr(rebuild, "ENTRIES_MAX", 3)
    seen: list[VerificationProgress] = []
    assert [d async for d in verify(club.database, club.catalog, seen.append)] == []
    assert (seen[-1].members, seen[-1].entries, seen[-1].events) == (5, 19, 5)
    assert len({p.members for p in seen}) > 3


async def test_events_that_retention_dropped_are_no_difference(club: Club) -> None:
    """The first events of a member may be gone; what is kept must still be the newest of them."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
        await writer.submit(club.activity(kind="adjust", points=-600))
    events = await club.database.pool.fetch('SELECT shard, "offset" FROM event ORDER BY "offset"')
    assert len(events) == 2
    await club.database.pool.execute(
        'DELETE FROM event WHERE shard = $1 AND "offset" = $2', *events[0]
    )
    assert [d.what for d in await differences(club)] == ["event:1"]
    await club.database.pool.execute(
        "UPDATE shard_head SET log_start = $2 WHERE shard = $1", *events[1]
    )
    assert await differences(club) == []
    await club.database.pool.execute("UPDATE event SET body = replace(body, 'down', 'up')")
    assert [d.what for d in await differences(club)] == ["event:2"]


STEP = st.one_of(
    st.tuples(st.just("earn"), st.integers(1, 400), st.integers(0, 40)),
    st.tuples(st.just("redeem"), st.integers(1, 300), st.just(0)),
    st.tuples(st.just("adjust"), st.integers(-100, 100).filter(bool), st.just(0)),
    st.tuples(st.just("order"), st.integers(0, 90_000), st.integers(0, 400)),
    st.tuples(st.just("refund"), st.integers(0, 20), st.integers(1, 40_000)),
    st.tuples(st.just("void"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("pin"), st.integers(0, 2), st.integers(1, 60)),
    st.tuples(st.just("leave"), st.just(0), st.just(0)),
    st.tuples(st.just("enrol"), st.just(0), st.just(0)),
    st.tuples(st.just("advance"), st.integers(1, 400), st.just(0)),
)


@pytest.mark.parametrize(
    "rules",
    [
        EXPIRING,
        YEARLY,
        replace(LADDER, points=replace(LADDER.points, pending_days=3)),
        replace(YEARLY, policy=replace(YEARLY.policy, corrections="retroactive")),
    ],
    ids=["expiring", "yearly", "pending", "retroactive"],
)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.tuples(st.integers(0, 2), STEP), min_size=5, max_size=40))
async def test_random_histories_fold_to_the_stored_bytes(
    club: Club, rules: Rules, steps: list[tuple[int, tuple[str, int, int]]]
) -> None:
    """Whatever is sent, refused, taken back or falls due: standing and log follow from the
    ledger, byte for byte."""
    await club.create(rules, clock=START)
    async with club.writer() as writer:
        for i, (who, step) in enumerate(steps):
            if step[0] == "advance":
                clock = club.catalog.now(club.project.number, 0) + step[1] * DAY
                await sandbox.advance(
                    club.database,
                    club.catalog,
                    club.committed.append,
                    club.project.number,
                    clock,
                )
                continue
            (outcome,) = await writer.submit_all([_command(club, f"c{who}", i, step)])
            assert not isinstance(outcome, TierlineError) or outcome.status < 500, outcome
    assert await differences(club) == []


def _command(club: Club, customer: str, i: int, step: tuple[str, int, int]) -> commands.Command:
    kind, x, y = step
    key, program_ref = f"k{i}", club.parser.program_ref
    now = club.catalog.now(club.project.number, 0)
    match kind:
        case "earn" | "redeem" | "adjust":
            assertion = commands.Assertion(points=x, occurred_at=now - y * DAY)
            return commands.command(program_ref, kind, customer, assertion, key=key)
        case "order":
            assertion = commands.Assertion(amount=x, occurred_at=now - y * DAY)
            return commands.command(program_ref, kind, customer, assertion, key=key)
        case "refund":
            return club.activity(kind, customer, of=f"k{x}", amount=y, key=key)
        case "void":
            return club.activity(kind, customer, of=f"k{x}", key=key)
        case "pin":
            tier = LADDER.policy.tiers[x].id
            override = Override(kind="pin", tier=tier, until=now + y * DAY)
            return commands.override(program_ref, customer, override, key=key)
        case "leave":
            return commands.leave(program_ref, customer, key=key)
        case _:
            return commands.enrol(program_ref, customer, key=key)


async def test_a_standing_in_fewer_fields_is_the_same(club: Club) -> None:
    """As a release wrote it that did not have the last ones yet, and read the rules as today."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
    raw = await club.database.pool.fetchval("SELECT standing FROM member")
    fields, fields_of = msgspec.msgpack.decode(raw[1:]), Standing.__struct_fields__
    shorter = raw[:1] + msgspec.msgpack.encode(fields[: fields_of.index("edition") + 1])
    assert len(shorter) < len(raw)
    await club.database.pool.execute("UPDATE member SET standing = $1", shorter)
    assert await differences(club) == []
