"""Where nothing is due, time alone leaves a member as they are: what looks at many may skip it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.fuzz.worlds import World, seeded
from tierline.analysis.forecast import follow, is_due
from tierline.engine.decide import HistoryNeeded, decide
from tierline.model.standing import Standing

# What no window asks for any more is dropped.
COUNTED: dict[str, Any] = {"totals": {}, "totals_from": None}


def skipped(world: World) -> int:
    """How many times of a random history nothing was due, and nothing happened."""
    standing, count = Standing(), 0
    for entry in world.entries:
        at = entry.recorded_at
        if standing.entries and not is_due(world.program, standing, at):
            decision = follow(world.program, standing, (), at)
            assert not decision.events
            assert not decision.reminders
            assert replace(decision.standing, **COUNTED) == replace(standing, at=at, **COUNTED)
            count += 1
        try:
            standing = decide(world.program, standing, [entry], at).standing
        except HistoryNeeded:
            return count
    return count


@pytest.mark.parametrize("first", range(0, 80, 40))
def test_time_changes_nothing_where_nothing_is_due(first: int) -> None:
    assert sum(skipped(seeded(seed)) for seed in range(first, first + 40)) > 40
