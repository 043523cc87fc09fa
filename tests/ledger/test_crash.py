"""kill -9 in the middle of a batch: nothing that was answered is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tests.counts import unlisted, wrong_counts, wrong_moves
from tests.ledger.conftest import Club
from tests.ledger.crash_worker import KEYS


@pytest.mark.parametrize("answers", [1, 40, 700])
async def test_a_killed_server_loses_and_doubles_nothing(club: Club, answers: int) -> None:
    """Killed after some answers and sent again with the same keys, every activity counts once."""
    await club.create()
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ledger.crash_worker",
        club.database.url,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "src:."},
    )
    assert worker.stdout is not None
    acknowledged = set()
    async with asyncio.timeout(60):
        for _ in range(answers):
            acknowledged.add(int(await worker.stdout.readline()))
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    rows = await club.database.pool.fetch("SELECT key FROM entry WHERE kind = 'earn'")
    assert {f"k{i}" for i in acknowledged} <= {row["key"] for row in rows}
    assert await wrong_counts(club.database) == []
    assert await wrong_moves(club.database) == []
    assert await unlisted(club.database) == []
    async with club.writer() as writer:
        outcomes = await writer.submit_all(
            [club.activity(customer=f"c{i % 5}", points=10, key=f"k{i}") for i in range(KEYS)]
        )
    assert sum(not outcome.repeated for outcome in outcomes) == KEYS - len(rows)  # type: ignore[union-attr]
    for name in range(5):
        assert (await club.standing(f"c{name}")).balance == 10 * KEYS // 5
    tops = await club.database.pool.fetch(
        'SELECT count(*) n, max("offset") last FROM event GROUP BY shard'
    )
    assert all(row["n"] == row["last"] for row in tops)
