"""Where members stood, over random worlds: as the decision has it at each instant."""

from __future__ import annotations

import pytest

from tests.fuzz.worlds import seeded
from tierline.analysis.trajectory import ANEW_MAX, trajectory
from tierline.engine.checkpoints import last_checkpoint
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


@pytest.mark.parametrize("first", range(0, WORLDS, 40))
def test_a_trace_notes_the_same_stations_on_its_way(first: int) -> None:
    """And what it says of the end is the same with stops and without."""
    for seed in range(first, first + 40):
        world = seeded(seed)
        if not world.entries or last_checkpoint(world.entries) is not None:
            continue
        start, entries = world.entries[0].recorded_at, world.entries
        span = world.until - start
        stops = [start + span * i // STOPS for i in range(STOPS + 1)]
        state, tracer = trace(world.program, entries, world.until, stops=stops)
        plain, notes = trace(world.program, entries, world.until)
        assert state.standing() == plain.standing(), seed
        assert tracer.balance_changes == notes.balance_changes, seed
        assert tracer.moves == notes.moves, seed
        stations = {station.at: station for station in tracer.stations}
        assert list(stations) == stops, seed
        for station in trajectory(world.program, entries, stops):
            assert stations[station.at] == station, seed
