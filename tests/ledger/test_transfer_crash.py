"""Transfers whose process is gone between the halves, or that several processes try at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tests.ledger.circle import CLOSED, Circle, closed
from tests.ledger.conftest import Club, first_half
from tests.ledger.transfer_worker import CIRCLE
from tierline.ledger import commands
from tierline.ledger.commands import ProgramRef
from tierline.ledger.transfers.legs import TransferRefused, second_half


async def test_a_refusal_stands_whoever_tries_later(club: Club) -> None:
    """A process that slept since before the points came back cannot give them away as well."""
    circle = await closed(club)
    intent = await first_half(circle.club, circle.sent())
    await circle.sweep()
    await circle.enrol(circle.bob)
    async with club.writer() as writer:
        with pytest.raises(TransferRefused):
            await writer.go_on(second_half(ProgramRef(club.project, club.program), intent))
    assert await circle.balances() == (600, 0)
    await circle.settled()


async def test_joining_at_the_same_moment_doubles_and_loses_nothing(club: Club) -> None:
    """Two processes try while the recipients become members: each transfer either arrives or
    comes back."""
    circle = await closed(club)
    names = [f"n{i}" for i in range(24)]
    for name in names:
        await first_half(club, club.activity("transfer", to=name, points=10))
    await asyncio.gather(circle.sweep(sweepers=2), circle.enrol(*names))
    theirs = [(await club.standing(name)).balance for name in names]
    assert set(theirs) <= {0, 10}
    assert (await club.standing()).balance + sum(theirs) == 600
    await circle.settled()


@pytest.mark.parametrize("answers", [1, 90])
async def test_kill_9_among_transfers_loses_and_doubles_nothing(club: Club, answers: int) -> None:
    """All points are there afterwards, and every transfer that was answered has its end."""
    await club.create(CLOSED)
    async with club.writer() as writer:
        for name in CIRCLE:
            await writer.submit(commands.enrol(club.parser.program_ref, name))
            await writer.submit(club.activity(customer=name, points=90_000))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.ledger.transfer_worker", club.database.url,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src:."},
    )  # fmt: skip
    assert worker.stdout is not None
    acknowledged = set()
    async with asyncio.timeout(60):
        for _ in range(answers):
            acknowledged.add((await worker.stdout.readline()).decode().strip())
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    circle = Circle(club, "c1")
    await circle.sweep(sweepers=2)
    rows = await club.database.pool.fetch("SELECT key FROM entry WHERE kind = 'transfer_out'")
    assert acknowledged <= {row["key"] for row in rows}
    balances = [(await club.standing(name)).balance for name in CIRCLE]
    assert sum(balances) == 6 * 90_000
    ends = await club.database.pool.fetch(
        "SELECT kind, count(*) n FROM entry WHERE kind IN ('transfer_in', 'void') GROUP BY kind"
    )
    assert sum(row["n"] for row in ends) == len(rows)
    await circle.settled()
