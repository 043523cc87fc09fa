"""Writing what became of deliveries: one flush per shard at a time, many deliveries in each.

A flush is one transaction that begins with the fence. What was settled while it ran forms the next
one; a failed or unknown commit is repeated as it was, so the cursor and its lanes never disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from tierline.delivery.cursor_row import Write
from tierline.delivery.subscription import Subscription
from tierline.endpoints.settings import SenderSettings
from tierline.logging import RecurringFaults
from tierline.store.errors import blames_data
from tierline.store.event_log import AttemptRow, CursorProgress, EventLog

AGAIN_S = 0.25
_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


PendingWrite = tuple[Subscription, Write]


class Committer:
    """One shard's flushes."""

    def __init__(
        self, shard: int, log: EventLog, settings: SenderSettings, observe: Callable[[float], None]
    ) -> None:
        self.shard = shard
        self._log = log
        self._linger_s = settings.flush_ms / 1000
        self._most = settings.flush_most
        self._observe = observe
        self._dirty: dict[Subscription, None] = {}
        self._attempts: list[AttemptRow] = []
        self._something = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def run(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._loop())

    def touch(self, subscription: Subscription) -> None:
        """Something of this cursor was settled."""
        self._dirty[subscription] = None
        self._something.set()
        self._idle.clear()

    def note(self, subscription: Subscription, attempt: AttemptRow) -> None:
        """An attempt, and what it settled."""
        attempts = self._attempts
        attempts.append(attempt)
        if subscription not in self._dirty:
            self.touch(subscription)
        if len(attempts) >= self._most:
            self._hurry.set()

    def urgent(self) -> None:
        """The next commit is waited for."""
        self._hurry.set()

    async def drain(self) -> None:
        """Returns when everything noted so far is committed."""
        self._hurry.set()
        await self._idle.wait()

    @property
    def working(self) -> bool:
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _loop(self) -> None:
        while True:
            await self._something.wait()
            if not self._hurry.is_set():
                try:
                    async with asyncio.timeout(self._linger_s):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
            self._hurry.clear()
            self._something.clear()
            await self._flush()
            if not self._dirty:
                self._idle.set()

    async def _flush(self) -> None:
        entries: list[PendingWrite] = []
        for subscription in self._dirty:
            write = subscription.next_write()
            if write is not None:
                entries.append((subscription, write))
        self._dirty = {}
        attempts, self._attempts = self._attempts, []
        while entries:
            began = monotonic()
            try:
                lost = await self._log.settle(self.shard, _progress(entries), attempts)
            except Exception as error:  # noqa: BLE001
                # Whatever it was, nothing else may be written for these cursors before this.
                _again.warning("flush_failed", shard=self.shard, error=repr(error))
                if blames_data(error):
                    attempts = []  # better a hole in the attempt log than a cursor that stands
                await asyncio.sleep(AGAIN_S)
                entries = [entry for entry in entries if not entry[0].lost]
                continue
            self._observe(monotonic() - began)
            _report(entries, lost)
            return


def _report(entries: list[PendingWrite], lost: set[tuple[int, int]]) -> None:
    for subscription, write in entries:
        if subscription.key in lost:
            subscription.fenced()
        else:
            subscription.committed(write)


def _progress(entries: list[PendingWrite]) -> list[CursorProgress]:
    return [
        CursorProgress(
            *subscription.key,
            subscription.generation,
            write.mark,
            write.done,
            [
                (r.key, r.head, r.attempt, r.due_at, r.state, r.form, r.first_at)
                for r in write.lanes
            ],
            write.closed,
        )
        for subscription, write in entries
    ]
