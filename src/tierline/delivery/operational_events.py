"""What the sender tells operators of its endpoints, under the fence of their cursors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import structlog

from tierline.clock import Clock
from tierline.delivery.background_tasks import BackgroundTasks
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.health import Health
from tierline.endpoints.health_records import home, record
from tierline.logging import RecurringFaults
from tierline.store.event_log import EventLog

AGAIN_S = 0.5
_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


class EventSource(Protocol):
    """The endpoint that an event is about, as its owner has it."""

    compiled: CompiledEndpoint
    health: Health
    lost: bool

    def generation_in(self, shard: int) -> int | None:
        """Returns the generation of its live cursor there; None: it has no such cursor."""
        ...

    def fenced(self) -> None:
        """Somebody else owns the endpoint now."""
        ...


class OperationalEvents:
    """Records them in the background, again and again while the database is away."""

    def __init__(self, log: EventLog, clock: Clock, tasks: BackgroundTasks) -> None:
        self._log = log
        self._clock = clock
        self._tasks = tasks

    def state_changed(self, source: EventSource, kind: str) -> None:
        """The endpoint's state changed: its row and the event are written together."""
        health = source.health
        data: dict[str, object] = {"failures": health.failures, "state": health.state}
        if health.reason is not None:
            data["reason"] = health.reason
        self._tasks.spawn(self._record(source, kind, data, health))

    def announce(self, source: EventSource, kind: str, data: Mapping[str, object]) -> None:
        """Something that operators should know and that changes no state."""
        self._tasks.spawn(self._record(source, kind, data, None))

    async def _record(
        self, source: EventSource, kind: str, data: Mapping[str, object], health: Health | None
    ) -> None:
        shard = home(source.compiled.endpoint.id, self._log.shards)
        while not source.lost and (generation := source.generation_in(shard)) is not None:
            try:
                ours = await record(
                    self._log, source.compiled, kind, data, self._clock(), health,
                    generation=generation,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001  # the database may be away for a while
                _again.warning("event_not_recorded", kind=kind, error=repr(error))
                await asyncio.sleep(AGAIN_S)
            else:
                if not ours:
                    source.fenced()
                return
