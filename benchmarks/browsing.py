"""People in the console while a shop records: what their pages cost, and what they cost ingest."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from statistics import quantiles

import aiohttp
from msgspec import Struct

from benchmarks.load import Load, Target, load
from benchmarks.server import running
from benchmarks.stock import Stock
from tierline.clock import wall

PEOPLE, FEEDS = 20, 200
THINK_SECONDS = 1.0  # of somebody who reads a page
CONNECTIONS = 32
ROUNDS = 30  # of each page, alone
TURNS = 3  # of ingest alone and with others, by turns
LONG = 10_000  # entries of the member with the longest ledger
ACTIVITIES = "/api/programs/bench/activities"
LINE = b'{"key":"l%d","customer":"long","kind":"earn","points":%d}\n'


class PageTimes(Struct, frozen=True):
    """Milliseconds of a page."""

    p50: float
    p95: float


class Ingest(Struct, frozen=True):
    """Ingest alone and beside others, by turns in one run."""

    alone: list[Load]
    beside: list[Load]

    def p99(self) -> tuple[float, float]:
        """Of ingest alone, and beside others: the middle of the turns."""
        return _middle(self.alone, lambda one: one.p99), _middle(self.beside, lambda one: one.p99)

    def rate(self) -> tuple[float, float]:
        return _middle(self.alone, lambda one: one.rate), _middle(self.beside, lambda one: one.rate)


class Browsing(Struct, frozen=True):
    """What was measured."""

    pages: dict[str, PageTimes]
    browsing: Ingest
    feeds: Ingest
    while_loaded: PageTimes  # pages of those who browse meanwhile


def _middle(loads: Sequence[Load], of: Callable[[Load], float]) -> float:
    return sorted(of(one) for one in loads)[len(loads) // 2]


async def measure(stock: Stock, url: str, seconds: int) -> Browsing:
    """Everything in one run, on one server."""
    async with running(url) as server, _visitor(stock, server.url) as (session, root):
        long = await _long_ledger(session, stock)
        pages = _pages(root, stock.people, long)
        times = {name: await _times(session, paths) for name, paths in pages.items()}
        (timeline, paths) = list(pages.items())[-1]
        earned = count(LONG)
        anew = partial(_earn, session, stock, earned)
        times[f"{timeline}, changed each time"] = await _times(session, paths, anew)
        target = Target(server.url, stock.token, stock.people)
        await load(target, CONNECTIONS, 3, "warm")
        paths = [path for name, all_ in pages.items() if "entries" not in name for path in all_]
        visits: list[float] = []
        browsing = await _beside(target, seconds, lambda: _browse(session, paths, visits), PEOPLE)
        feeds = await _beside(target, seconds, lambda: _listen(session, f"{root}/live"), FEEDS)
        return Browsing(times, browsing, feeds, _figures(visits))


def lines(done: Browsing) -> Iterator[tuple[str, ...]]:
    """What was measured, its figure, the floor, the ratio, the goal and notes, as the table has
    them."""
    for name, times in done.pages.items():
        goal = "p95 300 ms" if "entries" in name else "p95 100 ms"
        yield name, f"p50 {times.p50:.0f}, p95 {times.p95:.0f} ms", "", "", goal
    alone, beside = done.browsing.p99()
    meanwhile = done.while_loaded
    yield (
        f"ingest while {PEOPLE} people browse",
        f"p99 {beside:.1f} ms",
        f"alone: p99 {alone:.1f} ms",
        f"{beside / alone:.2f}",
        "1.2",
        f"their pages: p50 {meanwhile.p50:.0f}, p95 {meanwhile.p95:.0f} ms",
    )
    rate, slowed = done.feeds.rate()
    figures = (f"{slowed:,.0f}/s", f"alone: {rate:,.0f}/s", f"{slowed / rate:.2f}", "0.95")
    yield (f"ingest beside {FEEDS} open live feeds", *figures)


@asynccontextmanager
async def _visitor(stock: Stock, url: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A session of somebody who may see everything, and where their project's pages begin."""
    key = await stock.catalog.add_key(stock.project.number, "native", (), "people", wall())
    headers = {"authorization": f"Bearer {key['key']}"}
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.CookieJar(unsafe=True)  # an address is no name
    async with aiohttp.ClientSession(url, connector=connector, cookie_jar=jar) as session:
        user = {"email": "bench@example.com", "role": "admin"}
        async with session.post("/api/users", json=user, headers=headers) as response:
            token = (await response.json())["token"]
        join = {"token": token, "password": "correct horse battery"}
        origin = {"origin": url}
        async with session.post("/api/join", json=join, headers=origin) as response:
            assert response.status == 200, await response.text()
        yield session, f"/console/{stock.project.id}"


