"""What formulas of earning rules may call: functions of numbers, of texts and of dates.

A date is text like `2026-11-29`; of an instant the day is what stands in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from msgspec import Struct

from tierline.model import calendar

Value = Fraction | str
DIGITS_MAX: Final = 12  # places that a function rounds to, either side of the point
POWER_MAX: Final = 64
_DAY_CHARACTERS: Final = 10


class Function(Struct, frozen=True):
    """What a formula may call with so many arguments. `texts`: they may be texts."""

    fewest: int
    most: int
    call: Callable[..., Fraction | bool]
    texts: bool = False


def half_up(number: Fraction) -> int:
    return math.floor(number + Fraction(1, 2))


def number_of(value: Value) -> Fraction:
    """Returns a number, or the number that a text is. Raises LookupError for any other text."""
    if isinstance(value, Fraction):
        return value
    try:
        return Fraction(value) if value.strip("+-.0123456789") == "" else _none(value)
    except ValueError:
        return _none(value)


def _none(value: Value) -> Fraction:
    raise LookupError(value)


def _rounding(to_whole: Callable[[Fraction], int]) -> Callable[..., Fraction]:
    def rounded(number: Fraction, digits: Fraction = Fraction(0)) -> Fraction:
        if digits.denominator != 1 or abs(digits) > DIGITS_MAX:
            raise LookupError(digits)
        scale = Fraction(10) ** int(digits)
        return Fraction(to_whole(number * scale)) / scale

    return rounded


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1:
        if abs(exponent) > POWER_MAX or base.numerator.bit_length() > 10 * POWER_MAX:
            raise OverflowError
        return base ** int(exponent)
    if base < 0:
        raise LookupError(exponent)
    return Fraction(repr(float(base) ** float(exponent)))


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    raise LookupError(value)


def _day(value: Value) -> int:
    try:
        return calendar.parse_day(_text(value)[:_DAY_CHARACTERS])
    except ValueError:
        raise LookupError(value) from None


def _months(first: int, last: int) -> int:
    """Whole months from a day to another, negative where that lies before it."""
    if last < first:
        return -_months(last, first)
    start, end = calendar.date_of(first), calendar.date_of(last)
    months = 12 * (end.year - start.year) + end.month - start.month
    return months - (calendar.add_months(first, months) > last)


def _years(first: int, last: int) -> int:
    months = _months(first, last)
    return months // 12 if months >= 0 else -(-months // 12)


def _between(measure: Callable[[int, int], int]) -> Callable[[Value, Value], Fraction]:
    return lambda first, last: Fraction(measure(_day(first), _day(last)))


def _part(name: str) -> Callable[[Value], Fraction]:
    return lambda value: Fraction(getattr(calendar.date_of(_day(value)), name))


FUNCTIONS: Final[Mapping[str, Function]] = {
    "min": Function(1, 20, lambda *numbers: min(numbers)),
    "max": Function(1, 20, lambda *numbers: max(numbers)),
    "floor": Function(1, 2, _rounding(math.floor)),
    "ceil": Function(1, 2, _rounding(math.ceil)),
    "round": Function(1, 2, _rounding(half_up)),
    "pow": Function(2, 2, _power),
    "number": Function(1, 1, number_of, texts=True),
    "year": Function(1, 1, _part("year"), texts=True),
    "month": Function(1, 1, _part("month"), texts=True),
    "day_of_month": Function(1, 1, _part("day"), texts=True),
    "days_between": Function(2, 2, _between(lambda first, last: last - first), texts=True),
    "months_between": Function(2, 2, _between(_months), texts=True),
    "years_between": Function(2, 2, _between(_years), texts=True),
}
CONDITIONS: Final[Mapping[str, Function]] = {
    "contains": Function(2, 2, lambda text, part: _text(part) in _text(text), texts=True),
    "starts_with": Function(
        2, 2, lambda text, part: _text(text).startswith(_text(part)), texts=True
    ),
    "ends_with": Function(2, 2, lambda text, part: _text(text).endswith(_text(part)), texts=True),
}
