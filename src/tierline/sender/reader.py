"""Reading the log: one reader per shard for all endpoints at its tail, and turns for the laggards.

The reader keeps the newest events in a bounded ring, sorted into topics (a project, or a program of
it) so that an endpoint looks only at what may concern it. A follower that falls out of the ring
reads its own slices, one at a time in turn with the other laggards, until it is back.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import structlog

from tierline.sender.cursor import Cursor
from tierline.sender.live import Live
from tierline.sender.sources import Catalog
from tierline.sender.told import prepare, tell
from tierline.store.log import Log, LogEvent

if TYPE_CHECKING:
    from tierline.sender.lanes import Lane

SLICE = 512
RING = 4096
OWN_SLICE = 256
READY_MAX = 256  # offered and not yet sent: more of them wait in the log
PATIENCE_S = 0.05  # how long a draining reader waits for followers that would fall out of the ring
AGAIN_S = 0.5  # after a database error

_log = structlog.get_logger("tierline.sender")
Topic = tuple[int, int]  # project, program (0: all of them)


class Follows(Protocol):
    """Whose cursor it is."""

    live: Live

    @property
    def reading(self) -> bool:
        """Whether it wants events now: not paused, not behind an open breaker."""
        ...

    def offered(self, cursor: Cursor[LogEvent]) -> None:
        """There is something to send."""
        ...

    def woken(self, cursor: Cursor[LogEvent], lane: Lane[LogEvent], event: LogEvent) -> None:
        """An event joined a lane that was closing or is parked."""
        ...

    def room_wanted(self, cursor: Cursor[LogEvent]) -> None:
        """The window is full until the next committed write."""
        ...


class Follower:
    """One cursor's place in its shard's log, and how it gets at events."""

    def __init__(
        self, reader: ShardReader, owner: Follows, cursor: Cursor[LogEvent], lanes_max: int
    ) -> None:
        self.reader = reader
        self.owner = owner
        self.cursor = cursor
        self.topic: Topic = (owner.live.row.project, 0)
        self.until: int | None = None  # a replay's end; None: for ever
        self.keep: Callable[[LogEvent], bool] | None = None  # a replay's own filter
        self.min_age_ms = 0
        self.blocked = False  # the next event needs room in the window
        self.asked = False  # waits for its turn to read a slice
        self._lanes_max = lanes_max
        self._own: deque[LogEvent] = deque()  # of its own slices, not yet offered
        self._own_end = -1  # the slices cover everything up to here

    @property
    def at_tail(self) -> bool:
        return self.until is None and self.cursor.position >= self.reader.ring_start(self.topic)

    @property
    def hungry(self) -> bool:
        """Has taken all that was read and would take more."""
        caught_up = self.cursor.position >= self.reader.position
        return caught_up and not self.blocked and self.wants_more

    @property
    def wants_more(self) -> bool:
        cursor = self.cursor
        return (
            cursor.ready < READY_MAX
            and cursor.retrying <= self._lanes_max
            and not cursor.stuck
            and self.owner.reading
        )

    def pull(self) -> None:
        """Offer what is at hand."""
        if not self.wants_more:
            return
        self.blocked = False
        before = self.cursor.ready
        if self._own and not self._offer_own():
            pass
        elif self._own_end > self.cursor.position:
            self.cursor.pass_to(self._own_end)
        if not self._own and not self.blocked and self.wants_more:
            if self.at_tail:
                self._offer_ring()
            else:
                self.reader.ask(self)
        if self.cursor.ready > before:
            self.owner.offered(self.cursor)

    def catch_up_mark(self) -> None:
        """What was read and did not match is passed, even if no event ever said so."""
        if self.hungry:
            self.cursor.pass_to(self.reader.position)

    def took_slice(self, events: list[LogEvent], upto: int) -> None:
        """Its own slice: everything between its position and `upto`."""
        self._own.extend(events)
        self._own_end = upto

    def reset(self) -> None:
        """Forget what was read: the endpoint hears other events now."""
        self._own.clear()
        self._own_end = -1

    @property
    def horizon(self) -> int:
        """How far it may read: to the reader's position, so that it can join it there."""
        return self.reader.position if self.until is None else self.until

    def _offer_own(self) -> bool:
        own = self._own
        while own and self.wants_more:
            if not self._offer(own[0]):
                return False
            own.popleft()
        return not own

    def _offer_ring(self) -> None:
        topic = self.reader.topics.get(self.topic)
        events = topic.events if topic is not None else []
        position = self.cursor.position
        for i in range(bisect_right(events, position, key=_offset), len(events)):
            if not self.wants_more or not self._offer(events[i]):
                return
        self.cursor.pass_to(self.reader.position)

    def _offer(self, event: LogEvent) -> bool:
        """False when there is no room for it."""
        cursor = self.cursor
        if event.offset <= cursor.position:
            return True
        heard = self.owner.live.matches(event) and (self.keep is None or self.keep(event))
        if not heard or not cursor.owes(event):
            cursor.pass_to(event.offset)
            return True
        if not cursor.has_room(event.offset) and not cursor.owned(event):
            cursor.pass_to(event.offset - 1)
            self.blocked = True
            self.owner.room_wanted(cursor)
            return False
        lane = cursor.offer(event)
        if lane is not None:
            self.owner.woken(cursor, lane, event)
        return True


