"""Voucherify's filters of lists and exports. Pure.

In a body they are an object (`{"junction": "and", "voucher_id": {"conditions": {"$in": […]}}}`), in
a query string the same written out (`filters[voucher_id][conditions][$in][0]=…`). Its Python SDK
writes a list as Python prints one, in quotation marks and brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from tierline.model.calendar import DAY_MS, parse_instant
from tierline.model.validation import invalid

TEXT_OPERATORS: Final = (
    *("$in", "$not_in", "$is", "$is_not", "$has_value", "$is_unknown"),
    *("$starts_with", "$ends_with", "$contains", "$not_contain"),
)
INSTANT_OPERATORS: Final = (
    *("$after", "$before", "$has_value", "$is_unknown"),
    *("$more_than", "$less_than"),
)
AMOUNT_OPERATORS: Final = (
    *("$in", "$not_in", "$is", "$is_not", "$has_value", "$is_unknown"),
    *("$more_than", "$less_than", "$more_than_equal", "$less_than_equal"),
)
INSTANTS: Final = frozenset({"created_at", "updated_at"})
AMOUNTS: Final = frozenset(
    f"{what}amount" for what in ("", "total_", "discount_", "total_discount_", "items_discount_")
)
METADATA: Final = "metadata."  # how the name of a field begins that the caller's own facts hold
CONDITIONS_MAX: Final = 20
VALUES_MAX: Final = 100
_NAME = re.compile(r"filters\[(\w+)\](?:\[conditions\]\[(\$\w+)\](?:\[\d{0,3}\])?)?", re.ASCII)
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


class FilterCondition(Struct, frozen=True):
    field: str
    operator: str
    values: tuple[str, ...]


class ListFilter(Struct, frozen=True):
    """What an item has to fulfil: all of the conditions, or any."""

    conditions: tuple[FilterCondition, ...] = ()
    any: bool = False

    def values_of(self, field: str) -> tuple[str, ...] | None:
        """The values of which a field must have one, where all conditions count; None: any."""
        if self.any:
            return None
        for each in self.conditions:
            if each.field == field and each.operator in ("$in", "$is"):
                return each.values
        return None

    def admits(self, item: Mapping[str, Any], now: int) -> bool:
        tests = (_is_true(each, item.get(each.field), now) for each in self.conditions)
        return not self.conditions or (any(tests) if self.any else all(tests))


def of_query(pairs: Iterable[tuple[str, str]], fields: Iterable[str]) -> ListFilter:
    """The filter of a query string's `filters[…]`. Raises Invalid, naming the parameter."""
    junction, texts = "and", dict[tuple[str, str], list[str]]()
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None or (match[2] is None) != (match[1] == "junction"):
            raise invalid(
                "filters", f"expected filters[FIELD][conditions][$OPERATOR], not {name!r}"
            )
        if match[2] is None:
            junction = value
        else:
            texts.setdefault((match[1], match[2]), []).extend(_list_of(value))
    conditions = [FilterCondition(*place, tuple(values)) for place, values in texts.items()]
    return _checked(conditions, junction, fields)


def of_body(filters: Mapping[str, Any] | None, fields: Iterable[str]) -> ListFilter:
    """The filter of a body's `filters`. Raises Invalid, naming the field."""
    conditions: list[FilterCondition] = []
    junction = "and"
    for field, value in (filters or {}).items():
        if field == "junction":
            junction = str(value)
            continue
        inside = value.get("conditions") if isinstance(value, dict) else None
        if not isinstance(inside, dict):
            raise invalid(f"filters.{field}", 'expected {"conditions": {"$OPERATOR": …}}')
        for operator, content in inside.items():
            values = content if isinstance(content, list) else [content]
            if not all(isinstance(each, str | int) for each in values):
                raise invalid(f"filters.{field}", f"{operator} takes texts or numbers")
            conditions.append(FilterCondition(field, operator, tuple(str(each) for each in values)))
    return _checked(conditions, junction, fields)


