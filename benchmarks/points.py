"""What points events cost ingest: nothing where nobody asks; measured where one endpoint does."""

from __future__ import annotations

from statistics import median

import msgspec
from msgspec import Struct

from benchmarks.costs import database_cpu
from benchmarks.load import Target, load
from benchmarks.server import running
from benchmarks.stock import Stock
from benchmarks.upload import upload
from tierline.clock import wall
from tierline.endpoints.endpoint import Endpoint

ROUNDS, CONNECTIONS, WARM_SECONDS, RUN_SECONDS = 5, 64, 1, 4
LINES = 50_000  # of one NDJSON body


class Cost(Struct, frozen=True):
    """Microseconds of CPU an activity: the server's, with PostgreSQL's."""

    server: float
    both: float


Ways = dict[str, tuple[list[Cost], list[Cost]]]


async def costs(stock: Stock) -> Ways:
    """By turns, online and by NDJSON: where no endpoint hears points events, and where one does.
    Nothing is sent: the server has no sender."""
    ways: Ways = {"online": ([], []), f"NDJSON of {LINES:,} lines": ([], [])}
    for nth in range(ROUNDS):
        for heard in (0, 1):
            number = await _endpoint(stock, nth) if heard else None
            for costs_of, (way, sides) in zip((_online, _bulk), ways.items(), strict=True):
                sides[heard].append(await costs_of(stock, f"{way[0]}{heard}{nth}-"))
            if number is not None:
                await stock.catalog.delete_endpoint(number, wall())
    return ways


def ratio(some: list[Cost], others: list[Cost]) -> tuple[float, float]:
    """The median of the ratios pair by pair: of the server's CPU, and of both."""
    pairs = list(zip(some, others, strict=True))
    return (
        median(a.server / b.server for a, b in pairs),
        median(a.both / b.both for a, b in pairs),
    )


async def _online(stock: Stock, prefix: str) -> Cost:
    async with running(stock.database.url) as server:
        target = Target(server.url, stock.token, stock.people)
        await load(target, CONNECTIONS, WARM_SECONDS, f"w{prefix}")
        before, database = server.usage(), await database_cpu(stock.database)
        done = await load(target, CONNECTIONS, RUN_SECONDS, prefix)
        used = server.usage().cpu - before.cpu
        both = used + await database_cpu(stock.database) - database
    return Cost(used / done.requests * 1e6, both / done.requests * 1e6)


async def _bulk(stock: Stock, prefix: str) -> Cost:
    async with running(stock.database.url) as server:
        await upload(server.url, stock, LINES // 10, f"w{prefix}")
        before, database = server.usage(), await database_cpu(stock.database)
        await upload(server.url, stock, LINES, prefix)
        used = server.usage().cpu - before.cpu
        both = used + await database_cpu(stock.database) - database
    return Cost(used / LINES * 1e6, both / LINES * 1e6)


async def _endpoint(stock: Stock, nth: int) -> int:
    endpoint = Endpoint(
        f"ep_points{nth}",
        0,
        stock.project.number,
        "https://example.com/points",
        kinds=("points.earned",),
        points=True,
    )
    text, now = msgspec.json.encode(endpoint).decode(), wall()
    row = await stock.catalog.add_endpoint(stock.project.number, endpoint.id, text, b"{}", now, now)
    return row.number
