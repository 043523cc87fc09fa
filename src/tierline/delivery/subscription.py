"""One cursor's place in its shard's log: where it reads from, and when it wants more.

At the tail it takes what the shard's fetcher has just read; within the ring, what is remembered;
behind that, slices of its own, in turn with the other laggards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from tierline.delivery.cursor import Cursor
from tierline.delivery.cursor_row import Write
from tierline.delivery.delivery import Delivery
from tierline.delivery.lag import CursorLag, cursor_lag
from tierline.delivery.lanes import Lane
from tierline.delivery.outcome import Defer, EventAction, GiveUp, Retry, Settle, Supersede
from tierline.delivery.run_terms import RunTerms
from tierline.delivery.topic import Topic
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.settings import SenderSettings
from tierline.store.event_log import AttemptRow, LogEvent

READY_MAX = 256  # offered and not yet sent: more of them wait in the log


class Owner(Protocol):
    """The endpoint whose cursor it is."""

    compiled: CompiledEndpoint
    number: int
    lost: bool  # no longer ours: nothing more of it is sent or written

    @property
    def reading(self) -> bool:
        """Whether it wants events now: not paused, not behind an open breaker."""
        ...

    def offered(self, subscription: Subscription) -> None:
        """There is something to send."""

    def lane_passed(
        self, subscription: Subscription, lane: Lane[LogEvent], event: LogEvent
    ) -> None:
        """An event joined a lane that was closing or is parked."""
        ...

    def lane_loaded(self, subscription: Subscription, lane: Lane[LogEvent]) -> None:
        """The lane's next events were read from the log."""

    def wrote(self, subscription: Subscription) -> None:
        """A flush of its cursor was committed."""

    def fenced(self) -> None:
        """Somebody else owns the endpoint now."""


class Flushes(Protocol):
    """Where a shard's cursors are written."""

    def touch(self, subscription: Subscription) -> None:
        """Something of its cursor is to be written."""

    def note(self, subscription: Subscription, attempt: AttemptRow) -> None:
        """An attempt of it, and what that settled."""

    def urgent(self) -> None:
        """The next commit is waited for."""
        ...


class Source(Protocol):
    """Where a shard's events come from."""

    @property
    def position(self) -> int:
        """Everything at or below was read."""
        ...

    @property
    def head(self) -> int: ...

    def join(self, subscription: Subscription) -> None: ...

    def part(self, subscription: Subscription) -> None: ...

    def ring_start(self, topic: Topic) -> int:
        """Returns the position from which on the ring has all of a topic."""
        ...

    def remembered(self, topic: Topic) -> Sequence[LogEvent]:
        """Returns what the ring has of a topic, in the order of the log."""
        ...

    def request_slice(self, subscription: Subscription) -> None:
        """It has fallen behind the ring: read its next slice, in turn."""
        ...

    def moved(self) -> None:
        """Somebody took something: perhaps it is time to read on."""

    def is_early(self, subscription: Subscription, event: LogEvent) -> bool:
        """Whether an event is to wait; then the subscription is asked to pull again."""
        ...