def _checked(conditions: list[FilterCondition], junction: str, fields: Iterable[str]) -> ListFilter:
    names = tuple(fields)
    if junction.lower() not in ("and", "or"):
        raise invalid("filters.junction", "expected and, or or")
    if len(conditions) > CONDITIONS_MAX:
        raise invalid("filters", f"a filter has at most {CONDITIONS_MAX} conditions")
    for each in conditions:
        path = f"filters.{each.field}"
        own = each.field.startswith(METADATA) and METADATA in names
        if each.field not in names and not own:
            raise invalid(path, f"there is no such filter, only {', '.join(names)}")
        operators = _operators(each.field)
        if each.operator not in operators:
            raise invalid(path, f"there is no {each.operator}, only {', '.join(operators)}")
        if not 0 < len(each.values) <= VALUES_MAX:
            raise invalid(path, f"expected between 1 and {VALUES_MAX} values")
        if each.field in INSTANTS:
            _check_instant(each, path)
        elif each.field in AMOUNTS and each.operator not in ("$has_value", "$is_unknown"):
            _check_amounts(each, path)
    return ListFilter(tuple(conditions), junction.lower() == "or")


def _operators(field: str) -> tuple[str, ...]:
    if field in INSTANTS:
        return INSTANT_OPERATORS
    return AMOUNT_OPERATORS if field in AMOUNTS else TEXT_OPERATORS


def _check_amounts(condition: FilterCondition, path: str) -> None:
    for value in condition.values:
        if not re.fullmatch(r"-?[0-9]{1,15}", value, re.ASCII):
            raise invalid(path, f"{condition.operator} takes a whole number")


def _check_instant(condition: FilterCondition, path: str) -> None:
    if condition.operator in ("$more_than", "$less_than"):
        if not re.fullmatch(r"[0-9]{1,6}", condition.values[0], re.ASCII):
            raise invalid(path, f"{condition.operator} takes a number of days")
    elif condition.operator in ("$after", "$before"):
        try:
            parse_instant(condition.values[0])
        except ValueError:
            what = f"{condition.operator} takes an instant like 2026-01-31T00:00:00Z"
            raise invalid(path, what) from None


def _list_of(value: str) -> list[str]:
    if not (value.startswith("[") and value.endswith("]")):
        return [value]
    return [first or second for first, second in _QUOTED.findall(value)]


_TEXT: Final[dict[str, Callable[[str, tuple[str, ...]], bool]]] = {
    "$in": lambda text, values: text in values,
    "$is": lambda text, values: text in values,
    "$not_in": lambda text, values: text not in values,
    "$is_not": lambda text, values: text not in values,
    "$starts_with": lambda text, values: text.startswith(values),
    "$ends_with": lambda text, values: text.endswith(values),
    "$contains": lambda text, values: any(value in text for value in values),
    "$not_contain": lambda text, values: not any(value in text for value in values),
}


_AMOUNT: Final[dict[str, Callable[[int, tuple[int, ...]], bool]]] = {
    "$in": lambda amount, values: amount in values,
    "$is": lambda amount, values: amount in values,
    "$not_in": lambda amount, values: amount not in values,
    "$is_not": lambda amount, values: amount not in values,
    "$more_than": lambda amount, values: amount > values[0],
    "$less_than": lambda amount, values: amount < values[0],
    "$more_than_equal": lambda amount, values: amount >= values[0],
    "$less_than_equal": lambda amount, values: amount <= values[0],
}


def _is_true(condition: FilterCondition, value: Any, now: int) -> bool:
    operator, values = condition.operator, condition.values
    if operator in ("$has_value", "$is_unknown"):
        return (value is not None) is (operator == "$has_value")
    if value is None:
        return operator.startswith(("$not", "$is_not"))
    if condition.field in AMOUNTS:
        return _AMOUNT[operator](int(value), tuple(int(each) for each in values))
    if condition.field not in INSTANTS:
        return _TEXT[operator](str(value), values)
    at = parse_instant(str(value))
    if operator == "$after":
        return at > parse_instant(values[0])
    if operator == "$before":
        return at < parse_instant(values[0])
    days_ago = now - int(values[0]) * DAY_MS
    return at < days_ago if operator == "$more_than" else at > days_ago
