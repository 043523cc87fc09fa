"""Preview of a change of rules over many members, beside its floors.

    python -m benchmarks.bench_preview [--members 1000000] [--ledger-members 100000]
                                       [--processes N] [--database-url URL]

Members are written directly (COPY of encoded standings that the engine made); the server is an
embedded one in a temporary directory unless a URL names an empty database. Beside each preview
stand, measured in the same run: a hand-written `GROUP BY` that computes the same matrix where
stored columns can (its result must equal ours), and reading and decoding every standing without
judging anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, get_args

import msgspec
import psutil
from msgspec import Struct

from tierline.analysis.preview import Proposal, propose
from tierline.clock import wall
from tierline.engine.decide import decide
from tierline.ledger.previews.preview import PreviewProgress, Report, cores, preview
from tierline.model import ids
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.entries import Entry, EntryKind
from tierline.model.standing import Standing
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange, Program, Rules, Version
from tierline.store.database import Database
from tierline.store.embedded_postgres.server import EmbeddedServer
from tierline.store.preview_pages import MemberPage, PreviewReader

DAY = 86_400_000
TEMPLATES = 4_000
BALANCE, YEARLY, HISTORY = 1, 2, 3  # program numbers


class Made(Struct, frozen=True):
    """A member as the ledger would have made it."""

    standing: Standing
    raw: bytes
    entries: tuple[Entry, ...]


def tiers(silver: int, gold: int) -> list[dict[str, Any]]:
    return [
        {"id": "bronze", "name": "Bronze", "from": 0},
        {"id": "silver", "name": "Silver", "from": silver},
        {"id": "gold", "name": "Gold", "from": gold},
    ]


POLICIES: dict[int, dict[str, Any]] = {
    BALANCE: {"term": {"type": "duration", "length": "P1Y"}},
    YEARLY: {
        "metric": {"source": "earned"},
        "window": {"type": "calendar", "unit": "year"},
        "term": {"type": "window_end", "windows": 1},
    },
    HISTORY: {
        "metric": {"source": "earned"},
        "window": {"type": "calendar", "unit": "year"},
        "term": {"type": "window_end", "windows": 1},
    },
}


def rules(number: int, silver: int = 500, gold: int = 1500, **policy: Any) -> Rules:
    facts = {"tiers": tiers(silver, gold), **POLICIES[number], **policy}
    return Rules("Bench", msgspec.convert(facts, Policy))


def program(number: int) -> Program:
    first = Version(1, 0, rules(number))
    return Program(f"bench-{number}", "bench", "Europe/Berlin", "EUR", (first,))


def templates(number: int, now: int) -> list[Made]:
    chance = Random(number)
    return [_template(program(number), chance, now) for _ in range(TEMPLATES)]


def _template(rewards: Program, chance: Random, now: int) -> Made:
    start = now - chance.randint(30, 900) * DAY
    steps = sorted(chance.randint(start, now - 1) for _ in range(chance.randint(1, 19)))
    entries = [Entry(1, "enrol", start, start)]
    for at in steps:
        spent = chance.random() < 0.15
        points = chance.choice((10, 25, 60, 120, 240))
        if spent:
            points = -min(points, _balance(entries))
        kind: EntryKind = "redeem" if spent else "earn"
        entries.append(Entry(len(entries) + 1, kind, at, at, points))
    standing = decide(rewards, Standing(), entries, now).standing
    return Made(standing, encode_standing(standing), tuple(entries))


def _balance(entries: list[Entry]) -> int:
    return sum(entry.points for entry in entries)


# -- filling -----------------------------------------------------------------------------------


async def fill(database: Database, number: int, count: int, now: int, *, ledger: bool) -> None:
    made = templates(number, now)
    customers = list(_customers(database.shards, count))
    members = (
        _member(shard, customer, number, made[i % TEMPLATES])
        for i, (shard, customer) in enumerate(customers)
    )
    columns = (
        "shard customer program standing tier since expires_at balance entries seq clock due_at"
        " version"
    )
    await _copy(database, "member", columns, members)
    if ledger:
        entries = (
            _entry(shard, customer, number, entry)
            for i, (shard, customer) in enumerate(customers)
            for entry in made[i % TEMPLATES].entries
        )
        columns = (
            "shard customer program n kind key digest occurred_at recorded_at points amount answer"
        )
        await _copy(database, "entry", columns, entries)


def _customers(shards: int, count: int) -> Iterator[tuple[int, int]]:
    for counter in range(1, count + 1):
        route = (counter * 40_503) & 0xFFFF
        yield ids.shard_of(route, shards), ids.customer_number(counter, route)


def _member(shard: int, customer: int, number: int, made: Made) -> tuple[Any, ...]:
    now = made.standing
    columns = (now.tier, now.since, now.expires_at, now.balance, now.entries, now.seq)
    return (shard, customer, number, made.raw, *columns, 0, now.due_at, 1)


def _entry(shard: int, customer: int, number: int, entry: Entry) -> tuple[Any, ...]:
    times = (entry.occurred_at, entry.recorded_at)
    key = f"{number}-{entry.n}"
    return (shard, customer, number, entry.n, entry.kind, key, b"", *times, entry.points, 0, "")


async def _copy(
    database: Database, table: str, columns: str, rows: Iterator[tuple[Any, ...]]
) -> None:
    connection = await database.connect(statement_timeout="0")
    try:
        await connection.copy_records_to_table(table, records=rows, columns=columns.split())
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()


# -- floors ------------------------------------------------------------------------------------

SET_BASED = """
SELECT tier AS was, CASE WHEN balance >= $3 THEN 'gold' WHEN balance >= $2 THEN 'silver'
                         WHEN balance >= 0 THEN 'bronze' END AS now, count(*)
