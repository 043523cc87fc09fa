"""The rows of the table: each measures one kind of work, and its floor in the same run."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks import (
    browsing,
    floors,
    import_files,
    machine,
    memory,
    points,
    reminders,
    vendor_routes,
)
from benchmarks.costs import database_cpu, logged
from benchmarks.lists import page_times
from benchmarks.load import Load, Target, load, loads
from benchmarks.row import Row
from benchmarks.server import Running, running
from benchmarks.stock import LADDER, Stock
from benchmarks.upload import upload
from tierline.clock import wall
from tierline.ledger.files.importer import BATCH, Importer
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.writer import Writer
from tierline.model.entries import Detail
from tierline.rules.program import Rules
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database

PEOPLE = 100_000
WARM_SECONDS, RUN_SECONDS = 3, 8
_ROWS = "machine online processes memory bulk import dirty sweep idle yearend growth lists points"
NAMES = (*_ROWS.split(), "reminders", "vendor", "console")
LONGER = ("processes", "memory", "reminders", "console")  # with BIG=1, or when they are asked for


class Bench:
    """One database, and what is measured on it."""

    def __init__(self, database: Database, catalog: Catalog, *, big: bool) -> None:
        self.database = database
        self.catalog = catalog
        self.big = big
        self.by_hand = 0.0  # activities/s of hand-written SQL in batches of 1,000

    async def rows(self, prefix: str) -> AsyncIterator[Row]:
        """All rows whose name begins with `prefix`, as they are done."""
        for name in NAMES:
            if name in LONGER and not (prefix or self.big):
                continue
            if name.startswith(prefix):
                async for row in getattr(self, name)():
                    yield row

    # -- the machine --------------------------------------------------------------------------

    async def machine(self) -> AsyncIterator[Row]:
        """What every commit and every timer has to live with here."""
        writes = await asyncio.to_thread(machine.synced_writes, 6)
        timers = await asyncio.to_thread(machine.late_timers, 3)
        yield Row("the disk of temporary files alone, 8 KiB synced every 2 ms", str(writes))
        yield Row("the machine alone, how late a timer of 2 ms is", str(timers))

    # -- online -------------------------------------------------------------------------------

    async def online(self) -> AsyncIterator[Row]:
        """W-L: one activity a request, durable, judged, with key and event."""
        stock = await self._stock(PEOPLE)
        by_hand = await self._floor(100)
        for connections in (32, 64):
            each = await floors.one_by_one(self.database.url, PEOPLE, connections, 3)
            bare = await self._bare(stock, connections)
            async with running(self.database.url) as server:
                target = Target(server.url, stock.token, stock.people)
                await load(target, connections, WARM_SECONDS, f"w{connections}")
                before = server.usage()
                done = await load(target, connections, RUN_SECONDS, f"r{connections}")
                used = server.usage()
            cpu = (used.cpu - before.cpu) / done.requests * 1e6
            yield Row(
                f"online, {connections} connections",
                f"{done.rate:,.0f}/s, p50 {done.p50:.1f} ms, p99 {done.p99:.1f} ms",
                f"HTTP alone {bare.rate:,.0f}/s; SQL by hand, a commit each, without HTTP"
                f" {each:,.0f}/s, 100 a commit {by_hand:,.0f}/s",
                f"{done.rate / each:.2f} of a commit each",
                "12,000/s, p99 19 ms",
                f"{done.generator}, {done.bad} bad, server {cpu:.0f} us CPU each,"
                f" {used.resident / 2**20:.0f} MB",
            )
        await stock.check()

    async def points(self) -> AsyncIterator[Row]:
        """Ingest where no endpoint hears points events, and where one does, by turns."""
        stock = await self._stock(PEOPLE)
        for way, (silent, heard) in (await points.costs(stock)).items():
            server, both = points.ratio(heard, silent)
            spread = ", ".join(f"{cost.both:.0f}" for cost in silent)
            yield Row(
                f"points events, one endpoint hears them, {way}",
                f"{both:.2f} of the CPU an activity, server alone {server:.2f}",
                f"nobody hears them: {spread} us each, with PostgreSQL",
                f"{both:.2f}",
                "1.30",
                f"{points.ROUNDS} rounds by turns, nothing sent",
            )
        await stock.check()

    async def vendor(self) -> AsyncIterator[Row]:
        """Voucherify's events and orders beside native activities, by turns."""
        stock = await self._stock(PEOPLE, rules=vendor_routes.RULES)
        async for row in vendor_routes.rows(stock):
            yield row

    async def processes(self) -> AsyncIterator[Row]:
        """The same 64 connections, spread over one process and over two on one database."""
        stock = await self._stock(PEOPLE)
        first = 0.0
        for count in (1, 2):
            async with AsyncExitStack() as stack:
                opened = [running(self.database.url) for _ in range(count)]
                servers = [await stack.enter_async_context(server) for server in opened]
                targets = [Target(s.url, stock.token, stock.people) for s in servers]
                await loads(targets, WARM_SECONDS, f"w{count}")
                done = await loads(targets, RUN_SECONDS, f"r{count}")
            rate = sum(each.rate for each in done)
            first = first or rate
            yield Row(
                f"online, 64 connections over {count} process(es)",
                f"{rate:,.0f}/s, p99 {max(each.p99 for each in done):.1f} ms",
                "one process" if count > 1 else "",
                f"{rate / first:.2f}",
                "more where cores exist",
                f"{sum(each.bad for each in done)} bad; all of it on {os.cpu_count()} cores",
            )
        await stock.check()

    async def memory(self) -> AsyncIterator[Row]:
        """What large bodies leave in the server that has answered them."""
        stock = await self._stock(10_000)
        for bodies in memory.BODIES:
            async with running(self.database.url) as server:
                target = Target(server.url, stock.token, stock.people)
                grown = await memory.growth(server, target, bodies, str(bodies.size))
            yield Row(
                f"memory after {bodies.count:,} bodies of {bodies.size:,} bytes",
                f"{grown / 2**20:+.1f} MB",
                goal="20 MB",
                notes=f"{memory.CONNECTIONS} connections",
            )

    async def _bare(self, stock: Stock, connections: int) -> Load:
        async with running(self.database.url, stored=False) as server:
            target = Target(server.url, stock.token, stock.people)
            await load(target, connections, 1, "w")
            return await load(target, connections, 4, "b")

    async def _floor(self, size: int) -> float:
        connection = await self.database.connect()
        try:
            return await floors.activities(connection, PEOPLE, size)
        finally:
            await floors.drop(connection)
            await connection.close()

    # -- bulk ---------------------------------------------------------------------------------

    async def bulk(self) -> AsyncIterator[Row]:
        """NDJSON over HTTP, one connection, every line answered."""
        stock = await self._stock(PEOPLE)
        by_hand = await self._floor(1000)
        count = 2_000_000 if self.big else 200_000
        async with running(self.database.url) as server:
            before = server.usage()
            began = time.perf_counter()
            await upload(server.url, stock, count)
            rate = count / (time.perf_counter() - began)
            used = server.usage()
        cpu = (used.cpu - before.cpu) / count * 1e6
        yield Row(
            f"NDJSON over HTTP, {count:,} lines",
            f"{rate:,.0f}/s",
            f"SQL by hand {by_hand:,.0f}/s",
            f"{rate / by_hand:.2f}",
            "40,000/s",
            f"server {cpu:.0f} us CPU each, {used.resident / 2**20:.0f} MB",
        )
        await stock.check()

    async def import_(self) -> AsyncIterator[Row]:
        """A history file through `tierline import`'s path."""
        stock = await self._stock(PEOPLE)
        by_hand = await self._floor(1000)
        count = 10_000_000 if self.big else 200_000
        with TemporaryDirectory() as folder:
            path = Path(folder) / "history.jsonl"
            await asyncio.to_thread(import_files.write_history, path, count, PEOPLE)
            writer = Writer(self.database, self.catalog, lambda _: None, batch_max=BATCH)
            await writer.start()
            program = Importer(self.database, self.catalog, writer, stock.project, stock.number)
            began = time.perf_counter()
            done = await program.run(path)
            rate = done.records / (time.perf_counter() - began)
            await writer.stop()
        resident = psutil.Process().memory_info().rss / 2**20
        yield Row(
            f"import of a file, {count:,} records",
            f"{rate:,.0f}/s",
            f"SQL by hand {by_hand:,.0f}/s",
            f"{rate / by_hand:.2f}",
            "40,000/s",
            f"{done.refused} refused, {resident:.0f} MB",
        )

    async def dirty(self) -> AsyncIterator[Row]:
        """A CSV file of which one line in a hundred is to be refused, between clean ones."""
        stock = await self._stock(PEOPLE)
        count = 1_000_000 if self.big else 200_000
        place = (self.database, self.catalog, stock.project, stock.number)
        compared = await import_files.compare(import_files.Place(*place), count, PEOPLE)
        clean, ran, after = compared.before, compared.dirty, compared.after
        yield Row(
            f"import of a CSV file, {count:,} records, 1 % dirty",
            f"{ran.rate:,.0f}/s, {ran.cpu_us:.0f} us CPU each",
            f"clean ones before and after {clean.rate:,.0f} and {after.rate:,.0f}/s, "
            f"{clean.cpu_us:.0f} and {after.cpu_us:.0f} us",
            f"{ran.rate / compared.rate:.2f} of their rate, "
            f"{compared.cpu_us / ran.cpu_us:.2f} by CPU",
            "0.80", ran.note(exact=compared.exact),
        )  # fmt: skip

    # -- sweep --------------------------------------------------------------------------------

    async def sweep(self) -> AsyncIterator[Row]:
        """Everybody due at one instant, an event each."""
        count = 1_000_000 if self.big else 100_000
        connection = await self.database.connect(statement_timeout="0")
        by_hand = await floors.sweep(connection, count, 1000)
        await floors.drop(connection)
        await connection.close()
        at = wall() + 120_000
        await self._stock(count, expiring=at)
        sweeper = Sweeper(self.database, self.catalog, lambda _: None, clock=lambda: at + 1)
        began = time.perf_counter()
        moved = await sweeper.run_due()
        rate = moved / (time.perf_counter() - began)
        yield Row(
            f"sweep, {count:,} due with an event each",
            f"{rate:,.0f}/s",
            f"SQL by hand {by_hand:,.0f}/s",
            f"{rate / by_hand:.2f}",
            "60,000/s",
            f"{moved:,} moved",
        )

    async def idle(self) -> AsyncIterator[Row]:
        """Nothing due: what a look costs among everybody whose points expire later."""
        count = 10_000_000 if self.big else 300_000
        await self._stock(count, expiring=wall() + 86_400_000)
        sweeper = Sweeper(self.database, self.catalog, lambda _: None)
        await sweeper.run_due()
        began = time.perf_counter()
        await sweeper.run_due()
        took = (time.perf_counter() - began) * 1e3
        yield Row(
            f"sweep, nothing due of {count:,}",
            f"{took:.0f} ms",
            goal="50 ms",
            notes="new connections and leases in it",
        )

    async def yearend(self) -> AsyncIterator[Row]:
        """Requests while everybody falls due: they come in before that, and go on."""
        count = 500_000 if self.big else 100_000
        due_at = wall() + 60_000
        stock = await self._stock(count, expiring=due_at)
        async with running(self.database.url, "api,sweeper") as server:
            target = Target(server.url, stock.token, stock.people)
            await load(target, 32, WARM_SECONDS, "w")
            calm = await load(target, 32, 6, "c")
            await asyncio.sleep(max(0, due_at - 1_000 - wall()) / 1000)
            busy = await load(target, 32, 7, "d")
            left = await self._left(due_at)
        yield Row(
            f"requests while {count:,} fall due",
            f"p50 {busy.p50:.1f} ms, p99 {busy.p99:.1f} ms, {busy.rate:,.0f}/s",
            f"before: p50 {calm.p50:.1f} ms, p99 {calm.p99:.1f} ms, {calm.rate:,.0f}/s",
            f"{busy.p99 / calm.p99:.1f}",
            "2 x p99",
            f"{count - left:,} swept meanwhile",
        )

    async def reminders(self) -> AsyncIterator[Row]:
        """A year end that reminds, beside one that does not."""
        for row in await reminders.rows(self.database, self.catalog, PEOPLE):
            yield Row(*row)

    async def _left(self, at: int) -> int:
        return int(
            await self.database.pool.fetchval(
                "SELECT count(*) FROM member WHERE due_at IS NOT NULL AND due_at <= $1", at
            )
        )

    # -- growth -------------------------------------------------------------------------------

    async def growth(self) -> AsyncIterator[Row]:
        """What an activity costs when there are ten times as many members, and again."""
        first = 0.0
        for size in (10_000, 100_000, 1_000_000, 10_000_000)[: 4 if self.big else 2]:
            stock = await self._stock(size)
            async with running(self.database.url) as server:
                target = Target(server.url, stock.token, stock.people)
                await load(target, 64, WARM_SECONDS, f"w{size}")
                before, stored, log = (
                    server.usage(),
                    await database_cpu(self.database),
                    await logged(stock),
                )
                done = await load(target, 64, RUN_SECONDS, f"r{size}")
                used = server.usage()
                stored = await database_cpu(self.database) - stored
                written, pages = (b - a for a, b in zip(log, await logged(stock), strict=True))
            cpu = (used.cpu - before.cpu + stored) / done.requests * 1e6
            first = first or cpu
            yield Row(
                f"online, {size:,} members, {2 * size:,} entries",
                f"{done.rate:,.0f}/s, p50 {done.p50:.1f} ms, p99 {done.p99:.1f} ms",
                "10,000 members" if size > 10_000 else "",
                f"{cpu / first:.2f} of its CPU",
                "flat",
                f"{done.bad} bad, {cpu:.0f} us CPU each, of these PostgreSQL"
                f" {stored / done.requests * 1e6:.0f}; {written / done.requests:,.0f} B of log, "
                f"{pages / done.requests:.2f} whole pages",
            )

    async def lists(self) -> AsyncIterator[Row]:
        """Pages over HTTP, of 100,000 members; with BIG=1 of a million."""
        stock = await self._stock(10 * PEOPLE if self.big else PEOPLE)
        for what, (middle, slowest) in (await page_times(stock, self.database.url)).items():
            yield Row(
                f"lists of {stock.people:,}: {what}",
                f"p50 {middle:.1f} ms, slowest {slowest:.1f} ms",
                goal="50 ms, as deep as at the beginning",
            )

    async def console(self) -> AsyncIterator[Row]:
        """Pages alone; then ingest beside people who browse, and beside open live feeds."""
        stock = await self._stock(10 * PEOPLE if self.big else PEOPLE)
        done = await browsing.measure(stock, self.database.url, RUN_SECONDS)
        for what, *figures in browsing.lines(done):
            yield Row(f"console, {stock.people:,} members: {what}", *figures)

    # -- members ------------------------------------------------------------------------------

    async def _stock(
        self, people: int, expiring: int | None = None, rules: Rules = LADDER
    ) -> Stock:
        """A new project with so many members; `expiring`: all their points end at that instant."""
        stock = await Stock.create(self.database, self.catalog, rules)

        def opening(i: int) -> Detail:
            points = 7919 * i % 2000
            lots = () if expiring is None else ((expiring, points or 1),)
            return Detail(lots=lots)

        await stock.add(people, opening)
        await stock.settle()
        return stock


setattr(Bench, "import", Bench.import_)


__all__ = ["Bench", "Row", "Running"]
