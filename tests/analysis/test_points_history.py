"""Statements of points, over random worlds: every change leads to the next, and to the end."""

from __future__ import annotations

import pytest

from tests.fuzz.worlds import seeded
from tierline.analysis.points_history import points_history
from tierline.engine.decide import trace

WORLDS = 200


@pytest.mark.parametrize("first", range(0, WORLDS, 50))
def test_changes_add_up_to_the_standing(first: int) -> None:
    """Balance and pending points, from the checkpoint on where there is one."""
    for seed in range(first, first + 50):
        world = seeded(seed)
        state, _ = trace(world.program, world.entries, world.until)
        moves = points_history(world.program, world.entries, world.until)
        balance = moves[0].event.balance - moves[0].moved if moves else state.balance
        pending = moves[0].event.pending - moves[0].event.waits if moves else state.points_pending
        for move in moves:
            balance += move.moved
            pending += move.event.waits
            assert (balance, pending) == (move.event.balance, move.event.pending), (seed, move)
            if move.event.kind not in ("points.activated", "points.expired"):
                assert move.event.points == move.moved + move.event.waits, (seed, move)
        assert (balance, pending) == (state.balance, state.points_pending), seed
        if moves:
            gone = state.spent + state.expired
            assert moves[-1].event.total <= state.balance + gone, seed
        names = [(move.event.at, move.number) for move in moves]
        assert names == sorted(set(names)), seed
