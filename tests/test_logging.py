"""What recurs until its cause is gone does not fill the log."""

from __future__ import annotations

import itertools
from typing import Any

from structlog.testing import CapturingLogger

from tierline.logging import QUIET_S, RECURS_S_MAX, RecurringFaults


class Times:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def logged(log: CapturingLogger) -> list[dict[str, Any]]:
    return [dict(call.kwargs) for call in log.calls]


def test_a_lasting_fault_is_logged_at_a_growing_interval() -> None:
    """At once, after 1, 2, 4 … seconds, then every five minutes; none goes uncounted."""
    log, clock = CapturingLogger(), Times()
    faults = RecurringFaults(log, clock)
    tries = 4 * 3_600
    lines = []
    for number in range(tries):
        clock.now = number * 0.25
        before = len(log.calls)
        faults.warning("flush_failed", shard=1)
        if len(log.calls) > before:
            lines.append(clock.now)

    gaps = [after - before for before, after in itertools.pairwise(lines)]
    assert lines[0] == 0
    assert gaps[:4] == [1, 2, 4, 8]
    assert max(gaps) == gaps[-1] == RECURS_S_MAX
    assert len(lines) < 25
    left_out = sum(line.get("left_out", 0) for line in logged(log))
    assert left_out + len(lines) == tries - (3_600 - lines[-1]) * 4 + 1
    assert all(line["shard"] == 1 for line in logged(log))


def test_a_new_fault_is_logged_at_once() -> None:
    """After a quiet time, and beside another one that lasts."""
    log, clock = CapturingLogger(), Times()
    faults = RecurringFaults(log, clock)
    for second in range(100):
        clock.now = float(second)
        faults.warning("flush_failed")
    lines = len(log.calls)
    faults.error("postgres_down", code="x")
    clock.now += QUIET_S + 1
    faults.warning("flush_failed")

    assert [call.method_name for call in log.calls[lines:]] == ["error", "warning"]
    assert logged(log)[-1] == {}
