"""The worlds of the long run really bring what it is run for."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.features import LEAST, features
from tests.fuzz.worlds import seeded

HISTORIES = 1000


def test_worlds_bring_the_rarer_things_often_enough() -> None:
    """`python -m tests.fuzz --count` prints the same for more of them."""
    counts = Counter[str]()
    for seed in range(1, HISTORIES + 1):
        counts.update(features(seeded(seed)))
    few = {
        feature: counts[feature]
        for feature, least in LEAST.items()
        if counts[feature] < max(1, least * HISTORIES // 10_000)
    }
    assert not few
