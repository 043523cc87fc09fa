"""The cursor and its lanes, alone: random histories of sends, failures, flushes and crashes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierline.delivery.cursor import WINDOW, Cursor
from tierline.delivery.cursor_row import LaneRow, Write
from tierline.delivery.delivery import Delivery
from tierline.delivery.lanes import Lane
from tierline.endpoints.endpoint import Mode

REMEMBER = 3  # small, so that lanes must read the log


@dataclass(frozen=True)
class Happened:
    offset: int
    customer: int
    heard: bool = True


class Narrow(Cursor[Happened]):
    """A cursor whose window these short logs fill."""

    window = 8


@dataclass
class Shop:
    """The log, what is committed of one cursor, and a journal of what the receiver got."""

    mode: Mode
    log: list[Happened]
    mark: int = 0
    done: bytes = b""
    lanes: dict[int, LaneRow] = field(default_factory=dict)
    received: list[int] = field(default_factory=list)
    unwritten: set[int] = field(default_factory=set)  # received, and in no committed write
    repeated: int = 0
    bound: int = 0
    crashes: int = 0
    now: int = 0

    def __post_init__(self) -> None:
        self.head = 0
        self.flying: list[Delivery[Happened]] = []
        self.pending: Write | None = None
        self.cursor = self.restored()

    def restored(self) -> Cursor[Happened]:
        return Narrow(
            0,
            0,
            self.mode,
            self.mark,
            self.done,
            lanes=tuple(self.lanes.values()),
            remember=REMEMBER,
        )

    def matching(self, key: int, start: int, upto: int) -> list[Happened]:
        probe = self.cursor
        return [e for e in self.log[start - 1 : upto] if e.heard and probe.key(e) == key]

    # Steps

    def read(self, n: int) -> None:
        """The reader offers the next events, as long as there is room."""
        cursor = self.cursor
        for event in self.log[cursor.position : cursor.position + n]:
            if cursor.stuck:
                return
            if not event.heard or cursor.has_settled(event.offset):
                cursor.pass_to(event.offset)
            elif cursor.room_for(event.offset) or cursor.owned(event):
                cursor.offer(event)
            else:
                return

    def send(self) -> None:
        """Start one request: a lane's that is due, else the cursor's next."""
        cursor = self.cursor
        lane = next((c for c in cursor.lanes.values() if self._sendable(c)), None)
        if lane is not None:
            self.load(lane)
            if lane.state == "retrying" and lane.queue:
                self.flying.append(cursor.take_lane(lane))
        elif cursor.ready:
            self.flying.append(cursor.take())
        if self.flying:
            self.flying[-1].started_at = self.now

    def _sendable(self, lane: Lane[Happened]) -> bool:
        return lane.state == "retrying" and not lane.busy

    def load(self, lane: Lane[Happened]) -> None:
        if not lane.needs_log:
            return
        upto = max(self.cursor.position, lane.last)
        results = self.matching(lane.key, lane.head, upto)
        full = len(results) >= REMEMBER
        results = results[:REMEMBER]
        self.cursor.loaded(lane, results, results[-1].offset if full else upto, full=full)

    def answer(self, which: int, ok: bool, *, parks: bool = False) -> None:
        if not self.flying:
            return
        delivery = self.flying.pop(which % len(self.flying))
        for event in delivery.events:
            if ok:
                self.repeated += event.offset in self.received
                self.received.append(event.offset)
                self.unwritten.add(event.offset)
        if ok:
            self.cursor.delivered(delivery)
        else:
            due = None if parks else self.now
            self.cursor.failed(delivery, due_at=due, first_at=0)

    def give_way(self) -> None:
        self.cursor.give_way(self.now, 1)

    def wake(self) -> None:
        for lane in self.cursor.lanes.values():
            if lane.state == "parked":
                self.cursor.wake(lane, self.now)

    def flush(self) -> None:
        """Begin a write; what happens until `commit` is not in it."""
        if self.pending is None:
            self.pending = self.cursor.write()
            self.written = set(self.unwritten)

    def commit(self) -> None:
        if self.pending is None:
            return
        write, self.pending = self.pending, None
        self._store(write)
        self.cursor.committed(write)

    def crash(self, *, committed: bool) -> None:
        """All memory is gone; a write under way was committed or not."""
        if self.pending is not None and committed:
            self._store(self.pending)
        self.pending = None
        self.bound += len(self.unwritten) + len(self.flying)
        for delivery in self.flying:  # the receiver got it, and nobody heard the answer
            for event in delivery.events:
                self.repeated += event.offset in self.received
                self.received.append(event.offset)
        self.flying.clear()
        self.unwritten.clear()
        self.cursor = self.restored()

    def _store(self, write: Write) -> None:
        assert write.mark >= self.mark
        self.mark, self.done = write.mark, write.done
        for row in write.lanes:
            self.lanes[row.key] = row
        for key in write.closed:
            del self.lanes[key]
        self.unwritten -= self.written

    # What must hold

    def check(self) -> None:
        assert len({d.key for d in self.flying}) == len(self.flying), "one request per key"
        cursor = self.cursor
        from_cursor = [e for d in self.flying if d.lane is None for e in d.events]
        assert not any(cursor.beyond(e.offset) for e in from_cursor), "the bitmap reaches all"
        assert cursor.unwritten <= cursor.window, "a crash repeats no more"

    def finish(self) -> None:
        """Let everything that is owed be delivered, then compare with the log."""
        for _ in range(20 * len(self.log) + 50):
            self.now += 10
            self.wake()
            self.read(len(self.log))
            self.send()
            self.answer(0, ok=True)
            self.flush()
            self.commit()
        heard = [e for e in self.log if e.heard]
        assert {e.offset for e in heard} == set(self.received)
        firsts = list(dict.fromkeys(self.received))
        for key in {self.cursor.key(e) for e in heard}:
            of_key = [o for o in firsts if self.cursor.key(self.log[o - 1]) == key]
            assert of_key == sorted(of_key), "first receipts of a key are in order"
        assert self.repeated <= self.bound, "repeated: only what no committed write had"
        assert self.cursor.idle
        assert (self.lanes, self.mark) == ({}, len(self.log))


STEPS = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 8)),
    st.tuples(st.just("send")),
    st.tuples(st.just("send")),
    st.tuples(st.just("answer"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 5), st.just(True)),
    st.tuples(st.just("park"), st.integers(0, 5)),
    st.tuples(st.just("give_way")),
    st.tuples(st.just("wake")),
    st.tuples(st.just("flush")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("crash"), st.booleans()),
)
LOGS = st.lists(st.tuples(st.integers(1, 4), st.booleans() | st.just(True)), max_size=40)


@settings(max_examples=400, deadline=None)
@given(
    mode=st.sampled_from(["customer", "fifo", "unordered"]),
    log=LOGS,
    steps=st.lists(STEPS, max_size=120),
)
def test_nothing_is_lost_or_out_of_order(
    mode: Mode, log: list[tuple[int, bool]], steps: list[tuple[object, ...]]
) -> None:
    """Whatever fails, parks, flushes or crashes: every event arrives, first receipts in order."""
    shop = Shop(mode, [Happened(i + 1, customer, heard) for i, (customer, heard) in enumerate(log)])
    for step in steps:
        shop.now += 1
        match step:
            case ("read", int(n)):
                shop.read(n)
            case ("send",):
                shop.send()
            case ("answer", int(which), bool(ok)):
                shop.answer(which, ok)
            case ("park", int(which)):
                shop.answer(which, ok=False, parks=True)
            case ("crash", bool(committed)):
                shop.crash(committed=committed)
            case (str(name),):
                getattr(shop, name)()
        shop.check()
    shop.finish()


def offered(cursor: Cursor[Happened], *events: Happened) -> None:
    for event in events:
        cursor.offer(event)


def test_the_window_bounds_what_is_sent() -> None:
    """Nothing further than 1,024 above the mark has room; what ends at the mark makes some."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    offered(cursor, Happened(5, 1))

    assert [True, False] == [cursor.room_for(offset) for offset in (WINDOW + 4, WINDOW + 5)]
    cursor.delivered(cursor.take())
    assert [True, False] == [cursor.room_for(offset) for offset in (WINDOW + 5, WINDOW + 6)]


