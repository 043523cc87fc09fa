"""Plays every scenario of `scenarios/` against the engine, in several ways."""

from __future__ import annotations

import pytest

from tests.engine.scenario import FOLDER, Scenario, play, read
from tests.reference import NoOpinion

SCENARIOS = [s for path in sorted(FOLDER.glob("*.txt")) for s in read(path)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.id)
def test_scenario(scenario: Scenario) -> None:
    """What is announced is what the scenario says: line by line, in batches, in one go, slowly."""
    try:
        problems = play(scenario)
    except NoOpinion as unknown:
        pytest.skip(f"as it is written; but the slow evaluator does not know {unknown}")
    assert not problems, "\n".join(problems)


def test_there_are_scenarios() -> None:
    """A folder that is not found must not pass for a folder without failures."""
    assert len(SCENARIOS) > 100
