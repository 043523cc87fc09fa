"""Which process sends for which endpoint: signs of life, and a rendezvous hash over who lives.

Every process works the same answer out of the same list, so nothing is negotiated. While two lists
differ for a moment two processes may believe to own an endpoint; the generation in its cursor rows
decides, and the one that was taken over from writes nothing more.
"""

from __future__ import annotations

import hashlib
from time import monotonic

from tierline.sender.settings import SenderSettings
from tierline.store.line import Line
from tierline.store.log import Log
from tierline.store.log_sql import LogSql as Sql
from tierline.store.signal import CHANNEL

MEMBERS = "members"  # said to the others when a process joins or leaves
FORGET_FACTOR = 30  # rows of processes silent for so many times `dead_ms` are removed


def owner_of(endpoint: str, processes: list[str]) -> str | None:
    """The living process with the highest weight for this endpoint."""
    return max(processes, key=lambda process: _weight(process, endpoint), default=None)


def _weight(process: str, endpoint: str) -> bytes:
    return hashlib.blake2b(f"{process}\x00{endpoint}".encode(), digest_size=8).digest()


class Membership:
    """One process among the others."""

    def __init__(self, log: Log, settings: SenderSettings, process: str) -> None:
        self.process = process
        self.alive: list[str] = []
        self._line = Line(log.database)
        self._settings = settings
        self._beaten = -1.0
        self._joined = -1.0

    async def join(self) -> None:
        """Before anything is owned. A sole process (it holds the data directory's lock) knows that
        all others are dead, and need not wait for their silence."""
        await self.beat()
        dead_for = self._settings.dead_ms * FORGET_FACTOR
        sole = self._settings.sole
        await self._line.run(lambda c: c.execute(Sql.bury, self.process, sole, dead_for))
        await self._list()
        self._joined = monotonic()
        await self._tell()

    async def beat(self) -> None:
        """A sign of life, and who else gives one. Raises whatever the database does."""
        began = monotonic()
        await self._line.run(lambda c: c.execute(Sql.beat, self.process, self._settings.roles))
        self._beaten = began
        await self._list()

    async def leave(self) -> None:
        """In order, after everything was given up: others need not wait for its silence."""
        await self._line.run(lambda c: c.execute(Sql.leave, self.process))
        await self._tell()
        await self._line.close()

    async def _tell(self) -> None:
        await self._line.run(lambda c: c.execute(Sql.notify, CHANNEL, MEMBERS))

    @property
    def certain(self) -> bool:
        """Whether others must still believe that this process lives."""
        return monotonic() - self._beaten < self._settings.dead_ms / 1000 * 0.8

    def owns(self, endpoint: str) -> bool:
        return owner_of(endpoint, self.alive) == self.process

    def handover_s(self, endpoint: str) -> float:
        """How long to leave an endpoint to its owner so far: it was told that we joined, lets its
        requests end and writes what they did, so that nothing need be sent twice."""
        others = [process for process in self.alive if process != self.process]
        if owner_of(endpoint, others) is None:
            return 0.0
        return max(0.0, self._joined + self._settings.handover_ms / 1000 - monotonic())

    async def _list(self) -> None:
        rows = await self._line.run(lambda c: c.fetch(Sql.processes, self._settings.dead_ms))
        self.alive = [row["id"] for row in rows if "sender" in row["roles"]]
