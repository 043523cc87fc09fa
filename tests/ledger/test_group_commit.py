"""Several batches of a shard under way at once: whoever is in two is met in the order sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.ledger.conftest import Club, wall
from tierline.errors import TierlineError
from tierline.ledger.commands import Answer, Command
from tierline.model import ids

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


def of_one_shard(club: Club) -> tuple[str, str]:
    """Two names of customers who live in the same shard."""
    shards = club.database.shards
    names = [f"n{i}" for i in range(20)]
    home = [name for name in names if ids.shard_of(ids.route(club.project.id, name), shards) == 0]
    return home[0], home[1]


async def check(club: Club, outcomes: Sequence[Answer | TierlineError]) -> None:
    assert [outcome for outcome in outcomes if not isinstance(outcome, Answer)] == []
    for name in PEOPLE:
        standing = await club.standing(name)
        assert (standing.balance, standing.entries) == (0, 1 + 2 * ROUNDS)


async def test_batches_overlap_and_keep_everybodys_order(club: Club) -> None:
    """Small batches of members, known and new, who are in several of them at once."""
    await club.create()
    under_way: set[int] = set()

    def clock() -> int:
        under_way.update(len(shard.under_way) for shard in writer.shards)
        return wall()

    async with club.writer(batch_max=3, clock=clock) as writer:
        outcomes = await writer.submit_all(to_and_fro(club))
    assert 2 in under_way
    await check(club, outcomes)


async def test_order_holds_while_connections_break(club: Club) -> None:
    """A batch that is rolled back goes first again, before the one that had followed it."""
    await club.create()
    gone = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with club.writer(batch_max=3) as writer:
        commands = to_and_fro(club)
        answers = await writer.accept(commands)
        lines: list[list[asyncio.Future[Answer]]] = [[] for _ in range(club.database.shards)]
        for command, answer in zip(commands, answers, strict=True):
            route = ids.route(club.project.id, command.customer)
            lines[ids.shard_of(route, len(lines))].append(answer)
        while left := [open_ for line in lines if (open_ := [a for a in line if not a.done()])]:
            await club.database.pool.execute(gone)
            # In each shard somebody is answered in between, however slow the machine is.
            for line in left:
                await asyncio.wait(line, return_when=asyncio.FIRST_COMPLETED)
        outcomes = await asyncio.gather(*answers)
    await check(club, outcomes)


# It watches locks, which on a cluster are the nodes' own.
@pytest.mark.parametrize("server", ["plain"], indirect=True)
async def test_order_holds_when_the_second_batch_is_over_first(club: Club) -> None:
    """The third batch follows every batch under way, not only the one before it: the first waits
    for the head of the log, the second ends, the first is cut off while the third waits for it."""
    await club.create()
    ann, bob = of_one_shard(club)
    waiting_for_us = (
        "SELECT pid FROM pg_stat_activity WHERE pg_blocking_pids(pid) @> ARRAY[$1::int]"
    )
    two_wait = "SELECT count(*) > 1 FROM pg_locks WHERE NOT granted"
    async with club.writer(batch_max=1) as writer, club.database.pool.acquire() as connection:
        for name in (ann, bob):
            await writer.submit(club.activity(customer=name, points=1))
        ours = await connection.fetchval("SELECT pg_backend_pid()")
        held = connection.transaction()
        await held.start()
        await connection.execute("SELECT FROM shard_head WHERE shard = 0 FOR UPDATE")
        first = writer.submit(club.activity(customer=ann, points=99))  # into silver: an event
        async with asyncio.timeout(20):
            while not (blocked := await club.database.pool.fetch(waiting_for_us, ours)):
                await asyncio.sleep(0)
            await writer.submit(club.activity(customer=bob, points=1))  # no event
            third = writer.submit(club.activity("redeem", ann, points=100))
            while not await club.database.pool.fetchval(two_wait):
                await asyncio.sleep(0)
        await connection.execute("SELECT pg_terminate_backend($1)", blocked[0]["pid"])
        await held.rollback()
        assert (await first).balance == 100
        assert (await third).balance == 0


@pytest.mark.parametrize("server", ["plain"], indirect=True)  # as above
async def test_a_newcomer_is_met_who_came_while_the_second_batch_waited_for_a_lock(
    club: Club,
) -> None:
    """The second batch looked before the first had made somebody, and waits for another's lock
    until the first is over: it looks again before it says that there is nobody."""
    await club.create()
    new, old = of_one_shard(club)
    two_wait = "SELECT count(*) > 1 FROM pg_locks WHERE NOT granted"
    pool = club.database.pool
    async with (
        club.writer(batch_max=2) as writer,
        pool.acquire() as head,
        pool.acquire() as member,
    ):
        await writer.submit(club.activity(customer=old, points=1))
        heads, members = head.transaction(), member.transaction()
        await heads.start()
        await members.start()
        await head.execute("SELECT FROM shard_head WHERE shard = 0 FOR UPDATE")
        await member.execute("SELECT FROM member WHERE shard = 0 FOR UPDATE")
        first = [writer.submit(club.activity(customer=new, points=5, key=key)) for key in "ab"]
        second = [
            writer.submit(club.activity("redeem", new, points=10)),
            writer.submit(club.activity(customer=old, points=1)),
        ]
        async with asyncio.timeout(20):
            while not await pool.fetchval(two_wait):
                await asyncio.sleep(0)
            await heads.rollback()
            await asyncio.gather(*first)
            await members.rollback()
            assert [answer.balance for answer in await asyncio.gather(*second)] == [0, 2]


@pytest.mark.parametrize("server", ["plain"], indirect=True)  # as above
async def test_who_is_in_no_batch_before_waits_for_none(club: Club) -> None:
    """Also where nobody knows them: while the first batch waits for the head of the log, a
    stranger of the second is refused."""
    await club.create()
    ann, nobody = of_one_shard(club)
    pool = club.database.pool
    async with club.writer(batch_max=1) as writer, pool.acquire() as head:
        await writer.submit(club.activity(customer=ann, points=1))
        heads = head.transaction()
        await heads.start()
        await head.execute("SELECT FROM shard_head WHERE shard = 0 FOR UPDATE")
        first = writer.submit(club.activity(customer=ann, points=99))  # into silver: an event
        async with asyncio.timeout(20):
            with pytest.raises(TierlineError) as caught:
                await writer.submit(club.activity("redeem", nobody, points=10))
        assert caught.value.code == "insufficient_points"
        assert not first.done()
        await heads.rollback()
        assert (await first).balance == 100


async def test_no_transaction_is_left_open(club: Club) -> None:
    """Each begins with the end of the one before while there is work; afterwards none does: a
    server would cut its connection, and an operator would wonder."""
    await club.create()
    left = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    )
    async with club.writer(batch_max=3) as writer:
        await check(club, await writer.submit_all(to_and_fro(club)))
        async with asyncio.timeout(20):
            while await club.database.pool.fetchval(left):
                await asyncio.sleep(0)
