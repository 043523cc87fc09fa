"""Lists: what a page costs at its beginning and in the depth, filtered, searched, and summed up."""

from __future__ import annotations

import time
from statistics import median

import aiohttp

from benchmarks.server import running
from benchmarks.stock import Stock

ROUNDS = 20
MEMBERS = "/api/programs/bench/members"


async def page_times(stock: Stock, url: str) -> dict[str, tuple[float, float]]:
    """Milliseconds of a request, the median and the slowest, by what is asked for."""
    headers = {"authorization": f"Bearer {stock.token}"}
    async with (
        running(url) as server,
        aiohttp.ClientSession(server.url, headers=headers) as session,
    ):

        async def get(path: str) -> dict[str, object]:
            async with session.get(path) as response:
                answer: dict[str, object] = await response.json()
                assert response.status == 200, answer
                return answer

        async def time_of(path: str) -> tuple[float, float]:
            await get(path)
            times = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await get(path)
                times.append((time.perf_counter() - began) * 1e3)
            return median(times), max(times)

        after = ""
        for _ in range(max(1, stock.people // 20_000)):
            for _ in range(10):
                after = str((await get(f"{MEMBERS}?limit=1000&after={after}"))["next"])
        return {
            "members, first page": await time_of(f"{MEMBERS}?limit=100"),
            "members, half way": await time_of(f"{MEMBERS}?limit=100&after={after}"),
            "customers, first page": await time_of("/api/customers?limit=100"),
            "members, a tier of a quarter": await time_of(f"{MEMBERS}?limit=100&tier=t3"),
            "members, a tier of nobody (a page's bound)": await time_of(f"{MEMBERS}?tier=t19"),
            "members, name prefix": await time_of(f"{MEMBERS}?limit=100&name=customer+9"),
            "summary": await time_of("/api/programs/bench/summary"),
        }
