"""The live feed: what happens in a project, as it happens.

However many people look, a project's log is read once: a reader wakes at commits, but not more
often than every half second, so that the feed costs ingest nothing that counts. What it reads goes
to all who look, in one piece that is written once; whoever is slow loses the oldest ones. In a rush
the feed shows a part of what happens, and goes on with what is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from tierline.store.announcements import announced
from tierline.vendors.standard.payloads import event_object
from tierline.web import event_feed
from tierline.web.dependencies import CommitSignal, Dependencies
from tierline.web.event_feed import Reader

EVERY_SECONDS: Final = 0.5
POLL_SECONDS: Final = 1.0  # for what other processes commit
PAGE: Final = 12  # events that are read at once: as many as the page shows
WAITING_MAX: Final = 4  # batches of somebody who does not read
QUIET_SECONDS: Final = 15.0  # then a line says that the connection lives
FEED_SECONDS_MAX: Final = 600.0  # then the browser asks again, and the session is looked at

Json = dict[str, Any]


class LiveBatch:
    """What was read at once. `text`: as it is sent, once somebody wrote it down."""

    def __init__(self, events: list[Json]) -> None:
        self.events = events
        self.text: bytes | None = None


class LiveFeed:
    """One project's feed; made in one event loop."""

    def __init__(self, parts: Dependencies, project: int) -> None:
        self.parts = parts
        self.project = project
        self._queues: set[asyncio.Queue[LiveBatch]] = set()
        self._reading: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()  # what happens from now on is heard

    async def batches(self) -> AsyncIterator[LiveBatch | None]:
        """What happens from now on; None from time to time where nothing does."""
        queue: asyncio.Queue[LiveBatch] = asyncio.Queue(WAITING_MAX)
        self._queues.add(queue)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="live-feed")
        end = asyncio.get_running_loop().time() + FEED_SECONDS_MAX
        try:
            while not self.parts.commit_signal.closed:
                if asyncio.get_running_loop().time() >= end:
                    return
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        yield await queue.get()
                except TimeoutError:
                    if self._reading.done():
                        return  # the database was away: the browser asks again
                    yield None
        finally:
            self._queues.discard(queue)

    async def _read(self) -> None:
        """Until nobody looks any more."""
        log, signal = self.parts.log, self.parts.commit_signal
        project = self.parts.catalog.project(self.project)
        cursor = await event_feed.since(log, self.parts.clock(), None)
        reader = Reader(log, project.number, "tier", cursor, own=True)
        self.listening.set()
        while self._queues and not signal.closed:
            await signal.wait(POLL_SECONDS)
            page = await reader.read(PAGE)
            events = []
            for row in page.events:
                announcement = await announced(row, self.parts.catalog)
                if announcement is not None:
                    events.append(event_object(announcement))
            if events:
                self._offer(LiveBatch(events))
            if page.more:
                cursor = await event_feed.since(log, self.parts.clock(), None)
                reader = Reader(log, project.number, "tier", cursor, own=True)
            await asyncio.sleep(EVERY_SECONDS)

    def _offer(self, batch: LiveBatch) -> None:
        for queue in self._queues:
            if queue.full():
                with suppress(asyncio.QueueEmpty):
                    queue.get_nowait()
            queue.put_nowait(batch)


_feeds: WeakKeyDictionary[CommitSignal, dict[int, LiveFeed]] = WeakKeyDictionary()


def feed_of(parts: Dependencies, project: int) -> LiveFeed:
    """The one feed of a project in this process."""
    feeds = _feeds.setdefault(parts.commit_signal, {})
    return feeds.setdefault(project, LiveFeed(parts, project))
