"""JSON as JavaScript prints it, and free JSON from outside made safe to keep.

Consumers of signed webhooks parse a body, print it again and compare signatures; so what we print
must be exactly `JSON.stringify(JSON.parse(text))`: no white space, non-ASCII as it is, numbers in
the shortest form of a double (ECMA-262 `Number::toString`), and keys that look like array indexes
first, ascending (ECMA-262 `OrdinaryOwnPropertyKeys`).
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from tierline.errors import Invalid, TooLarge

SAFE = 2**53  # integers up to here are doubles exactly
_INDEX_MAX = 2**32 - 2  # the largest array index of ECMA-262
_ESCAPE_BYTES = 6  # of a character as printed, at most
_FIXED = 10**21  # from here on JavaScript prints an exponent
_LEVELS_MAX = 200  # of any JSON
_NAME = re.compile(rb'"\s*:')
_SPACED = re.compile(rb'"\s')
_ODD = re.compile(rb"\\u|[0-9]{300}")  # a NUL or half a pair of surrogates, or no double
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Limits(Struct, frozen=True):
    """How much free JSON is accepted: levels of nesting, and bytes as printed."""

    depth: int = 16
    size: int = 65_536


FREE = Limits()


def parse(
    text: bytes | str, *, duplicates: Literal["refuse", "last"] = "last", path: str = ""
) -> Any:
    """The value of a JSON text.

    Two equal keys in one object: configuration refuses them, in activities the last one wins.
    Invalid names the place of whatever else is wrong: broken UTF-8, a syntax error, a lone
    surrogate, NaN, a number that no double holds, nesting past 200 levels. A caller that decodes
    straight into types can call this afterwards to explain a failure.
    """
    try:
        value = _decode(text)
        if duplicates == "last" or _is_plain(text, value):
            return value
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass  # below finds out what and where
    return _checked(_loads(text, path), path, _LEVELS_MAX, duplicates)


def names_once(text: bytes, value: Any) -> bool:
    """Whether no name stands twice in an object of a JSON text, whose value this is. False may be
    wrong: a text inside of it may look like a name."""
    # Where nothing but a colon follows a quotation mark, counting is enough.
    names = text.count(b'":') if _SPACED.search(text) is None else len(_NAME.findall(text))
    return names == _names_in(value)


def normalise(value: Any, path: str, limits: Limits = FREE) -> Any:
    """Free JSON (metadata, properties, vendor settings) as it is kept: what JavaScript would make
    of it. Refused with their path: NUL, lone surrogates, NaN, infinities, more than the limits.
    """
    if not value and value.__class__ in (dict, list, str):
        return value
    if value.__class__ is str and _ESCAPE_BYTES * len(value) < limits.size:
        _check_text(value, path)
        return value
    normal = _normal(value, path, limits.depth, limits)
    if len(dump(normal)) > limits.size:
        raise TooLarge(path=path, what=f"JSON in {path}", limit=f"{limits.size} bytes")
    return normal


def dump(value: Any) -> bytes:
    """`JSON.stringify` of a JSON value, as UTF-8."""
    return _encode(value) if _agrees(value) else _printed(value).encode()


def embedded(value: Any) -> Any:
    """A JSON value as a part of something larger that msgspec will print."""
    return value if _agrees(value) else Raw(_printed(value).encode())


def number(value: float) -> str:
    """A number as JavaScript prints it: as the double that it is there.

    ValueError for what no double holds.
    """
    if isinstance(value, int) and -SAFE <= value <= SAFE:
        return str(value)
    try:
        double = float(value)
    except OverflowError:
        raise ValueError(value) from None
    if not math.isfinite(double):
        raise ValueError(value)
    if double == 0:
        return "0"
    sign, digits, shift = Decimal(repr(double)).normalize().as_tuple()
    assert isinstance(shift, int)
    text = "".join(map(str, digits))
    return ("-" if sign else "") + _placed(text, len(text) + shift)


def index_of(key: str) -> int | None:
    """The array index that a key looks like to JavaScript, which then puts it first."""
    if not key.isdigit() or not key.isascii() or len(key) > 10:
        return None
    if key[0] == "0" and key != "0":
        return None
    index = int(key)
    return index if index <= _INDEX_MAX else None


def _placed(digits: str, point: int) -> str:
    """Shortest digits with the decimal point after `point` of them: ECMA-262 6.1.6.1.20."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def _agrees(value: Any) -> bool:
    """Whether msgspec prints a value as JavaScript does. They differ in floats, in integers past
    2**53 and in the place of index-like keys, and in nothing else."""
    kind = value.__class__
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-SAFE <= value <= SAFE)
    if kind is dict:
        for key, item in value.items():  # noqa: SIM110 - a loop: half the time of all() over a generator
            if key[:1].isdigit() or not _agrees(item):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_agrees, value))
    return False


