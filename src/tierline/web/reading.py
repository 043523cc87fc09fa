"""Requests as values: bodies within limits, types checked, every complaint with its path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from tierline.engine import jsontext
from tierline.engine.calendar import parse_instant
from tierline.errors import Invalid, TooLarge
from tierline.ledger.intake import INSTANT_MAX, INSTANT_MIN
from tierline.web import limits
from tierline.web.problem import UnsupportedMediaType

T = TypeVar("T")
_PLACE = re.compile(r" - at `(?:key in )?\$?(?P<place>[^`]*)`$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


async def body_of(request: Request, bytes_max: int = limits.BODY_BYTES_MAX) -> bytes:
    """The whole body. Refused before it is read where its length says that it is too large."""
    told = request.headers.get("content-length")
    if told is not None and told.isdigit() and int(told) > bytes_max:
        raise TooLarge(what="body", limit=f"{bytes_max} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise TooLarge(what="body", limit=f"{bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def require_json(content_type: str | None) -> None:
    """No content type at all is taken for JSON; a form is not."""
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(found=kind, expected="application/json")


def configuration(raw: bytes, wanted: type[T], path: str = "") -> T:
    """A configuration body: duplicate keys are refused, and so is everything unknown."""
    value = jsontext.parse(raw, duplicates="refuse", path=path)
    return converted(value, wanted, path)


def converted(value: Any, wanted: type[T], path: str = "", *, strict: bool = True) -> T:
    """A JSON value as a type; Invalid with the field's path. Not strict: numbers may be text."""
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        raise _explained(str(error), path) from None


def query(request: Request, wanted: type[T]) -> T:
    """The query string as a type: numbers and booleans are read from their text."""
    return converted(dict(request.query_params), wanted, strict=False)


def instant(text: str, path: str) -> int:
    """ISO 8601 with an offset, between the years 1900 and 2200, truncated to milliseconds."""
    try:
        found = parse_instant(text)
    except ValueError:
        found = None
    if found is None or not INSTANT_MIN <= found < INSTANT_MAX:
        expected = "expected an instant with an offset, like 2024-03-19T00:02:13.529Z"
        raise Invalid(path=path, reason=f"{path}: {expected}, from 1900 to 2200.")
    return found


def optional_instant(text: str | None, path: str) -> int | None:
    return None if text is None else instant(text, path)


def name(text: str, path: str, characters_max: int = limits.NAME_CHARACTERS_MAX) -> str:
    """A name or id of a caller's: not empty, and none of its characters controls anything."""
    if not 0 < len(text) <= characters_max:
        size = f"1 to {characters_max} characters"
        raise Invalid(path=path, reason=f"{path}: expected {size}, found {len(text)}.")
    if _CONTROL.search(text):
        raise Invalid(path=path, reason=f"{path}: control characters cannot stand in it.")
    jsontext.normalise(text, path)
    return text


def free_json(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Metadata and the like, as it is kept."""
    sizes = jsontext.Limits(limits.METADATA_DEPTH_MAX, limits.METADATA_BYTES_MAX)
    kept: dict[str, Any] = jsontext.normalise(dict(value), path, sizes)
    return kept


def _explained(text: str, path: str) -> Invalid:
    """Msgspec's complaint with our kind of path: `policy.tiers[2].from`."""
    found = _PLACE.search(text)
    place = found["place"] if found else ""
    said = (text[: found.start()] if found else text).replace("`", "")
    where = f"{path}{place}" if path else place.removeprefix(".")
    for opening in ("Object contains unknown field ", "Object missing required field "):
        if said.startswith(opening):
            field = said.removeprefix(opening)
            where = f"{where}.{field}" if where else field
            said = "unknown field" if "unknown" in opening else "it is needed"
    said = said[:1].lower() + said[1:]
    return Invalid(path=where or None, reason=f"{where}: {said}." if where else f"{said}.")
