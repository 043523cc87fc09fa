"""How fast: an endpoint's own rate, and the slow start after an outage. Pure: `now` is in
milliseconds."""

from __future__ import annotations

CATCH_UP_PER_S = 50.0  # after an outage; doubled every CATCH_UP_STEP_MS
CATCH_UP_STEP_MS = 1_000
CATCH_UP_STEPS = 8  # then nothing holds it back any more


class RateLimit:
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
        """Returns the time until the next token, seen from the last `take`."""
        if self.per_s is None:
            return 0
        return max(1, int((1.0 - self._tokens) * 1000 / self.per_s) + 1)


class CatchUp:
    """After an outage: what is owed comes slowly at first, whatever the limit in flight would
    allow. A receiver that answers fast may still be one that has just come up."""

    __slots__ = ("_began", "_rate", "_step")

    def __init__(self, now: int) -> None:
        self._began = now
        self._step = 0
        self._rate = RateLimit(CATCH_UP_PER_S, now)

    def over(self, now: int) -> bool:
        return now - self._began >= CATCH_UP_STEPS * CATCH_UP_STEP_MS

    def take(self, now: int) -> bool:
        step = (now - self._began) // CATCH_UP_STEP_MS
        if step != self._step:
            self._step = step
            self._rate = RateLimit(CATCH_UP_PER_S * 2**step, now)
        return self._rate.take(now)

    def wait_ms(self) -> int:
        return self._rate.wait_ms()
