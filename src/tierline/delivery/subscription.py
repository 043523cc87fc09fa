"""One cursor's place in its shard's log: where it reads from, and when it wants more.

At the tail it takes what the shard's reader has just read; within the ring, what is remembered;
behind that, slices of its own, in turn with the other laggards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from tierline.delivery.cursor import Cursor
from tierline.delivery.pacing import Rate
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.store.event_log import LogEvent

if TYPE_CHECKING:
    from tierline.delivery.fetcher import ShardFetcher
    from tierline.delivery.lanes import Lane

READY_MAX = 256  # offered and not yet sent: more of them wait in the log
Topic = tuple[int, int]  # project, program (0: all of them)


class Owner(Protocol):
    """Whose cursor a follower has."""

    live: CompiledEndpoint
    number: int
    lost: bool  # no longer ours: nothing more of it is sent or written

    @property
    def reading(self) -> bool:
        """Whether it wants events now: not paused, not behind an open breaker."""
        ...

    def offered(self, follower: Subscription) -> None:
        """There is something to send."""
        ...

    def woken(self, follower: Subscription, lane: Lane[LogEvent], event: LogEvent) -> None:
        """An event joined a lane that was closing or is parked."""
        ...

    def room_wanted(self, follower: Subscription) -> None:
        """Much was offered since the last committed write: the next one is due."""
        ...

    def wrote(self, follower: Subscription) -> None:
        """A flush of its cursor was committed."""
        ...

    def fenced(self) -> None:
        """Somebody else owns the endpoint now."""
        ...


class Terms(Struct, frozen=True):
    """What a replay has of its own; a live run has an unbounded rate and no end."""

    rate: Rate
    until: int | None = None
    keep: Callable[[LogEvent], bool] | None = None


class Subscription:
    """One cursor's place in its shard's log, and how it gets at events."""

    def __init__(
        self,
        reader: ShardFetcher,
        owner: Owner,
        cursor: Cursor[LogEvent],
        topic: Topic,
        *,
        generation: int,
        lanes_max: int,
        terms: Terms,
    ) -> None:
        self.reader = reader
        self.owner = owner
        self.cursor = cursor
        self.topic = topic
        self.generation = generation
        self.terms = terms
        self.tail = False  # has taken everything that the reader has read
        self.blocked = 0  # the offset of the next event, which needs room; 0: it has some
        self.asked = False  # waits for its turn to read a slice
        self.queued = False  # waits for its turn at its endpoint
        self._lanes_max = lanes_max
        self._room_asked_at = -1  # what was secured when room was last asked for
        self._own: deque[LogEvent] = deque()  # of its own slices, not yet offered
        self._own_end = -1  # the slices cover everything up to here

    @property
    def in_ring(self) -> bool:
        """Whether the ring has everything that it has not taken yet."""
        if self.terms.until is not None:
            return False
        return self.tail or self.cursor.position >= self.reader.ring_start(self.topic)

    def wants_more(self) -> bool:
        cursor = self.cursor
        return (
            len(cursor.ready) < READY_MAX
            and cursor.retrying <= self._lanes_max
            and not cursor.stuck
            and self.owner.reading
        )

    @property
    def horizon(self) -> int:
        """How far it may read: to the reader's position, so that it can join it there."""
        return self.reader.position if self.terms.until is None else self.terms.until

    def pull(self) -> None:
        """Offer what is at hand, and see that more comes."""
        cursor = self.cursor
        if self.tail or (self.blocked and not cursor.room_for(self.blocked)):
            return  # all is taken, or what is next must wait
        if not self.wants_more():
            return
        self.blocked = 0
        before = len(cursor.ready)
        while self._own and self.wants_more() and self._offer(self._own[0]):
            self._own.popleft()
        if not self._own:
            if self._own_end > self.cursor.position:
                self.cursor.pass_to(self._own_end)
            if self.in_ring:
                self._offer_ring()
            elif self.wants_more():
                self.reader.ask(self)
        # Half of what may be unwritten is: have it written before all is, so that nothing waits.
        if cursor.unwritten > cursor.window // 2:
            self._ask_for_room()
        if len(cursor.ready) > before:
            self.owner.offered(self)

    def _ask_for_room(self) -> None:
        """Once per committed write."""
        if self._room_asked_at != self.cursor.secured:
            self._room_asked_at = self.cursor.secured
            self.owner.room_wanted(self)

    @property
    def held_up(self) -> bool:
        """Whether what is open at the mark keeps the next event out of the window."""
        return self.blocked > 0 and self.cursor.beyond(self.blocked)

    def sync(self) -> None:
        """At the tail, what was read and did not match is passed without anybody saying so."""
        if self.tail:
            self.cursor.pass_to(self.reader.position)

    def next_unread(self) -> LogEvent | None:
        """The next event that it has not taken, if it is at hand; it need not match."""
        if self._own:
            return self._own[0]
        topic = self.reader.topics.get(self.topic)
        if self.tail or topic is None:
            return None
        start = bisect_right(topic.events, self.cursor.position, key=_offset)
        return topic.events[start] if start < len(topic.events) else None

    def took_slice(self, events: list[LogEvent], upto: int) -> None:
        """Its own slice: everything between its position and `upto`."""
        self._own.extend(events)
        self._own_end = upto

    def _offer_ring(self) -> None:
        topic = self.reader.topics.get(self.topic)
        events = topic.events if topic is not None else []
        start = bisect_right(events, self.cursor.position, key=_offset)
        cursor = self.cursor
        for i in range(start, len(events)):
            # A full queue or an open lane more is what may end it on the way.
            if len(cursor.ready) >= READY_MAX or (cursor.lanes and not self.wants_more()):
                return
            if not self._offer(events[i]):
                return
        self.cursor.pass_to(self.reader.position)
        self.tail = True
        self.reader.moved()

    def _offer(self, event: LogEvent) -> bool:
        """False when there is no room for it."""
        cursor, offset, keep = self.cursor, event.offset, self.terms.keep
        if offset <= cursor.position:
            return True
        heard = self.owner.live.matches(event)
        if not heard or (keep is not None and not keep(event)) or cursor.has_settled(offset):
            cursor.pass_to(offset)
            return True
        if not cursor.room_for(offset) and not cursor.owned(event):
            cursor.pass_to(offset - 1)
            self.blocked = offset
            return False
        lane = cursor.offer(event)
        if lane is not None:
            self.owner.woken(self, lane, event)
        return True


def _offset(event: LogEvent) -> int:
    return event.offset
