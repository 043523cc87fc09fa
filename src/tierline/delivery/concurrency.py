"""How much at once: an endpoint's adaptive limit, and the process's slots shared among endpoints.

Pure: every method takes `now` in milliseconds. One endpoint's trouble must not become another's,
and the slots that an endpoint needs are rate × latency, so a limit per endpoint is the only answer
to a slow one.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, Protocol

LIMIT_START = 4.0
WIDENS_BELOW_MS = 2_000  # a 2xx slower than this does not widen the limit
# … nor does one that took longer than this many times the shortest, and then some: it queued.
QUEUED_FACTOR = 3.0
QUEUED_MS = 2.0
SLOW_MS = 1_000.0  # a typical answer slower than this puts an endpoint into the slow class
SLOW_SHARE = 0.25


class ConcurrencyLimit:
    """Requests in flight: doubling until the first trouble, then one more per round; halved by
    trouble."""

    __slots__ = ("_halved_at", "_shortest_ms", "limit", "most", "steep")

    def __init__(self, most: int) -> None:
        self.most = most
        self._shortest_ms = float(WIDENS_BELOW_MS)
        self.limit = min(LIMIT_START, float(most))
        self.steep = True
        self._halved_at = -1

    def succeeded(self, took_ms: float, reached: int) -> None:
        """`reached`: how many were in flight when the last one started."""
        # The shortest is forgotten slowly, so that a receiver that moved away is learned anew.
        self._shortest_ms = min(took_ms, self._shortest_ms * 1.001)
        # Only a limit that was reached has shown that it is too low.
        if reached + 1 <= self.limit or self.limit >= self.most or took_ms > WIDENS_BELOW_MS:
            return
        if took_ms <= QUEUED_FACTOR * self._shortest_ms + QUEUED_MS:
            gain = 1.0 if self.steep else 1.0 / self.limit
            self.limit = min(self.limit + gain, float(self.most))

    def troubled(self, started_at: int, now: int) -> None:
        """Once per round: answers to requests that left before the last halving say nothing new."""
        if started_at > self._halved_at:
            self._halved_at = now
            self.limit = max(1.0, self.limit / 2)
        self.steep = False

    def restart(self) -> None:
        """After an outage: from one, in single steps, so that a crowd does not fell it again."""
        self.limit = 1.0
        self.steep = False

    def change_most(self, most: int) -> None:
        self.most = most
        self.limit = min(self.limit, float(most))


class TypicalDuration:
    """A running median of answer times, good enough to tell fast from slow: it steps towards each
    sample by a share of itself, so one outlier moves it by that share only."""

    __slots__ = ("ms", "slow")

    def __init__(self) -> None:
        self.ms = 50.0
        self.slow = False

    def add(self, took_ms: float) -> None:
        ms = self.ms
        if took_ms > ms:
            self.ms = ms * 1.15
        elif ms > 1.0:
            self.ms = ms / 1.15
        self.slow = self.ms > SLOW_MS


# What became of a turn: nothing may start, one did and no more may, one did and perhaps another.
Started = Literal[0, 1, 2]
NONE: Final = 0
LAST: Final = 1
MORE: Final = 2


class SlotUser(Protocol):
    """What the slots are shared among."""

    @property
    def slow(self) -> bool: ...

    def start_one(self, now: int) -> Started:
        """Start one request if anything may start now."""
        ...


class Slots:
    """The process's requests in flight, shared round-robin: one start per endpoint and turn.

    All requests cost one slot, so the deficit of a deficit round robin is always whole. Endpoints
    of the slow class together hold at most a quarter, whatever their number.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.used_slow = 0
        self._slow_size = max(1, int(size * SLOW_SHARE))
        self._turns: deque[SlotUser] = deque()
        self._waiting: set[SlotUser] = set()
        self._running = False

    def want(self, user: SlotUser) -> None:
        """An endpoint may have something to start."""
        if user not in self._waiting:
            self._waiting.add(user)
            self._turns.append(user)

    def forget(self, user: SlotUser) -> None:
        if user in self._waiting:
            self._waiting.discard(user)
            self._turns.remove(user)

    def give_back(self, *, slow: bool) -> None:
        self.used -= 1
        if slow:
            self.used_slow -= 1

    def run(self, now: int) -> None:
        """Hand out free slots until they or the work are used up."""
        if self._running:  # a start that fails at once reports back from inside
            return
        self._running = True
        try:
            self._round(now)
        finally:
            self._running = False

    def _round(self, now: int) -> None:
        turns = self._turns
        held: list[SlotUser] = []
        while turns and self.used < self.size:
            user = turns.popleft()
            slow = user.slow
            if slow and self.used_slow >= self._slow_size:
                held.append(user)
                continue
            self.used += 1
            self.used_slow += slow
            started = user.start_one(now)
            if started == MORE:
                turns.append(user)
                continue
            self._waiting.discard(user)
            if started == NONE:
                self.give_back(slow=slow)
        turns.extend(held)
