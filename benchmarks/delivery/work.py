"""The workloads, each on a fresh database: W-D drains a queue, W-H does while one endpoint of ten
answers after five seconds, W-O commits events at a fixed rate and waits for each to arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from benchmarks.delivery import stage
from benchmarks.delivery.stock import Stock, append, make_stock
from tierline.store.database import Database
from tierline.store.embedded_postgres.server import EmbeddedServer
from tierline.vendors.registry import FORMATS

HANG_S = 5.0
OPEN_S = 12.0
SKIPPED_S = 5.0


class Drained(Struct, frozen=True):
    """Rate by the receiver's clock, from the first receipt to the last; the rest per delivery. CPU
    in µs, user and system, begins with the start of an idle process, so it includes taking over.
    The floor posted bodies of the same size right afterwards."""

    rate: float
    cpu: float
    cpu_postgres: float
    statements: float
    seconds: float
    peak_mb: float  # most that the process ever held
    grown_mb: float  # of it since before the start
    held_mb: tuple[float, ...]  # at each tenth of the way
    body: float
    lost: int
    repeated: int
    floor_rate: float
    floor_cpu: float


async def drain(
    server: EmbeddedServer, endpoints: int, count: int, *, analyse: bool = True, **fields: Any
) -> Drained:
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            stock = await stage.stocked(database, sink, endpoints, **fields)
            await stage.queue(database, stock, count, analyse=analyse)
            with stage.worker(database.url) as sender:
                idle, idle_postgres = sender.report(), stage.postgres_cpu_s(server)
                held: list[float] = []

                def look(received: int) -> None:
                    if received >= count * (len(held) + 1) // 10:
                        held.append(sender.report()["rss_mb"])

                sender.start()
                seen = await stage.received(sink, count, 60 + count / 200, look)
                await asyncio.sleep(0.3)  # the last flush
                used, used_postgres = sender.report(), stage.postgres_cpu_s(server)
            base = stage.floor(sink, size=round(seen["body"]))
    seconds = max(0.001, seen["last"] - seen["first"])
    return Drained(
        rate=(seen["healthy"] - 1) / seconds,
        seconds=seconds,
        cpu=(used["cpu_s"] - idle["cpu_s"]) / count * 1e6,
        cpu_postgres=(used_postgres - idle_postgres) / count * 1e6,
        statements=used["statements"] / count,
        peak_mb=used["peak_mb"],
        grown_mb=used["peak_mb"] - idle["rss_mb"],
        held_mb=tuple(held),
        body=seen["body"],
        lost=count - seen["received"],
        repeated=seen["repeated"],
        floor_rate=base["rate"],
        floor_cpu=base["cpu_us"],
    )


async def hang(server: EmbeddedServer, count: int, *, hanging: int) -> float:
    """Healthy receipts per second, over one whole period of the hanging endpoint."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            stock = await stage.stocked(database, sink, 10, hanging=hanging)
            await stage.queue(database, stock, count)
            with stage.worker(database.url) as sender:
                sender.start()
                await stage.received(sink, count - count // 10 * hanging, HANG_S + 1)
                times = sink.stats("/stats?ids")["times"]
    spent = min(HANG_S, times[-1] - times[0])
    return float(sum(at - times[0] <= HANG_S for at in times) / spent)


async def open_loop(
    server: EmbeddedServer, rate: int, *, hanging: int, seconds: float = OPEN_S
) -> list[float]:
    """Milliseconds from commit to receipt, ascending: healthy endpoints, after a warm-up. What had
    not arrived a second after the end counts as infinite."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            stock = await stage.stocked(database, sink, 10, hanging=hanging)
            with stage.worker(database.url) as sender:
                sender.start()
                wake = lambda _: sender.say("wake")  # noqa: E731
                committed = await _commit_at(database, stock, wake, rate, seconds)
                await asyncio.sleep(1.0)
                arrived = sink.stats("/stats?ids")["ids"]
    return _latencies(committed, arrived, seconds, hanging)


async def open_floor(
    server: EmbeddedServer, rate: int, *, size: int, seconds: float = OPEN_S
) -> list[float]:
    """The same commits, each followed by a post that somebody else is told to make: no log is read,
    nothing is noted."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            stock = await stage.stocked(database, sink, 10)
            with stage.following_floor(sink, size) as floor:
                committed = await _commit_at(database, stock, floor.say, rate, seconds)
                await asyncio.sleep(1.0)
                arrived = sink.stats("/stats?ids")["ids"]
    return _latencies(committed, arrived, seconds, 0)


def _latencies(
    committed: dict[str, tuple[float, int]],
    arrived: dict[str, float],
    seconds: float,
    hanging: int,
) -> list[float]:
    began = min(at for at, _ in committed.values())
    skipped = SKIPPED_S * seconds / OPEN_S
    return sorted(
        (arrived.get(name, float("inf")) - at) * 1000
        for name, (at, program) in committed.items()
        if at - began > skipped and program >= hanging
    )


async def _commit_at(
    database: Database, stock: Stock, tell: Callable[[str], None], rate: int, seconds: float
) -> dict[str, tuple[float, int]]:
    """Events one by one, each in its own transaction, then the wake-up that the writer gives. When
    each was committed and which program it is of, by delivery."""
    committed: dict[str, tuple[float, int]] = {}
    connection = await database.connect()
    began = time.monotonic()
    try:
        for n in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
            [row] = stock.rows(1)
            await append(connection, 0, [row])
            program = stock.programs.index(row[2])
            name = FORMATS["voucherify"].delivery_id(row[4], f"end_{program:05d}")
            committed[name] = time.time(), program
            tell(name)
    finally:
        await connection.close()
    return committed


def bare(size: int) -> dict[str, float]:
    """The floor alone, now."""
    with stage.receiver() as sink:
        return stage.floor(sink, size=size)


async def memory(server: EmbeddedServer, answer: str, seconds: float) -> tuple[float, float]:
    """Peak memory in MB while every answer is `drip`, `huge` or (`e`) at once, and how much of it
    was new."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            urls = [f"{sink.url}/{answer}/{i}" for i in range(10)]
            stock = await make_stock(database, urls, timeout_ms=1_000)
            await stage.queue(database, stock, 5_000)
            with stage.worker(database.url) as sender:
                before = sender.report()["rss_mb"]
                sender.start()
                await asyncio.sleep(seconds)
                after = sender.report()["peak_mb"]
    return after, after - before
