"""`make bench-delivery`: webhook delivery beside its floor, on this machine, now.

    python -m benchmarks.delivery [--only drain,hang,latency,memory] [--big] [--pairs 5]

One sender process with signing, order, the address guard and attempt rows on; PostgreSQL
(embedded), the receiver and the sender share the machine. W-D, W-H and W-O are: drain a queue; the
same with one endpoint of ten answering after 5 s; events committed at a fixed rate.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from statistics import median
from typing import Any

from benchmarks.delivery import stage
from benchmarks.delivery.stock import append, make_stock
from tierline.store.embedded import EmbeddedServer
from tierline.vendors import FORMATS

DRAIN = 20_000
BIG = 500_000
HANG_S = 5.0
OPEN_S = 12.0
SKIPPED_S = 4.0


async def drain(
    server: EmbeddedServer, endpoints: int, count: int, *, analyse: bool = True, **fields: Any
) -> dict[str, float]:
    """W-D. Rate by the receiver's clock, from the first receipt to the last."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            base = stage.floor(sink)
            sink.stats("/reset")
            stock = await stage.stocked(database, sink, endpoints, **fields)
            await stage.queue(database, stock, count, analyse=analyse)
            with stage.worker(database.url) as sender:
                idle = sender.report()
                sender.start()
                seen = await stage.received(sink, count, 60 + count / 500)
                await asyncio.sleep(0.3)
                used = sender.report()
            cpu = (used["cpu_s"] - idle["cpu_s"]) / count * 1e6
            return {
                "rate": (seen["healthy"] - 1) / max(0.001, seen["last"] - seen["first"]),
                "cpu_us": cpu,
                "statements": used["statements"] / count,
                "rss_mb": used["rss_mb"],
                "grown_mb": used["rss_mb"] - idle["rss_mb"],
                "repeated": seen["repeated"],
                "lost": count - seen["received"],
                "body": seen["body"],
                "floor_rate": base["rate"],
                "floor_cpu_us": base["cpu_us"],
            }


