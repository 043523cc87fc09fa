"""Random histories of programs that remind: the engine and the evaluator tell the same."""

from __future__ import annotations

import pytest

from tests.fuzz.reminders import differences, reminded
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
