"""Worlds whose programs remind, and what the engine and the evaluator say of them."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.engine.driver import Driver
from tests.engine.reminder_text import reminders_of, unequal
from tests.fuzz.check import WAYS
from tests.fuzz.stories import WHOLE
from tests.fuzz.upgrades import checkpoint_of
from tests.fuzz.worlds import World, seeded, shared_setting
from tests.reference.reminders import reminders
from tierline.model.encoding import encode_standing
from tierline.rules.program import Program
from tierline.rules.reminders import Reminders

LEADS = (1, 2, 3, 7, 10, 14, 28, 29, 30, 31, 60, 90, 366)


def reminded(seed: int, entries_max: int = WHOLE) -> World:
    """The world of a seed, whose program reminds, or of the next one whose rules give no bonus."""
    chance = Random(f"reminders {seed // 4}")
    while any(version.bonuses for version in shared_setting(seed // 4)[0].versions):
        seed += 4
    made = seeded(seed, entries_max)
    versions, occasions = [], random_reminders(chance)
    for version in made.program.versions:
        rules = replace(version.rules, reminders=occasions)
        versions.append(replace(version, rules=rules))
        if chance.random() < 0.3:
            occasions = Reminders() if chance.random() < 0.3 else random_reminders(chance)
    made.program = replace(made.program, versions=tuple(versions))
    made.beside = None
    return made


def random_reminders(chance: Random) -> Reminders:
    made: dict[str, Any] = {}
    for kind in ("tier_ending", "points_expiring", "tier_waiting"):
        if chance.random() < 0.7:
            least = 0 if kind == "tier_waiting" else 1
            made[kind] = {"lead_days": chance.sample(LEADS, chance.randint(least, 5))}
    if chance.random() < 0.6:
        distance = chance.choice(({"within": 10}, {"within": 60}, {"percent": 20}))
        made["tier_near"] = distance | {"cool_down_days": chance.choice((0, 1, 7, 30))}
    if chance.random() < 0.5:
        made["tier_skipped"] = chance.choice(("first", "every"))
    return msgspec.convert(made, Reminders)


def differences(world: World, *, ways: tuple[str, ...] = tuple(WAYS)) -> list[str]:
    """What differs, in words: between the ways of deciding, with and without reminders, and from
    the evaluator."""
    problems: list[str] = []
    once = Driver(world.program)
    once.decide(world.entries, world.until)
    for name in ways:
        driver = WAYS[name](world)
        if driver.announced != once.announced:
            problems.append(f"what is told differs between one go and {name}")
            problems += unequal(reminders_of(once), reminders_of(driver))
        if encode_standing(driver.standing) != encode_standing(once.standing):
            problems.append(f"standings differ between one go and {name}")
    bare = Driver(silent(world.program))
    bare.decide(world.entries, world.until)
    if bare.events != once.events:
        problems.append("reminders change what happens to the tier")
    same = replace(once.standing, due_at=None, turn_at=None, reminder_memory=None)
    if replace(bare.standing, due_at=None, turn_at=None) != same:
        problems.append("reminders change the standing")
    if checkpoint_of(world.entries) is None:
        expected = reminders(world.program, world.entries, world.until)
        problems += unequal(expected, reminders_of(once))
    return problems


def silent(program: Program) -> Program:
    """The same, reminding of nothing."""
    versions = [replace(v, rules=replace(v.rules, reminders=Reminders())) for v in program.versions]
    return replace(program, versions=tuple(versions))
