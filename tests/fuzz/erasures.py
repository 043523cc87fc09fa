"""Erasures in the middle of a history: what remains of a member is a checkpoint in numbers.

From it alone, without the ledger before it, a fold stands where the member stood; and again after
it was written and read.
"""

from __future__ import annotations

from random import Random

from msgspec.structs import fields

from tests.fuzz.check import begin
from tests.fuzz.worlds import World
from tierline.engine.decide import decide
from tierline.ledger.erasure.remains import standing_remains
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.standing import Standing, checkpoint

# What follows from attributes, which went, or is only kept where the rules in force ask for it.
DERIVED = {
    *("entries", "edition", "due_at", "turn_at", "reached", "term_boundary", "totals_from"),
}
NUMBERS = [field.name for field in fields(Standing) if field.name not in DERIVED]


def erasure_differences(world: World, seed: int) -> list[str]:
    """What an erasure at a random entry of the world's history changes of the numbers."""
    chance = Random(f"erasure {seed}")
    driver, entries = begin(world)
    for entry in entries[: chance.randint(min(1, len(entries)), len(entries))]:
        driver.decide([entry], entry.recorded_at)
    before = standing_remains(driver.standing)
    noted = checkpoint(before)
    decision = decide(world.program, Standing(), (noted,), noted.recorded_at)
    after = decision.standing
    wrong = [
        f"erased {name}: {getattr(after, name)} != {getattr(before, name)}"
        for name in NUMBERS
        if getattr(after, name) != getattr(before, name)
    ]
    wrong += [f"erased: announced {event.kind}" for event in decision.announced]
    if after.entries != before.entries + 1:
        wrong.append(f"erased entries: {after.entries} != {before.entries} + 1")
    if decode_standing(encode_standing(after)) != after:
        wrong.append("erased: other bytes")
    if standing_remains(after) != after:
        wrong.append("erased: something was left")
    return wrong
