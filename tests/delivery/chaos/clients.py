"""Clients of the API, which dies under them: each activity is repeated, with its key, until it is
answered; what was answered must then stand in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import aiohttp

CLIENTS = 12
CUSTOMERS = 5  # per client
STEP = 100  # points that move a member by a tier: up, and down again
PAUSE_S = 0.15
AGAIN_S = 0.05


class Clients:
    """`url` is asked for again each time: a server that starts anew has another one."""

    def __init__(self, url: Callable[[], str], key: str, seed: int) -> None:
        self.answered: list[str] = []
        self.repeated = 0
        self._url = url
        self._key = key
        self._random = Random(seed)
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """No new activity; those under way are given up, answered or not."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(10)
        headers = {"authorization": f"Bearer {self._key}"}
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            for client in range(CLIENTS):
                group.create_task(self._client(session, client))

    async def _client(self, session: aiohttp.ClientSession, client: int) -> None:
        for n in range(1 << 30):
            customer = f"c{client}-{n % CUSTOMERS}"
            points = -STEP if n // CUSTOMERS % 2 else STEP
            key = f"{client}-{n}"
            activity = {"key": key, "customer": customer, "kind": "adjust", "points": points}
            while not await self._posted(session, activity):
                self.repeated += 1
                await asyncio.sleep(AGAIN_S)
            self.answered.append(key)
            await asyncio.sleep(self._random.random() * PAUSE_S)

    async def _posted(self, session: aiohttp.ClientSession, activity: dict[str, object]) -> bool:
        url = f"{self._url()}/api/programs/club/activities"
        try:
            async with session.post(url, json=activity) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        if answer.status >= 500:
            return False
        assert answer.status == 200, text
        return True
