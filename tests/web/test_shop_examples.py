"""examples/shopify.py and examples/woocommerce.py, each as a process, before a real server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import Api

ROOT = Path(__file__).parent.parent.parent
SECRET = "the shop's secret"
ORDERS = {
    name: json.loads((ROOT / "tests" / "data" / "shops" / f"{name}-order.json").read_text())
    for name in ("shopify", "woocommerce")
}
HEADERS = {
    "shopify": ("x-shopify-hmac-sha256", "x-shopify-topic", "orders/updated"),
    "woocommerce": ("x-wc-webhook-signature", "x-wc-webhook-topic", "order.updated"),
}


class Hook:
    """A bridge that runs."""

    def __init__(self, api: Api, shop: str, port: int) -> None:
        self.api, self.shop, self.port = api, shop, port

    async def post(self, order: Any, **more: str) -> int:
        signature_header, topic_header, topic = HEADERS[self.shop]
        body = json.dumps(order).encode()
        digest = hmac.new(more.get("secret", SECRET).encode(), body, hashlib.sha256).digest()
        headers = {
            signature_header: base64.b64encode(digest).decode(),
            topic_header: more.get("topic", topic),
        }
        url = f"http://127.0.0.1:{self.port}/"
        async with self.api.session.post(url, data=body, headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def hook(api: Api, shop: str, url: str | None = None) -> AsyncIterator[Hook]:
    settings = {
        "TIERLINE_URL": url or api.process.url,
        "TIERLINE_KEY": api.key,
        "TIERLINE_PROGRAM": "club",
        "WEBHOOK_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, f"examples/{shop}.py", "0"),
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield Hook(api, shop, json.loads(await process.stdout.readline())["port"])
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def shop(club: Api) -> Api:
    """The club, where orders earn a point per dollar."""
    answered = await club.put("/api/programs/club", CLUB)
    assert answered.status == 200, answered.body
    return club


CLUB = {
    "name": "Club",
    "policy": {
        "metric": {"source": "spend"},
        "window": {"type": "since", "anchor": "join"},
        "tiers": [
            {"id": "member", "name": "Member"},
            {"id": "gold", "name": "Gold", "from": 30000},
        ],
    },
    "points": {"orders": {"every": 100, "points": 1}},
}


async def test_a_shopify_order_is_paid_refunded_in_part_and_told_twice(shop: Api) -> None:
    """Whatever comes first, and however often."""
    paid = ORDERS["shopify"]
    refund = {"id": 1, "transactions": [
        {"kind": "refund", "status": "success", "amount": "100.00"},
        {"kind": "refund", "status": "failure", "amount": "55.00"},
    ]}  # fmt: skip
    later = {"financial_status": "partially_refunded", "updated_at": "2024-01-05T10:00:00-05:00"}
    refunded = {**paid, **later, "refunds": [refund]}
    async with hook(shop, "shopify") as bridge:
        statuses = [await bridge.post(order) for order in (paid, refunded, paid, refunded)]
    order = (await shop.get(f"/api/orders/{paid['id']}")).json
    member = (await shop.get(f"/api/programs/club/members/{paid['customer']['id']}")).json

    assert statuses == [200] * 4
    assert (order["paid"], order["refunded"], order["total"]) == (38800, 10000, 38800)
    assert order["occurred_at"] == "2024-01-02T16:00:00.000Z"
    assert member["points"]["balance"] == 288
    assert member["tier"]["id"] == "member"  # 388.00 made gold, 288.00 do not


async def test_a_woocommerce_order_is_paid_and_cancelled(shop: Api) -> None:
    """A cancelled order counts for nothing."""
    paid = ORDERS["woocommerce"]
    cancelled = {**paid, "status": "cancelled", "date_modified_gmt": "2024-01-03T10:00:00"}
    async with hook(shop, "woocommerce") as bridge:
        first = await bridge.post(paid)
        before = (await shop.get("/api/programs/club/members/26")).json
        second = await bridge.post(cancelled)
    after = (await shop.get("/api/programs/club/members/26")).json

    assert (first, second) == (200, 200)
    assert (before["points"]["balance"], after["points"]["balance"]) == (29, 0)


@pytest.mark.parametrize("name", sorted(ORDERS))
async def test_what_the_shop_did_not_sign_goes_nowhere(shop: Api, name: str) -> None:
    """And what is of another topic, or of a guest, is taken and left."""
    guest = {**ORDERS[name], "customer": None, "customer_id": 0}
    async with hook(shop, name) as bridge:
        forged = await bridge.post(ORDERS[name], secret="another")
        other = await bridge.post(ORDERS[name], topic="products/update")
        nobody = await bridge.post(guest)
    orders = (await shop.get("/api/orders")).json["orders"]

    assert (forged, other, nobody) == (401, 200, 200)
    assert orders == []


async def test_a_shop_sends_again_what_tierline_could_not_take(shop: Api) -> None:
    """It hears 503 while Tierline cannot answer."""
    async with hook(shop, "shopify", url="http://127.0.0.1:9") as bridge:
        status = await bridge.post(ORDERS["shopify"])

    assert status == 503
