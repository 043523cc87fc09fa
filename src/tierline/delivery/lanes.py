"""A lane: one key's events at one endpoint, in order, after something went wrong. Pure.

A lane owns all of its key's matching events from `head` on; the cursor passes over them without a
write. It remembers the next few of them; past that it knows only that there are more, which are
read from the log by index.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Literal, Protocol, TypeVar

from tierline.delivery.cursor_row import LaneRow

REMEMBERED = 16


class Logged(Protocol):
    """What order needs to know of an event."""

    @property
    def offset(self) -> int: ...

    @property
    def customer(self) -> int: ...


E = TypeVar("E", bound=Logged)
LaneState = Literal["retrying", "parked", "closing"]
# Where the newer events of a key are: nowhere, in memory, or perhaps in the log.
Newer = Literal["none", "memory", "log"]


class Lane(Generic[E]):
    """`settled` is the newest offset of the key that is settled; `last` the newest that the lane
    knows of. `complete`: `queue` holds everything between the two, so nothing need be read."""

    __slots__ = (
        "attempt", "busy", "complete", "due_at", "first_at", "form", "head", "key", "last",
        "leaving", "loading", "missed", "planned_at", "queue", "remember", "settled", "state",
        "stored",
    )  # fmt: skip

    def __init__(
        self, key: int, head: int, *, form: str, at: int, remember: int = REMEMBERED
    ) -> None:
        self.key = key
        self.head = head
        self.attempt = 0  # attempts of the head so far
        self.first_at = at  # when the first of them began
        self.due_at = at
        self.planned_at = 0  # when its schedule would have tried it, if it was released before
        self.state: LaneState = "retrying"
        self.form = form  # what the head's bytes depend on besides its event; frozen
        self.remember = remember
        self.queue: deque[E] = deque()
        self.complete = False
        self.settled = head - 1
        self.last = head
        self.busy = False  # one request at most
        self.loading = False
        self.missed = False  # events came by while the log was being read
        self.stored = False  # its row is committed
        self.leaving = False  # the deletion of its row is on its way

    def pass_over(self, event: E) -> bool:
        """The reader came past a matching event. True when that woke the lane."""
        offset = event.offset
        if offset <= self.last:
            return False  # after a restart the reader comes past what the lane has long known
        self.last = offset
        if self.loading:
            self.missed = True
        elif self.complete and len(self.queue) < self.remember:
            self.queue.append(event)
        else:
            self.complete = False
        if self.state != "closing":
            return False
        self.state = "retrying"
        self.head = offset
        self.attempt = 0
        self.form = ""
        return True

    def settle(self, count: int) -> None:
        """The first `count` remembered events are delivered, or given up by policy."""
        for _ in range(count):
            self.settled = self.queue.popleft().offset
        self.advance()

    def advance(self) -> None:
        """Go on to the next event, to reading the log, or to closing."""
        self.attempt = 0
        self.planned_at = 0
        self.form = ""
        if self.queue:
            self.state, self.head = "retrying", self.queue[0].offset
        else:
            self.head = self.settled + 1
            self.state = "closing" if self.complete else "retrying"

    def loaded(self, events: list[E], upto: int, *, full: bool) -> None:
        """What the log holds for this key from `head` on and what of it matches, up to `upto`;
        `full` when there may be more beyond."""
        self.loading = False
        self.queue.extend(event for event in events if event.offset > self.settled)
        self.complete = not full and not self.missed
        self.missed = False
        self.last = max(self.last, upto)
        if self.queue:
            if self.queue[0].offset != self.head:
                self.head, self.attempt, self.form = self.queue[0].offset, 0, ""
        elif self.complete:
            # Nothing is owed: what was, matches no more.
            self.settled = max(self.settled, self.head - 1)
            self.state = "closing"
        else:
            self.settled = max(self.settled, upto)
            self.advance()

    @property
    def needs_log(self) -> bool:
        return not self.queue and not self.complete and self.state == "retrying"

    def row(self) -> LaneRow:
        """As it is stored; a lane that is closing waits there for what might still come."""
        state = "parked" if self.state == "parked" else "retrying"
        return LaneRow(
            self.key,
            self.head,
            self.attempt,
            self.due_at,
            state,
            self.form,
            self.first_at,
        )
