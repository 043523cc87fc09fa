"""A timer that rings at the earliest instant it was set to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tierline.clock import Clock


class Alarm:
    """`ring` is called once per set instant that comes first; later ones are to be set again."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0

    def set(self, at: int) -> None:
        """Ring at an instant in milliseconds, unless it rings earlier anyway."""
        if self._timer is not None:
            if self._at <= at:
                return
            self._timer.cancel()
        self._at = at
        delay_s = max(0.001, (at - self._clock()) / 1000)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._rings)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rings(self) -> None:
        self._timer = None
        self._ring()
