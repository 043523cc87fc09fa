"""The ledger is the truth: folding it again gives the stored bytes, and shows what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tests.ledger.test_sweep import EXPIRING, START, YEARLY
from tierline.engine.codec import decode_standing, encode_standing
from tierline.engine.model import Override
from tierline.engine.policy import Rules
from tierline.errors import TierlineError
from tierline.ledger import commands, sandbox
from tierline.ledger.rebuild import Difference, repair, verify

DAY = 86_400_000


async def differences(club: Club) -> list[Difference]:
    return [found async for found in verify(club.database, club.catalog)]


async def test_a_changed_standing_is_found_and_repaired(club: Club) -> None:
    """What somebody changed behind our back is told by member and field, and put right."""
    await club.found()
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
    found = await differences(club)
    assert [d.what for d in found] == ["standing", "column:balance"]
    assert await repair(club.database, club.catalog, found[0])
    assert await differences(club) == []
    assert not await repair(club.database, club.catalog, found[0])


async def test_a_changed_event_is_found(club: Club) -> None:
    """The log is held against the ledger too: body and id of every event."""
    await club.found()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
    await club.database.pool.execute("UPDATE event SET body = replace(body, 'gold', 'lead')")
    assert [d.what for d in await differences(club)] == ["event:1"]
    await club.database.pool.execute("DELETE FROM event")
    assert [d.what for d in await differences(club)] == ["event:1"]


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
    await club.found(rules, clock=START)
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
    key, door = f"k{i}", club.intake.door
    now = club.catalog.now(club.project.number, 0)
    match kind:
        case "earn" | "redeem" | "adjust":
            said = commands.Said(points=x, occurred_at=now - y * DAY)
            return commands.command(door, kind, customer, said, key=key)
        case "order":
            said = commands.Said(amount=x, occurred_at=now - y * DAY)
            return commands.command(door, kind, customer, said, key=key)
        case "refund":
            return club.activity(kind, customer, of=f"k{x}", amount=y, key=key)
        case "void":
            return club.activity(kind, customer, of=f"k{x}", key=key)
        case "pin":
            tier = LADDER.policy.tiers[x].id
            wanted = Override(kind="pin", tier=tier, until=now + y * DAY)
            return commands.override(door, customer, wanted, key=key)
        case "leave":
            return commands.leave(door, customer, key=key)
        case _:
            return commands.enrol(door, customer, key=key)