FROM member WHERE program = $1 GROUP BY 1, 2
"""


async def set_based(database: Database, silver: int, gold: int) -> dict[tuple[str, str], int]:
    connection = await database.connect(statement_timeout="0")
    try:
        rows = await connection.fetch(SET_BASED, BALANCE, silver, gold)
    finally:
        await connection.close()
    return {(row[0], row[1]): row[2] for row in rows}


def read_pages(url: str, number: int, pages: list[MemberPage]) -> int:
    """In a process of its own: every standing read and decoded, nobody judged."""
    return asyncio.run(_read_pages(url, number, pages))


async def _read_pages(url: str, number: int, pages: list[MemberPage]) -> int:
    reader = await PreviewReader.open(url, number)
    members = 0
    for page in pages:
        members += sum(decode_standing(row[1]).entries > 0 for row in await reader.standings(page))
    await reader.close()
    return members


async def floor(database: Database, number: int, processes: int) -> int:
    reader = PreviewReader(await database.connect(), number)
    pages = await reader.pages(database.shards)
    await reader.close()
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as executor:
        parts = [
            loop.run_in_executor(executor, read_pages, database.url, number, pages[i::processes])
            for i in range(processes)
        ]
        return sum(await asyncio.gather(*parts))


# -- measuring ---------------------------------------------------------------------------------


class Watch:
    """Seconds, the most memory that this process and each child held meanwhile, and their CPU
    seconds (PostgreSQL's are not among them): what a busy machine cannot distort."""

    def __init__(self) -> None:
        self.own = self.children = 0
        self.cpu: dict[int, float] = {}
        self.others = {child.pid for child in psutil.Process().children()}

    async def measure(self, work: Any) -> tuple[Any, float]:
        watching = asyncio.create_task(self._look())
        began, used = time.perf_counter(), time.process_time()
        try:
            return await work, time.perf_counter() - began
        finally:
            self.cpu[0] = time.process_time() - used
            watching.cancel()

    async def _look(self) -> None:
        me = psutil.Process()
        while True:
            self.own = max(self.own, me.memory_info().rss)
            for child in me.children():
                try:
                    if child.pid not in self.others and "python" in child.name():
                        self.children = max(self.children, child.memory_info().rss)
                        times = child.cpu_times()
                        self.cpu[child.pid] = times.user + times.system
                except psutil.Error:
                    continue
            await asyncio.sleep(0.1)


async def row(name: str, members: int, work: Any) -> Any:
    watch = Watch()
    result, seconds = await watch.measure(work)
    memory = f"{watch.own >> 20} + {watch.children >> 20} MB a process"
    cpu = f"{sum(watch.cpu.values()) / members * 1e6:6.1f} µs CPU each"
    print(f"{name:58} {seconds:7.1f} s {members / seconds:10,.0f}/s {cpu}  {memory}", flush=True)
    return result


async def tried(
    database: Database, number: int, choice: OnChange, processes: int, **policy: Any
) -> Report:
    now = wall()
    proposal: Proposal = propose(
        program(number), rules(number, 600, **policy), on_change=choice, effective_at=now
    )
    return await preview(
        database, number, proposal, processes=processes, on_progress=_on_progress()
    )


def _on_progress() -> Callable[[PreviewProgress], None]:
    if not sys.stderr.isatty():
        return lambda _: None

    def show(now: PreviewProgress) -> None:
        print(f"\r{now.done:,} of {now.total:,}", end="\r", file=sys.stderr)

    return show


async def run(options: argparse.Namespace) -> None:
    async with opened(options.database_url) as database:
        now = wall() - 60_000
        count, processes = options.members, options.processes
        await fill(database, BALANCE, count, now, ledger=False)
        await fill(database, YEARLY, count, now, ledger=False)
        await fill(database, HISTORY, options.ledger_members, now, ledger=True)
        version = await database.pool.fetchval("SHOW server_version")
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores (PostgreSQL "
            f"included), {processes} processes, {database.shards} shards, Python "
            f"{platform.python_version()}, PostgreSQL {version}; load {os.getloadavg()[0]:.1f}"
        )
        by_hand = await row("by hand: GROUP BY on balance", count, set_based(database, 600, 1500))
        await row("floor: read and decode (balance)", count, floor(database, BALANCE, processes))
        report = await row(
            "preview: balance, rejudge", count, tried(database, BALANCE, "rejudge", processes)
        )
        ours = {(cell.from_, cell.to): cell.members for cell in report.matrix}
        print("  the matrix equals that of the GROUP BY:", ours == by_hand)
        await row(
            "floor: read and decode (calendar year)", count, floor(database, YEARLY, processes)
        )
        for choice in get_args(OnChange):
            name = f"preview: earned in the calendar year, {choice}"
            await row(name, count, tried(database, YEARLY, choice, processes))
        reread = options.ledger_members
        spend = {"metric": {"source": "earned", "filter": {"kinds": ["earn"]}}}
        report = await row(
            "preview: another metric, ledgers read again",
            reread,
            tried(database, HISTORY, "rejudge", processes, **spend),
        )
        print(f"  {report.reread:,} members, {report.reread_entries:,} entries read again")


@asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[Database]:
    if url is not None:
        async with await Database.open(url) as database:
            yield database
        return
    with tempfile.TemporaryDirectory(prefix="tierline-bench-") as directory:
        server = EmbeddedServer.attach_or_start(Path(directory))
        try:
            async with await Database.open(server.url) as database:
                yield database
        finally:
            server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_preview", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--ledger-members", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--database-url")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
