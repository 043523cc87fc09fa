"""The one place that reads the wall clock. Everything else is told the time."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]  # milliseconds since 1970, UTC


def wall() -> int:
    """Now, in milliseconds since 1970, UTC; truncated, as every instant is."""
    return time.time_ns() // 1_000_000