class TopicEvents:
    """The ring's events of one topic, and who follows them."""

    __slots__ = ("events", "followers", "start")

    def __init__(self, start: int) -> None:
        self.start = start  # everything of the topic above this offset (and in the ring) is here
        self.events: list[LogEvent] = []
        self.followers: set[Follower] = set()


class ShardReader:
    """Reads each slice once, as long as somebody at the tail wants more."""

    def __init__(self, shard: int, log: Log, catalog: Catalog) -> None:
        self.shard = shard
        self.position = 0
        self.head = 0
        self.topics: dict[Topic, TopicEvents] = {}
        self._log = log
        self._catalog = catalog
        self._start = 0
        self._wake = asyncio.Event()
        self._laggards: deque[Follower] = deque()
        self._lagging = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start_at(self, position: int) -> None:
        self.position = self._start = self.head = position

    def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read()), loop.create_task(self._serve_laggards())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self, head: int | None = None) -> None:
        """There may be something new; `head` if somebody knows how much."""
        self.head = max(self.head, self.position + 1 if head is None else head)
        self._wake.set()

    def moved(self) -> None:
        """A follower took something: perhaps it is time to read on."""
        if self.head > self.position:
            self._wake.set()

    def join(self, follower: Follower) -> None:
        topic = self.topics.get(follower.topic)
        if topic is None:
            topic = self.topics[follower.topic] = TopicEvents(self.position)
        topic.followers.add(follower)

    def part(self, follower: Follower) -> None:
        topic = self.topics.get(follower.topic)
        if topic is not None:
            topic.followers.discard(follower)
            if not topic.followers:
                del self.topics[follower.topic]

    def ring_start(self, topic: Topic) -> int:
        """From which position on the ring has all of a topic."""
        kept = self.topics.get(topic)
        ring = max(self._start, self.position - RING)
        return ring if kept is None else max(ring, kept.start)

    def ask(self, follower: Follower) -> None:
        """A laggard wants its next slice."""
        if not follower.asked and follower.cursor.position < follower.horizon:
            follower.asked = True
            self._laggards.append(follower)
            self._lagging.set()

    # The tail

    async def _read(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self.head > self.position and self._any_hungry():
                    if self.head - self.position > SLICE:
                        await self._patience()
                    await self._read_slice()
            except Exception as error:
                _log.warning("log_read_failed", shard=self.shard, error=repr(error))
                await asyncio.sleep(AGAIN_S)
                self._wake.set()

    async def _read_slice(self) -> None:
        events = await self._log.slice(self.shard, self.position, SLICE)
        if not events:
            self.head = self.position
            return
        heard = {project for project, _ in self.topics}
        for event in events:
            if event.project in heard and event.told is None and not tell(event, self._catalog):
                await prepare(event, self._catalog)
        self._distribute(events)

    def _distribute(self, events: list[LogEvent]) -> None:
        self.position = events[-1].offset
        if len(events) == SLICE:
            self.head = max(self.head, self.position + 1)
        elif self.head > self.position and self.head == events[0].offset:
            self.head = self.position
        self.head = max(self.head, self.position)
        floor = self.position - RING
        touched: list[TopicEvents] = []
        for event in events:
            for name in ((event.project, 0), (event.project, event.program)):
                topic = self.topics.get(name)
                if topic is not None:
                    if not topic.events or topic.events[-1].offset < events[0].offset:
                        touched.append(topic)
                    topic.events.append(event)
                if not event.program:
                    break
        for topic in touched:
            if topic.events[0].offset <= floor:
                del topic.events[: bisect_right(topic.events, floor, key=_offset)]
            for follower in list(topic.followers):
                follower.pull()

    def _any_hungry(self) -> bool:
        return any(f.hungry for topic in self.topics.values() for f in topic.followers)

    async def _patience(self) -> None:
        """While draining, let those keep up who can; who cannot reads its own slices later."""
        floor = self.position + SLICE - RING
        for topic in self.topics.values():
            for follower in topic.followers:
                if follower.at_tail and follower.cursor.position < floor and follower.owner.reading:
                    self._wake.clear()
                    try:
                        await asyncio.wait_for(self._wake.wait(), PATIENCE_S)
                    except TimeoutError:
                        pass
                    return

    # The laggards

    async def _serve_laggards(self) -> None:
        while True:
            await self._lagging.wait()
            if not self._laggards:
                self._lagging.clear()
                continue
            follower = self._laggards.popleft()
            try:
                await self._read_own(follower)
            except Exception as error:
                _log.warning("log_read_failed", shard=self.shard, error=repr(error))
                await asyncio.sleep(AGAIN_S)
                self._laggards.append(follower)
            else:
                follower.asked = False
                follower.pull()

    async def _read_own(self, follower: Follower) -> None:
        live = follower.owner.live
        after, upto = follower.cursor.position, follower.horizon
        if after >= upto:
            return
        events, bound = await self._log.slice_of(
            self.shard, live.row.project, live.classes, after, upto, OWN_SLICE
        )
        for event in events:
            await prepare(event, self._catalog)
        follower.took_slice(events, bound)


def _offset(event: LogEvent) -> int:
    return event.offset
