"""Our errors as LoyaltyLion's error body: `{"error": {"message", "details"?}}`; the headless API's
422 has a `code`, too.
"""

from __future__ import annotations

from typing import Any, Final

from tierline.errors import Invalid, NotFound, Refused, TierlineError, Unauthorized
from tierline.web import problem

HEADLESS: Final = "/headless/"
# Where the site's pair opens nothing.
KEYS_ALONE: Final = (HEADLESS, "/v2/customers/exports")
# Our code -> the vendor's status, where it has another one.
_STATUS: Final = {
    "conflict": 422,
    "key_reused": 422,
    "unknown_original": 404,
    "ambiguous_of": 422,
    "too_large": 400,
    "unsupported_media_type": 400,
}
_BEARER: Final = "The API key is missing, unknown or disabled; send `Authorization: Bearer pat_...`"
_SENTENCES: Final = {
    "unauthorized": f"{_BEARER}, or the site's token and secret as Basic.",
    "no_such_path": "There is no such route; docs/loyaltylion.md lists those that work.",
}
# Of the headless API: our code -> the vendor's.
_CODES: Final = {
    "insufficient_points": "insufficient_points",
    "not_a_member": "customer_not_enrolled",
    "conflict": "email_already_in_use",
}


class NoProgram(Refused):
    """The project has several programs, or none; say which one these routes speak of by PATCH
    /api/project {{"loyaltylion_program": ...}}."""


class ExportRunning(TierlineError):
    """An export of customers is under way already: wait until export {id} is completed or
    failed."""

    code = "export_running"
    status = 409


def status_of(error: TierlineError) -> int:
    return _STATUS.get(error.code, error.status)


def body_of(error: TierlineError, path: str) -> dict[str, Any]:
    """Returns what the caller is shown: our sentence, with the field under `details`."""
    sentence = _SENTENCES.get(error.code, error.sentence)
    if isinstance(error, Unauthorized) and path.startswith(KEYS_ALONE):
        sentence = f"{_BEARER}; the site's token and secret open nothing here."
    if isinstance(error, NotFound):
        sentence = f"There is no {error.facts['what']} {error.facts['name']!r}."
    error_object: dict[str, Any] = {"message": sentence}
    if isinstance(error, Invalid) and error.path:
        error_object["details"] = {error.path: sentence.removeprefix(f"{error.path}: ")}
    if path.startswith(HEADLESS) and status_of(error) == 422:
        error_object["code"] = error.facts.get("vendor_code") or _CODES.get(error.code, error.code)
    return {"error": error_object}


def headers(error: TierlineError) -> dict[str, str]:
    """Returns what goes with the body: when to retry, which methods there are."""
    fields = problem.headers(error)
    fields["content-type"] = "application/json"
    if isinstance(error, Unauthorized):
        fields["www-authenticate"] = 'Bearer realm="tierline", Basic realm="tierline"'
    return fields
