"""Random histories of programs that remind: the engine and the evaluator tell the same."""

from __future__ import annotations

import pytest

from tests.fuzz.reminders import differences, reminded
from tests.fuzz.worlds import ENTRIES_SHORT, shortened
from tests.reference import NoOpinion


@pytest.mark.parametrize("first", [*range(0, 40, 10), 5030])  # 5030: a day that did not exist
def test_engine_and_evaluator_remind_alike(first: int) -> None:
    """In one go, in pieces and step by step; and reminders change nothing else."""
    for seed in range(first, first + 10):
        try:
            problems = differences(reminded(seed))
        except NoOpinion:
            continue
        assert not problems, f"seed {seed}: {problems}"


def test_so_they_do_at_the_beginning_of_a_history() -> None:
    for seed in range(200, 230):
        made = shortened(reminded(seed), seed)
        assert len(made.entries) <= ENTRIES_SHORT
        try:
            problems = differences(made)
        except NoOpinion:
            continue
        assert not problems, f"seed {seed}: {problems}"
