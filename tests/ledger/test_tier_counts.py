"""Counts of members per tier and of moves per day: always what a count of the rows says."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from tests.counts import wrong_counts, wrong_moves
from tests.ledger.conftest import LADDER, Club, wall
from tierline.ledger import commands
from tierline.ledger.commands import ProgramRef
from tierline.ledger.rebuild import repair, verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.store import tier_counts

CUSTOMERS, ROUNDS = 40, 12


async def counts(club: Club) -> dict[str, int]:
    """What is stored, over both shards, without what is empty."""
    async with club.database.pool.acquire() as connection:
        stored = await tier_counts.counts(connection, club.database.shards, club.program)
    return {tier: members for tier, members in stored.items() if members}


async def test_counts_equal_the_members_while_writes_go_on(club: Club) -> None:
    """In every snapshot, not only when all is quiet: members rise, fall, join and leave."""
    await club.create()
    looks = 0

    async def write() -> None:
        for step in range(ROUNDS):
            points = 150 if step % 2 == 0 else -140
            kind = "earn" if points > 0 else "redeem"
            await writer.submit_all(
                [
                    club.activity(kind, f"c{i}", points=abs(points), key=f"{i}:{step}")
                    for i in range(CUSTOMERS)
                ]
            )

    async with club.writer(batch_max=8) as writer:
        writing = asyncio.create_task(write())
        while not writing.done():
            assert await wrong_counts(club.database) == []
            looks += 1
        await writing

    assert looks > 1
    assert await counts(club) == {"bronze": CUSTOMERS}
    assert await wrong_counts(club.database) == []
    assert await wrong_moves(club.database) == []
    moves = await club.database.pool.fetchval("SELECT sum(moves) FROM tier_move")
    assert moves == await club.count("event") == CUSTOMERS * ROUNDS


async def test_who_has_no_tier_and_who_left_are_counted_as_such(club: Club) -> None:
    """Also where nothing is announced: a count follows the member, not the event."""
    silver = LADDER.policy.tiers[1:]
    await club.create(replace(LADDER, policy=replace(LADDER.policy, tiers=silver)))
    door = ProgramRef(club.project, club.program)
    async with club.writer() as writer:
        await writer.submit(commands.enrol(door, "ann"))
        await writer.submit(commands.enrol(door, "ben", tier="gold", quiet=True))
        await writer.submit(club.activity(customer="cid", points=120))
        before = await counts(club)
        await writer.submit(commands.leave(door, "cid"))

    assert before == {"": 1, "gold": 1, "silver": 1}
    assert await counts(club) == {"": 2, "gold": 1}
    assert await wrong_counts(club.database) == []
    assert await wrong_moves(club.database) == []


async def test_what_time_moves_is_counted(club: Club) -> None:
    """A sweep writes counts like any batch, and in its transaction."""
    await club.create()
    async with club.writer() as writer:
        for name in ("ann", "ben", "cid"):
            await writer.submit(club.points_until(wall() + 60_000, name))
        before = await counts(club)
    clock = wall() + 120_000
    sweeper = Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: clock)
    await sweeper.run_due()

    assert before == {"silver": 3}
    assert await counts(club) == {"bronze": 3}
    assert await wrong_counts(club.database) == []
    assert await wrong_moves(club.database) == []


async def test_wrong_counts_are_named_and_put_right(club: Club) -> None:
    """By `rebuild`, beside everything else that the ledger does not say."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit_all([club.activity(customer=f"c{i}", points=150) for i in range(9)])
    pool = club.database.pool
    await pool.execute("UPDATE tier_count SET members = members + 7 WHERE shard = 0")
    await pool.execute("DELETE FROM tier_count WHERE shard = 1")

    differences = [each async for each in verify(club.database, club.catalog)]
    repaired = [await repair(club.database, club.catalog, each) for each in differences]

    assert [each.what for each in differences] == ["members:silver", "members:silver"]
    assert "a count says" in str(differences[0])
    assert repaired == [True, True]
    assert await wrong_counts(club.database) == []
    assert await counts(club) == {"silver": 9}


async def test_a_repaired_member_is_counted_where_they_are(club: Club) -> None:
    """A repair moves the count with the tier that it writes."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(customer="ann", points=150))
    await club.database.pool.execute("UPDATE member SET tier = 'gold'")
    await club.database.pool.execute("UPDATE tier_count SET tier = 'gold'")

    differences = [each async for each in verify(club.database, club.catalog)]
    for each in differences:
        await repair(club.database, club.catalog, each)

    assert [each.what for each in differences] == ["column:tier"]
    assert await counts(club) == {"silver": 1}
    assert await wrong_counts(club.database) == []
