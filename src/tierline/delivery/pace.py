"""When an endpoint's next request may start: its limit in flight, its rate, its breaker, and what
its receiver asked for. Pure: `now` is in milliseconds."""

from __future__ import annotations

from tierline.delivery.circuit_breaker import CircuitBreaker
from tierline.delivery.concurrency import ConcurrencyLimit, TypicalDuration
from tierline.delivery.rate_limit import CATCH_UP_PER_S, CatchUp, RateLimit


class Pace:
    """One endpoint's, over all of its runs and shards."""

    __slots__ = ("breaker", "catching_up", "limit", "not_before", "rate", "typical")

    def __init__(self, in_flight_max: int, rate_per_s: float | None, now: int) -> None:
        self.limit = ConcurrencyLimit(in_flight_max)
        self.rate = RateLimit(rate_per_s, now)
        self.breaker = CircuitBreaker()
        self.catching_up: CatchUp | None = None
        self.typical = TypicalDuration()
        self.not_before = 0  # the receiver asked for a rest until this instant

    def change(self, in_flight_max: int, rate_per_s: float | None, now: int) -> None:
        """The endpoint's settings changed."""
        self.limit.change_most(in_flight_max)
        self.rate = RateLimit(rate_per_s, now)
        self.breaker.probe_now(now)

    def is_full(self, in_flight: int) -> bool:
        return in_flight + 1 > self.limit.limit

    def wait_ms(self, now: int) -> int:
        """Returns how long the rate, or the slow start, holds the next request back; 0: it may
        start, and its share is taken."""
        catching_up = self.catching_up
        if catching_up is not None:
            if catching_up.over(now):
                self.catching_up = None
            elif not catching_up.take(now):
                return catching_up.wait_ms()
        if self.rate.per_s is None or self.rate.take(now):
            return 0
        return self.rate.wait_ms()

    def delivered(self, took_ms: float, reached: int) -> None:
        self.limit.succeeded(took_ms, reached)
        self.typical.add(took_ms)

    def troubled(self, took_ms: float, started_at: int, now: int, *, probe: bool) -> bool:
        """Returns whether this opened the breaker."""
        self.typical.add(took_ms)
        self.limit.troubled(started_at, now)
        closed = self.breaker.state == "closed"
        return self.breaker.failed(now, probe=probe) and closed

    def rest_until(self, at: int) -> None:
        self.not_before = max(self.not_before, at)

    def restart(self, now: int) -> None:
        """It answers after an outage: on from one request at a time, slowly at first."""
        self.limit.restart()
        self.catching_up = CatchUp(now)

    def catch_up(self, now: int, due: int | None = None) -> None:
        """So much is due at once, or nobody knows how much: it goes slowly at first."""
        if due is not None and due <= CATCH_UP_PER_S:
            return
        if self.catching_up is None or self.catching_up.over(now):
            self.catching_up = CatchUp(now)

    def start_over(self, now: int) -> None:
        """It was resumed: whatever held it back so far does so no more."""
        self.not_before = 0
        self.breaker.probe_now(now)
