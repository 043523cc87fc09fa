"""Errors as `application/problem+json` (RFC 9457), in one place.

`code` is stable, `path` is the field, `detail` says what was expected. What is not a
`TierlineError` is either the database's (translated: 503) or ours (500, logged with its trace).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from tierline.errors import Busy, TierlineError, Unauthorized
from tierline.logging import RecurringFaults
from tierline.store.errors import is_retryable, translate

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 1
# As RFC 9110 has them; older Pythons still have the names before it.
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
_log = structlog.get_logger("tierline.web")
_again = RecurringFaults(_log)
_encode = msgspec.json.Encoder().encode


class MethodNotAllowed(TierlineError):
    """{method} is not possible here; this path answers to {allowed}."""

    code = "method_not_allowed"
    status = 405


class NoSuchPath(TierlineError):
    """There is nothing at {target!r}; /openapi.json lists every path."""

    code = "no_such_path"
    status = 404


class UnsupportedMediaType(TierlineError):
    """The body is {content_type!r}; send {expected}."""

    code = "unsupported_media_type"
    status = 415


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong. `errors` has every finding where there are several."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    path: str | None = None
    errors: tuple[dict[str, str], ...] = ()


def as_problem(error: TierlineError) -> Problem:
    return Problem(
        type=f"urn:tierline:error:{error.code}",
        code=error.code,
        title=TITLES.get(error.status) or HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.sentence,
        path=error.path,
        errors=tuple(error.facts.get("findings", ())),
    )


def body(error: TierlineError) -> bytes:
    return _encode(as_problem(error))


def headers(error: TierlineError) -> dict[str, str]:
    fields = {"content-type": CONTENT_TYPE}
    if error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        fields["retry-after"] = str(error.facts.get("retry_after", RETRY_SECONDS))
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        fields["connection"] = "close"  # the rest of the body is not read
    if isinstance(error, Unauthorized):
        fields["www-authenticate"] = 'Bearer realm="tierline"'
    if isinstance(error, MethodNotAllowed):
        fields["allow"] = str(error.facts["allowed"])
    return fields


def as_error(error: Exception, **context: Any) -> TierlineError:
    """Returns any exception as one that a caller may see; `context` goes into our log alone."""
    if isinstance(error, TierlineError):
        return error
    translation = translate(error, "the database")
    if translation is not None:
        _again.warning("database_failed", error=str(error), **context)
        return translation
    if is_retryable(error):
        _again.warning("database_busy", error=str(error), **context)
        return Busy()
    _log.error("internal_error", exc_info=error, **context)
    return TierlineError()