def test_so_much_is_sent_between_two_writes() -> None:
    """A crash must not repeat more than 1,024 events: then a committed write is needed."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    for offset in range(1, WINDOW + 1):
        offered(cursor, Happened(offset, offset))
        cursor.delivered(cursor.take())

    assert not cursor.room_for(WINDOW + 1)
    write = cursor.write()
    assert not cursor.room_for(WINDOW + 1)
    cursor.committed(write)
    assert cursor.room_for(WINDOW + 1)


def test_what_is_delivered_above_the_mark_is_remembered() -> None:
    """The bitmap keeps it from being sent again after a restart."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    offered(cursor, Happened(1, 1), Happened(2, 2), Happened(3, 3))
    first, second = cursor.take(), cursor.take()
    cursor.delivered(second)
    write = cursor.write()
    again: Cursor[Happened] = Cursor(0, 0, "customer", write.mark, write.done)

    assert (0, b"\x02") == (write.mark, write.done)
    assert [False, True, False] == [again.has_settled(offset) for offset in (1, 2, 3)]
    assert 1 == first.events[0].offset


def test_the_mark_does_not_wait_for_one_call() -> None:
    """What is long in flight at the mark becomes a lane that has not failed."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    offered(cursor, Happened(1, 1), Happened(2, 2), Happened(3, 1))
    slow, quick = cursor.take(), cursor.take()
    cursor.delivered(quick)

    assert 0 == cursor.mark
    assert 1 == cursor.give_way(now=1000, age_ms=1000)
    write = cursor.write()
    assert 3 == write.mark
    assert [(1, 1, 0, "retrying")] == [(r.key, r.head, r.attempt, r.state) for r in write.lanes]
    cursor.committed(write)
    lane = cursor.delivered(slow)
    assert lane is not None
    assert 3 == lane.head


@pytest.mark.parametrize("stored", [True, False])
def test_a_lane_that_ends_frees_its_customer(stored: bool) -> None:
    """Its row goes in the next write; one that was never written leaves no trace."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    offered(cursor, Happened(1, 1))
    lane = cursor.failed(cursor.take(), due_at=5, first_at=0)
    if stored:
        cursor.committed(cursor.write())
    cursor.delivered(cursor.take_lane(lane))
    write = cursor.write()

    assert ((1,) if stored else ()) == write.closed
    assert () == write.lanes
    cursor.committed(write)
    assert cursor.idle


def test_events_wait_while_their_lane_is_being_deleted() -> None:
    """Until the deletion is committed the lane stays owner; then the cursor goes on."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    offered(cursor, Happened(1, 1))
    lane = cursor.failed(cursor.take(), due_at=5, first_at=0)
    cursor.committed(cursor.write())
    cursor.delivered(cursor.take_lane(lane))
    write = cursor.write()
    offered(cursor, Happened(2, 1))

    assert not cursor.ready
    assert 1 == cursor.mark
    cursor.committed(write)
    assert 1 == len(cursor.ready)


def test_a_newer_event_supersedes_a_parked_one() -> None:
    """The lane's head moves to the customer's newest event."""
    cursor: Cursor[Happened] = Cursor(0, 0, "customer", 0)
    offered(cursor, Happened(1, 1))
    cursor.failed(cursor.take(), due_at=None, first_at=0)
    parked = cursor.offer(Happened(2, 1))

    assert parked is not None
    assert (1, 0) == (cursor.parked, cursor.retrying)
    cursor.supersede(parked, Happened(2, 1))
    assert (2, 0, "retrying") == (parked.head, parked.attempt, parked.state)
    assert (0, 1) == (cursor.parked, cursor.retrying)
