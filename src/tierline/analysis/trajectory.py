"""Where a member stood at a row of instants: what a chart of their life is drawn from.

One walk through the ledger, with a stop at each instant. A history of any length takes as long as
its fold, whatever the number of stops; where it is traced anyway, it is not walked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.member_state import begin
from tierline.engine.tracer import Station
from tierline.model.entries import Entry
from tierline.model.standing import Standing
from tierline.rules.program import Program

ANEW_MAX: Final = 24  # stops that are decided from the beginning, where no walk can be interrupted


def trajectory(
    program: Program, entries: Sequence[Entry], instants: Sequence[int]
) -> tuple[Station, ...]:
    """Returns a station for each instant, which rise. By rules that correct the past, each is
    decided from the beginning, and there are at most `ANEW_MAX` of them, the last one included."""
    try:
        return _walk(program, entries, instants)
    except HistoryNeeded:
        step = -(-len(instants) // ANEW_MAX)
        few = tuple(reversed(tuple(reversed(instants))[::step]))
        return tuple(_anew(program, entries, at) for at in few)


def _walk(
    program: Program, entries: Sequence[Entry], instants: Sequence[int]
) -> tuple[Station, ...]:
    stations, standing, place = [], Standing(), 0
    for at in instants:
        first = place
        while place < len(entries) and entries[place].recorded_at <= at:
            place += 1
        if place or standing.entries:
            standing = decide(program, standing, entries[first:place], at).standing
        stations.append(_station(program, standing, at))
    return tuple(stations)


def _anew(program: Program, entries: Sequence[Entry], at: int) -> Station:
    past = [entry for entry in entries if entry.recorded_at <= at]
    standing = decide(program, Standing(), past, at).standing if past else Standing()
    return _station(program, standing, at)


def _station(program: Program, standing: Standing, at: int) -> Station:
    if not standing.entries:
        return Station(at, None, None, 0, 0)
    return begin(program, standing).station()
