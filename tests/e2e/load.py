"""Clients that post keyed activities, and repeat each with its key until it is answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp

from tests.e2e.caller import Caller, Json

Outcome = tuple[int, int]  # entry and balance


class Load:
    """`clients` clients post `each` activities one after the other, to `customers` customers.

    Each gives 60 points, then takes 40 of them: the balance never lacks what is taken, whoever
    comes first. `answers` holds the first answer to each key. While `up` is not set, clients wait.
    """

    def __init__(self, caller: Caller, *, clients: int, each: int, customers: int) -> None:
        self.caller = caller
        self.clients = clients
        self.each = each
        self.customers = customers
        self.answers: dict[str, Outcome] = {}
        self.retries = 0
        self.expected: Counter[str] = Counter()
        self.up = asyncio.Event()
        self.up.set()
        self._answered = asyncio.Condition()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for client in range(self.clients):
                group.create_task(self._client(client))

    async def answered(self, count: int) -> None:
        """As soon as so many were answered."""
        async with asyncio.timeout(60), self._answered:
            await self._answered.wait_for(lambda: len(self.answers) >= count)

    def activity(self, client: int, step: int) -> Json:
        customer = f"c{client % self.customers}"
        kind, points = ("redeem", 40) if step % 2 else ("earn", 60)
        return {
            "key": f"{client}-{step}", "customer": customer, "kind": kind, "points": points,
        }  # fmt: skip

    async def _client(self, client: int) -> None:
        for step in range(self.each):
            activity = self.activity(client, step)
            answer = await self._insist(activity)
            sign = -1 if activity["kind"] == "redeem" else 1
            self.expected[activity["customer"]] += sign * activity["points"]
            self.answers[activity["key"]] = (answer["entry"], answer["balance"])
            async with self._answered:
                self._answered.notify_all()

    async def _insist(self, activity: Json) -> Any:
        while True:
            try:
                answered = await self.caller.call(
                    "POST", "/api/programs/stairs/activities", activity
                )
            except (aiohttp.ClientError, ConnectionError):
                self.retries += 1
                await self.up.wait()
                continue
            assert answered.status == 200, answered.body
            return answered.json
