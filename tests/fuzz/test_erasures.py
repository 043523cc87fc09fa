"""An erasure leaves a member where they stood, whatever the rules and the history."""

from __future__ import annotations

import pytest

from tests.fuzz.erasures import erasure_differences
from tests.fuzz.worlds import seeded

WORLDS = 300


@pytest.mark.parametrize("first", range(0, WORLDS, 50))
def test_an_erased_member_stands_where_they_stood(first: int) -> None:
    """`make fuzz` tries more of them."""
    problems = {
        seed: wrong
        for seed in range(first, first + 50)
        if (wrong := erasure_differences(seeded(seed), seed))
    }
    assert problems == {}
