"""Where members stood, over random worlds: as the decision has it at each instant."""

from __future__ import annotations

import pytest

from tests.fuzz.worlds import seeded
from tierline.analysis.trajectory import ANEW_MAX, trajectory
from tierline.engine.decide import trace

WORLDS = 120
STOPS = 30


@pytest.mark.parametrize("first", range(0, WORLDS, 40))
def test_a_station_is_what_was_decided_at_its_instant(first: int) -> None:
    """Whatever the number of stops on the way; by rules that correct the past there are fewer."""
    for seed in range(first, first + 40):
        world = seeded(seed)
        if not world.entries:
            continue
        start = world.entries[0].recorded_at
        span = world.until - start
        instants = [start + span * i // STOPS for i in range(STOPS + 1)]
        stations = trajectory(world.program, world.entries, instants)
        assert len(stations) in (len(instants), min(ANEW_MAX, len(instants) // 2 + 1)), seed
        assert stations[-1].at == instants[-1]
        for station in stations:
            known_by_then = [e for e in world.entries if e.recorded_at <= station.at]
            state, _ = trace(world.program, known_by_then, station.at)
            assert (station.tier, station.balance) == (state.tier, state.view().balance), seed
            if state.joined_at is not None:
                assert station.metric == state.value(None), seed
