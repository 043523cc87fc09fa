"""Values from outside against their declared shape: a complaint names the field and what it may be.

One place for it, so that a wrong field reads the same in a program, a vendor's settings, an
activity and a query string: `policy.tiers[2].from: expected a whole number, found a text.`
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta, Struct

from tierline.errors import Invalid
from tierline.model import json_text
from tierline.model.calendar import parse_instant

NAME_CHARACTERS_MAX: Final = 200  # names, ids and keys
METADATA_BYTES_MAX: Final = 65_536  # free JSON, as it is kept
METADATA_DEPTH_MAX: Final = 16
_METADATA: Final = json_text.Limits(METADATA_DEPTH_MAX, METADATA_BYTES_MAX)
INSTANT_MIN = -2_208_988_800_000  # 1900-01-01
INSTANT_MAX = 7_258_118_400_000  # 2200-01-01
# What Tierline wrote itself may speak of instants past those, but of none that no calendar has.
NUMBER_MIN: Final = -62_135_596_800_000  # the year 1
NUMBER_MAX: Final = 253_402_300_799_999  # the end of 9999


class FieldWarning(Struct, frozen=True):
    """Something that works, but probably not as meant: the field, and why."""

    path: str
    reason: str


DOTS: Final = frozenset({".", ".."})

Shape = TypeVar("Shape")
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(?:\d+|\.\.\.)\]")
_INDEX = re.compile(r"\[\d+\]")
_LOST_PLUS = re.compile(r"T\S*\d \d\d:?\d\d$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MISMATCH = re.compile(r"^Expected `(?P<types>[^`]*)`(?P<bound>.*?)(?:, got `?(?P<got>[^`]*)`?)?$")
_WORDS: Final = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false",
    "array": "a list", "object": "an object",
}  # fmt: skip
_FOUND: Final = {
    **_WORDS, "null": "null", "bool": "a boolean",
    "NoneType": "null", "list": "a list", "dict": "an object",
    "float": "a number with a fraction or an exponent",
}  # fmt: skip
_UNITS: Final = {"str": "characters", "array": "entries", "object": "fields"}
_RELATIONS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_FIELD = re.compile(r"^Object (?P<how>contains unknown|missing required) field `(?P<field>.*)`$")


def convert(value: Any, shape: type[Shape], path: str = "", *, strict: bool = True) -> Shape:
    """`value` (as JSON gave it) as a `shape`. Not strict: numbers may come as text."""
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        raise complaint(error, shape, path) from None


def from_text(parameters: Mapping[str, str], shape: type[Shape]) -> Shape:
    """Texts, as a query has them, as a `shape`: numbers and booleans are read from their text. Who
    gives nothing leaves the parameter out: `null` is no way to say it."""
    for name_, text in parameters.items():
        if "\0" in text or "\0" in name_:
            raise invalid(name_.replace("\0", ""), "a NUL cannot stand in it")
    whole = convert(dict(parameters), shape, strict=False)
    fields: Any = shape
    for field, name_ in zip(fields.__struct_fields__, fields.__struct_encode_fields__, strict=True):
        if name_ in parameters and getattr(whole, field) is None:
            raise invalid(name_, "expected a value, found null; leave the parameter out")
    return whole


def complaint(error: msgspec.ValidationError, shape: Any, path: str = "") -> Invalid:
    """What msgspec says, as `Invalid` with our kind of path."""
    match = _WHERE.match(str(error))
    assert match is not None
    inner, what = match["path"] or "", match["what"]
    where = path + inner if path else inner.removeprefix(".")
    field = _FIELD.match(what)
    if field is not None:
        name = field["field"]
        expected = "there is no such field" if "unknown" in field["how"] else "it is needed"
        return invalid(f"{where}.{name}" if where else name, expected)
    if what.startswith("Invalid enum value"):
        what += f", expected one of {_options(shape, _INDEX.sub('[...]', inner))}"
    elif "matching regex" in what:
        what = _meaning(shape, _INDEX.sub("[...]", inner)) or "expected another form of text"
    else:
        what = _in_words(what)
    what = what.replace("`", "")
    return invalid(where, what[:1].lower() + what[1:])


def _in_words(what: str) -> str:
    """A complaint of msgspec's, in which Python's types are named, as people say it."""
    match = _MISMATCH.match(what)
    if match is None:
        return what
    types = [name for name in match["types"].split(" | ") if name != "null"] or ["null"]
    text = "expected " + " or ".join(_WORDS.get(name, name) for name in types)
    text += _bound(match["bound"].strip(), types[0])
    if match["got"] is not None:
        text += f", found {_FOUND.get(match['got'], match['got'])}"
    if types[0] == "int" and match["got"] == "float":
        text += "; money is sent in minor units: 19.99 is 1999"
    return text


def _bound(bound: str, type_: str) -> str:
    """`>= 0`, `of length >= 1`, `of length 1 to 5` in words."""
    if not bound:
        return ""
    relation, _, number = bound.removeprefix("of length ").partition(" ")
    words = f"{_RELATIONS[relation]} {number}" if relation in _RELATIONS else f"{relation} {number}"
    if type_ in _UNITS:
        return f" of {words} {_UNITS[type_]}".replace("  ", " ")
    return f" that is {words.removesuffix('.0')}"


def invalid(path: str, what: str) -> Invalid:
    return Invalid(path=path or None, reason=f"{path}: {what}." if path else f"{what}.")


def instant(text: str, path: str) -> int:
    """ISO 8601 with an offset, from 1900 to 2200, truncated to milliseconds."""
    try:
        instant = parse_instant(text)
    except ValueError:
        expected = "expected an instant with an offset, like 2024-03-19T00:02:13.529Z"
        if _LOST_PLUS.search(text):
            expected += "; in a query a plus sign is sent as %2B"
        raise invalid(path, expected) from None
    if not INSTANT_MIN <= instant < INSTANT_MAX:
        raise invalid(path, "expected an instant between the years 1900 and 2200")
    return instant


def optional_instant(text: str | None, path: str) -> int | None:
    return None if text is None else instant(text, path)


@lru_cache(maxsize=1024)
def _options(shape: Any, path: str) -> str:
    """The values of the Literal at a path inside a shape."""
    parts = [part for whole in _at(shape, path) for part in _parts(whole)]
    literals = (get_args(part) for part in parts if get_origin(part) is Literal)
    return ", ".join(str(value) for values in literals for value in values)


@lru_cache(maxsize=1024)
def _meaning(shape: Any, path: str) -> str:
    """What a text with a pattern at a path inside a shape must be, in words."""
    metas = (meta for whole in _at(shape, path) for meta in _metas(whole))
    meanings = [meta.description for meta in metas if meta.pattern and meta.description]
    return f"Expected {' or '.join(meanings)}" if meanings else ""


def _at(shape: Any, path: str) -> list[Any]:
    """The types that may stand at a path inside a shape."""
    shapes = [shape]
    for step in _STEP.finditer(path):
        outer = [part for whole in shapes for part in _parts(whole)]
        shapes = [inner for part in outer for inner in _inner(part, step[1])]
    return shapes


def _inner(shape: Any, name: str | None) -> Iterator[Any]:
    if name is None and get_origin(shape) in (list, tuple, dict):
        yield get_args(shape)[1 if get_origin(shape) is dict else 0]
    elif name is not None and isinstance(shape, type) and issubclass(shape, Struct):
        names = dict(zip(shape.__struct_encode_fields__, shape.__struct_fields__, strict=True))
        if name in names:
            yield get_type_hints(shape, include_extras=True)[names[name]]


def _metas(shape: Any) -> Iterator[Meta]:
    """The constraints of a type, and of each member of a union."""
    if get_origin(shape) is Annotated:
        inner, *extras = get_args(shape)
        yield from (extra for extra in extras if isinstance(extra, Meta))
        yield from _metas(inner)
    elif get_origin(shape) in (Union, types.UnionType):
        for arg in get_args(shape):
            yield from _metas(arg)


def _parts(shape: Any) -> Iterator[Any]:
    """The members of a union, whatever they are wrapped in."""
    if get_origin(shape) is Annotated:
        yield from _parts(get_args(shape)[0])
    elif get_origin(shape) in (Union, types.UnionType):
        for arg in get_args(shape):
            yield from _parts(arg)
    else:
        yield shape


def configuration(raw: bytes, shape: type[Shape], path: str = "") -> Shape:
    """A configuration body: duplicate keys are refused, and so is everything unknown."""
    value = json_text.parse(raw, duplicates="refuse", path=path)
    return convert(value, shape, path)


def name(text: str, path: str, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """A name or id of a caller's: not empty, and none of its characters controls anything."""
    if not 0 < len(text) <= characters_max:
        size = f"1 to {characters_max} characters"
        raise Invalid(path=path, reason=f"{path}: expected {size}, found {len(text)}.")
    if text.isprintable():
        return text  # nearly every name: no control character in it, and no half of a pair
    if _CONTROL.search(text):
        raise Invalid(path=path, reason=f"{path}: control characters cannot stand in it.")
    json_text.normalise(text, path)
    return text


def identifier(text: str, path: str) -> str:
    """A name by which something is found, also inside a path: `.` and `..` mean something else
    there, and many clients take them out. White space around it would not be seen."""
    if text in DOTS:
        raise invalid(path, "`.` and `..` cannot stand in a path, choose another name")
    if text != text.strip():
        raise invalid(path, "take away the white space around it")
    return name(text, path)


def numbers(value: Any, path: str) -> None:
    """Raises Invalid where a whole number, somewhere in a value that Tierline wrote and somebody
    may have changed, is neither a sum of points nor an instant of any calendar."""
    if value.__class__ is int:
        if not NUMBER_MIN <= value <= NUMBER_MAX:
            raise invalid(path, f"the number {value} is out of range")
    elif value.__class__ is dict:
        for key, item in value.items():
            numbers(item, f"{path}.{key}")
    elif value.__class__ is list or value.__class__ is tuple:
        for i, item in enumerate(value):
            numbers(item, f"{path}[{i}]")


def free_json(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Metadata and the like, as it is normal."""
    normal: dict[str, Any] = json_text.normalise(dict(value), path, _METADATA)
    return normal
