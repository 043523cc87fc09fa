"""How many calls a project may make by a vendor's routes, where the project says so. Every process
counts for itself, in periods of wall time.
"""

from __future__ import annotations

from typing import Final

from tierline.errors import TierlineError
from tierline.model.tenant import Project

RATE_MAX: Final = 100_000  # calls a period


class TooManyCalls(TierlineError):
    """There were more than {limit} calls in one {period}; go on after the seconds in
    Retry-After."""

    code = "too_many_calls"
    status = 429


class CallRate:
    """The calls of each project in the running period. `period` is its name, for people."""

    def __init__(self, period: str, milliseconds: int) -> None:
        self.period = period
        self.milliseconds = milliseconds
        self._running = 0  # the number of the period
        self._calls: dict[int, int] = {}

    def count(self, project: Project, limit: int, now: int) -> None:
        """Counts a call at an instant in milliseconds. Raises TooManyCalls."""
        running = now // self.milliseconds
        if running != self._running:
            self._running, self._calls = running, {}
        calls = self._calls[project.number] = self._calls.get(project.number, 0) + 1
        if calls > limit:
            raise TooManyCalls(limit=limit, period=self.period, retry_after=self.rest(now))

    def remaining(self, project: Project, limit: int, now: int) -> int:
        """Returns how many calls are left in the period of an instant."""
        same = now // self.milliseconds == self._running
        return max(0, limit - (self._calls.get(project.number, 0) if same else 0))

    def rest(self, now: int) -> int:
        """Returns the seconds until the next period begins, at least 1."""
        return -(-(self.milliseconds - now % self.milliseconds) // 1000)


def limit_of(project: Project, vendor: str, setting: str) -> int | None:
    """Returns what the setting of a project's `presentations.VENDOR` says; None where it says
    nothing that is a limit."""
    limit = project.presentations.get(vendor, {}).get(setting)
    if limit is None:
        return None
    is_limit = isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit <= RATE_MAX
    return limit if is_limit else None
