"""Two batches of a shard under way at once: whoever is in both is met in the order sent."""

from __future__ import annotations

import asyncio

from tests.ledger.conftest import Club, wall
from tierline.errors import TierlineError
from tierline.ledger.commands import Answer, Command

ROUNDS = 20
PEOPLE = [f"c{i}" for i in range(7)]


def to_and_fro(club: Club) -> list[Command]:
    """Everybody earns 10 and spends them at once, again and again, and somebody new does so each
    time: a redemption that is met before its earning is refused."""
    return [
        club.activity(kind, name, points=10, key=f"{kind}-{name}-{n}")
        for n in range(ROUNDS)
        for name in (*PEOPLE, f"new-{n}")
        for kind in ("earn", "redeem")
    ]


async def check(club: Club, outcomes: list[Answer | TierlineError]) -> None:
    assert [outcome for outcome in outcomes if not isinstance(outcome, Answer)] == []
    for name in PEOPLE:
        standing = await club.standing(name)
        assert (standing.balance, standing.entries) == (0, 1 + 2 * ROUNDS)


async def test_two_batches_overlap_and_keep_everybodys_order(club: Club) -> None:
    """Small batches of members, known and new, who are in several of them at once."""
    await club.found()
    under_way: set[int] = set()

    def clock() -> int:
        under_way.update(shard.under_way for shard in writer.shards)
        return wall()

    async with club.writer(batch_max=3, clock=clock) as writer:
        outcomes = await writer.submit_all(to_and_fro(club))
    assert 2 in under_way
    await check(club, outcomes)


async def test_order_holds_while_connections_break(club: Club) -> None:
    """A batch that is rolled back goes first again, before the one that had followed it."""
    await club.found()
    gone = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with club.writer(batch_max=3) as writer:
        work = asyncio.create_task(writer.submit_all(to_and_fro(club)))
        while not work.done():
            await club.database.pool.execute(gone)
            await asyncio.wait([work], timeout=0.15)
        outcomes = await work
    await check(club, outcomes)
