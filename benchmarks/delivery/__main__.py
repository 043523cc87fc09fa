"""`make bench-delivery`: webhook delivery beside its floor, on this machine, now.

    python -m benchmarks.delivery [--only drain,hang,latency,memory] [--big] [--pairs 5]
                                  [--count 20000] [--markdown]

One sender process with signing, order, the address guard and attempt rows on; PostgreSQL
(embedded), the receiver and the sender share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from statistics import median
from typing import Any, NamedTuple

import asyncpg

from benchmarks.delivery import work
from benchmarks.delivery.page import Page, machine
from benchmarks.delivery.stage import SETTINGS
from tierline.store.embedded_postgres.server import EmbeddedServer

BIG = 500_000
BODY = 2_029  # of W-D's payloads; the floor's where nothing else says


class Tail(NamedTuple):
    """Of one run of W-O."""

    p50: float
    p99: float
    waiting: float


async def show_drain(page: Page, server: EmbeddedServer, count: int, *, big: bool) -> None:
    page.note("W-D: drain a queue. CPU in µs per delivery; the floor signs and posts, no more.")
    page.table(
        "", "deliveries/s", "CPU", "PostgreSQL", "statements", "floor/s", "floor CPU", "peak MB"
    )
    cases: list[tuple[str, int, int, dict[str, Any]]] = [
        ("1 endpoint", 1, count, {}),
        ("10 endpoints", 10, count, {}),
        ("1,000 endpoints", 1_000, count, {}),
        ("10 endpoints, statistics stale", 10, count, {"analyse": False}),
    ]
    if big:
        cases.append((f"10 endpoints, {BIG:,} events owed", 10, BIG, {}))
    bodies = []
    for name, endpoints, size, fields in cases:
        results = await work.drain(server, endpoints, size, **fields)
        bodies.append(results.body)
        page.row(
            name, f"{results.rate:,.0f}", f"{results.cpu:.0f}", f"{results.cpu_postgres:.0f}",
            f"{results.statements:.4f}", f"{results.floor_rate:,.0f}", f"{results.floor_cpu:.0f}",
            f"{results.peak_mb:.0f} ({results.grown_mb:+.0f})",
        )  # fmt: skip
        if results.lost or results.repeated:
            page.note(f"LOST {results.lost}, REPEATED {results.repeated}")
        if size == BIG:
            held = " ".join(f"{mb:.0f}" for mb in results.held_mb)
            page.note(f"{BIG:,} drained in {results.seconds:.1f} s; MB at each tenth: {held}")
    page.note(
        f"{count:,} events each; bodies of {median(bodies):,.0f} bytes, ours and the floor's."
    )


async def show_hang(page: Page, server: EmbeddedServer, count: int, pairs: int) -> None:
    page.note("W-H: the same while one endpoint of ten answers after 5 s.")
    page.table("", "healthy/s", "kept", "spread")
    well, again, hung, floors = [], [], [], []
    for _ in range(pairs):
        well.append(await work.hang(server, count * 2, hanging=0))
        hung.append(await work.hang(server, count * 2, hanging=1))
        again.append(await work.hang(server, count * 2, hanging=0))
        floors.append(work.bare(BODY)["rate"])
    page.row("bare floor", f"{median(floors):,.0f}", "", "")
    page.row("all well", f"{median(well):,.0f}", "", "")
    # Nine of ten endpoints are healthy: so is nine tenths of the rate.
    for name, runs, share in (("null pair", again, 1.0), ("one hangs", hung, 0.9)):
        ratios = sorted(b / (a * share) for a, b in zip(well, runs, strict=True))
        spread = f"{ratios[0]:.0%} to {ratios[-1]:.0%}"
        page.row(name, f"{median(runs):,.0f}", f"{median(ratios):.0%}", spread)
    page.note(
        f"Medians of {pairs} interleaved runs; the null pair is `all well` once more, so it shows "
        "what the method resolves."
    )


async def show_latency(page: Page, server: EmbeddedServer, pairs: int, seconds: float) -> None:
    page.note(
        "W-O: from commit to receipt, healthy endpoints, ms. Ratios are of p99 to `all well`, pair "
        "by pair; the null pair is `all well` once more. The floor is told of a commit and posts."
    )
    page.table("", "p50", "p99", "waiting", "p99 ratio", "spread")
    for rate in (200, 600):
        names = ("bare floor", "all well", "null pair", "one hangs")
        runs: dict[str, list[Tail]] = {name: [] for name in names}
        for _ in range(pairs):
            for name, into in runs.items():
                if name == "bare floor":
                    results = await work.open_floor(server, rate, size=BODY, seconds=seconds)
                else:
                    hanging = int(name == "one hangs")
                    results = await work.open_loop(server, rate, hanging=hanging, seconds=seconds)
                into.append(tail(results))
        for name, into in runs.items():
            ratios = sorted(b.p99 / a.p99 for a, b in zip(runs["all well"], into, strict=True))
            beside = name in ("null pair", "one hangs")
            page.row(
                f"{rate}/s, {name}",
                f"{median(run.p50 for run in into):.2f}",
                f"{median(run.p99 for run in into):.2f}",
                f"{median(run.waiting for run in into):.1%}",
                f"{median(ratios):.2f}" if beside else "",
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}" if beside else "",
            )
    page.note(f"Medians of {pairs} interleaved runs of {seconds:.0f} s each.")


async def show_memory(page: Page, server: EmbeddedServer, seconds: float) -> None:
    page.note("Memory of the sender while every answer drips, or pours 64 MiB.")
    page.table("", "peak MB", "new MB")
    page.row("bare floor, answers at once", f"{work.bare(BODY)['peak_mb']:.0f}", "")
    for answer, name in (("e", "at once"), ("drip", "drip"), ("huge", "huge")):
        peak, new = await work.memory(server, answer, seconds)
        page.row(f"all answers {name}", f"{peak:.0f}", f"{new:+.0f}")


def tail(values: list[float]) -> Tail:
    """Of milliseconds, ascending."""
    waiting = sum(value == float("inf") for value in values) / len(values)
    return Tail(
        values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)], waiting
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description="Webhook delivery beside its floor.")
    parser.add_argument("--only", default="drain,hang,latency,memory")
    parser.add_argument("--big", action="store_true", default=bool(os.environ.get("BIG")))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=work.OPEN_S, help="of a run of W-O")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    parts, page = set(options.only.split(",")), Page(markdown=options.markdown)
    folder = tempfile.mkdtemp(prefix="tl-bench-")
    try:
        with EmbeddedServer.attach_or_start(folder) as server:
            connection = await asyncpg.connect(server.url)
            page.note(machine(await connection.fetchval("SHOW server_version")))
            await connection.close()
            page.note(f"One sender process, settings {SETTINGS}; payloads as Voucherify's.")
            if "drain" in parts:
                await show_drain(page, server, options.count, big=options.big)
            if "hang" in parts:
                await show_hang(page, server, options.count, options.pairs)
            if "latency" in parts:
                await show_latency(page, server, options.pairs, options.seconds)
            if "memory" in parts:
                await show_memory(page, server, min(8.0, options.seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
