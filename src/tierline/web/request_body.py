"""Requests as values: bodies within limits, types checked, every complaint with its path. What
has no HTTP in it is `model/validation.py`."""

from __future__ import annotations

from typing import Final, TypeVar

from starlette.requests import Request

from tierline.errors import TooLarge
from tierline.model import validation
from tierline.model.validation import configuration, free_json, name
from tierline.web import limits
from tierline.web.problem import UnsupportedMediaType

__all__ = [
    "body_of",
    "configuration",
    "content_length",
    "free_json",
    "name",
    "query",
    "require_json",
]
T = TypeVar("T")
_LENGTH_DIGITS_MAX: Final = 20  # of 64 bits; Python reads no number of thousands of digits


def content_length(digits: bytes) -> int:
    """Returns the value of a Content-Length field, which may begin with any number of zeros; 0 for
    what is none."""
    significant = digits.lstrip(b"0")
    if len(significant) > _LENGTH_DIGITS_MAX:
        return 10**_LENGTH_DIGITS_MAX
    return int(significant) if significant.isdigit() else 0


async def body_of(request: Request, bytes_max: int = limits.BODY_BYTES_MAX) -> bytes:
    """Returns the whole body. Raises TooLarge, before reading where the length says it already."""
    if content_length(request.headers.get("content-length", "").encode("latin-1")) > bytes_max:
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
    """Raises UnsupportedMediaType unless a body is JSON; without a content type it is."""
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(content_type=kind, expected="application/json")


def query(request: Request, shape: type[T]) -> T:
    """Returns the query string as a `shape`; numbers and booleans are read from their text."""
    for name_, text in request.query_params.items():
        if "\0" in text:
            raise validation.invalid(name_.replace("\0", ""), "a NUL cannot stand in it")
    return validation.convert(dict(request.query_params), shape, strict=False)
