"""Clients of two servers, each with customers of one node: so each node's pace can be measured.

A client posts an activity, waits for the answer, and posts the next when its time has come: what is
late is not made up for. Whatever fails, or is refused with 503, is sent again with the same key, to
the other server. One client more posts arrays, with an activity for each node.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from time import monotonic
from typing import Any

import aiohttp

from tests.cluster_rounds.record import Record
from tests.e2e.caller import Caller, Json

PATH = "/api/programs/stairs/activities"
CLIENTS = 6  # per node
CUSTOMERS = 3  # per client, of several shards
AGAIN_SECONDS = 0.5
WIDE_SECONDS = 0.25  # between two arrays
WIDE = "arrays"


class Load:
    """`shards`: of each node; `customers_of`: names that live in a shard. `rate`: activities a
    second for each node. `at` has when each node's activities were answered, and how long it took;
    `refusals` count what came instead, by code."""

    def __init__(
        self,
        record: Record,
        callers: Sequence[Caller],
        shards: Mapping[str, Sequence[int]],
        customers_of: Callable[[int], Iterator[str]],
        rate: float,
        name: str,
    ) -> None:
        self.record = record
        self.at: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.refusals: Counter[str] = Counter()
        self.places: dict[str, str] = {}  # a customer's node
        self._callers = callers
        self._period = CLIENTS / rate
        self._name = name
        self._going = True
        names = {shard: customers_of(shard) for own in shards.values() for shard in own}
        self._customers = {
            node: [
                [next(names[own[(client + n) % len(own)]]) for n in range(CUSTOMERS)]
                for client in range(CLIENTS)
            ]
            for node, own in shards.items()
        }
        self._wide = [next(names[own[0]]) for own in shards.values()]
        for node, clients in self._customers.items():
            self.places |= dict.fromkeys([name for own in clients for name in own], node)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside they post; at the end each waits for its last answer."""
        async with asyncio.TaskGroup() as group:
            for node, clients in self._customers.items():
                for number, customers in enumerate(clients):
                    group.create_task(self._client(node, number, customers))
            group.create_task(self._wide_client())
            try:
                yield
            finally:
                self._going = False

    async def _client(self, node: str, number: int, customers: Sequence[str]) -> None:
        due = monotonic() + self._period * number / CLIENTS
        step = 0
        while self._going:
            await asyncio.sleep(max(0.0, due - monotonic()))
            key = f"{self._name}-{node}-{number}-{step}"
            activity = self.record.activity(key, customers[step % CUSTOMERS])
            began = monotonic()
            [answer] = await self._insist([activity], number + step)
            self.record.add(activity, answer)
            now = monotonic()
            self.at[node].append((now, now - began))
            due = max(due + self._period, now)
            step += 1

    async def _wide_client(self) -> None:
        step = 0
        while self._going:
            keys = [f"{self._name}-wide-{step}-{n}" for n in range(len(self._wide))]
            activities = list(map(self.record.activity, keys, self._wide))
            began = monotonic()
            for activity, answer in zip(
                activities, await self._insist(activities, step), strict=True
            ):
                self.record.add(activity, answer)
            self.at[WIDE].append((monotonic(), monotonic() - began))
            await asyncio.sleep(WIDE_SECONDS)
            step += 1

    async def _insist(self, activities: list[Json], turn: int) -> list[Json]:
        """The answer to each, however long that takes."""
        answers: dict[str, Json] = {}
        while left := [activity for activity in activities if activity["key"] not in answers]:
            for answer in await self._try(left, self._callers[turn % len(self._callers)]):
                if "entry" in answer:
                    answers[answer["key"]] = answer
                else:
                    self.refusals[answer["code"]] += 1
            if len(answers) < len(activities):
                turn += 1
                await asyncio.sleep(AGAIN_SECONDS)
        return [answers[activity["key"]] for activity in activities]

    async def _try(self, activities: list[Json], caller: Caller) -> list[Any]:
        """An answer or a problem for each, or one problem for all."""
        body: Any = activities if len(activities) > 1 else activities[0]
        try:
            answered = await caller.call("POST", PATH, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return [{"code": type(error).__name__}]
        if answered.status not in {200, 503}:
            raise AssertionError((answered.status, answered.body))
        result = answered.json
        results = result if isinstance(result, list) else [result]
        wrong = [r for r in results if "entry" not in r and r.get("status", 503) != 503]
        if wrong:
            raise AssertionError(wrong)
        return results


class Pace:
    """Of one node's activities, between two instants."""

    def __init__(self, at: Sequence[tuple[float, float]], begin: float, end: float) -> None:
        spans = [(when, took) for when, took in at if begin <= when < end]
        took = sorted(each for _, each in spans)
        whens = [begin, *(when for when, _ in spans), end]
        self.rate = len(spans) / (end - begin)
        self.median_ms = 1000 * took[len(took) // 2] if took else 0.0
        self.slow_ms = 1000 * took[int(len(took) * 0.99)] if took else 0.0
        self.worst_ms = 1000 * took[-1] if took else 0.0
        self.pause = max(b - a for a, b in pairwise(whens))

    def __str__(self) -> str:
        times = f"median {self.median_ms:.0f}, p99 {self.slow_ms:.0f}, worst {self.worst_ms:.0f} ms"
        return f"{self.rate:.1f}/s ({times}; longest pause {self.pause:.2f} s)"
