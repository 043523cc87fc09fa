"""Chaos for a few seconds; `python -m tests.delivery.chaos --minutes N` runs it for long."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.delivery.chaos.run import Run


async def test_nothing_is_lost_while_everything_is_killed() -> None:
    """Senders, the API and PostgreSQL die by kill -9 while the receiver misbehaves: nothing is
    lost, first receipts are in order, a repeat carries its first bytes, and there are no more of
    them than were sent and in no committed write."""
    # A short path: a socket's name has about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="tl-chaos-") as folder:
        run = Run(Path(folder), seed=7)
        verdict = await run.go(seconds=4)

    assert verdict.sound, verdict
    assert verdict.committed > 100
    assert all(run.kills.values()), run.kills
