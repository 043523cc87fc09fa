"""kill -9 while Voucherify's routes are called: what is repeated counts once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.caller import Caller
from tests.e2e.process import Served

MEMBERS, STEPS = 6, 8
KILL_AFTER = MEMBERS * STEPS // 3  # answers
Json = dict[str, Any]
RULES = [
    {"event": "visit", "loyalty": {"type": "FIXED", "points": 5}},
    {"event": "order.paid", "loyalty": {"type": "FIXED", "points": 7}},
]


class VendorLoad:
    """A client for each member, who repeats each call until it is answered well."""

    def __init__(self, session: aiohttp.ClientSession, served: Served, keys: Json) -> None:
        self.session = session
        self.served = served
        self.headers = {"x-app-id": keys["app_id"], "x-app-token": keys["app_token"]}
        self.answers = 0
        self.retries = 0
        self.busy = asyncio.Event()  # so many answers that it is time to be killed
        self.up = asyncio.Event()
        self.up.set()

    async def insist(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        while True:
            try:
                async with self.session.request(
                    method, self.served.url + path, json=body, headers={**self.headers, **headers}
                ) as response:
                    answer = await response.json()
            except (aiohttp.ClientError, ConnectionError):
                self.retries += 1
                await self.up.wait()
                continue
            if response.status == 200:
                self.answers += 1
                if self.answers == KILL_AFTER:
                    self.busy.set()
                return answer
            assert response.status == 503, answer

    async def client(self, member: int, card: str) -> None:
        """Twelve points a step and one less: by an event, an order and a removal."""
        name = f"m{member}"
        for step in range(STEPS):
            key = f"{member}-{step}"
            event = {"event": "visit", "customer": {"source_id": name}}
            await self.insist("POST", "/v1/events", event, **{"idempotency-key": f"e-{key}"})
            order = {"source_id": key, "status": "PAID", "amount": 100, "customer": name}
            await self.insist("POST", "/v1/orders", order)
            removal = {"points": -1, "source_id": f"r-{key}"}
            await self.insist("POST", f"/v1/loyalties/members/{card}/balance", removal)


async def test_kill_9_loses_and_doubles_nothing(
    data_dir: Path, session: aiohttp.ClientSession
) -> None:
    with Served(data_dir) as served:
        caller = Caller(session, lambda: served.url, served.key)
        keys = await caller.post("/api/keys", {"kind": "voucherify"})
        load = VendorLoad(session, served, keys)
        await load.insist("POST", "/v1/campaigns", {"name": "Club"})
        await load.insist("POST", "/v1/loyalties/Club/earning-rules", RULES)
        tiers = [{"name": "Silver", "points": {"from": 50}}]
        await load.insist("POST", "/v1/loyalties/Club/tiers", tiers)
        cards = [
            await load.insist("POST", "/v1/loyalties/Club/members", {"customer": f"m{n}"})
            for n in range(MEMBERS)
        ]
        clients = (load.client(n, card["code"]) for n, card in enumerate(cards))
        load.answers = 0
        running = asyncio.gather(*clients)
        reached = asyncio.create_task(load.busy.wait())
        either: set[asyncio.Future[Any]] = {running, reached}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        assert not running.done(), await running
        load.up.clear()
        served.kill()
        await asyncio.to_thread(served.again)
        load.up.set()
        await running

        assert load.retries > 0
        for n, card in enumerate(cards):
            now = await load.insist("GET", f"/v1/loyalties/members/{card['code']}")
            assert now["loyalty_card"]["balance"] == 11 * STEPS, n
            order = await load.insist("GET", f"/v1/orders/{n}-0")
            assert order["status"] == "PAID"
        joinings = [event for event in await caller.feed() if event["kind"] == "joined"]
        assert len(joinings) == MEMBERS
