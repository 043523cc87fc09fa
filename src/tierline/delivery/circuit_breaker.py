"""A circuit breaker: closed → open → (one probe) → closed. While it is open nothing is tried and
no attempt is used up. Pure: `now` is in milliseconds."""

from __future__ import annotations

from typing import Literal

PROBE_MS_MIN = 1_000
PROBE_MS_MAX = 300_000
BREAK_AFTER = 10  # consecutive failures
BREAK_SHARE = 0.7  # or this share of at least BREAK_SAMPLE outcomes within BREAK_WINDOW_MS
BREAK_SAMPLE = 40
BREAK_WINDOW_MS = 30_000

BreakerState = Literal["closed", "open", "probing"]


class CircuitBreaker:
    """One endpoint's."""

    __slots__ = ("_failed", "_pause_ms", "_total", "_window_at", "in_row", "probe_at", "state")

    def __init__(self) -> None:
        self.state: BreakerState = "closed"
        self.in_row = 0
        self.probe_at = 0
        self._pause_ms = PROBE_MS_MIN
        self._failed = self._total = 0
        self._window_at = 0

    def succeeded(self, now: int) -> bool:
        """Returns whether this success closed the breaker."""
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
        """Returns whether this failure opened the breaker, or kept it open."""
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

    def probe_now(self, now: int) -> None:
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
