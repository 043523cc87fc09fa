"""Formulas of earning rules: the usual arithmetic over numbers that an activity carries.

`round(amount / 100) * 2 + metadata.nights`: numbers, names, `+ - * /`, brackets, and `min`, `max`,
`floor`, `ceil`, `round` (half up). Calculated exactly, in fractions; nothing in it can loop.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Final

CHARACTERS_MAX: Final = 500
DEPTH_MAX: Final = 30
_DIGITS_MAX: Final = 400  # of a result on the way: a formula of products stays small

Lookup = Callable[[str], Fraction | None]  # a number by its name; None: there is none

_OPERATORS: Final[dict[type[ast.AST], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def half_up(number: Fraction) -> int:
    return math.floor(number + Fraction(1, 2))


_FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Fraction]]]] = {
    # name: (fewest arguments, most, what it does)
    "min": (1, 20, lambda *numbers: min(numbers)),
    "max": (1, 20, lambda *numbers: max(numbers)),
    "floor": (1, 1, lambda number: Fraction(math.floor(number))),
    "ceil": (1, 1, lambda number: Fraction(math.ceil(number))),
    "round": (1, 1, lambda number: Fraction(half_up(number))),
}


class FormulaError(ValueError):
    """What is wrong with a formula, in words for whoever wrote it."""


@lru_cache(maxsize=1024)
def parsed(text: str) -> ast.expr:
    """Returns a formula's tree. Raises FormulaError where it is none."""
    if len(text) > CHARACTERS_MAX:
        raise FormulaError(f"has {len(text)} characters, at most {CHARACTERS_MAX} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError("is no formula; write it like amount / 100 * 2") from None
    _check(tree, 1)
    return tree


def names(text: str) -> tuple[str, ...]:
    """Returns the names of the numbers that a formula needs."""
    return tuple(dict.fromkeys(_names(parsed(text))))


def calculated(text: str, lookup: Lookup) -> Fraction | None:
    """Returns what a formula gives; None where a number is lacking, a division is by zero, or the
    result is beyond all measure."""
    try:
        return _value(parsed(text), lookup)
    except (LookupError, ZeroDivisionError, OverflowError):
        return None


def _check(node: ast.AST, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise FormulaError(f"is nested deeper than {DEPTH_MAX}")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if not math.isfinite(value):
                raise FormulaError("holds a number that is too large")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, depth + 1)
            _check(right, depth + 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            fewest, most, _ = _FUNCTIONS[name]
            if not fewest <= len(args) <= most:
                raise FormulaError(f"gives {name} {len(args)} numbers")
            for arg in args:
                _check(arg, depth + 1)
        case _ if _name(node) is not None:
            pass
        case _:
            allowed = "numbers, names, + - * /, brackets, " + ", ".join(_FUNCTIONS)
            raise FormulaError(f"holds something else than {allowed}")


def _name(node: ast.AST) -> str | None:
    """`amount`, `metadata.nights`, `metadata["room nights"]`: all as one dotted name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=part):
            return f"{name}.{part}"
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as part)):
            return f"{name}.{part}"
    return None


def _names(node: ast.AST) -> Iterator[str]:
    name = _name(node)
    if name is not None:
        yield name
    elif isinstance(node, ast.Call):
        for arg in node.args:
            yield from _names(arg)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _names(child)


def _value(node: ast.AST, lookup: Lookup) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(str(value))
        case ast.UnaryOp(op=op, operand=operand):
            number = _value(operand, lookup)
            return -number if isinstance(op, ast.USub) else number
        case ast.BinOp(left=left, op=op, right=right):
            result = _OPERATORS[type(op)](_value(left, lookup), _value(right, lookup))
            if abs(result.numerator) > 10**_DIGITS_MAX or result.denominator > 10**_DIGITS_MAX:
                raise OverflowError
            return result
        case ast.Call(func=ast.Name(id=function), args=args):
            return _FUNCTIONS[function][2](*(_value(arg, lookup) for arg in args))
    name = _name(node)
    given = None if name is None else lookup(name)
    if given is None:
        raise LookupError(name)
    return given
