"""A cursor: one run of one endpoint over one shard's log, with its window and its lanes. Pure.

Everything here follows from six rules:

1. The *mark*: everything at or below it is settled, that is delivered, filtered out, skipped, or
   owned by a lane. Offsets that are settled above it are a bitmap of WINDOW bits.
2. The *window*: nothing further than WINDOW above the mark is offered, so that the bitmap holds it;
   and no more than WINDOW events are open, or settled without a committed write that says so: a
   crash repeats no more. It is the mark in memory: counted from the committed one, an
   endpoint that hears one event of a thousand would need a commit for each.
3. The *key*: at most one request per key is in flight, whether from the cursor or from its lane.
4. A *lane* owns all of its key's events from its head on. Its row is written with the mark that
   passes its head.
5. A lane's row is deleted only with a mark at or past the lane's last settled offset while nothing
   of its key lies between that and the position read. Until then, newer events of the key wait.
6. The mark never waits for one call: what is open at the mark for too long becomes a lane.

Events that match are offered in the order of the log; `write` returns what must be written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic

from tierline.delivery.cursor_row import LaneRow, Write, pack, unpack
from tierline.delivery.delivery import Delivery
from tierline.delivery.lanes import REMEMBERED, E, Lane, Newer
from tierline.endpoints.endpoint import Mode

WINDOW = 1024
Fits = Callable[[Sequence[E]], int]  # how many of these, at least one, go into one request


class Cursor(Generic[E]):
    window = WINDOW

    def __init__(
        self,
        shard: int,
        run: int,
        mode: Mode,
        mark: int,
        done: bytes = b"",
        *,
        lanes: tuple[LaneRow, ...] = (),
        remember: int = REMEMBERED,
    ) -> None:
        self.shard = shard
        self.run = run
        self.mode = mode
        self.position = mark  # everything at or below was offered or passed over
        self.committed_mark = mark
        self._offered = 0
        self.secured = 0  # of them, those that a committed write has as settled
        self.lanes: dict[int, Lane[E]] = {}
        self.dirty = False  # something beyond a mark that only skipped is to be written
        self._order: deque[int] = deque()  # offered offsets, ascending; some no longer open
        self._open: dict[int, Delivery[E] | None] = {}  # offered and not settled
        self._settled = unpack(done, mark)
        self._waiting: dict[int, deque[E] | None] = {}  # keys under way, and what queues behind
        self.ready: deque[E] = deque()  # offered, and its key is free
        self._changed: set[int] = set()
        self._closing: set[int] = set()
        self.parked = 0  # lanes whose schedule is used up
        self._remember = remember  # events that a lane keeps in memory
        for row in lanes:
            self._restore(row)

    # What is to be sent

    @property
    def mark(self) -> int:
        order, unsettled = self._order, self._open
        while order and order[0] not in unsettled:
            order.popleft()
        return order[0] - 1 if order else self.position

    @property
    def retrying(self) -> int:
        """Lanes that are owed something and not parked."""
        return len(self.lanes) - self.parked - len(self._closing)

    @property
    def idle(self) -> bool:
        return not self._open and not self.lanes

    def room_for(self, offset: int) -> bool:
        """Whether an event there may be offered: the bitmap reaches it, and a crash would not
        repeat too many."""
        return self.unwritten < self.window and not self.beyond(offset)

    @property
    def unwritten(self) -> int:
        """Events that were offered, and that no committed write has as settled."""
        return self._offered - self.secured

    def beyond(self, offset: int) -> bool:
        """Whether it lies past the window, which moves with the mark."""
        return offset > self.mark + self.window

    def has_settled(self, offset: int) -> bool:
        """Before it is offered: it may have been settled before a restart."""
        return offset in self._settled

    def owned(self, event: E) -> bool:
        """Whether a lane takes this event over, so that no room is needed for it."""
        lane = self.lanes.get(self.key(event))
        return lane is not None and not lane.leaving

    def key(self, event: E) -> int:
        if self.mode == "customer":
            return event.customer
        return 0 if self.mode == "fifo" else event.offset

    def offer(self, event: E) -> Lane[E] | None:
        """A matching event, the next in the log. Returns its lane if this woke it, or found it
        parked (a policy may want to supersede it)."""
        offset = self.position = event.offset
        key = event.customer if self.mode == "customer" else self.key(event)
        lane = self.lanes.get(key) if self.lanes else None
        if lane is not None and not lane.leaving:
            if lane.pass_over(event):
                self._closing.discard(key)
                self._touch(key)
                return lane
            return lane if lane.state == "parked" else None
        self._offered += 1
        self._order.append(offset)
        self._open[offset] = None
        if lane is not None or key in self._waiting:
            queue = self._waiting.get(key)
            if queue is None:
                queue = self._waiting[key] = deque()
            queue.append(event)
        else:
            self._waiting[key] = None
            self.ready.append(event)
        return None

    def pass_to(self, offset: int) -> None:
        """Nothing up to here matches."""
        self.position = max(self.position, offset)

    @property
    def stuck(self) -> bool:
        """Under fifo one lane owns all that follows: reading on would only pass it over."""
        if self.mode != "fifo" or not self.lanes:
            return False
        lane = self.lanes.get(0)
        return lane is not None and (not lane.complete or len(lane.queue) >= self._remember)

    def take(self, fits: Fits[E] | None = None) -> Delivery[E]:
        """The next event to send; with `fits`, as many of its key's that queue right behind it as
        that says fit into one request."""
        event = self.ready.popleft()
        key = event.customer if self.mode == "customer" else self.key(event)
        events = [event]
        delivery = Delivery(key, events, None)
        if fits is not None and (queue := self._waiting[key]):
            more = fits([event, *queue]) - 1
            events += [queue.popleft() for _ in range(more)]
        for each in events:
            self._open[each.offset] = delivery
        return delivery

    def take_lane(self, lane: Lane[E], fits: Fits[E] | None = None) -> Delivery[E]:
        queued = list(lane.queue) if fits is not None else []
        events = queued[: fits(queued)] if fits is not None else [lane.queue[0]]
        lane.busy = True
        return Delivery(lane.key, events, lane)

    def under_way(self, delivery: Delivery[E]) -> bool:
        """Whether it is not known yet what became of it."""
        lane, first = delivery.lane, delivery.events[0]
        return self._open.get(first.offset) is delivery if lane is None else lane.busy

    # What became of it

    def delivered(self, delivery: Delivery[E]) -> Lane[E] | None:
        """Settled, for good. Returns the lane if it has more to do."""
        self.dirty = True
        lane = delivery.lane
        if lane is not None:
            lane.busy = False
            return self._settle_lane(lane, len(delivery.events))
        for event in delivery.events:
            del self._open[event.offset]
            self._settled.add(event.offset)
        self._next_of(delivery.key)
        return None

    def failed(self, delivery: Delivery[E], *, due_at: int | None, first_at: int) -> Lane[E]:
        """Not delivered: owed by a lane, due again at an instant, or parked when there is none."""
        lane = delivery.lane or self._open_lane(delivery, first_at=first_at)
        lane.busy = False
        if lane.attempt == 0:
            lane.first_at = first_at
        lane.attempt += 1
        lane.form = delivery.form
        self._schedule(lane, due_at)
        return lane

    def deferred(self, delivery: Delivery[E], due_at: int) -> Lane[E]:
        """Not delivered, and it does not count as an attempt (a probe, a cancelled request)."""
        lane = delivery.lane or self._open_lane(delivery, first_at=due_at)
        lane.busy = False
        self._schedule(lane, due_at)
        return lane

    def skip(self, lane: Lane[E]) -> Lane[E] | None:
        """Give the lane's head up and go on with the next. Returns the lane if there is one."""
        return self._settle_lane(lane, 1)

    def newer(self, delivery: Delivery[E]) -> Newer:
        """Where newer events of the same key are: nowhere, in memory, or perhaps in the log."""
        lane = delivery.lane
        if lane is None:
            return "memory" if self._waiting.get(delivery.key) else "none"
        if not lane.complete:
            return "log"
        return "memory" if len(lane.queue) > 1 else "none"

    def supersede(self, lane: Lane[E], newest: E | None = None) -> None:
        """Jump to the key's newest event that was passed; None: the newest in memory."""
        self.parked -= lane.state == "parked"
        newest = newest or lane.queue[-1]
        lane.queue.clear()
        lane.queue.append(newest)
        lane.settled = newest.offset - 1
        lane.complete = True
        lane.advance()
        self._touch(lane.key)

    def wake(self, lane: Lane[E], now: int) -> None:
        """Due at once, with a new schedule: somebody resumed it, or its endpoint changed."""
        if lane.state == "parked":
            self.parked -= 1
            lane.state = "retrying"
        lane.attempt = 0
        lane.due_at, lane.planned_at = now, 0
        self._touch(lane.key)

    def release(self, now: int, only: Lane[E] | None = None) -> list[Lane[E]]:
        """Lanes that wait for their schedule, or one of them, are due at once. Returns them."""
        lanes = [only] if only is not None else [*self.lanes.values()]
        lanes = [x for x in lanes if x.state == "retrying" and not x.busy and x.due_at > now]
        for lane in lanes:
            lane.planned_at, lane.due_at = lane.planned_at or lane.due_at, now
            self._touch(lane.key)  # whoever owns it next need not wait either
        return lanes

    def make_due(self, lane: Lane[E], now: int) -> None:
        lane.due_at = now

    def loading(self, lane: Lane[E]) -> None:
        lane.loading = True

    def loaded(self, lane: Lane[E], events: list[E], upto: int, *, full: bool) -> None:
        lane.loaded(events, upto, full=full)
        if lane.state == "closing":
            self._closing.add(lane.key)
        self._touch(lane.key)

    def give_way(self, now: int, age_ms: int) -> int:
        """The mark never waits for one call: what has been in flight for `age_ms` at the mark
        becomes a lane without having failed. Returns how many did."""
        count = 0
        while self.mark < self.position:
            delivery = self._open.get(self._order[0])
            if delivery is None or now - delivery.started_at < age_ms:
                break
            lane = self._open_lane(delivery, first_at=delivery.started_at)
            lane.busy = True
            delivery.lane = lane
            lane.due_at = now
            count += 1
        return count

    def owed(self) -> list[E]:
        """Candidates for the oldest event that is owed, as far as they are in memory."""
        events = [lane.queue[0] for lane in self.lanes.values() if lane.queue]
        if self.mark < self.position:
            delivery = self._open.get(self._order[0])
            if delivery is not None:
                events.append(delivery.events[0])
        if self.ready:
            events.append(self.ready[0])
        return events

    # What is to be written

    @property
    def needs_write(self) -> bool:
        return self.dirty or self.mark != self.committed_mark

    def write(self) -> Write:
        mark = self.mark
        self._settled = {offset for offset in self._settled if offset > mark}
        done = pack(self._settled, mark, self.window)
        closed = tuple(self._close_lanes(mark)) if self._closing else ()
        rows = []
        for key in self._changed:
            lane = self.lanes.get(key)
            if lane is not None and not lane.leaving:
                rows.append(lane.row())
        self._changed.clear()
        self.dirty = False
        return Write(mark, done, tuple(rows), closed, self._offered - len(self._open))

    def committed(self, write: Write) -> None:
        self.committed_mark = write.mark
        self.secured = write.secured
        for row in write.lanes:
            lane = self.lanes.get(row.key)
            if lane is not None:
                lane.stored = True
        for key in write.closed:
            self._closing.discard(key)
            del self.lanes[key]
            self._next_of(key)

    # Inside

    def _restore(self, row: LaneRow) -> None:
        lane = self._lane(row.key, row.head, form=row.form, at=row.first_at)
        lane.due_at = row.due_at
        lane.attempt = row.attempt
        lane.stored = True
        if row.state == "parked":
            lane.state = "parked"
            self.parked += 1
        self.lanes[row.key] = lane

    def _open_lane(self, delivery: Delivery[E], *, first_at: int) -> Lane[E]:
        events, key = delivery.events, delivery.key
        lane = self._lane(key, events[0].offset, form=delivery.form, at=first_at)
        lane.queue.extend(events)
        queue = self._waiting.pop(key)
        if queue:
            lane.queue.extend(queue)
        lane.complete = True
        lane.last = lane.queue[-1].offset
        for event in lane.queue:
            del self._open[event.offset]
        self.lanes[key] = lane
        self._touch(key)
        return lane

    def _lane(self, key: int, head: int, *, form: str, at: int) -> Lane[E]:
        return Lane(key, head, form=form, at=at, remember=self._remember)

    def _schedule(self, lane: Lane[E], due_at: int | None) -> None:
        lane.planned_at = 0
        if due_at is None:
            self.parked += lane.state != "parked"
            lane.state = "parked"
        else:
            self.parked -= lane.state == "parked"
            lane.state = "retrying"
            lane.due_at = due_at
        self._touch(lane.key)

    def _settle_lane(self, lane: Lane[E], count: int) -> Lane[E] | None:
        if lane.state == "parked":
            self.parked -= 1
            lane.state = "retrying"
        self._settled.update(event.offset for event in list(lane.queue)[:count])
        lane.settle(count)
        self._touch(lane.key)
        if lane.state == "closing":
            self._closing.add(lane.key)
            return None
        return lane

    def _next_of(self, key: int) -> None:
        queue = self._waiting.get(key)
        if queue:
            self.ready.append(queue.popleft())
        else:
            self._waiting.pop(key, None)

    def _close_lanes(self, mark: int) -> list[int]:
        closed = []
        for key in list(self._closing):
            lane = self.lanes[key]
            if lane.stored and lane.settled <= mark:
                lane.leaving = True
                closed.append(key)
            elif not lane.stored and lane.settled <= mark + self.window:
                # Its row was never written: the bitmap says all that it would have said.
                self._closing.discard(key)
                self._changed.discard(key)
                del self.lanes[key]
        return closed

    def _touch(self, key: int) -> None:
        self._changed.add(key)
        self.dirty = True
