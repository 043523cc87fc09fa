"""Vendor settings against their declared shape: errors name the field and what it may be."""

from __future__ import annotations

import re
import types
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from tierline.engine.calendar import parse_instant
from tierline.errors import Invalid

Shape = TypeVar("Shape")
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(?:\d+|\.\.\.)\]")


def convert(value: Any, shape: type[Shape], path: str) -> Shape:
    """`value` as a `shape`. Invalid says `settings.loyalty_tiers[1].points.from: …`."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        match = _WHERE.match(str(error))
        assert match is not None
        inner = match["path"] or ""
        what = match["what"].replace("`", "")
        if what.startswith("Invalid enum value"):
            what += f", expected one of {', '.join(map(str, _options(shape, inner)))}"
        raise invalid(path + inner, what) from None


def invalid(path: str, what: str) -> Invalid:
    return Invalid(path=path, reason=f"{path}: {what}.")


def check_instant(text: str | None, path: str) -> None:
    if text is not None:
        try:
            parse_instant(text)
        except ValueError:
            what = "expected an instant such as 2024-03-19T00:02:13.529Z"
            raise invalid(path, what) from None


def _options(shape: Any, path: str) -> tuple[Any, ...]:
    """The values of the Literal at a path inside a shape."""
    for step in _STEP.finditer(path):
        shape = _inner(shape, step[1])
    return tuple(v for part in _parts(shape) if get_origin(part) is Literal for v in get_args(part))


def _inner(shape: Any, name: str | None) -> Any:
    for part in _parts(shape):
        if name is None and get_origin(part) in (list, tuple, dict):
            return get_args(part)[1 if get_origin(part) is dict else 0]
        if name is not None and isinstance(part, type) and issubclass(part, Struct):
            names = dict(zip(part.__struct_encode_fields__, part.__struct_fields__, strict=True))
            if name in names:
                return get_type_hints(part, include_extras=True)[names[name]]
    return None


def _parts(shape: Any) -> tuple[Any, ...]:
    if get_origin(shape) is Annotated:
        return _parts(get_args(shape)[0])
    if get_origin(shape) in (Union, types.UnionType):
        return tuple(part for arg in get_args(shape) for part in _parts(arg))
    return (shape,)
