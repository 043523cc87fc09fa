"""Whether a server works on an installation: every one of them gives signs of life."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import asyncpg
import structlog
from msgspec import Struct

from tierline import __version__
from tierline.errors import TierlineError
from tierline.logging import RecurringFaults
from tierline.store.database import Database
from tierline.store.event_log_queries import EventLogSql
from tierline.store.reconnecting_connection import ReconnectingConnection

BEAT_MS: Final = 2_500  # from one sign of life to the next
DEAD_MS: Final = 10_000  # a process that gave none for so long is dead
# What stands still while no living process has a role, and what to do.
ABSENT: Final = {
    "api": "no process that serves the API is alive; start `tierline serve --roles api`",
    "sender": "no sender is alive, so webhooks wait; start `tierline serve --roles sender`",
    "sweeper": "no sweeper is alive, so what time brings waits;"
    " start `tierline serve --roles sweeper`",
}
_log = structlog.get_logger("tierline.live")
_again = RecurringFaults(_log)


class InUse(TierlineError):
    """{count} Tierline server(s) work on the database at {where} ({roles}). Stop them, and repeat
    this; one that was killed counts as dead after {seconds} seconds."""

    code = "installation_in_use"
    status = 409


async def require_idle(connection: asyncpg.Connection, place: str) -> None:
    """Raise InUse unless no server gave a sign of life lately. `place` names the database."""
    living = await connection.fetch(EventLogSql.processes, DEAD_MS)
    if living:
        roles = "; ".join(row["roles"] or "drained" for row in living)
        raise InUse(where=place, count=len(living), roles=roles, seconds=DEAD_MS // 1000)


async def living_roles(connection: asyncpg.Connection) -> Counter[str]:
    """How many processes, anywhere, gave a sign of life lately, by role."""
    rows = await connection.fetch(EventLogSql.processes, DEAD_MS)
    return Counter(role for row in rows for role in row["roles"].split(",") if role)


class LivingProcess(Struct, frozen=True):
    """A process that gave a sign of life lately, as it last described itself."""

    id: str
    roles: str  # with commas; what it has given up is left out
    host: str
    pid: int
    version: str
    endpoints: int  # that it sends to
    draining: bool
    started_at: int
    beat_at: int  # its last sign of life, by the database's clock

    @property
    def drained(self) -> bool:
        """Whether it has given up all that others can take over."""
        return self.draining and not {"sender", "sweeper"} & {*self.roles.split(",")}


async def living_processes(connection: asyncpg.Connection) -> list[LivingProcess]:
    """Those that gave a sign of life lately, in the order in which they started."""
    rows = await connection.fetch(EventLogSql.processes, DEAD_MS)
    return sorted((LivingProcess(**row) for row in rows), key=lambda process: process.started_at)


def required_roles(*, endpoints: bool) -> tuple[str, ...]:
    """What an installation needs to do all of its work; senders only where it has endpoints."""
    return ("api", "sender", "sweeper") if endpoints else ("api", "sweeper")


def new_process_id() -> str:
    return "proc_" + secrets.token_hex(8)


def roles_text(roles: Iterable[str]) -> str:
    """As signs of life name what a process does."""
    return ",".join(sorted(roles))


class Presence:
    """What a process says of itself with each sign of life, and what it is asked in turn."""

    def __init__(self, roles: str, process: str | None = None) -> None:
        self.id = process or new_process_id()
        self.roles = roles
        self.draining = False
        self.changes = asyncio.Event()  # `draining` is another than before
        self.count: Callable[[], int] = int  # the endpoints that it sends to

    async def beat(self, connection: asyncpg.Connection) -> None:
        """A sign of life."""
        about = (socket.gethostname(), os.getpid(), __version__, self.count(), self.draining)
        draining = await connection.fetchval(EventLogSql.beat, self.id, self.roles, *about)
        if draining != self.draining:
            self.draining = draining
            self.changes.set()


class Heartbeat:
    """The signs of life of a process that does not send. A sender's are its own: they say for
    which endpoints it may still send."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._line = ReconnectingConnection(database)
        self._presence = presence
        self._question = asyncio.Event()  # for one before it is time
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The first one, before any work. Database errors come through."""
        await self.give()
        self._task = asyncio.create_task(self._keep_giving(), name="signs")

    async def stop(self) -> None:
        """In order: nobody need wait for our silence. Without a database they must."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._line.run(lambda c: c.execute(EventLogSql.leave, self._presence.id))
        except Exception as error:  # noqa: BLE001
            _log.debug("leave_failed", error=repr(error))
        await self._line.close()

    def look(self) -> None:
        """Somebody may have asked something of this process: the next one is due now."""
        self._question.set()

    async def give(self) -> None:
        """One now. Raises whatever the database does."""
        await self._line.run(self._presence.beat)

    async def _keep_giving(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._question.wait(), BEAT_MS / 1000)
            self._question.clear()
            try:
                await self.give()
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _again.warning("beat_failed", error=repr(error))
