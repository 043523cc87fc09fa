"""What the HTTP side is made of; the composition root hands it in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry

from tierline.clock import Clock
from tierline.ledger.writer import Writer
from tierline.model.tenant import Project
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database
from tierline.store.event_log import EventLog
from tierline.web.metrics import HttpMetrics

# A sandbox's clock: (project's number, to); returns when what fell due is committed.
Advance = Callable[[int, int], Awaitable[None]]
Json = dict[str, Any]


class EndpointOperations(Protocol):
    """Endpoints, as the sender knows them. `granted` are the scopes of the calling key: Forbidden
    where it lacks one that the endpoint's events need."""

    async def add(self, project: Project, wanted: Json, granted: frozenset[str]) -> Json: ...

    async def change(
        self, project: Project, id_: str, wanted: Json, granted: frozenset[str]
    ) -> Json: ...

    async def remove(self, project: Project, id_: str) -> None: ...

    async def show(self, project: Project, id_: str) -> Json: ...

    async def list(self, project: Project) -> Sequence[Json]: ...

    async def lanes(self, project: Project, id_: str) -> Sequence[Json]: ...

    async def attempts(
        self, project: Project, id_: str, before: int | None, limit: int
    ) -> tuple[Sequence[Json], int | None]: ...

    async def pause(self, project: Project, id_: str) -> Json: ...

    async def resume(self, project: Project, id_: str) -> Json: ...

    async def rotate(
        self, project: Project, id_: str, wanted: Json, granted: frozenset[str]
    ) -> Json: ...

    async def rewind(self, project: Project, id_: str, wanted: Json) -> Json: ...

    async def replay(self, project: Project, id_: str, wanted: Json) -> Json: ...

    async def stop_replay(self, project: Project, id_: str, run: int) -> None: ...

    async def test(self, project: Project, id_: str, wanted: Json) -> Json: ...


class CommitSignal:
    """Wakes long polls after every commit that wrote events."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.closed = False  # the server stops: no poll waits any more
        self.waiting = 0

    def notify(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def close(self) -> None:
        self.closed = True
        self.notify()

    async def wait(self, seconds: float) -> None:
        """Returns at the next commit, or after so many seconds."""
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self.waiting -= 1


class Dependencies(Struct, frozen=True):
    """One process's parts, as the routes use them."""

    database: Database
    catalog: Catalog
    writer: Writer
    log: EventLog
    clock: Clock
    advance: Advance
    operations: EndpointOperations
    commit_signal: CommitSignal
    metrics: HttpMetrics
    registry: CollectorRegistry  # of `/metrics`
    loopback: bool = False  # only this machine can connect: metrics need no key
    ready: Callable[[], list[str]] = list  # names what is not running; empty: all is well
