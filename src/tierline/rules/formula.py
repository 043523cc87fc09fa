"""Formulas of earning rules: arithmetic and conditions over what an activity carries.

`round(amount / 100) * 2 if metadata.nights > 3 else 5`: numbers, names, `+ - * / %`, brackets, the
functions of `formula_functions.py`; `A if CONDITION else B`, where a condition compares (`> < >= <=
== != in`), asks a text, or joins conditions by `and`, `or`, `not`; `default(A, B)`: the first that
can be calculated. Calculated exactly, in fractions; nothing in it can loop.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from tierline.rules.formula_functions import CONDITIONS, FUNCTIONS, Function, Value, half_up

__all__ = ["CHARACTERS_MAX", "FormulaError", "calculated", "half_up", "names", "number_names"]

CHARACTERS_MAX: Final = 2_000
DEPTH_MAX: Final = 30
DEFAULTS_MAX: Final = 20
_DIGITS_MAX: Final = 400  # of a result on the way: a formula of products stays small
_ALLOWED: Final = (
    "numbers, names, + - * / %, brackets, A if CONDITION else B, default, "
    + ", ".join(FUNCTIONS)
    + "; as a condition comparisons, and, or, not, "
    + ", ".join(CONDITIONS)
)

Lookup = Callable[[str], Value | None]  # a number or a text by its name; None: there is none

_OPERATORS: Final[dict[type[ast.AST], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_COMPARISONS: Final[dict[type[ast.AST], Callable[[Any, Any], bool]]] = {
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda value, values: value in values,
    ast.NotIn: lambda value, values: value not in values,
}
_AMONG: Final = (ast.In, ast.NotIn)


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
    _check_number(tree, 1)
    return tree


def names(text: str) -> tuple[str, ...]:
    """Returns the names of all that a formula needs."""
    return tuple(dict.fromkeys(_names(parsed(text), numbers_only=False)))


def number_names(text: str) -> tuple[str, ...]:
    """Returns the names of what a formula needs as numbers; what it compares with a text is none
    of them."""
    return tuple(dict.fromkeys(_names(parsed(text), numbers_only=True)))


def calculated(text: str, lookup: Lookup) -> Fraction | None:
    """Returns what a formula gives; None where something is lacking, a division is by zero, or the
    result is beyond all measure."""
    try:
        return _number(parsed(text), lookup)
    except (LookupError, ZeroDivisionError, OverflowError):
        return None


# -- what a formula may hold ---------------------------------------------------------------------


def _check_number(node: ast.AST, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise FormulaError(f"is nested deeper than {DEPTH_MAX}")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if not math.isfinite(value):
                raise FormulaError("holds a number that is too large")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check_number(left, depth + 1)
            _check_number(right, depth + 1)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check_number(operand, depth + 1)
        case ast.IfExp(test=test, body=body, orelse=other):
            _check_condition(test, depth + 1)
            _check_number(body, depth + 1)
            _check_number(other, depth + 1)
        case ast.Call(func=ast.Name(id="default"), args=args, keywords=[]):
            if not 1 <= len(args) <= DEFAULTS_MAX:
                raise FormulaError(f"gives default {len(args)} numbers")
            for arg in args:
                _check_number(arg, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            _check_call(name, FUNCTIONS[name], args, depth)
        case _ if _name(node) is not None:
            pass
        case _:
            raise FormulaError(f"holds something else than {_ALLOWED}")


def _check_call(name: str, function: Function, args: list[ast.expr], depth: int) -> None:
    if not function.fewest <= len(args) <= function.most:
        raise FormulaError(f"gives {name} {len(args)} {'values' if function.texts else 'numbers'}")
    for arg in args:
        (_check_value if function.texts else _check_number)(arg, depth + 1)


def _check_value(node: ast.AST, depth: int) -> None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        _check_number(node, depth)


def _check_condition(node: ast.AST, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise FormulaError(f"is nested deeper than {DEPTH_MAX}")
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check_condition(value, depth + 1)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_condition(operand, depth + 1)
        case ast.Compare(left=left, ops=[op], comparators=[ast.Tuple(elts=values)]) if isinstance(
            op, _AMONG
        ):
            for value in (left, *values):
                _check_value(value, depth + 1)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(
            op
        ) in _COMPARISONS and not isinstance(op, _AMONG):
            _check_value(left, depth + 1)
            _check_value(right, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in CONDITIONS:
            _check_call(name, CONDITIONS[name], args, depth)
        case _:
            raise FormulaError("asks for what is no condition; compare, like amount > 100")


# -- names ---------------------------------------------------------------------------------------


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


def _names(node: ast.AST, *, numbers_only: bool) -> Iterator[str]:
    name = _name(node)
    if name is not None:
        yield name
        return
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        children = list(node.args)
    if numbers_only and _may_be_texts(node):
        flat = [inner for child in children for inner in _flat(child)]
        children = [child for child in flat if _name(child) is None]
    for child in children:
        yield from _names(child, numbers_only=numbers_only)


def _may_be_texts(node: ast.AST) -> bool:
    """Whether a name that stands right here may be a text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        function = FUNCTIONS.get(node.func.id) or CONDITIONS.get(node.func.id)
        return function is not None and function.texts
    return isinstance(node, ast.Compare)


