"""The pull feed at several numbers of shards: what a page costs, in one sitting, by turns.

    python -m benchmarks.bench_feed [--shards 1,2,64,256] [--events 60000] [--rounds 5]

Each number of shards has a database of its own in one embedded server, with the same events, and a
server process of its own. A round reads pages of 1,000 from the oldest event on, and then asks
where nothing is new.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

import aiohttp
import psutil
import uvloop
from msgspec import Struct

from benchmarks.delivery.stock import fill, make_stock
from benchmarks.server import Running, running
from tierline.clock import wall
from tierline.store.database import Database, connect
from tierline.store.embedded_postgres.server import EmbeddedServer

PAGE = 1_000
PAGES = 50  # of one round
CHUNK = 5_000  # events that are appended together, so that shards lie mixed on the disk


class Cost(Struct, frozen=True):
    """Of one request: ms until its answer, and ms of CPU of the server and of PostgreSQL."""

    wall: float
    server: float
    database: float


class Feed:
    """One installation, and a reader of its feed."""

    def __init__(self, shards: int, server: Running, token: str, postmaster: int) -> None:
        self.shards = shards
        self.pages: list[Cost] = []
        self.idle: list[Cost] = []
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"}
        self._postmaster = psutil.Process(postmaster)

    async def round(self, session: aiohttp.ClientSession) -> None:
        """Both kinds of requests, and what one of each costs."""
        await self._read(session, "", 1)
        before, began = self._cpu(), time.perf_counter()
        cursor = await self._read(session, "", PAGES)
        self.pages.append(self._cost(before, began))
        end = await self._read(session, cursor, 0)
        before, began = self._cpu(), time.perf_counter()
        for _ in range(PAGES):
            await self._read(session, end, 0)
        self.idle.append(self._cost(before, began))

    async def _read(self, session: aiohttp.ClientSession, cursor: str, pages: int) -> str:
        """So many full pages from a cursor on; 0: to the end. Returns the cursor behind them."""
        read = 0
        while True:
            query = f"limit={PAGE}" + (f"&after={cursor}" if cursor else "")
            url = f"{self._server.url}/api/events?{query}"
            async with session.get(url, headers=self._headers) as response:
                page = await response.json()
            cursor, read = page["next"], read + 1
            if pages and len(page["events"]) != PAGE:
                raise SystemExit(f"{self.shards} shards: a page of {len(page['events'])}")
            if read == pages or (not pages and not page["more"]):
                return str(cursor)

    def _cpu(self) -> tuple[float, float]:
        used = 0.0
        for process in (self._postmaster, *self._postmaster.children()):
            times = process.cpu_times()
            used += times.user + times.system
        return self._server.usage().cpu, used

    def _cost(self, before: tuple[float, float], began: float) -> Cost:
        seconds, now = time.perf_counter() - began, self._cpu()
        spent = (now[0] - before[0], now[1] - before[1])
        return Cost(*(value * 1e3 / PAGES for value in (seconds, *spent)))


@asynccontextmanager
async def feed(place: EmbeddedServer, shards: int, events: int) -> AsyncIterator[Feed]:
    """A database of its own, filled, with a server."""
    connection = await connect(place.url)
    postmaster = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).ppid()
    await connection.execute(f"CREATE DATABASE feed_{shards}")
    await connection.close()
    url = place.url_of(f"feed_{shards}")
    async with await Database.open(url, shards=shards) as database:
        stock = await make_stock(database, ["https://feed.example"])
        for _ in range(0, events, CHUNK):
            await fill(database, stock.rows(CHUNK))
        scopes = ("read_customers",)
        key = await stock.catalog.add_key(stock.project, "native", scopes, "bench", wall())
        await database.pool.execute("VACUUM (ANALYZE) event")
    async with running(url) as server:
        yield Feed(shards, server, key["key"], postmaster)


async def run(counts: list[int], events: int, rounds: int) -> list[Feed]:
    """All of them, side by side in one server, by turns."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tierline-bench-"))
        server = await asyncio.to_thread(EmbeddedServer.attach_or_start, Path(folder))
        stack.push_async_callback(asyncio.to_thread, server.close)
        feeds = [await stack.enter_async_context(feed(server, n, events)) for n in counts]
        async with aiohttp.ClientSession() as session:
            for nth in range(rounds):
                for each in feeds if nth % 2 else reversed(feeds):
                    await each.round(session)
    return feeds


def as_table(feeds: list[Feed]) -> str:
    """In Markdown: medians of the rounds."""
    lines = [
        "| shards | a page of 1,000 | CPU: server + PostgreSQL | beside the first | nothing new |",
        "|---:|---:|---:|---:|---:|",
    ]
    first = 0.0
    for each in feeds:
        page, idle = middle(each.pages), middle(each.idle)
        cpu = page.server + page.database
        first = first or cpu
        lines.append(
            f"| {each.shards} | {page.wall:.1f} ms | {page.server:.1f} + {page.database:.1f} ms"
            f" | {cpu / first:.2f} | {idle.wall:.1f} ms, CPU {idle.server + idle.database:.1f} ms |"
        )
    return "\n".join(lines)


def middle(costs: list[Cost]) -> Cost:
    return Cost(
        median(cost.wall for cost in costs),
        median(cost.server for cost in costs),
        median(cost.database for cost in costs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_feed", description=__doc__)
    parser.add_argument("--shards", default="1,2,64,256")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    counts = [int(count) for count in options.shards.split(",")]
    feeds = uvloop.run(run(counts, options.events, options.rounds))
    sys.stdout.write(f"{as_table(feeds)}\nload {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
