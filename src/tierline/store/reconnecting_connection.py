"""A dedicated connection that comes back by itself after the link, or the server, was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from tierline.store.connection_counts import ConnectionKind
from tierline.store.database import Database
from tierline.store.errors import is_retryable

T = TypeVar("T")


class ReconnectingConnection:
    """One piece of work at a time, on one connection that keeps its prepared statements."""

    connection_kind: ConnectionKind = "line"
    connections_most = 1

    def __init__(self, database: Database, node: str | None = None, **settings: str) -> None:
        self._database = database
        self._node = node  # of a cluster; None: the database's own address
        self._settings = settings  # PostgreSQL's own, for each session
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        database.counts.hold(self)

    @property
    def connections_idle(self) -> int:
        connection = self._connection
        there = connection is not None and not connection.is_closed()
        return int(there and not self._lock.locked())

    async def run(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """`work` with the connection; errors come through, and a broken link is replaced at the
        next call. Nothing is retried here: only the caller knows what is safe to repeat."""
        async with self._lock:
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = self._connection = await self._connect()
            try:
                return await work(connection)
            except BaseException as error:
                # Cancelled in the middle, or cut: what the session is in is not known.
                if connection.is_in_transaction() or is_retryable(error) or _cancelled(error):
                    connection.terminate()
                    self._connection = None
                raise

    async def _connect(self) -> asyncpg.Connection:
        if self._node is None:
            return await self._database.connect("line", **self._settings)
        return await self._database.connect_at(self._node, "line", **self._settings)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError)