async def hang(server: EmbeddedServer, *, hanging: int) -> float:
    """W-H: healthy receipts per second over one whole period of the hanging endpoint."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            stock = await stage.stocked(database, sink, 10, hanging=hanging)
            await stage.queue(database, stock, DRAIN * 2)
            with stage.worker(database.url) as sender:
                sender.start()
                healthy = DRAIN * 2 * 9 // 10
                await stage.received(sink, healthy if hanging else DRAIN * 2, HANG_S + 1)
                times = sink.stats("/stats?ids")["times"]
            spent = min(HANG_S, times[-1] - times[0])
            return float(sum(at - times[0] <= HANG_S for at in times) / spent)


async def open_loop(server: EmbeddedServer, rate: int, *, hanging: int) -> list[float]:
    """W-O: milliseconds from the commit to the receipt, healthy endpoints only, warm."""
    async with stage.installation(server) as database:
        with stage.receiver() as sink:
            stock = await stage.stocked(database, sink, 10, hanging=hanging)
            committed: dict[str, float] = {}
            with stage.worker(database.url) as sender:
                sender.start()
                await _commit_at(database, stock, sender, rate, committed)
                await asyncio.sleep(1.0)
                arrived = sink.stats("/stats?ids")["ids"]
            began = min(committed.values())
            return sorted(
                (arrived.get(name, float("inf")) - at) * 1000
                for name, at in committed.items()
                if at - began > SKIPPED_S and not name.startswith("hang:")
            )


async def _commit_at(
    database: Any, stock: Any, sender: stage.Worker, rate: int, committed: dict[str, float]
) -> None:
    """Events one by one, each in its own transaction, then the wake-up that the writer gives."""
    connection = await database.connect()
    began = time.monotonic()
    try:
        for n in range(int(rate * OPEN_S)):
            await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
            [row] = stock.rows(1)
            await append(connection, 0, [row])
            at = time.time()
            sender.say("wake")
            program = stock.programs.index(row[2])
            name = FORMATS["voucherify"].delivery_id(row[4], f"end_{program:05d}")
            committed[name if program else f"hang:{name}"] = at
    finally:
        await connection.close()


def quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


async def show_drain(server: EmbeddedServer, big: bool) -> None:
    say(f"{'W-D: drain':38} {'/s':>8} {'CPU us':>8} {'stmts':>8} {'floor/s':>8} {'floor us':>9}")
    cases: list[tuple[str, int, int, dict[str, Any]]] = [
        ("1 endpoint", 1, DRAIN, {}),
        ("10 endpoints", 10, DRAIN, {}),
        ("1,000 endpoints", 1_000, DRAIN, {}),
        ("10 endpoints, statistics stale", 10, DRAIN, {"analyse": False}),
    ]
    if big:
        cases.append(("10 endpoints, 500,000 events", 10, BIG, {}))
    for name, endpoints, count, fields in cases:
        found = await drain(server, endpoints, count, **fields)
        say(
            f"{name:38} {found['rate']:8.0f} {found['cpu_us']:8.0f} {found['statements']:8.4f} "
            f"{found['floor_rate']:8.0f} {found['floor_cpu_us']:9.0f}   lost {found['lost']:.0f} "
            f"repeated {found['repeated']:.0f} rss {found['rss_mb']:.0f} MB"
        )


async def show_hang(server: EmbeddedServer) -> None:
    healthy = await hang(server, hanging=0)
    one = await hang(server, hanging=1)
    kept = one / (healthy * 0.9)
    say("")
    say(f"W-H: healthy/s, all well {healthy:.0f}, one of ten hangs {one:.0f}: {kept:.0%} kept")


async def show_latency(server: EmbeddedServer, pairs: int) -> None:
    say("")
    say(f"{'W-O: commit to receipt, ms':38} {'p50':>8} {'p99':>8} {'waiting':>8}")
    for rate in (200, 600):
        quiet: list[tuple[float, float, float]] = []
        null: list[tuple[float, float, float]] = []
        hung: list[tuple[float, float, float]] = []
        for _ in range(pairs):
            for into, hanging in ((quiet, 0), (null, 0), (hung, 1)):
                values = await open_loop(server, rate, hanging=hanging)
                waiting = sum(value == float("inf") for value in values) / len(values)
                into.append((quantile(values, 0.5), quantile(values, 0.99), waiting))
        for name, runs in (("all well", quiet), ("all well again", null), ("one hangs", hung)):
            p50, p99, waiting = (median(run[i] for run in runs) for i in range(3))
            say(f"{rate}/s, {name:30} {p50:8.2f} {p99:8.2f} {waiting:8.1%}")
        for name, runs in (("null pair", null), ("one hangs", hung)):
            ratios = sorted(b[1] / a[1] for a, b in zip(quiet, runs, strict=True))
            spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            say(f"{rate}/s, p99 ratio, {name}: {median(ratios):.2f} ({spread}, {pairs} pairs)")


async def show_memory(server: EmbeddedServer) -> None:
    """What one process holds while every answer drips or pours."""
    say("")
    for name in ("drip", "huge"):
        async with stage.installation(server) as database:
            with stage.receiver() as sink:
                urls = [f"{sink.url}/{name}/{i}" for i in range(10)]
                stock = await make_stock(database, urls, timeout_ms=1_000)
                await stage.queue(database, stock, 5_000)
                with stage.worker(database.url) as sender:
                    before = sender.report()["rss_mb"]
                    sender.start()
                    await asyncio.sleep(8)
                    after = sender.report()["rss_mb"]
        say(f"memory while all answers {name}: {after:.0f} MB, {after - before:+.0f} MB")


def say(line: str) -> None:
    print(line, flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Webhook delivery beside its floor.")
    parser.add_argument("--only", default="drain,hang,latency,memory")
    parser.add_argument("--big", action="store_true", default=bool(os.environ.get("BIG")))
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    parts = set(asked.only.split(","))
    say(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, {sys.platform}; embedded PostgreSQL, one shard, bodies as "
        "Voucherify's"
    )
    folder = tempfile.mkdtemp(prefix="tl-bench-")
    try:
        with EmbeddedServer.attach_or_start(folder) as server:
            if "drain" in parts:
                await show_drain(server, asked.big)
            if "hang" in parts:
                await show_hang(server)
            if "latency" in parts:
                await show_latency(server, asked.pairs)
            if "memory" in parts:
                await show_memory(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
