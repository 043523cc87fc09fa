"""Requests as values: bodies within limits, types checked, every complaint with its path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from tierline.engine import jsontext, typed
from tierline.errors import Invalid, TooLarge
from tierline.web import limits
from tierline.web.problem import UnsupportedMediaType

T = TypeVar("T")
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
    return typed.convert(value, wanted, path)


def query(request: Request, wanted: type[T]) -> T:
    """The query string as a type: numbers and booleans are read from their text."""
    return typed.convert(dict(request.query_params), wanted, strict=False)


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