class Subscription:
    """One cursor's place in its shard's log, and how it gets at events."""

    def __init__(
        self,
        source: Source,
        flushes: Flushes,
        owner: Owner,
        cursor: Cursor[LogEvent],
        topic: Topic,
        *,
        generation: int,
        lanes_max: int,
        terms: RunTerms,
    ) -> None:
        self.owner = owner
        self.cursor = cursor
        self.topic = topic
        self.generation = generation
        self.terms = terms
        self.tail = False  # has taken everything that its source has read
        self.blocked = 0  # the offset of the next event, which needs room; 0: it has some
        self._source = source
        self._flushes = flushes
        self._lanes_max = lanes_max
        self._room_at = -1  # what was secured when room was last wanted
        self._slice: deque[LogEvent] = deque()  # of its own slices, not yet offered
        self._slice_end = -1  # the slices cover everything up to here

    @property
    def compiled(self) -> CompiledEndpoint:
        return self.owner.compiled

    @property
    def lost(self) -> bool:
        return self.owner.lost

    @property
    def key(self) -> tuple[int, int]:
        """Endpoint and run: with the shard, what names its row."""
        return self.owner.number, self.cursor.run

    # Joining

    def join(self) -> None:
        self._source.join(self)

    def part(self) -> None:
        self._source.part(self)

    def change_topic(self, topic: Topic) -> None:
        """Its endpoint hears something else from here on."""
        if topic == self.topic:
            return
        self.sync()
        self.tail = False
        self.part()
        self.topic = topic
        self.join()
        self.pull()

    # Reading

    @property
    def in_ring(self) -> bool:
        """Whether the ring has everything that it has not taken yet."""
        if self.terms.until is not None:
            return False
        return self.tail or self.cursor.position >= self._source.ring_start(self.topic)

    def wants_more(self) -> bool:
        cursor = self.cursor
        return (
            len(cursor.ready) < READY_MAX
            and cursor.retrying <= self._lanes_max
            and not cursor.stuck
            and self.owner.reading
        )

    def falls_behind(self, floor: int) -> bool:
        """Whether it would leave the ring if that began after `floor`, though it reads on."""
        late = self.cursor.position < floor and not self.tail
        return late and self.in_ring and self.owner.reading

    @property
    def horizon(self) -> int:
        """How far it may read: to its source's position, so that it can join it there."""
        return self._source.position if self.terms.until is None else self.terms.until

    def pull(self) -> None:
        """Offer what is at hand, and see that more comes."""
        cursor = self.cursor
        if self.tail or (self.blocked and not cursor.room_for(self.blocked)):
            return  # all is taken, or what is next must wait
        if not self.wants_more():
            return
        self.blocked = 0
        before = len(cursor.ready)
        while self._slice and self.wants_more() and self._offer(self._slice[0]):
            self._slice.popleft()
        if not self._slice:
            if self._slice_end > self.cursor.position:
                self.cursor.pass_to(self._slice_end)
            if self.in_ring:
                self._offer_ring()
            elif self.wants_more():
                self._source.request_slice(self)
        # Half of what may be unwritten is: have it written before all is, so that nothing waits.
        if cursor.unwritten > cursor.window // 2:
            self._want_room()
        if len(cursor.ready) > before:
            self.owner.offered(self)

    def pull_on(self) -> None:
        """As `pull`, and its source reads on although nothing was wanted of it so far."""
        self.pull()
        self._source.moved()

    def read_on(self, before: int) -> None:
        """Its source read something beyond `before`."""
        if self.tail:
            self.cursor.pass_to(before)
            self.tail = False
        self.pull()

    def take_slice(self, events: list[LogEvent], upto: int) -> None:
        """Its own slice: everything between its position and `upto`."""
        self._slice.extend(events)
        self._slice_end = upto

    def sync(self) -> None:
        """At the tail, what was read and did not match is passed without anybody saying so."""
        if self.tail:
            self.cursor.pass_to(self._source.position)

    def give_way(self, now: int, settings: SenderSettings) -> None:
        """What is open at the mark for too long becomes a lane, and sooner where it keeps the next
        event out of the window."""
        held_up = self.blocked > 0 and self.cursor.beyond(self.blocked)
        age_ms = settings.give_way_full_ms if held_up else settings.give_way_ms
        if self.cursor.give_way(now, age_ms):
            self.touch()
            self.pull()

    # Lanes

    def apply(
        self, action: EventAction, delivery: Delivery[LogEvent], now: int
    ) -> Lane[LogEvent] | None:
        """What follows for the events of a delivery. Returns their lane if it is to be seen to at
        its `due_at`."""
        cursor = self.cursor
        if isinstance(action, Settle):
            lane = cursor.delivered(delivery)
            return None if lane is None else self.make_due(lane, now)
        if isinstance(action, Defer):
            return cursor.deferred(delivery, action.due_at)
        due_at = action.due_at if isinstance(action, Retry) else None
        lane = cursor.failed(delivery, due_at=due_at, first_at=action.first_at)
        match action:
            case Retry():
                return lane
            case GiveUp():
                rest = cursor.skip(lane)
                return None if rest is None else self.make_due(rest, now)
            case Supersede():
                cursor.supersede(lane)
                return self.make_due(lane, now)
            case _:
                return None  # it is parked

    def make_due(self, lane: Lane[LogEvent], now: int) -> Lane[LogEvent]:
        """Its next event may go at once."""
        self.cursor.make_due(lane, now)
        self.touch()
        return lane

    def wake_parked(self, since: int, now: int) -> list[Lane[LogEvent]]:
        """Lanes that were parked before `since` start anew. Returns them."""
        parked = (lane for lane in self.cursor.lanes.values() if lane.state == "parked")
        lanes = [lane for lane in parked if lane.due_at <= since]
        for lane in lanes:
            self.cursor.wake(lane, now)
        if lanes:
            self.touch()
        return lanes

    def lane_loaded(
        self, lane: Lane[LogEvent], events: list[LogEvent], upto: int, *, full: bool
    ) -> None:
        """A lane's next events, read from the log up to `upto`; `full`: there may be more."""
        forms = {lane.head: lane.form}  # of what was tried already
        heard = [event for event in events if self._hears(event, forms.get(event.offset, ""))]
        self.cursor.loaded(lane, heard, upto, full=full)
        self.touch()
        self.owner.lane_loaded(self, lane)

    def lane_passed(self, lane: Lane[LogEvent], event: LogEvent) -> None:
        self.owner.lane_passed(self, lane, event)

    # Writing

    def touch(self) -> None:
        """Something of its cursor is to be written."""
        self._flushes.touch(self)

    def note(self, attempt: AttemptRow) -> None:
        """An attempt, and what it settled."""
        self._flushes.note(self, attempt)

    def next_write(self) -> Write | None:
        """Returns what is to be written of its cursor; None when it is no longer ours."""
        if self.owner.lost:
            return None
        self.sync()
        return self.cursor.write()

    def committed(self, write: Write) -> None:
        if not self.owner.lost:
            self.cursor.committed(write)
            self.owner.wrote(self)

    def fenced(self) -> None:
        self.owner.fenced()

    # Looking

    def lag(self, now: int) -> CursorLag:
        self.sync()
        return cursor_lag(self.cursor, self._source.head, self._next_unread(), now)

    # Inside

    def _next_unread(self) -> LogEvent | None:
        """The next event that it has not taken, if it is at hand; it need not match."""
        if self._slice:
            return self._slice[0]
        if self.tail:
            return None
        events = self._source.remembered(self.topic)
        start = bisect_right(events, self.cursor.position, key=_offset)
        return events[start] if start < len(events) else None

    def _want_room(self) -> None:
        """Once per committed write: have the next one come soon."""
        if self._room_at == self.cursor.secured:
            return
        self._room_at = self.cursor.secured
        self.sync()
        if self.cursor.needs_write:
            self.touch()
            self._flushes.urgent()

    def _offer_ring(self) -> None:
        events = self._source.remembered(self.topic)
        start = bisect_right(events, self.cursor.position, key=_offset)
        cursor = self.cursor
        for i in range(start, len(events)):
            # A full queue or an open lane more is what may end it on the way.
            if len(cursor.ready) >= READY_MAX or (cursor.lanes and not self.wants_more()):
                return
            if not self._offer(events[i]):
                return
        self.cursor.pass_to(self._source.position)
        self.tail = True
        self._source.moved()

    def _hears(self, event: LogEvent, form: str = "") -> bool:
        keep = self.terms.keep
        return self.owner.compiled.matches(event, form) and (keep is None or keep(event))

    def _offer(self, event: LogEvent) -> bool:
        """Returns False when there is no room for it."""
        cursor, offset = self.cursor, event.offset
        if offset <= cursor.position:
            return True
        if not self._hears(event) or cursor.has_settled(offset):
            cursor.pass_to(offset)
            return True
        early = self._source.is_early(self, event)
        if early or not (cursor.room_for(offset) or cursor.owned(event)):
            cursor.pass_to(offset - 1)
            self.blocked = 0 if early else offset
            return False
        lane = cursor.offer(event)
        if lane is not None:
            self.owner.lane_passed(self, lane, event)
        return True


def _offset(event: LogEvent) -> int:
    return event.offset
