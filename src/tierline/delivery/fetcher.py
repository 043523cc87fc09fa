"""Reading the log: one fetcher per shard for all endpoints at its tail, and turns for the laggards.

It keeps the newest events in a bounded ring, sorted into topics (a project, or a program of it) so
that an endpoint looks only at what may concern it. A subscription that falls out of the ring reads
its own slices, one at a time in turn with the other laggards, until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

import structlog

from tierline.clock import Clock
from tierline.delivery.subscription import Subscription
from tierline.delivery.topic import Topic
from tierline.endpoints.event_content import (
    UNREADABLE,
    load_content,
    load_content_at_once,
)
from tierline.logging import RecurringFaults
from tierline.model.operational_event import CUSTOMER_ERASED
from tierline.store.catalog.catalog import Catalog
from tierline.store.event_log import EventLog, LogEvent

SLICE = 512
RING = 4096
OWN_SLICE = 256
PATIENCE_S = 0.05  # how long draining waits for subscriptions that would fall out of the ring
AGAIN_S = 0.5  # after a database error

_log = structlog.get_logger("tierline.sender")
_again = RecurringFaults(_log)


class TopicEvents:
    """The ring's events of one topic, and who hears them."""

    __slots__ = ("events", "start", "subscriptions")

    def __init__(self, start: int) -> None:
        self.start = start  # everything of the topic above this offset (and in the ring) is here
        self.events: list[LogEvent] = []
        self.subscriptions: set[Subscription] = set()