def _printed(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{_string(k)}:{_printed(v)}" for k, v in _ordered(value))
        return f"{{{','.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_printed, value))}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return _string(value)


def _string(value: Any) -> str:
    return _encode(value).decode()


def _ordered(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """An object's items as JavaScript enumerates them."""
    indexed = sorted((i, k) for k in value if (i := index_of(k)) is not None)
    if not indexed:
        return list(value.items())
    first = {key: value[key] for _, key in indexed}
    return [*first.items(), *((k, v) for k, v in value.items() if k not in first)]


def _normal(value: Any, path: str, levels: int, limits: Limits) -> Any:
    kind = value.__class__
    if kind is str:
        _check_text(value, path)
        return value
    if value is None or kind is bool:
        return value
    if kind is int or kind is float:
        return _double(value, path)
    if levels == 0:
        raise TooLarge(
            path=path, what=f"nesting of {path or 'the JSON'}", limit=f"{limits.depth} levels"
        )
    if kind is dict:
        return {k: _normal(v, _key(path, k), levels - 1, limits) for k, v in _ordered(value)}
    return [_normal(v, f"{path}[{i}]", levels - 1, limits) for i, v in enumerate(value)]


def _double(value: Any, path: str) -> int | float:
    """A number as JavaScript would hold it, an int wherever it prints one."""
    if value.__class__ is int and -SAFE <= value <= SAFE:
        return value
    try:
        text = number(value)
    except ValueError:
        raise Invalid(path=path, reason=f"{path}: not a finite number of double size.") from None
    return (
        int(text) if abs(value) < _FIXED and "." not in text and "e" not in text else float(value)
    )


def _check_text(value: str, path: str, *, key: bool = False) -> None:
    """`key`: the text is not what stands at the path, but the name of a member there."""
    place = f"a key of {path or 'the JSON'}" if key else path
    if "\0" in value:
        reason = f"{place}: text holds the character NUL (U+0000)."
        raise Invalid(path=path or None, reason=reason)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            code = f"U+{ord(value[error.start]):04X}"
            reason = f"{place}: text holds half a surrogate pair ({code})."
            raise Invalid(path=path or None, reason=reason) from None


def _key(path: str, key: str) -> str:
    """The path of a member; its name is checked on the way."""
    plain = key.isidentifier()
    if not plain:
        _check_text(key, path, key=True)
    if not path:
        return key if plain else _string(key)
    return f"{path}.{key}" if plain else f"{path}[{_string(key)}]"


def _is_plain(text: bytes | str, value: Any) -> bool:
    """Whether it is sure that a text has nothing that configuration refuses."""
    raw = text.encode() if isinstance(text, str) else text
    levels = raw.count(b"[") + raw.count(b"{")  # at most
    if levels > _LEVELS_MAX or _ODD.search(raw) is not None:
        return False
    # Of a name that stands twice one would be missing.
    return _encode(value) == raw or names_once(raw, value)


def _names_in(value: Any) -> int:
    if value.__class__ is dict:
        count = len(value)
        for item in value.values():
            if item.__class__ is dict or item.__class__ is list:
                count += _names_in(item)
        return count
    return sum(map(_names_in, value)) if value.__class__ is list else 0


# The slow way: only for configuration, and to explain what the fast parser refused. --------------


class _Object(list[tuple[str, Any]]):
    """An object's members before it is known whether their names differ."""


def _loads(text: bytes | str, path: str) -> Any:
    where = path or "the JSON"
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return json.loads(text, object_pairs_hook=_Object, parse_int=_integer)
    except UnicodeDecodeError as error:
        reason = f"{where}: not UTF-8, byte {error.start} is 0x{error.object[error.start]:02x}."
    except json.JSONDecodeError as error:
        reason = f"{where}: not JSON, {error.msg} at line {error.lineno} column {error.colno}."
    except RecursionError:
        reason = f"{where}: nested too deeply."
    raise Invalid(path=path or None, reason=reason)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 400 else math.inf  # no double has 400 digits


def _checked(value: Any, path: str, levels: int, duplicates: str) -> Any:
    if isinstance(value, str):
        # NUL is JSON; only what is kept is checked for it: configuration here, the rest later by
        # `normalise`.
        _check_text(value if duplicates == "refuse" else value.replace("\0", ""), path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid(path=path or None, reason=f"{path or 'the JSON'}: not a finite number.")
    elif isinstance(value, list):
        if levels == 0:
            raise TooLarge(path=path, what=f"nesting of {path or 'the JSON'}", limit="200 levels")
        if isinstance(value, _Object):
            return _members(value, path, levels, duplicates)
        return [_checked(v, f"{path}[{i}]", levels - 1, duplicates) for i, v in enumerate(value)]
    return value


def _members(pairs: _Object, path: str, levels: int, duplicates: str) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        _check_text(key.replace("\0", ""), path, key=True)
        inner = _key(path, key.replace("\0", ""))
        if key in members and duplicates == "refuse":
            raise Invalid(path=inner, reason=f"{inner}: this key stands twice in one object.")
        members[key] = _checked(value, inner, levels - 1, duplicates)
    return members
