"""How many calls a second a site may make, where its project says so. Every process counts for
itself, in seconds of wall time.
"""

from __future__ import annotations

from typing import Final

from tierline.errors import TierlineError
from tierline.model.tenant import Project
from tierline.vendors.loyaltylion.ladder import NAME

RATE_MAX: Final = 100_000  # calls a second
SETTING: Final = "requests_per_second"
_SECOND_MS: Final = 1_000


class TooManyCalls(TierlineError):
    """The site makes more than {limit} calls a second; go on after the seconds in Retry-After."""

    code = "too_many_calls"
    status = 429


class CallRate:
    """The calls of each project in the running second."""

    def __init__(self) -> None:
        self._second = 0
        self._calls: dict[int, int] = {}

    def count(self, project: Project, now: int) -> None:
        """Counts a call at an instant in milliseconds. Raises TooManyCalls."""
        limit = limit_of(project)
        if limit is None:
            return
        second = now // _SECOND_MS
        if second != self._second:
            self._second, self._calls = second, {}
        calls = self._calls[project.number] = self._calls.get(project.number, 0) + 1
        if calls > limit:
            raise TooManyCalls(limit=limit, retry_after=1)


def limit_of(project: Project) -> int | None:
    """Returns what `presentations.loyaltylion.requests_per_second` of the project says; None
    where it says nothing that is a limit."""
    limit = project.presentations.get(NAME, {}).get(SETTING)
    is_limit = isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit <= RATE_MAX
    return limit if is_limit else None
