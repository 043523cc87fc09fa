"""What the process's log says of an endpoint that fails and works again."""

from __future__ import annotations

from typing import Any, Final

import structlog

from tierline.endpoints.health import Health

QUIET_MS: Final = 60_000  # one that fails now and then is not logged each time
_log = structlog.get_logger("tierline.sender")


class OutageLog:
    """One endpoint's: the first failure, and the first success after it."""

    def __init__(self, endpoint: str, log: Any = _log) -> None:
        self._endpoint = endpoint
        self._log = log
        self._logged_at: int | None = None  # of the outage that is not over
        self._quiet_until = 0

    def changed(self, before: Health, after: Health, event: str | None, now: int) -> None:
        """The endpoint's health changed; `event` where its state did."""
        if event is not None:
            self._log.warning(event, endpoint=self._endpoint, reason=after.reason)
        if before.failing_since is None and after.failing_since is not None:
            if now >= self._quiet_until:
                self._logged_at, self._quiet_until = now, now + QUIET_MS
                self._log.warning("endpoint_fails", endpoint=self._endpoint)
        elif after.failing_since is None and self._logged_at is not None:
            failed_s = (now - (before.failing_since or self._logged_at)) / 1000
            self._logged_at = None
            self._log.info("endpoint_works_again", endpoint=self._endpoint, failed_s=failed_s)
