"""Which process sends for which endpoint. Everything here follows from seven rules:

1. Every process gives a sign of life each `beat_ms`; one that gave none for `dead_ms` is dead, and
   only the database's clock says so.
2. The owner of an endpoint is the living sender with the highest hash of (process, endpoint). Every
   process works this out of the same list, so nothing is negotiated.
3. Two lists may differ for a moment. Then the generation in the endpoint's cursor rows decides: the
   process that was taken over from writes nothing more.
4. A process that was silent for most of `dead_ms` has *lapsed*: others may own what it owned. It
   starts no request until it gave a sign of life and has seen what is left to it.
5. A process that joins leaves living owners some time to end their requests, and one that leaves
   gives signs of life until its last write: so nothing is sent twice.
6. One that drains gives up what it owns in order, and only then says that it sends no more.
7. One that lapsed cannot tell who died from who lost the database with it: whoever lived when its
   silence began counts as living for another `dead_ms`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from tierline.endpoints.settings import SenderSettings
from tierline.logging import RecurringFaults
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import EventLog
from tierline.store.event_log_queries import EventLogSql as Sql
from tierline.store.heartbeat import Presence
from tierline.store.notifications import CHANNEL
from tierline.store.reconnecting_connection import ReconnectingConnection

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

MEMBERS = "members"  # said to the others when a process joins or leaves
FORGET_FACTOR = 30  # rows of processes silent for so many times `dead_ms` are removed
GIVE_UP_MS = 1_000
CERTAIN_SHARE = 0.8  # of `dead_ms`: the rest is for a request to leave, and for clocks
_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


def owner_of(endpoint: str, processes: list[str]) -> str | None:
    """The living process with the highest weight for this endpoint."""
    return max(processes, key=lambda process: _weight(process, endpoint), default=None)


def _weight(process: str, endpoint: str) -> bytes:
    return hashlib.blake2b(f"{process}\x00{endpoint}".encode(), digest_size=8).digest()


async def ask_to_drain(connection: Session, processes: Collection[str], *, drain: bool) -> None:
    """Asks processes to give up their work, or to take it up again; they hear of it at once, or
    with their next sign of life."""
    await connection.execute(Sql.ask_to_drain, [*processes], drain)
    await connection.execute(Sql.notify, CHANNEL, MEMBERS)


class Membership:
    """One process among the others."""

    def __init__(
        self,
        log: EventLog,
        settings: SenderSettings,
        presence: Presence | None = None,
        count: Callable[[], int] = int,
    ) -> None:
        self.presence = presence or Presence(settings.roles)
        self.presence.count = count
        self.process = self.presence.id
        self.alive: list[str] = []
        self.rests = False  # owns nothing, although it lives
        self._line = ReconnectingConnection(log.database)
        self._settings = settings
        self._beaten = -1.0
        self._joined = -1.0
        self._silence = (-1.0, -1.0)  # our last one: from our last sign of life, to the next
        self._lapses = 0  # how often others may have believed that we are dead
        self._seen = 0  # up to which of them we looked at what is left to us
        self._news = asyncio.Event()  # somebody joined or left
        self._doubted: set[int] = set()  # fenced by somebody since the last sign of life
        self._beating: asyncio.Task[None] | None = None
        self._leaving = False

    async def join(self) -> None:
        """Before anything is owned. A sole process (it holds the data directory's lock) knows that
        all others are dead, and need not wait for their silence."""
        await self.beat()
        self._seen = self._lapses
        dead_for = self._settings.dead_ms * FORGET_FACTOR
        sole = self._settings.sole
        await self._line.run(lambda c: c.execute(Sql.bury, self.process, sole, dead_for))
        await self._list()
        await self.arrive()

    def run(self, after: Callable[[bool], None]) -> None:
        """Give signs of life until `leave`, and tell after each whether there is news of who owns
        what."""
        self._beating = asyncio.get_running_loop().create_task(self._beat(after))

    def look(self) -> None:
        """Somebody joined or left, or may have done so unheard: see who lives before it is time."""
        self._news.set()

    def doubt(self, endpoint: int) -> None:
        """Somebody fenced it: perhaps a process that we do not know of. To take it back before we
        have looked would have both take it from each other, and send all of it twice."""
        self._doubted.add(endpoint)
        self.look()

    async def beat(self) -> None:
        """A sign of life, and who else gives one. Raises whatever the database does."""
        began = monotonic()
        await self._line.run(self.presence.beat)
        if not self._recent:  # asked last of all: this beat may itself have come too late
            self._lapses += 1
            if self._beaten >= 0:
                self._silence = self._beaten, began
        self._beaten = began
        await self._list()

    async def leave(self) -> None:
        """In order, after everything was given up: others need not wait for its silence. Until
        then it gives signs of life, for it still writes what it did."""
        self._leaving = True
        self._news.set()
        if self._beating is not None:  # not cancelled: a late sign of life would undo the leaving
            await asyncio.gather(self._beating, return_exceptions=True)
        try:
            await self._line.run(lambda c: c.execute(Sql.leave, self.process))
            await self._tell()
        except Exception as error:  # noqa: BLE001  # others see it by our silence
            _log.warning("leaving_failed", error=repr(error))
        await self._line.close()

    async def _beat(self, after: Callable[[bool], None]) -> None:
        beat_s = self._settings.beat_ms / 1000
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), beat_s)
            if self._leaving:
                return
            self._news.clear()
            alive_before = self.alive
            try:
                async with asyncio.timeout(beat_s):
                    await self.beat()
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _again.warning("beat_failed", error=repr(error))
            else:
                news = self.alive != alive_before or bool(self._doubted)
                self._doubted.clear()
                after(news)

    async def _tell(self) -> None:
        await self._line.run(lambda c: c.execute(Sql.notify, CHANNEL, MEMBERS))

    @property
    def working(self) -> bool:
        return self.certain and self._beating is not None and not self._beating.done()

    @property
    def certain(self) -> bool:
        """Whether others must have believed, without a break, that this process lives since it
        last looked at what it owns."""
        return self._seen == self._lapses and self._recent

    @property
    def _recent(self) -> bool:
        return monotonic() - self._beaten < self._settings.dead_ms / 1000 * CERTAIN_SHARE

    @property
    def lapses(self) -> int:
        """To be asked before the look at what is ours, and given to `seen` after it."""
        return self._lapses

    @property
    def lapsed(self) -> bool:
        """Whether signs of life come again, but others may have taken something over."""
        return self._seen != self._lapses and self._recent

    async def arrive(self) -> None:
        """At the start and after a lapse: who owns what will be ours is told to let go in order."""
        self._joined = monotonic()
        await self._tell()

    def seen(self, lapses: int) -> None:
        """What is ours after so many lapses is known."""
        self._seen = lapses

    def owns(self, endpoint: str) -> bool:
        return not self.rests and owner_of(endpoint, self.alive) == self.process

    @property
    def give_up_ms(self) -> int:
        """How long requests under way may take when endpoints are given up. Who drains has time;
        else somebody waits who knows that they are theirs."""
        return self._settings.stop_ms if self.rests else min(GIVE_UP_MS, self._settings.stop_ms)

    @property
    def has_others(self) -> bool:
        """Whether another process sends, too."""
        return any(process != self.process for process in self.alive)

    async def announce(self) -> None:
        """Others see at once what this process says of itself now."""
        await self._line.run(self.presence.beat)
        await self._tell()

    def share(
        self, rows: Iterable[EndpointRow], held: Collection[int]
    ) -> tuple[dict[int, EndpointRow], float]:
        """Of these endpoints those to own now, by number; and in how many seconds to ask again, for
        others let go of theirs first (0: no need)."""
        ours: dict[int, EndpointRow] = {}
        later = 0.0
        for row in rows:
            if row.state == "paused" or row.number in self._doubted or not self.owns(row.id):
                continue
            wait = self.handover_s(row.id)
            if wait and row.number not in held:
                later = max(later, wait)
            else:
                ours[row.number] = row
        return ours, later

    def handover_s(self, endpoint: str) -> float:
        """How long to leave an endpoint to its owner so far: it was told that we joined, lets its
        requests end and writes what they did, so that nothing need be sent twice."""
        others = [process for process in self.alive if process != self.process]
        if owner_of(endpoint, others) is None:
            return 0.0
        return max(0.0, self._joined + self._settings.handover_ms / 1000 - monotonic())

    @property
    def _patience_ms(self) -> int:
        """How old another's last sign of life may be."""
        dead_ms, now = self._settings.dead_ms, monotonic()
        began, ended = self._silence
        return dead_ms + int((now - began) * 1000) if now < ended + dead_ms / 1000 else dead_ms

    async def _list(self) -> None:
        rows = await self._line.run(lambda c: c.fetch(Sql.processes, self._patience_ms))
        self.alive = [row["id"] for row in rows if "sender" in row["roles"]]
