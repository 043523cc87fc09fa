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

A field that no event has, and an object that is compared with a text, would match nothing for
ever: both are refused, to the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from msgspec import Struct

from tierline.errors import Invalid
from tierline.model.tenant import Customer
from tierline.vendors.standard.payloads import TierEvent
from tierline.vendors.standard.points_payloads import PointsEventObject
from tierline.vendors.standard.reminder_payloads import ReminderObject

Test = Callable[[Mapping[str, Any]], bool]

CLAUSES_MAX = 50
DEPTH_MAX = 5
PLAIN = "plain"  # a text, a number, true, false or null
FREE = "free"  # whatever a caller put there


def _shape_of(type_: Any) -> Any:
    """What a filter may name inside a value of a type: an object's fields, or PLAIN, or FREE."""
    choices = [choice for choice in get_args(type_) or (type_,) if choice is not type(None)]
    for choice in (type_, *choices):
        if choice is dict or get_origin(choice) is dict:
            return FREE
        if isinstance(choice, type) and issubclass(choice, Struct):
            return {name: _shape_of(hint) for name, hint in get_type_hints(choice).items()}
    return PLAIN


# An event as the feed shows it, the customer, and an operational event.
SHAPE: dict[str, Any] = {
    **_shape_of(ReminderObject),
    **_shape_of(PointsEventObject),
    **_shape_of(TierEvent),
    "profile": _shape_of(Customer),
    "type": PLAIN,
    "timestamp": PLAIN,
    "data": FREE,
}
FIELDS = frozenset(SHAPE)
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


def check_fields(spec: Mapping[str, Any], path: str = "filter") -> None:
    """Raises Invalid for a field that no event has, to the last step of its name, and for an object
    that is compared as if it were a text or a number. `spec` is a filter that compiles."""
    for key, value in spec.items():
        if key in _COMBINE:
            for i, part in enumerate(value):
                check_fields(part, f"{path}.{key}[{i}]")
        else:
            _check_field(key, value, f"{path}.{key}")


def _check_field(name: str, value: Any, path: str) -> None:
    shape: Any = SHAPE
    steps = name.split(".")
    for i, step in enumerate(steps):
        if shape is FREE:
            return
        if shape is PLAIN or step not in shape:
            before = ".".join(steps[:i])
            names = "nothing inside" if shape is PLAIN else ", ".join(sorted(shape))
            what = f"`{before}` has {names}" if before else f"an event has {names}"
            raise Invalid(reason=f"No event has a field {name!r}: {what}.", path=path)
        shape = shape[step]
    operators = value if isinstance(value, Mapping) else {"is": value}
    compared = any(op != "exists" and operand is not None for op, operand in operators.items())
    if isinstance(shape, Mapping) and compared:
        fields = ", ".join(f"{name}.{field}" for field in sorted(shape))
        reason = f"`{name}` is an object: compare one of {fields}, or ask whether it exists."
        raise Invalid(reason=reason, path=path)


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