class ShardFetcher:
    """Reads each slice once, as long as somebody at the tail wants more."""

    def __init__(self, shard: int, log: EventLog, catalog: Catalog, clock: Clock) -> None:
        self.shard = shard
        self.position = 0
        self.head = 0
        self.topics: dict[Topic, TopicEvents] = {}
        self._log = log
        self._catalog = catalog
        self._clock = clock
        self._early: set[Subscription] = set()  # whose next event is to wait
        self._start = 0
        self._perhaps = False  # somebody committed, nobody said how much
        self._wake = asyncio.Event()
        self._laggards: deque[Subscription] = deque()
        self._waiting: set[Subscription] = set()  # for their turn to read a slice
        self._lagging = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def begun(self) -> bool:
        """Whether it was told where to start, or somebody hears it."""
        return bool(self.position or self.topics)

    def start_at(self, position: int) -> None:
        self.position = self._start = position
        self.head = max(self.head, position)

    def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read()), loop.create_task(self._serve_laggards())]

    @property
    def working(self) -> bool:
        return not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self, head: int | None = None) -> None:
        """There may be something new; `head` if somebody knows how much. What was to wait is looked
        at, too."""
        early, self._early = self._early, set()
        for subscription in early:
            subscription.pull()
        if head is None:
            self._perhaps = True
        elif head > self.head:
            self.head = head
        if self._more:
            self._wake.set()

    def moved(self) -> None:
        """A subscription took something: perhaps it is time to read on."""
        if self._more:
            self._wake.set()

    @property
    def _more(self) -> bool:
        return self._perhaps or self.head > self.position

    def join(self, subscription: Subscription) -> None:
        topic = self.topics.get(subscription.topic)
        if topic is None:
            topic = self.topics[subscription.topic] = TopicEvents(self.position)
        topic.subscriptions.add(subscription)

    def part(self, subscription: Subscription) -> None:
        self._early.discard(subscription)
        topic = self.topics.get(subscription.topic)
        if topic is not None:
            topic.subscriptions.discard(subscription)
            if not topic.subscriptions:
                del self.topics[subscription.topic]

    def ring_start(self, topic: Topic) -> int:
        """Returns the position from which on the ring has all of a topic."""
        events = self.topics.get(topic)
        ring = max(self._start, self.position - RING)
        return ring if events is None else max(ring, events.start)

    def remembered(self, topic: Topic) -> Sequence[LogEvent]:
        """Returns what the ring has of a topic, in the order of the log."""
        entry = self.topics.get(topic)
        return entry.events if entry is not None else ()

    def is_early(self, subscription: Subscription, event: LogEvent) -> bool:
        """Whether an event is younger than an endpoint asks for."""
        delay_s = subscription.compiled.endpoint.delay_s
        early = delay_s > 0 and self._clock() < event.recorded_at + 1_000 * delay_s
        if early:
            self._early.add(subscription)
        return early

    def request_slice(self, subscription: Subscription) -> None:
        """A laggard wants its next slice."""
        behind = subscription.cursor.position < subscription.horizon
        if behind and subscription not in self._waiting:
            self._waiting.add(subscription)
            self._laggards.append(subscription)
            self._lagging.set()

    def forget(self, customer: int) -> None:
        """A customer was erased: nothing that is remembered of them is sent any more."""
        self._log.erased.add(customer)
        for topic in self.topics.values():
            for event in topic.events:
                if event.customer == customer and event.class_ != "ops":
                    event.forget()

    # The tail

    async def _read(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._more and self._anybody_hungry():
                    if self.head - self.position > SLICE:
                        await self._patience()
                    await self._read_slice()
            except Exception as error:  # noqa: BLE001  # it outlives whatever happens
                _again.warning("log_read_failed", shard=self.shard, error=repr(error))
                await asyncio.sleep(AGAIN_S)
                self.wake()

    async def _read_slice(self) -> None:
        self._perhaps, head = False, self.head
        events = await self._log.slice(self.shard, self.position, SLICE)
        if not events:
            if self.head == head:
                self.head = self.position
            return
        for event in events:  # of which a hint may have been lost
            if event.class_ == "ops" and CUSTOMER_ERASED in event.body:
                self.forget(event.customer)
        projects = {project for project, _ in self.topics}
        catalog = self._catalog
        empty = [
            e for e in events if e.project in projects and not load_content_at_once(e, catalog)
        ]
        if empty:
            with contextlib.suppress(*UNREADABLE):  # `load_content` finds out which, and logs it
                await catalog.load_programs(event.program for event in empty)
            for event in empty:
                await load_content(event, catalog)
        self._perhaps = self._perhaps or len(events) == SLICE
        self._distribute(events)

    def _distribute(self, events: list[LogEvent]) -> None:
        before, self.position = self.position, events[-1].offset
        self.head = max(self.head, self.position)
        touched = self._sort(events)
        floor = self.position - RING
        for topic in touched:
            if topic.events[0].offset <= floor:
                del topic.events[: bisect_right(topic.events, floor, key=_offset)]
            for subscription in list(topic.subscriptions):
                subscription.read_on(before)

    def _sort(self, events: list[LogEvent]) -> list[TopicEvents]:
        """Put events into the topics that somebody hears. Returns those topics."""
        first = events[0].offset
        touched: list[TopicEvents] = []
        for event in events:
            places = ((event.project, 0), (event.project, event.program))
            for place in places if event.program else places[:1]:
                topic = self.topics.get(place)
                if topic is not None:
                    if not topic.events or topic.events[-1].offset < first:
                        touched.append(topic)
                    topic.events.append(event)
        return touched

    def _anybody_hungry(self) -> bool:
        topics = self.topics.values()
        return any(s.tail and s.wants_more() for topic in topics for s in topic.subscriptions)

    async def _patience(self) -> None:
        """While draining, let those keep up who can; who cannot reads its own slices later."""
        floor = self.position + SLICE - RING
        for topic in self.topics.values():
            if any(s.falls_behind(floor) for s in topic.subscriptions - self._early):
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), PATIENCE_S)
                return

    # The laggards

    async def _serve_laggards(self) -> None:
        while True:
            await self._lagging.wait()
            if not self._laggards:
                self._lagging.clear()
                continue
            subscription = self._laggards.popleft()
            try:
                await self._read_own(subscription)
            except Exception as error:  # noqa: BLE001  # the same
                _again.warning("log_read_failed", shard=self.shard, error=repr(error))
                await asyncio.sleep(AGAIN_S)
                self._laggards.append(subscription)
            else:
                self._waiting.discard(subscription)
                subscription.pull()

    async def _read_own(self, subscription: Subscription) -> None:
        compiled = subscription.compiled
        after, upto = subscription.cursor.position, subscription.horizon
        if after >= upto:
            return
        events, bound = await self._log.slice_of(
            self.shard, compiled.row.project, compiled.classes, after, upto, OWN_SLICE
        )
        for event in events:
            await load_content(event, self._catalog)
        subscription.take_slice(events, bound)


def _offset(event: LogEvent) -> int:
    return event.offset
