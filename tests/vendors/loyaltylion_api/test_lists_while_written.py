"""Lists miss nothing and repeat nothing while two processes write, on few shards and on many."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import CLUB, Shop, shop_of
from tests.web.conftest import SERVING
from tierline.app import serving
from tierline.bootstrap import catalogued
from tierline.store.database import Database

TURNS, ORDERS = 2, 3  # orders a turn and process; each makes a customer and a transaction
LISTS = ("customers", "transactions", "orders")
PROGRAM = {**CLUB, "points": {"orders": {"every": 100, "points": 1}}}


async def write(shop: Shop, who: str) -> None:
    for n in range(ORDERS):
        order = {"customer_id": f"{who}-{n}", "merchant_id": f"{who}-{n}", "total": "5",
                 "payment_status": "paid"}  # fmt: skip
        await shop.good("POST", "/v2/orders", order)


async def upwards(shop: Shop, name: str, met: list[int]) -> None:
    """As replicating clients walk: from the last id on, and by `Link` where a page is full."""
    path = f"/v2/{name}?since_id={met[-1] if met else 0}&limit=4"
    while path:
        answered = await shop.call("GET", path)
        met += [item["id"] for item in answered.json[name]]
        link = re.search(r'<([^>]+)>; rel="next"', answered.headers.get("link", ""))
        path = link[1] if link else ""


async def downwards(shop: Shop, name: str, there: int) -> list[int]:
    """All of a list by cursors, the newest first: each once, and whatever was there before."""
    met: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await shop.good("GET", f"/v2/{name}?limit=5&cursor={cursor}")
        met += [item["id"] for item in page[name]]
        cursor = page["cursor"]["next"]
    assert met == sorted(set(met), reverse=True)
    assert len(met) >= there
    return met


@pytest.mark.parametrize("shards", [2, 64])
async def test_nothing_is_missed_and_nothing_is_met_twice(
    fresh: Callable[[int], Any], tmp_path: Path, shards: int
) -> None:
    url = await fresh(shards)
    async with (
        await Database.open(url, shards=shards) as database,
        await Database.open(url) as second,
        shop_of(database, tmp_path) as shop,
        serving(await catalogued(second, tmp_path), SERVING) as process,
    ):
        await shop.good("PUT", "/api/programs/club", PROGRAM)
        other = Shop(shop.session, process, shop.project, shop.keys)
        met: dict[str, list[int]] = {name: [] for name in LISTS}
        for turn in range(TURNS):
            there = turn * 2 * ORDERS
            await asyncio.gather(
                write(shop, f"a{turn}"),
                write(other, f"b{turn}"),
                *(upwards(shop, name, met[name]) for name in LISTS),
                *(downwards(other, name, there) for name in LISTS),
            )
        for name in LISTS:
            await upwards(other, name, met[name])
            whole = await downwards(shop, name, TURNS * 2 * ORDERS)

            assert met[name] == whole[::-1]
            assert len(whole) == TURNS * 2 * ORDERS