async def _long_ledger(session: aiohttp.ClientSession, stock: Stock) -> str:
    """A member with so many entries."""
    headers = {
        "authorization": f"Bearer {stock.token}", "content-type": "application/x-ndjson",
        "cookie": "",
    }  # fmt: skip
    body = b"".join(LINE % (i, i % 7 + 1) for i in range(LONG))
    async with session.post(ACTIVITIES, data=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        await response.read()
    return "long"


async def _earn(session: aiohttp.ClientSession, stock: Stock, numbers: Iterator[int]) -> None:
    """One more entry of that member."""
    headers = {
        "authorization": f"Bearer {stock.token}", "content-type": "application/json", "cookie": "",
    }  # fmt: skip
    line = LINE % (next(numbers), 1)
    async with session.post(ACTIVITIES, data=line, headers=headers) as response:
        assert response.status == 200, await response.text()


def _pages(root: str, people: int, long: str) -> dict[str, list[str]]:
    members = f"{root}/programs/bench/members"
    some = [f"c{i * 7919 % people}" for i in range(1, 11)]
    return {
        "overview": [root],
        "members": [members],
        "members, searched by name": [f"{members}?q=customer+{i}" for i in range(1, 10)],
        "one member": [f"{members}/{name}" for name in some],
        "one member's ledger": [f"{members}/{name}/ledger" for name in some],
        "the program": [f"{root}/programs/bench"],
        "deliveries": [f"{root}/endpoints"],
        f"a timeline of {LONG:,} entries": [f"{members}/{long}"],
    }


async def _get(session: aiohttp.ClientSession, path: str) -> float:
    began = time.perf_counter()
    async with session.get(path, allow_redirects=False) as response:
        text = await response.text()
        assert response.status == 200, f"{path}: {response.status} {text[:500]}"
    return (time.perf_counter() - began) * 1e3


async def _times(
    session: aiohttp.ClientSession,
    paths: Sequence[str],
    before: Callable[[], Awaitable[None]] | None = None,
) -> PageTimes:
    """`before` happens before each."""
    await _get(session, paths[0])
    taken = []
    for i in range(ROUNDS):
        if before is not None:
            await before()
        taken.append(await _get(session, paths[i % len(paths)]))
    return _figures(taken)


def _figures(times: Sequence[float]) -> PageTimes:
    cuts = quantiles(times, n=20, method="inclusive")
    return PageTimes(cuts[9], cuts[18])


async def _beside(
    target: Target, seconds: int, other: Callable[[], Awaitable[None]], count: int
) -> Ingest:
    """Ingest alone and beside so many others, by turns."""
    alone, beside = [], []
    for turn in range(TURNS):
        mark = f"{count}-{turn}"
        alone.append(await load(target, CONNECTIONS, seconds, f"a{mark}"))
        others = [asyncio.ensure_future(other()) for _ in range(count)]
        await asyncio.sleep(1)
        beside.append(await load(target, CONNECTIONS, seconds, f"b{mark}"))
        for task in others:
            task.cancel()
        for ended in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
    return Ingest(alone, beside)


async def _browse(
    session: aiohttp.ClientSession, paths: Sequence[str], visits: list[float]
) -> None:
    """Somebody who reads one page after the other."""
    while True:
        await asyncio.sleep(random.uniform(0.5, 1.5) * THINK_SECONDS)
        visits.append(await _get(session, random.choice(paths)))


async def _listen(session: aiohttp.ClientSession, path: str) -> None:
    """Somebody whose overview is open."""
    with suppress(asyncio.CancelledError):
        async with session.get(path) as response:
            assert response.status == 200
            async for _ in response.content.iter_any():
                pass
