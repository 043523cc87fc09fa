"""Statements whose process is gone in the middle, or that several processes tell at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import msgspec
import pytest

from tests.ledger.conftest import Club, wall
from tests.ledger.order_worker import ORDERS, PEOPLE, statement
from tierline.errors import Busy
from tierline.ledger.commands import Answer, Command
from tierline.ledger.orders.record import read_record
from tierline.ledger.orders.statements import OrderStatements
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.writer import Writer

PAID: dict[str, Any] = {"order": "1001", "paid": 5000, "as_of": "2024-03-02T10:00:00Z"}
LATER: dict[str, Any] = PAID | {"as_of": "2024-03-03T10:00:00Z", "refunded": 1000}
PEOPLE_OF_ONE = ("ada", "bob", "eve")


def gone_after(club: Club, writer: Writer, commands: int) -> OrderStatements:
    """A process that is gone when so many of its commands are durable."""
    left = commands

    async def record(command: Command) -> Answer:
        nonlocal left
        if left == 0:
            raise Busy
        left -= 1
        return await writer.go_on(command)

    return OrderStatements(club.database, club.catalog, record, wall)


async def balances(club: Club, names: tuple[str, ...]) -> list[int]:
    rows = await club.database.pool.fetch(
        "SELECT a.name, m.balance FROM alias a"
        " JOIN member m ON m.shard = a.shard AND m.customer = a.customer"
        " WHERE a.kind = 'source'"
    )
    by_name = {row["name"]: row["balance"] for row in rows}
    return [by_name.get(name, 0) for name in names]


async def sweep(club: Club, sweepers: int = 1) -> None:
    hands = [Sweeper(club.database, club.catalog, club.committed.append) for _ in range(sweepers)]
    await asyncio.gather(*(hand.run_due() for hand in hands))


async def settled(club: Club) -> None:
    """Nothing is pending, and ledgers are what they say."""
    query = "SELECT count(*) FROM order_state WHERE pending_at IS NOT NULL"
    assert await club.database.pool.fetchval(query) == 0
    assert [str(d) async for d in verify(club.database, club.catalog)] == []


@pytest.mark.parametrize("ending", ["again", "other", "sweep"])
@pytest.mark.parametrize("durable", [0, 1, 2, 3])
async def test_a_statement_ends_wherever_its_process_was_gone(
    club: Club, durable: int, ending: str
) -> None:
    """Noted and not booked, booked for the new customer, taken back from the old one: it is told
    again, another one is told, or the sweep finds it. In the end the newest counts, once."""
    await club.create()
    async with club.writer() as writer:
        await writer.record(club.activity("order", "ada", **PAID))
        await writer.record(club.activity("order", "bob", **(PAID | LATER)))
        newest = club.activity("order", "eve", **(LATER | {"as_of": "2024-03-04T10:00:00Z"}))
        if durable < 2:
            with pytest.raises(Busy):
                await gone_after(club, writer, durable).take(newest)
        else:
            await gone_after(club, writer, durable).take(newest)
        if ending == "again":
            answer = await writer.record(newest)
            assert answer.balance == 40
        elif ending == "other":
            older = club.activity("order", "ada", **(PAID | {"as_of": "2024-03-02T11:00:00Z"}))
            await writer.record(older)
    await sweep(club)
    assert await balances(club, PEOPLE_OF_ONE) == [0, 0, 40]
    await settled(club)


async def test_two_processes_tell_one_order_at_once(club: Club) -> None:
    """Twenty statements of three people, each told by both: the newest is booked, once."""
    await club.create()
    statements = [
        club.activity(
            "order", PEOPLE_OF_ONE[i % 3],
            **(PAID | {"as_of": f"2024-03-{i + 1:02}T10:00:00Z", "refunded": 100 * i}),
        )
        for i in range(20)
    ]  # fmt: skip
    async with club.writer() as one, club.writer() as other:
        answers = await asyncio.gather(
            *(one.record(statement) for statement in statements),
            *(other.record(statement) for statement in reversed(statements)),
        )
    assert len(answers) == 40
    assert await balances(club, PEOPLE_OF_ONE) == [0, 31, 0]
    await settled(club)


STEPS = ("claim", "decide", "put_bookings", "conclude")


async def test_kill_9_in_every_step_of_a_claim(club: Club) -> None:
    """A process each that dies with the step's statement: in the transaction that claims, in the
    one that notes what is decided, in the one that books, and when all is concluded. What is left
    ends by itself or when it is told again, and is booked once."""
    await club.create()
    dying = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.ledger.order_worker", club.database.url, step,
            stdout=asyncio.subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": "src:."},
        )
        for step in STEPS
    ]  # fmt: skip
    async with asyncio.timeout(60):
        ends = [await process.wait() for process in dying]
    assert set(ends) == {-signal.SIGKILL}
    noted = "SELECT name FROM order_state WHERE pending_at IS NOT NULL"
    left = {row["name"] for row in await club.database.pool.fetch(noted)}
    assert left == {"s-put_bookings"}, left
    async with club.writer() as writer:
        for step in STEPS:
            body = statement(0, 0) | {"order": f"s-{step}", "customer": step}
            answer = await writer.record(club.activity("order", **body))
            assert (answer.balance, answer.repeated) == (100, step == "conclude"), step
    await sweep(club, sweepers=2)
    await settled(club)


@pytest.mark.parametrize("answers", [1, 20, 150])
async def test_kill_9_among_orders_loses_and_doubles_nothing(club: Club, answers: int) -> None:
    """Each order is one person's afterwards, as it was told last; what was answered is there."""
    await club.create()
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.ledger.order_worker", club.database.url,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src:."},
    )  # fmt: skip
    assert worker.stdout is not None
    newest = dict.fromkeys(range(ORDERS), -1)
    async with asyncio.timeout(60):
        for _ in range(answers):
            order, turn = map(int, (await worker.stdout.readline()).split())
            newest[order] = max(newest[order], turn)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await sweep(club, sweepers=2)
    await settled(club)
    rows = await club.database.pool.fetch("SELECT name, record FROM order_state")
    expected = dict.fromkeys((f"c{i}" for i in range(PEOPLE)), 0)
    for row in rows:
        order, state = int(row["name"][1:]), read_record(row["record"]).state
        turn = (state.paid - 10_000) // 100
        stored = msgspec.to_builtins(state)
        assert turn >= newest[order]
        assert (stored["paid"], stored["customer"]) == (
            statement(order, turn)["paid"],
            statement(order, turn)["customer"],
        )
        points = state.paid // 100
        refunded = (2 * points * state.refunded + state.paid) // (2 * state.paid)
        expected[state.customer] += points - refunded
    assert {name: (await balances(club, (name,)))[0] for name in expected} == expected
