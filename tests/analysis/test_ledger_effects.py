"""What ledgers did to lots and tiers, over random worlds: it adds up to what the engine holds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.worlds import seeded
from tierline.analysis.explain import explain
from tierline.analysis.ledger_effects import entry_effects, held_lots, tier_periods
from tierline.analysis.phrasebook import PHRASES
from tierline.engine.decide import trace

WORLDS = 200


@pytest.mark.parametrize("first", range(0, WORLDS, 50))
def test_effects_add_up_to_the_lots(first: int) -> None:
    """Entries and time together, in every order of events."""
    for seed in range(first, first + 50):
        world = seeded(seed)
        state, _ = trace(world.program, world.entries, world.until)
        rest: Counter[int | None] = Counter()
        for effect in entry_effects(world.program, world.entries, world.until).values():
            for lots in (effect.lots, *(lots for _, lots in effect.meanwhile)):
                for expires_at, points in lots:
                    rest[expires_at] += points
        assert {lot: points for lot, points in rest.items() if points} == dict(state.lots), seed


@pytest.mark.parametrize("first", range(0, WORLDS, 50))
def test_every_lot_has_owners(first: int) -> None:
    """Whose points are no more than there are, and all of them."""
    for seed in range(first, first + 50):
        world = seeded(seed)
        standing, lots = held_lots(world.program, world.entries, world.until)
        assert tuple((lot.expires_at, lot.points) for lot in lots) == standing.lots
        for lot in lots:
            assert all(share.points > 0 for share in lot.shares), seed
            assert sum(share.points for share in lot.shares) == lot.points, seed


@pytest.mark.parametrize("first", range(0, WORLDS, 50))
def test_the_tiers_held_are_what_was_announced_and_what_was_not(first: int) -> None:
    """After a checkpoint; before it the log tells. Periods follow each other."""
    for seed in range(first, first + 50):
        world = seeded(seed)
        state, _ = trace(world.program, world.entries, world.until)
        periods = tier_periods(world.program, world.entries, world.until)
        announced = [period.move.event for period in periods if period.move.announced]
        assert announced == state.events, seed
        for period in periods:
            assert period.until is None or period.until >= period.move.event.at, seed


@pytest.mark.parametrize("language", [*PHRASES, "fr"])
def test_whatever_happened_can_be_said(language: str) -> None:
    """One sentence at least, each of them whole."""
    for seed in range(WORLDS):
        world = seeded(seed)
        explanation = explain(world.program, world.entries, world.until, language=language)
        assert explanation.sentences, seed
        for sentence in explanation.sentences:
            assert sentence.text, seed
            assert not set(sentence.text) & set("{}[]"), seed
            assert "None" not in sentence.text, seed
