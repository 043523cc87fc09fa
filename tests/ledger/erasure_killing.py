"""A process that is erasing somebody is killed at a statement: it waits there for a lock, is found
waiting, and ends by signal 9."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import asyncpg

from tests.ledger.conftest import Club

LOCK = 7_077
HELD = f"""
CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN coalesce(NEW, OLD); END $$
"""
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"


async def killed_at(club: Club, trigger: str, command: Sequence[str], *, done: bool) -> None:
    """Runs the worker with `command` until it comes to a statement (`BEFORE UPDATE ON member`, with
    or without a condition), and kills it there. `done`: the database still carries the statement
    out, as it does when it has been sent; else the server's process ends with it."""
    url = club.database.url
    holder = await asyncpg.connect(url)
    try:
        await holder.execute("SELECT pg_advisory_lock($1)", LOCK)
        await holder.execute(HELD)
        table = trigger.split(" ON ")[1].split(maxsplit=1)[0]
        when = trigger if "WHEN" in trigger else f"{trigger} FOR EACH ROW"
        await holder.execute(f"CREATE TRIGGER held {when} EXECUTE FUNCTION held()")
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.ledger.erasure_worker", url, *command,
            stdout=asyncio.subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": "src:."},
        )  # fmt: skip
        async with asyncio.timeout(60):
            while not (waiting := await holder.fetch(WAITING, LOCK)):
                assert worker.returncode is None, f"it never came to {trigger}"
        worker.send_signal(signal.SIGKILL)
        assert await worker.wait() == -signal.SIGKILL
        if not done:
            for row in waiting:
                await holder.execute("SELECT pg_terminate_backend($1, 60000)", row["pid"])
        await holder.execute("SELECT pg_advisory_unlock($1)", LOCK)
        # It waits until whatever the killed process left has ended.
        await holder.execute(f"DROP TRIGGER held ON {table}")
    finally:
        await holder.close()
