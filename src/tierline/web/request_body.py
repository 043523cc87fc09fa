"""Requests as values: bodies within limits, types checked, every complaint with its path. What
has no HTTP in it is `model/validation.py`."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request

from tierline.errors import TooLarge
from tierline.model import validation
from tierline.model.validation import configuration, free_json, name
from tierline.web import limits
from tierline.web.problem import UnsupportedMediaType

__all__ = ["body_of", "configuration", "free_json", "name", "query", "require_json"]
T = TypeVar("T")


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


def query(request: Request, wanted: type[T]) -> T:
    """The query string as a type: numbers and booleans are read from their text."""
    return validation.convert(dict(request.query_params), wanted, strict=False)
