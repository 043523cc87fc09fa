"""A hint between processes: NOTIFY on one channel. Missing one costs a poll interval, nothing else.

Never sent inside a transaction that does work (a pending notification takes a lock of the whole
server at commit), never more than one per shard in a moment, and heard on one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from tierline.store.connection_counts import ConnectionKind
from tierline.store.database import Database
from tierline.store.event_log_queries import EventLogSql as Sql
from tierline.store.reconnecting_connection import ReconnectingConnection

CHANNEL = "tierline"
AGAIN_S = 1.0
_log = structlog.get_logger("tierline.signal")


ERASED = "erased:"  # begins the word that a customer was erased


def erased_message(customer: int) -> str:
    """What is told when a customer was erased: whoever has their text in memory lets go of it."""
    return f"{ERASED}{customer}"


def erased_customer(message: str) -> int | None:
    """The customer of `erased_message`; None for any other message."""
    number = message.removeprefix(ERASED)
    return int(number) if number != message and number.isdigit() else None


class Notifications:
    """`tell(shard)` reaches `heard` in every other process that listens. `listening` is called
    whenever it begins to: what was said before, nobody heard here."""

    connection_kind: ConnectionKind = "line"  # the one that it hears by
    connections_most = 1
    connections_idle = 0

    def __init__(
        self,
        database: Database,
        heard: Callable[[str], None],
        listening: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._heard = heard
        self._listening = listening
        self._line = ReconnectingConnection(database)
        database.counts.hold(self)
        self._waiting: set[int] = set()
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._tell()), loop.create_task(self._listen())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._line.close()

    def tell(self, shard: int) -> None:
        self._waiting.add(shard)
        self._something.set()

    async def _tell(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            waiting, self._waiting = self._waiting, set()
            try:
                for shard in waiting:
                    await self._notify(str(shard))
            except Exception as error:  # noqa: BLE001  # a lost hint costs a poll interval
                _log.debug("notify_failed", error=repr(error))

    async def _notify(self, message: str) -> None:
        await self._line.run(lambda c: c.execute(Sql.notify, CHANNEL, message))

    async def _listen(self) -> None:
        while True:
            try:
                connection = await self._database.connect("line")
                try:
                    await self._hear(connection)
                finally:
                    connection.terminate()
            except Exception as error:  # noqa: BLE001  # a lost hint costs a poll interval
                _log.debug("listen_failed", error=repr(error))
            await asyncio.sleep(AGAIN_S)

    async def _hear(self, connection: asyncpg.Connection) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(CHANNEL, lambda *message: self._heard(message[3]))
        self._listening()
        await closed.wait()
