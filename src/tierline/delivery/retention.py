"""What grows is bounded: old attempts are forgotten, and old events where an operator says so.

The log is kept for ever unless `events_kept_s` is set; then that wins, over endpoints that are
still owed something, too. They are warned of when what they are owed has half of its time behind
it and at 80 %, and what is dropped is named. One process looks after a shard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from tierline.clock import Clock
from tierline.delivery.text_retention import TextRetention
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.health_records import record
from tierline.endpoints.inspection import COUNT_MAX
from tierline.endpoints.settings import SenderSettings
from tierline.logging import RecurringFaults
from tierline.model.calendar import format_instant
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import EventLog, rows_of
from tierline.store.event_log_queries import EventLogSql as Sql

CHUNK = 500
BREATH_S = 0.02  # between chunks: retention never competes with deliveries
FIRST_S = 60  # after the start
WARN_AT = (80, 50)  # percent of the time that events are kept
_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


class LogRetention:
    """`live` makes an endpoint's row ready, None where that cannot be done."""

    def __init__(
        self,
        log: EventLog,
        catalog: Catalog,
        compiled: Callable[[EndpointRow], CompiledEndpoint | None],
        settings: SenderSettings,
        clock: Clock,
    ) -> None:
        self._log = log
        self._catalog = catalog
        self._live = compiled
        self._settings = settings
        self._clock = clock
        self._warned: dict[tuple[int, int], int] = {}  # (shard, endpoint) -> percent
        self._texts = TextRetention(log, settings, clock)

    async def run(self, owns: Callable[[str], bool]) -> None:
        """Now and then, the shards that are this process's."""
        pause = min(FIRST_S, self._settings.retention_s)
        while True:
            await asyncio.sleep(pause)
            pause = self._settings.retention_s
            for shard in range(self._log.shards):
                if not owns(f"shard {shard}"):
                    continue
                try:
                    await self.look(shard)
                except Exception as error:  # noqa: BLE001  # the next round tries again
                    _again.warning("retention_failed", shard=shard, error=repr(error))

    async def look(self, shard: int) -> None:
        """One round over a shard."""
        await self._forget_attempts(shard)
        await self._texts.look(shard)
        kept_s = self._settings.events_kept_s
        if kept_s is not None:
            await self._drop(shard, kept_s * 1000)
            await self._warn(shard, kept_s * 1000)

    async def _forget_attempts(self, shard: int) -> None:
        """Chunk by chunk, along the key of the table: no long transaction, nothing scanned. Those
        of endpoints that are paused or deleted, too."""
        before = self._clock() - self._settings.attempts_kept_s * 1000
        rows = await rows_of(self._log.reader(shard), Sql.with_old_attempts, shard, before)
        for row in rows:
            gone = CHUNK
            while gone == CHUNK:
                gone = await self._log.forget_attempts(shard, row["endpoint"], before, CHUNK)
                await asyncio.sleep(BREATH_S)

    async def _warn(self, shard: int, kept_ms: int) -> None:
        """Once per endpoint and level; once more after a restart, rather than not at all."""
        now, level = self._clock(), dict[int, int]()
        for percent in WARN_AT:
            bound = await self._log.before(shard, now - kept_ms * percent // 100)
            async for compiled, owed in self._owed(shard, bound):
                if level.setdefault(compiled.number, percent) != percent:
                    continue  # it is at a higher one
                place = (shard, compiled.row.project, compiled.classes, owed["after"], bound)
                oldest, _ = await self._log.slice_of(*place, 1)
                if oldest and self._warned.get((shard, compiled.number), 0) < percent:
                    drops_at = format_instant(oldest[0].recorded_at + kept_ms)
                    data = {"shard": shard, "percent": percent, **owed, "drops_at": drops_at}
                    await self._tell(compiled, "log.expiring", data)
        others = {key: value for key, value in self._warned.items() if key[0] != shard}
        self._warned = {**others, **{(shard, number): p for number, p in level.items()}}

    async def _drop(self, shard: int, kept_ms: int) -> None:
        """First it is told, then the log starts later, then rows go: at whatever point it is cut
        short, nothing is missing that nobody was told of. A shard's newest event stays."""
        head, log_start = (await self._log.heads())[shard]
        old = await self._log.before(shard, self._clock() - kept_ms)
        start = min(old + 1, head)
        if start > log_start:
            async for compiled, owed in self._owed(shard, start - 1):
                await self._tell(compiled, "log.dropped", {"shard": shard, **owed, "before": start})
            await self._log.writer(shard).run(lambda c: c.execute(Sql.start_log, shard, start))
        below = max(start, log_start)
        gone = CHUNK if below > 1 else 0
        while gone == CHUNK:
            gone = await self._log.drop_events(shard, below, CHUNK)
            await asyncio.sleep(BREATH_S)

    async def _owed(
        self, shard: int, bound: int
    ) -> AsyncIterator[tuple[CompiledEndpoint, dict[str, int]]]:
        """Endpoints that are owed events at or below an offset: after which one, how many events
        of their project and class the cursor has not passed, and how many lanes begin there."""
        line = self._log.reader(shard)
        for row in await rows_of(line, Sql.behind, shard, bound):
            endpoint = self._catalog.endpoint_numbered(row["endpoint"])
            compiled = self._live(endpoint) if endpoint is not None else None
            if compiled is None:
                continue
            events = 0
            for class_ in compiled.classes:
                place = (shard, compiled.row.project, class_, row["mark"], bound, COUNT_MAX)
                events += (await rows_of(line, Sql.count_between, *place))[0]["count"]
            if events or row["lanes"]:
                after = min(row["mark"], (row["head"] or row["mark"] + 1) - 1)
                yield compiled, {"after": after, "events": events, "lanes": row["lanes"]}

    async def _tell(
        self, compiled: CompiledEndpoint, kind: str, data: Mapping[str, object]
    ) -> None:
        _log.warning(kind, endpoint=compiled.endpoint.id, **data)
        await record(self._log, compiled, kind, data, self._clock(), None)
