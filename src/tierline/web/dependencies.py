"""What the HTTP side is made of; the composition root hands it in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive

from tierline.clock import Clock
from tierline.config import ROLES
from tierline.endpoints.operations import EndpointOperations
from tierline.ledger.writer import Writer
from tierline.people.directory import Directory
from tierline.people.oidc import OpenIdProvider
from tierline.people.sessions import Sessions
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database
from tierline.store.event_log import EventLog
from tierline.store.shared_reads import CustomerReads, OrderReads
from tierline.web.export_files import ExportFiles
from tierline.web.metrics import HttpMetrics

# A sandbox's clock: (project's number, to); returns when what fell due is committed.
Advance = Callable[[int, int], Awaitable[None]]


class CommitSignal:
    """Wakes long polls after every commit that wrote events; ends what waits when we stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.closed = False  # the server stops: no poll waits any more
        self._end = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self._closing: list[Callable[[], Awaitable[None]]] = []

    def on_close(self, end: Callable[[], Awaitable[None]]) -> None:
        """`end` is awaited when the server stops, before the database goes."""
        self._closing.append(end)

    async def end(self) -> None:
        for end in self._closing:
            await end()

    def notify(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def close(self) -> None:
        self.closed = True
        if not self._end.done():
            self._end.set_result(None)
        self.notify()

    async def message(self, receive: Receive) -> Message:
        """The next part of a body; as if the client had left, once the server stops."""
        part = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({part, self._end}, return_when=asyncio.FIRST_COMPLETED)
            return {"type": "http.disconnect"} if self.closed else part.result()
        finally:
            part.cancel()

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
    directory: Directory
    sessions: Sessions
    commit_signal: CommitSignal
    exports: ExportFiles
    reads: CustomerReads
    order_reads: OrderReads
    metrics: HttpMetrics
    files: Path  # the data directory
    registry: CollectorRegistry  # of `/metrics`
    provider: OpenIdProvider | None = None  # where people may sign in, too
    loopback: bool = False  # only this machine can connect: metrics need no key
    console: bool = False  # this process has pages for people
    pages_apart: bool = False  # … which are made in another one
    allow: tuple[str, ...] = ()  # special addresses where endpoints may live
    roles: frozenset[str] = frozenset(ROLES)  # of this process
    ready: Callable[[], list[str]] = list  # names what is not running; empty: all is well
    documents: Mapping[str, Callable[[], bytes]] = {}  # OpenAPI of vendors' own APIs, by vendor
