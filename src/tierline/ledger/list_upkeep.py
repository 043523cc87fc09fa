"""Keeps the lists of last changes up to date, in the background and in small steps."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from tierline.clock import Clock, wall
from tierline.store import last_changes
from tierline.store.database import Database
from tierline.store.errors import is_retryable

ROUND_SECONDS: Final = 1.0

_log = structlog.get_logger("tierline.lists")


class ListUpkeep:
    """Lists what batches noted, shard by shard. Any number of processes may do it: each shard's
    mark lets one in at a time."""

    def __init__(self, database: Database, *, clock: Clock = wall) -> None:
        self._database = database
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="list-upkeep")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run_once(self) -> None:
        """Lists everything that is noted now."""
        for shard in range(self._database.shards):
            more = True
            while more:
                async with self._database.pool.acquire() as connection:
                    more = await last_changes.has_notes(
                        connection, shard
                    ) and await last_changes.catch_up(connection, shard, self._clock())
                await asyncio.sleep(0)

    async def _run(self) -> None:
        while True:
            try:
                await self.run_once()
            except Exception as error:  # noqa: BLE001 - lists may lag, nothing else may stop for it
                if not is_retryable(error):
                    _log.exception("listing_failed")
            await asyncio.sleep(ROUND_SECONDS)
