"""The processes that are killed: senders, a writer of events, and PostgreSQL.

`python -m tests.sender.chaos.processes sender URL HOSTS` or `… writer URL SEED`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop

from tests.sender.world import BOX, LOOPBACK, append
from tierline.clock import wall
from tierline.engine import ids
from tierline.engine.model import Customer, Event, View
from tierline.sender.sender import Sender
from tierline.sender.settings import SenderSettings
from tierline.sender.transport.names import Names
from tierline.store.catalog import Catalog
from tierline.store.database import Database
from tierline.store.errors import is_retryable
from tierline.vendors import FORMATS

ROOT = Path(__file__).parents[3]
SETTINGS = SenderSettings(
    allow=LOOPBACK, beat_ms=400, dead_ms=2_000, flush_ms=5, stop_ms=5_000, slots=128
)
CUSTOMERS = 60


def spawn(*arguments: str) -> subprocess.Popen[str]:
    """One of the processes below; it lives until it is killed, or its stdin closes."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sender.chaos.processes", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def sender(url: str, hosts: str) -> None:
    """Sends until stdin closes. Names are looked up in a file that the test rewrites."""

    async def lookup(host: str) -> list[str]:
        known: dict[str, list[str]] = json.loads(Path(hosts).read_text())
        if not known.get(host):
            raise OSError(f"no address for {host}")
        return known[host]

    database = await _opened(url)
    catalog = await Catalog.open(database, BOX)
    names = Names(lookup, ttl_s=0.2)
    made = Sender(database, catalog, FORMATS, SETTINGS, names=names)
    await made.start()
    watch = asyncio.create_task(catalog.watch())
    say("ready")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    watch.cancel()
    await made.stop()
    await database.close()


async def writer(url: str, seed: str, project: str, program: str) -> None:
    """Commits small batches of events, as the ledger does, until it is killed."""
    random = Random(int(seed))
    database = await _opened(url)
    say("ready")
    n = 0
    while True:
        by_shard: dict[int, list[tuple[Any, ...]]] = {}
        for _ in range(random.randint(1, 20)):
            n += 1
            event = _event(random.randrange(CUSTOMERS), n, int(project), int(program), seed)
            shard = ids.shard_of(ids.route_of_customer(event[3]), database.shards)
            by_shard.setdefault(shard, []).append(event)
        for shard, events in by_shard.items():
            try:
                async with database.pool.acquire() as connection:
                    await append(connection, shard, events)
            except Exception as error:
                if not is_retryable(error):
                    raise
                await asyncio.sleep(0.2)
        await asyncio.sleep(random.random() * 0.02)


async def _opened(url: str) -> Database:
    """While PostgreSQL starts again, its server says so; anything else is an error."""
    for _ in range(100):
        with contextlib.suppress(Exception):
            return await Database.open(url)
        await asyncio.sleep(0.1)
    return await Database.open(url)


def _event(customer: int, n: int, project: int, program: int, seed: str) -> tuple[Any, ...]:
    number = ids.customer_number(customer + 1, customer * 1009 % 65536)
    at = wall()
    event = Event(n, "upgraded", "bronze", "silver", at, "activity", 1, n, View(balance=n))
    profile = Customer(ids.customer_id(number), f"c{customer}", number, f"Customer {customer}")
    event_id = ids.event_id(seed, str(program), number, n, at, "upgraded")
    texts = (msgspec.json.encode(event).decode(), msgspec.json.encode(profile).decode())
    return ("tier", project, program, number, at, event_id, *texts)


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    close(process)


def close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def kill_postgres(data_dir: Path) -> None:
    """The postmaster and, with it, every backend."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    uvloop.run(sender(*arguments) if role == "sender" else writer(*arguments))
