"""Formulas of earning rules, calculated by hand: one sign after another, in exact fractions."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

from tests.reference import NoOpinion

SIGNS = re.compile(r'\s*(\d+(?:\.\d*)?|\.\d+|[A-Za-z_]\w*(?:\.\w+|\["[^"]*"\])?|[-+*/(),])')
Numbers = Callable[[str], Fraction | None]


class Lacking(Exception):
    """A number that the formula needs is not there, or it divides by zero."""


def half_up(number: Fraction) -> int:
    return floor(2 * number + 1) // 2


def calculate(text: str, numbers: Numbers) -> int:
    """What the formula gives, rounded half up; 0 where it gives nothing."""
    signs = SIGNS.findall(text)
    if "".join(signs) != "".join(text.split()) or {"if", "and", "or", "not", "in"} & {*signs}:
        raise NoOpinion(text)
    try:
        number = Reading(signs, numbers).whole()
    except Lacking:
        return 0
    return max(0, half_up(number))


class Reading:
    """A formula's signs, read from left to right."""

    def __init__(self, signs: list[str], numbers: Numbers) -> None:
        self.signs, self.numbers = [*signs, ""], numbers

    def whole(self) -> Fraction:
        number = self.sum()
        assert self.signs == [""], self.signs
        return number

    def next_is(self, *signs: str) -> str | None:
        return self.signs.pop(0) if self.signs[0] in signs else None

    def sum(self) -> Fraction:
        number = self.product()
        while sign := self.next_is("+", "-"):
            other = self.product()
            number = number + other if sign == "+" else number - other
        return number

    def product(self) -> Fraction:
        number = self.single()
        while sign := self.next_is("*", "/"):
            other = self.single()
            if sign == "/" and not other:
                raise Lacking
            number = number * other if sign == "*" else number / other
        return number

    def single(self) -> Fraction:
        if self.next_is("-"):
            return -self.single()
        if self.next_is("+"):
            return self.single()
        sign = self.signs.pop(0)
        if sign == "(":
            number = self.sum()
            assert self.next_is(")")
            return number
        if sign[0].isdigit() or sign[0] == ".":
            return Fraction(sign)
        if self.next_is("("):
            return self.function(sign)
        place, _, key = sign.replace('["', ".").replace('"]', "").partition(".")
        given = self.numbers(f"{place}.{key}" if key else place)
        if given is None:
            raise Lacking
        return given

    def function(self, name: str) -> Fraction:
        numbers = [self.sum()]
        while self.next_is(","):
            numbers.append(self.sum())
        assert self.next_is(")")
        made = {
            "min": lambda: min(numbers),
            "max": lambda: max(numbers),
            "floor": lambda: Fraction(floor(numbers[0])),
            "ceil": lambda: Fraction(ceil(numbers[0])),
            "round": lambda: Fraction(half_up(numbers[0])),
        }
        if name not in made or (name not in ("min", "max") and len(numbers) > 1):
            raise NoOpinion(name)
        return made[name]()
