"""Which events an endpoint hears: kinds, programs, tiers, and a small declarative JSON filter.

The JSON filter compares fields of the event's own JSON (the shape of the pull feed plus the
customer), without code and without back-tracking:

    {"tier_to.id": "gold"}                              equal
    {"cause": {"in": ["activity", "override"]}}         one of
    {"profile.metadata.country": {"not": "DE"}}         not equal
    {"points.balance": {"gte": 100, "lt": 1000}}        numbers
    {"any": [{…}, {…}]}, {"all": […]}, {"none": […]}    combinations
    {"tier_from": {"exists": true}}
    {"profile.email": {"ends": "@example.com"}}         starts, ends, contains

A field that no event has would match nothing for ever, so its first step must be a known one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tierline.errors import Invalid

Test = Callable[[Mapping[str, Any]], bool]

CLAUSES_MAX = 50
DEPTH_MAX = 5
# What the feed shows of an event, the customer, and what an operational event is told as.
FIELDS = frozenset(
    {
        "id", "kind", "program", "customer", "customer_id", "tier_from", "tier_to", "at", "cause",
        "seq", "version", "since", "expires_at", "manual", "points", "recorded_at", "profile",
        "type", "timestamp", "data",
    }
)  # fmt: skip
_MISSING = object()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(value: Any, operand: Any) -> bool:
    # JSON's true is not its 1, though Python's is.
    return isinstance(value, bool) == isinstance(operand, bool) and bool(value == operand)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "is": _equal,
    "not": lambda value, operand: not _equal(value, operand),
    "in": lambda value, operand: any(_equal(value, one) for one in operand),
    "not_in": lambda value, operand: not any(_equal(value, one) for one in operand),
    "gt": lambda value, operand: _number(value) and value > operand,
    "gte": lambda value, operand: _number(value) and value >= operand,
    "lt": lambda value, operand: _number(value) and value < operand,
    "lte": lambda value, operand: _number(value) and value <= operand,
    "exists": lambda value, operand: (value is not _MISSING and value is not None) is operand,
    "starts": lambda value, operand: isinstance(value, str) and value.startswith(operand),
    "ends": lambda value, operand: isinstance(value, str) and value.endswith(operand),
    "contains": lambda value, operand: isinstance(value, str | list) and operand in value,
}
_COMBINE: dict[str, Callable[[Any], bool]] = {
    "any": any,
    "all": all,
    "none": lambda results: not any(results),
}


def compile_filter(spec: Any, path: str = "filter") -> Test:
    """The test that a filter describes; Invalid, with the path inside it, when it is not one."""
    return _compile(spec, path, 0, [0])


def _compile(spec: Any, path: str, depth: int, count: list[int]) -> Test:
    if not isinstance(spec, Mapping) or not spec:
        raise Invalid(reason="A filter is an object with at least one condition.", path=path)
    if depth > DEPTH_MAX:
        raise Invalid(reason=f"A filter nests at most {DEPTH_MAX} deep.", path=path)
    tests: list[Test] = []
    for key, value in spec.items():
        count[0] += 1
        if count[0] > CLAUSES_MAX:
            raise Invalid(reason=f"A filter has at most {CLAUSES_MAX} conditions.", path=path)
        here = f"{path}.{key}"
        if key in _COMBINE:
            tests.append(_combined(key, value, here, depth, count))
        else:
            tests.append(_field(key, value, here))
    return tests[0] if len(tests) == 1 else lambda event: all(test(event) for test in tests)


def _combined(key: str, value: Any, path: str, depth: int, count: list[int]) -> Test:
    if not isinstance(value, list) or not value:
        raise Invalid(reason=f"`{key}` takes a list of filters.", path=path)
    parts = [_compile(v, f"{path}[{i}]", depth + 1, count) for i, v in enumerate(value)]
    combine = _COMBINE[key]
    return lambda event: combine(part(event) for part in parts)


def _field(name: str, value: Any, path: str) -> Test:
    steps = tuple(name.split("."))
    if steps[0] not in FIELDS:
        names = ", ".join(sorted(FIELDS))
        raise Invalid(reason=f"No event has a field {steps[0]!r}, but {names}.", path=path)
    if isinstance(value, Mapping):
        checks = [_operator(op, operand, f"{path}.{op}") for op, operand in value.items()]
        if not checks:
            raise Invalid(reason="Name an operator: " + ", ".join(OPERATORS), path=path)
        return lambda event: all(check(_dig(event, steps)) for check in checks)
    if isinstance(value, list):
        raise Invalid(reason='To match one of several values write {"in": […]}.', path=path)
    return lambda event: _equal(_dig(event, steps), value)


def _operator(op: str, operand: Any, path: str) -> Callable[[Any], bool]:
    check = OPERATORS.get(op)
    if check is None:
        raise Invalid(reason="Use one of the operators " + ", ".join(OPERATORS), path=path)
    if op in ("in", "not_in") and not isinstance(operand, list):
        raise Invalid(reason=f"`{op}` takes a list.", path=path)
    if op in ("gt", "gte", "lt", "lte") and not _number(operand):
        raise Invalid(reason=f"`{op}` takes a number.", path=path)
    if op == "exists" and not isinstance(operand, bool):
        raise Invalid(reason="`exists` takes true or false.", path=path)
    if op in ("starts", "ends", "contains") and not isinstance(operand, str):
        raise Invalid(reason=f"`{op}` takes a string.", path=path)
    return lambda value: check(value, operand)


def _dig(event: Mapping[str, Any], steps: tuple[str, ...]) -> Any:
    value: Any = event
    for step in steps:
        if not isinstance(value, Mapping) or step not in value:
            return _MISSING
        value = value[step]
    return value
