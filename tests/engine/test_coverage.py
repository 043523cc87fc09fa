"""Every value of every part of the policy is played by some scenario: the code names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import inspect

from tests.engine.actions import Recorder
from tests.engine.scenario import FOLDER, Scenario, read
from tests.fuzz.worlds import shared_setting
from tierline.model.entries import EntryKind, Override, OverrideKind
from tierline.model.events import Cause, EventKind
from tierline.model.reminder import ReminderKind
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange

SCENARIOS: list[Scenario] = [s for path in sorted(FOLDER.glob("*.txt")) for s in read(path)]
Value = tuple[str, str, object]  # class, field, value; of a tagged class: ("", "type", tag)


def possible(kind: inspect.Type, values: set[Value], seen: set[type]) -> None:
    """Every tag, every literal and every flag that a type admits, however deep."""
    if isinstance(kind, inspect.StructType):
        if kind.cls in seen:
            return
        seen.add(kind.cls)
        if kind.tag is not None:
            values.add((kind.cls.__name__, "type", kind.tag))
        for field in kind.fields:
            for part in parts(field.type):
                if isinstance(part, inspect.LiteralType):
                    values |= {(kind.cls.__name__, field.name, v) for v in part.values}
                elif isinstance(part, inspect.BoolType) and not kind.tag:
                    values |= {(kind.cls.__name__, field.name, v) for v in (True, False)}
                possible(part, values, seen)
    elif isinstance(kind, inspect.UnionType | inspect.CollectionType | inspect.VarTupleType):
        for part in parts(kind):
            possible(part, values, seen)
    elif isinstance(kind, inspect.DictType):
        possible(kind.value_type, values, seen)


def parts(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        yield from kind.types
    elif isinstance(kind, inspect.CollectionType | inspect.VarTupleType):
        yield kind.item_type
    else:
        yield kind


def used(part: Any, values: set[Value]) -> None:
    """The values in rules as they are."""
    if isinstance(part, msgspec.Struct):
        name = type(part).__name__
        if part.__struct_config__.tag is not None:
            values.add((name, "type", part.__struct_config__.tag))
        for field in part.__struct_fields__:
            value = getattr(part, field)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, str | bool | int):
                    values.add((name, field, item))
            used(value, values)
    elif isinstance(part, dict | tuple):
        for item in part.values() if isinstance(part, dict) else part:
            used(item, values)


def test_every_value_of_the_policy_is_in_a_scenario() -> None:
    """Tags, literals and flags of the policy and the points, as the code defines them."""
    possibilities: set[Value] = set()
    for kind in (Policy, Points):
        possible(inspect.type_info(kind), possibilities, set())
    values: set[Value] = set()
    for scenario in SCENARIOS:
        for version in scenario.program.versions:
            used(version.rules.policy, values)
            used(version.rules.points, values)
    assert len(possibilities) > 60
    assert sorted(map(str, possibilities - values)) == []


def test_random_worlds_try_every_value() -> None:
    """Nothing that a policy may say is left out of the long runs; the crossing of a threshold is
    decided before an entry is made, and has a slow reference of its own (test_earning.py)."""
    possibilities: set[Value] = set()
    for kind in (Policy, Points):
        possible(inspect.type_info(kind), possibilities, set())
    values: set[Value] = {("Points", "crossing", how) for how in ("after", "split")}
    for seed in range(1500):
        program, _ = shared_setting(seed)
        for version in program.versions:
            used(version.rules.policy, values)
            used(version.rules.points, values)
        if possibilities <= values:
            break
    assert sorted(map(str, possibilities - values)) == []


def test_every_part_is_given_somewhere() -> None:
    """No field of the rules keeps its default in every scenario."""
    given: set[tuple[str, str]] = set()
    there: set[tuple[str, str]] = set()
    for scenario in SCENARIOS:
        for version in scenario.program.versions:
            for part in (version.rules.policy, version.rules.points):
                fields(part, there, given)
    assert sorted(there - given) == []


def fields(part: Any, there: set[tuple[str, str]], given: set[tuple[str, str]]) -> None:
    if isinstance(part, msgspec.Struct):
        for field in msgspec.structs.fields(part):
            key, value = (type(part).__name__, field.name), getattr(part, field.name)
            there.add(key)
            if field.required or value != field.default:
                given.add(key)
            fields(value, there, given)
    elif isinstance(part, dict | tuple):
        for item in part.values() if isinstance(part, dict) else part:
            fields(item, there, given)


def test_everything_that_can_happen_does() -> None:
    """Every kind of entry, override and change of rules; every event and every cause."""
    entries = [e for s in SCENARIOS for e in recorded(s)]
    overrides = [e.detail.override for e in entries if e.detail and e.detail.override]
    texts = [e.text for s in SCENARIOS for step in s.steps for e in step.expected]
    versions = [v for s in SCENARIOS for v in s.program.versions[1:]]

    # Nobody sends a checkpoint: the ledger notes it (tests/ledger/test_checkpoint.py).
    assert {e.kind for e in entries} == set(get_args(EntryKind)) - {"checkpoint"}
    assert {o.kind for o in overrides} == set(get_args(OverrideKind))
    assert {o.then for o in overrides} == set(possibly(Override, "then"))
    assert {o.source for o in overrides} == set(possibly(Override, "source"))
    assert {v.on_change for v in versions} == set(get_args(OnChange))
    assert {text.split()[0] for text in texts} == {*get_args(EventKind), *get_args(ReminderKind)}
    moves = [text for text in texts if "(" in text]  # a reminder has no cause
    assert {text.partition("(")[2].partition(")")[0] for text in moves} == set(get_args(Cause))


def possibly(kind: type, field: str) -> tuple[str, ...]:
    return get_args(get_type_hints(kind)[field])


def recorded(scenario: Scenario) -> Iterator[Any]:
    recorder = Recorder(scenario.program)
    for step in scenario.steps:
        if step.action:
            yield from recorder.record(step.at, step.action)
