"""Voucherify's events and orders beside the native activities that say the same: the same points
for the same members, by turns on one server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from statistics import median
from typing import Final

from msgspec.structs import replace

from benchmarks.load import Load, Target, load
from benchmarks.row import Row
from benchmarks.server import Running, running
from benchmarks.stock import LADDER, Stock
from tierline.clock import wall
from tierline.rules.earning_rule import CustomEvent, EarningRule, FixedPoints, OrderPaid
from tierline.rules.points import Points
from tierline.rules.program import Rules

ROUNDS, CONNECTIONS, WARM_SECONDS, RUN_SECONDS = 3, 64, 2, 5
GOAL: Final = 0.67  # of the native route's rate
RULES: Final[Rules] = replace(
    LADDER,
    points=Points(
        rules=(
            EarningRule("visit", CustomEvent("visit"), FixedPoints(10)),
            EarningRule("order", OrderPaid(), FixedPoints(10)),
        )
    ),
)
_NATIVE_EVENT: Final = '{"kind":"custom","name":"visit","metadata":{"n":"%s-%d"},"customer":"c%d"}'
_NATIVE_ORDER: Final = '{"kind":"order","order":"%s-%d","customer":"c%d","total":1000,"paid":1000}'
_EVENT: Final = '{"event":"visit","metadata":{"n":"%s-%d"},"customer":{"source_id":"c%d"}}'
_ORDER: Final = '{"source_id":"%s-%d","customer":{"source_id":"c%d"},"status":"PAID","amount":1000}'


async def rows(stock: Stock) -> AsyncIterator[Row]:
    """Each native route, then the vendor's with its share of that rate: medians of the rounds."""
    keys = await stock.catalog.add_key(stock.project.number, "voucherify", (), "bench", wall())
    pair = {"X-App-Id": keys["app_id"], "X-App-Token": keys["app_token"]}
    async with running(stock.database.url) as server:
        native = Target(server.url, stock.token, stock.people)
        vendor = replace(native, pair=pair)
        targets = {
            "activities of a name": replace(native, body=_NATIVE_EVENT),
            "Voucherify's POST /v1/events": replace(vendor, path="/v1/events", body=_EVENT),
            "activities that tell an order": replace(native, body=_NATIVE_ORDER),
            "Voucherify's POST /v1/orders": replace(vendor, path="/v1/orders", body=_ORDER),
        }
        for i, target in enumerate(targets.values()):
            await load(target, CONNECTIONS, WARM_SECONDS, f"first{i}")
        # Orders were none until now: plans that are made for an empty table are not kept here.
        await stock.settle()
        runs: dict[str, list[tuple[Load, float]]] = {work: [] for work in targets}
        for nth in range(ROUNDS):
            for i, (work, target) in enumerate(targets.items()):
                # Names of their own: an order that the native route told is not told anew.
                await load(target, CONNECTIONS, WARM_SECONDS, f"w{nth}{i}")
                runs[work].append(await _run(server, target, f"r{nth}{i}"))
    base = 0.0
    for work, loads in runs.items():
        rate = median(run.rate for run, _ in loads)
        base = base if "Voucherify" in work else rate
        p99 = median(run.p99 for run, _ in loads)
        cpu = median(cpu for _, cpu in loads)
        bad = sum(run.bad for run, _ in loads)
        yield Row(
            work,
            f"{rate:,.0f}/s, p99 {p99:.1f} ms",
            f"native {base:,.0f}/s",
            f"{rate / base:.2f}",
            f"{GOAL}",
            f"{bad} bad, server {cpu:.0f} us CPU each",
        )


async def _run(server: Running, target: Target, prefix: str) -> tuple[Load, float]:
    before = server.usage()
    done = await load(target, CONNECTIONS, RUN_SECONDS, prefix)
    return done, (server.usage().cpu - before.cpu) / done.requests * 1e6
