"""How much at once: an endpoint's adaptive cap, its rate, its breaker, and the shares of slots.

Pure: every method takes `now` in milliseconds. One endpoint's trouble must not become another's,
and needed slots are rate × latency, so a cap per endpoint is the only answer to a slow one.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, Protocol

CAP_START = 4.0
QUICK_MS = 2_000  # a 2xx slower than this does not widen the cap
# … nor does one that took longer than this many times the quickest, and then some: it queued.
QUEUED_FACTOR = 3.0
QUEUED_MS = 2.0
PROBE_MS_MIN = 1_000
PROBE_MS_MAX = 300_000
BREAK_AFTER = 10  # consecutive failures
BREAK_SHARE = 0.7  # or this share of at least BREAK_SAMPLE outcomes within BREAK_WINDOW_MS
BREAK_SAMPLE = 40
BREAK_WINDOW_MS = 30_000
CATCH_UP_PER_S = 50.0  # after an outage; doubled every CATCH_UP_STEP_MS
CATCH_UP_STEP_MS = 1_000
CATCH_UP_STEPS = 8  # then nothing holds it back any more
SLOW_MS = 1_000.0  # a typical answer slower than this puts an endpoint into the slow class
SLOW_SHARE = 0.25


class Cap:
    """Requests in flight: doubling until the first trouble, then one more per round; halved by
    trouble."""

    __slots__ = ("_halved_at", "_quickest_ms", "limit", "most", "steep")

    def __init__(self, most: int) -> None:
        self.most = most
        self._quickest_ms = float(QUICK_MS)
        self.limit = min(CAP_START, float(most))
        self.steep = True
        self._halved_at = -1

    def succeeded(self, took_ms: float, reached: int) -> None:
        """`reached`: how many were in flight when the last one started."""
        # The quickest is forgotten slowly, so that a receiver that moved away is learned anew.
        self._quickest_ms = min(took_ms, self._quickest_ms * 1.001)
        # Only a cap that was reached has shown that it is too low.
        if reached + 1 <= self.limit or self.limit >= self.most or took_ms > QUICK_MS:
            return
        if took_ms <= QUEUED_FACTOR * self._quickest_ms + QUEUED_MS:
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


class Rate:
    """At most `per_s` requests a second, with a burst of a quarter of a second (at least one)."""

    __slots__ = ("_at", "_burst", "_tokens", "per_s")

    def __init__(self, per_s: float | None, now: int) -> None:
        self.per_s = per_s
        self._burst = max(1.0, (per_s or 0.0) / 4)
        self._tokens = self._burst
        self._at = now

    def take(self, now: int) -> bool:
        if self.per_s is None:
            return True
        passed = max(0, now - self._at)  # a clock that was put back is no debt
        self._tokens = min(self._burst, self._tokens + passed * self.per_s / 1000)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def wait_ms(self) -> int:
        """Until the next token, seen from the last `take`."""
        if self.per_s is None:
            return 0
        return max(1, int((1.0 - self._tokens) * 1000 / self.per_s) + 1)


class CatchUp:
    """After an outage: what is owed comes slowly at first, whatever the cap would allow. A receiver
    that answers quickly may still be one that has just come up."""

    __slots__ = ("_began", "_rate", "_step")

    def __init__(self, now: int) -> None:
        self._began = now
        self._step = 0
        self._rate = Rate(CATCH_UP_PER_S, now)

    def over(self, now: int) -> bool:
        return now - self._began >= CATCH_UP_STEPS * CATCH_UP_STEP_MS

    def take(self, now: int) -> bool:
        step = (now - self._began) // CATCH_UP_STEP_MS
        if step != self._step:
            self._step = step
            self._rate = Rate(CATCH_UP_PER_S * 2**step, now)
        return self._rate.take(now)

    def wait_ms(self) -> int:
        return self._rate.wait_ms()


class Breaker:
    """Closed → open → (one probe) → closed. While open nothing is tried and no attempt is burnt."""

    __slots__ = ("_failed", "_pause_ms", "_total", "_window_at", "in_row", "probe_at", "state")

    def __init__(self) -> None:
        self.state: Literal["closed", "open", "probing"] = "closed"
        self.in_row = 0
        self.probe_at = 0
        self._pause_ms = PROBE_MS_MIN
        self._failed = self._total = 0
        self._window_at = 0

    def succeeded(self, now: int) -> bool:
        """True when this success closed the breaker."""
        self.in_row = 0
        if now - self._window_at > BREAK_WINDOW_MS:
            self._count(now, failed=False)
        else:
            self._total += 1
        if self.state == "closed":
            return False
        self.state = "closed"
        self._pause_ms = PROBE_MS_MIN
        self._failed = self._total = 0
        return True

    def failed(self, now: int, *, probe: bool) -> bool:
        """True when this failure opened the breaker, or kept it open."""
        self.in_row += 1
        self._count(now, failed=True)
        if self.state == "closed":
            often = self._total >= BREAK_SAMPLE and self._failed >= BREAK_SHARE * self._total
            if self.in_row < BREAK_AFTER and not often:
                return False
        elif not probe:
            return True  # a straggler from before it opened
        self._open(now)
        return True

    def probe(self) -> None:
        """One request is on its way to see whether somebody answers."""
        self.state = "probing"

    def ask_again(self, now: int) -> None:
        """Somebody changed or resumed the endpoint: a probe need not wait."""
        self.probe_at = now
        self._pause_ms = PROBE_MS_MIN

    def _open(self, now: int) -> None:
        self.state = "open"
        self.probe_at = now + self._pause_ms
        self._pause_ms = min(self._pause_ms * 2, PROBE_MS_MAX)

    def _count(self, now: int, *, failed: bool) -> None:
        if now - self._window_at > BREAK_WINDOW_MS:
            self._window_at = now
            self._failed = self._total = 0
        self._total += 1
        self._failed += failed


class Typical:
    """A running median of answer times, good enough to tell fast from slow: it steps towards each
    sample by a share of itself, so one outlier moves it by that share only."""

    __slots__ = ("ms", "slow")

    def __init__(self) -> None:
        self.ms = 50.0
        self.slow = False

    def saw(self, took_ms: float) -> None:
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


class Sender(Protocol):
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
        self._turns: deque[Sender] = deque()
        self._waiting: set[Sender] = set()
        self._running = False

    def want(self, sender: Sender) -> None:
        """An endpoint may have something to start."""
        if sender not in self._waiting:
            self._waiting.add(sender)
            self._turns.append(sender)

    def forget(self, sender: Sender) -> None:
        if sender in self._waiting:
            self._waiting.discard(sender)
            self._turns.remove(sender)

    def release(self, *, slow: bool) -> None:
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
        held: list[Sender] = []
        while turns and self.used < self.size:
            sender = turns.popleft()
            slow = sender.slow
            if slow and self.used_slow >= self._slow_size:
                held.append(sender)
                continue
            self.used += 1
            self.used_slow += slow
            started = sender.start_one(now)
            if started == MORE:
                turns.append(sender)
                continue
            self._waiting.discard(sender)
            if started == NONE:
                self.release(slow=slow)
        turns.extend(held)