def _flat(node: ast.AST) -> list[ast.AST]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


# -- values --------------------------------------------------------------------------------------


def _number(node: ast.AST, lookup: Lookup) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(str(value))
        case ast.UnaryOp(op=op, operand=operand):
            number = _number(operand, lookup)
            return -number if isinstance(op, ast.USub) else number
        case ast.BinOp(left=left, op=op, right=right):
            return _bounded(_OPERATORS[type(op)](_number(left, lookup), _number(right, lookup)))
        case ast.IfExp(test=test, body=body, orelse=other):
            return _number(body if _holds(test, lookup) else other, lookup)
        case ast.Call(func=ast.Name(id="default"), args=args):
            return _first(args, lookup)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _bounded(Fraction(_called(FUNCTIONS[name], args, lookup)))
    given = _value(node, lookup)
    if isinstance(given, Fraction):
        return given
    raise LookupError(given)


def _bounded(number: Fraction) -> Fraction:
    if abs(number.numerator) > 10**_DIGITS_MAX or number.denominator > 10**_DIGITS_MAX:
        raise OverflowError
    return number


def _first(args: list[ast.expr], lookup: Lookup) -> Fraction:
    for arg in args[:-1]:
        try:
            return _number(arg, lookup)
        except (LookupError, ZeroDivisionError, OverflowError):
            continue
    return _number(args[-1], lookup)


def _called(function: Function, args: list[ast.expr], lookup: Lookup) -> Fraction | bool:
    value: Callable[[ast.AST, Lookup], Value] = _value if function.texts else _number
    return function.call(*(value(arg, lookup) for arg in args))


def _value(node: ast.AST, lookup: Lookup) -> Value:
    """A number, or the text that a name or a literal is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    name = _name(node)
    if name is None:
        return _number(node, lookup)
    given = lookup(name)
    if given is None:
        raise LookupError(name)
    return given


def _holds(node: ast.AST, lookup: Lookup) -> bool:
    match node:
        case ast.BoolOp(op=op, values=values):
            some = any if isinstance(op, ast.Or) else all
            return some(_holds(value, lookup) for value in values)
        case ast.UnaryOp(operand=operand):
            return not _holds(operand, lookup)
        case ast.Compare(left=left, ops=[op], comparators=[ast.Tuple(elts=values)]):
            among = [_value(value, lookup) for value in values]
            return _COMPARISONS[type(op)](_value(left, lookup), among)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            first, second = _value(left, lookup), _value(right, lookup)
            if isinstance(first, str) != isinstance(second, str) and not isinstance(
                op, ast.Eq | ast.NotEq
            ):
                raise LookupError(first)
            return _COMPARISONS[type(op)](first, second)
        case ast.Call(func=ast.Name(id=name), args=args):
            return bool(_called(CONDITIONS[name], args, lookup))
    raise LookupError(node)
