"""The processes of one measurement: PostgreSQL, a receiver, one sender; and what they say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from benchmarks.delivery.stock import Stock, fill, make_stock
from tierline.store.database import Database
from tierline.store.embedded_postgres.server import EmbeddedServer

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
SETTINGS = json.dumps({"allow": ["127.0.0.0/8"]})


class Receiver:
    """The receiver process; `stats` asks it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stats(self, path: str = "/stats") -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:  # noqa: S310
            results: dict[str, Any] = json.load(answer)
        return results


@contextmanager
def receiver() -> Iterator[Receiver]:
    process = _start("benchmarks.delivery.receiver")
    try:
        yield Receiver(process)
    finally:
        _end(process)


class Worker:
    """The sender process, or the floor in its place."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._heard()

    def start(self) -> None:
        self.say("start")
        self._heard()

    def report(self) -> dict[str, float]:
        self.say("report")
        results: dict[str, float] = json.loads(self._heard())
        return results

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def _heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def worker(url: str) -> Iterator[Worker]:
    process = _start("benchmarks.delivery.worker", url, SETTINGS)
    try:
        yield Worker(process)
    finally:
        _end(process)


@contextmanager
def following_floor(sink: Receiver, size: int) -> Iterator[Worker]:
    """The bare floor, posting for each id that it is told."""
    process = _start("benchmarks.delivery.floor", str(sink.port), "follow", str(size))
    try:
        yield Worker(process)
    finally:
        _end(process)


@asynccontextmanager
async def installation(server: EmbeddedServer) -> AsyncIterator[Database]:
    """A new database of one shard."""
    name = f"bench_{secrets.token_hex(5)}"
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        async with await Database.open(server.url_of(name), shards=1) as database:
            yield database
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


async def stocked(
    database: Database, sink: Receiver, endpoints: int, *, hanging: int = 0, **fields: Any
) -> Stock:
    """Endpoints 0 … n-1; the first `hanging` of them answer after five seconds."""
    urls = [f"{sink.url}/{'hang' if i < hanging else 'e'}/{i}" for i in range(endpoints)]
    return await make_stock(database, urls, **fields)


async def queue(database: Database, stock: Stock, count: int, *, analyse: bool = True) -> None:
    """Fill the log; as a rule the tables' statistics are fresh, and nothing waits for a disk. Else
    they say that all is empty, and nobody corrects them meanwhile."""
    if not analyse:
        for table in ("event", "cursor", "lane", "attempt"):
            await database.pool.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    for _ in range(0, count, 50_000):
        await fill(database, stock.rows(min(50_000, count)))
        count -= 50_000
    connection = await database.connect(statement_timeout="0")
    try:
        if analyse:
            await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def received(
    sink: Receiver, count: int, seconds: float, seen: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """What it has when `count` arrived, or when the time is over; `seen` is told now and then."""
    end = time.monotonic() + seconds
    results = sink.stats()
    while results["received"] < count and time.monotonic() < end:
        await asyncio.sleep(0.25)
        results = sink.stats()
        seen(results["received"])
    return results


def postgres_cpu_s(server: EmbeddedServer) -> float:
    """CPU seconds of PostgreSQL so far: the postmaster, its children, and those that ended."""
    pid = (server.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]
    master = psutil.Process(int(pid))
    ended = master.cpu_times()
    times = [process.cpu_times() for process in (master, *master.children())]
    own = sum(each.user + each.system for each in times)
    return float(own + ended.children_user + ended.children_system)


def floor(sink: Receiver, count: int = 20_000, *, size: int) -> dict[str, float]:
    """The bare floor, now, with bodies of `size` bytes: this machine's speed changes with its
    neighbours."""
    command = [sys.executable, "-m", "benchmarks.delivery.floor", str(sink.port), str(count)]
    done = subprocess.run(
        [*command, str(size)], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    results: dict[str, float] = json.loads(done.stdout)
    return results


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    """Its stdin closes, so it stops; what it still says is not of interest."""
    with contextlib.suppress(OSError):
        process.communicate(timeout=30)
    if process.poll() is None:
        process.kill()
        process.wait()
