"""What a sender does now and then: marks that only skipped, attempts that are old, dropped logs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from tierline.clock import Clock
from tierline.sender.courier import Courier
from tierline.sender.settings import SenderSettings
from tierline.store.log import Log

CHUNK = 500
BREATH_S = 0.02  # between chunks: retention never competes with deliveries
_log = structlog.get_logger("tierline.sender")

Couriers = Callable[[], Iterable[Courier]]


class Upkeep:
    """For the endpoints that this process owns at the moment."""

    def __init__(
        self, couriers: Couriers, log: Log, settings: SenderSettings, clock: Clock
    ) -> None:
        self._couriers = couriers
        self._log = log
        self._settings = settings
        self._clock = clock
        self._dropped: dict[tuple[int, int], int] = {}

    async def write_idle_marks(self) -> None:
        """A cursor that only skipped is written this often, with the others of its shard."""
        while True:
            await asyncio.sleep(self._settings.idle_write_ms / 1000)
            for courier in list(self._couriers()):
                for follower in courier.followers.values():
                    follower.sync()
                    if follower.cursor.needs_write:
                        courier.touch(follower)

    async def forget_attempts(self) -> None:
        """Chunk by chunk, along the key of the table: no long transaction, nothing scanned."""
        while True:
            await asyncio.sleep(self._settings.retention_s)
            before = self._clock() - self._settings.attempts_kept_s * 1000
            for courier in list(self._couriers()):
                for shard in range(self._log.shards):
                    try:
                        await self._forget(shard, courier.number, before)
                    except Exception as error:  # noqa: BLE001  # the next round tries again
                        _log.warning("attempts_not_forgotten", error=repr(error))

    def log_starts(self, shard: int, log_start: int) -> None:
        """Events below were dropped by retention; whoever was still owed some is told of it."""
        for courier in self._couriers():
            follower = courier.followers.get((0, shard))
            if follower is None or follower.cursor.committed_mark >= log_start - 1:
                continue
            if self._dropped.get((courier.number, shard)) != log_start:
                self._dropped[courier.number, shard] = log_start
                data = {
                    "shard": shard,
                    "after": follower.cursor.committed_mark,
                    "before": log_start,
                }
                courier.depot.announce(courier, "log.dropped", data)

    async def _forget(self, shard: int, endpoint: int, before: int) -> None:
        gone = CHUNK
        while gone == CHUNK:
            gone = await self._log.forget_attempts(shard, endpoint, before, CHUNK)
            await asyncio.sleep(BREATH_S)
