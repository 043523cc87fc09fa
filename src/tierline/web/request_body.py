"""Requests as values: bodies within limits, types checked, every complaint with its path. What
has no HTTP in it is `model/validation.py`."""

from __future__ import annotations

from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from tierline.errors import Invalid, TooLarge
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
    "require_known",
    "require_none",
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


async def require_none(request: Request) -> None:
    """Raises Invalid for a body that an operation would pass over; an empty object says nothing,
    and some clients send it with every request."""
    if (await body_of(request)).strip() not in (b"", b"{}"):
        raise Invalid(reason="There is no body in this request; leave it out.")


def require_known(query_string: bytes, shape: Any) -> None:
    """Raises Invalid, naming those that exist, for a parameter that is not a field of the struct
    `shape` (None: there are none), and for one that comes twice."""
    if not query_string:
        return
    if shape is not None and not shape.__struct_config__.forbid_unknown_fields:
        return
    names = () if shape is None else shape.__struct_encode_fields__
    seen = set()
    for name_, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
        where = name_.replace("\0", "")
        if name_ not in names:
            there = f"this path takes {', '.join(names)}" if names else "this path takes none"
            raise validation.invalid(where, f"there is no such parameter, {there}")
        if name_ in seen:
            raise validation.invalid(where, "the parameter comes twice, send it once")
        seen.add(name_)


def query(request: Request, shape: type[T]) -> T:
    """Returns the query string as a `shape`; numbers and booleans are read from their text."""
    return validation.from_text(request.query_params, shape)
