"""Logs of a process: one JSON object per line on stderr. Traces come without the values of
variables, for those may be secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import structlog

RECURS_S_MAX: Final = 300  # a fault that lasts is logged at least so often
QUIET_S: Final = 60  # without a fault for so long, the next one is a new one


def configure(level: int = logging.INFO) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Others()], level=max(level, logging.WARNING), force=True)


class _Others(logging.Handler):
    """What libraries log, in the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )


class RecurringFaults:
    """A log of what goes wrong with every try until its cause is gone, such as a database that is
    away. The first of an event is logged at once, the others at a growing interval, with how many
    were left out since."""

    def __init__(self, log: Any, clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lasting: dict[str, _Lasting] = {}

    def warning(self, event: str, **facts: Any) -> None:
        self._happened(self._log.warning, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._happened(self._log.error, event, facts)

    def _happened(self, log: Callable[..., Any], event: str, facts: dict[str, Any]) -> None:
        now = self._clock()
        lasting = self._lasting.get(event)
        if lasting is None or now - lasting.latest > QUIET_S:
            lasting = self._lasting[event] = _Lasting(now)
        lasting.latest = now
        if now < lasting.next:
            lasting.left_out += 1
            return
        if lasting.left_out:
            facts["left_out"] = lasting.left_out
        log(event, **facts)
        lasting.pause_s = min(max(1.0, 2 * lasting.pause_s), RECURS_S_MAX)
        lasting.next, lasting.left_out = now + lasting.pause_s, 0


class _Lasting:
    __slots__ = ("latest", "left_out", "next", "pause_s")

    def __init__(self, now: float) -> None:
        self.latest = self.next = now
        self.pause_s = 0.0
        self.left_out = 0
