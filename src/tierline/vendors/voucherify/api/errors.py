"""Our errors as Voucherify's error body: `code` is the status, `key` the vendor's word for it."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from tierline.errors import Busy, Invalid, NotFound, TierlineError
from tierline.web.call_rate import TooManyCalls
from tierline.web.problem import RETRY_SECONDS, MethodNotAllowed

_encode = msgspec.json.Encoder().encode


class InvalidQuery(Invalid):
    """{reason}"""

    code = "invalid_query"


class AlreadyPublished(Invalid):
    """The card {card!r} belongs to somebody else already; send another code, or none."""

    code = "voucher_already_published"


class InvalidExpirationDate(Invalid):
    """{reason}"""

    code = "invalid_expiration_date"


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """What Voucherify's clients read of a refusal."""

    code: int
    key: str
    message: str
    details: str
    request_id: str
    resource_id: str | None = None
    resource_type: str | None = None


# Our code → (status, the vendor's key, the vendor's message). What is not here is an invalid
# payload where it is the caller's fault, and an internal error where it is ours.
_WORDS = {
    "not_found": (404, "not_found", "Resource not found"),
    "not_a_member": (404, "not_found", "Resource not found"),
    "no_such_path": (404, "not_found", "Resource not found"),
    "method_not_allowed": (405, "method_not_allowed", "HTTP Method Not Allowed"),
    "unsupported_media_type": (415, "unsupported_media_type", "Unsupported Media Type"),
    "unauthorized": (401, "unauthorized", "Unauthorized"),
    "forbidden": (403, "forbidden", "Forbidden"),
    "conflict": (409, "duplicate_found", "Duplicated resource found"),
    "program_changed": (409, "multiple_requests", "Multiple requests"),
    "key_reused": (409, "duplicate_found", "Duplicated resource found"),
    "insufficient_points": (400, "loyalty_card_points_exceeded", "Loyalty card points exceeded"),
    "invalid_query": (400, "invalid_query_params", "Invalid query params"),
    "too_large": (400, "query_too_large", "Query too large"),
    "voucher_already_published": (400, "voucher_already_published", "Voucher already published"),
    "invalid_expiration_date": (400, "invalid_expiration_date", "Invalid expiration date"),
    "campaign_not_active": (400, "campaign_not_active", "Loyalty campaign is not active"),
    "campaign_not_allow_auto_join": (
        *(400, "campaign_not_allow_auto_join"),
        "Loyalty campaign does not allow auto-join for non-members",
    ),
    "invalid_scope": (400, "invalid_scope", "Invalid scope"),
    "invalid_grant_type": (400, "invalid_grant_type", "Invalid grant_type"),
    "missing_parameters": (400, "missing_parameters", "Missing parameters"),
    "key_needed": (403, "forbidden", "Forbidden"),
    "origin_refused": (403, "forbidden", "Forbidden"),
    "client_events_off": (403, "forbidden", "Forbidden"),
    "too_many_calls": (429, "too_many_requests", "Too many requests hit the API too quickly."),
    "busy": (503, "service_unavailable", "Service Unavailable"),
}
_PAYLOAD = (400, "invalid_payload", "Invalid payload")
_INTERNAL = (500, "internal_error", "Internal Server Error")
_DETAILS = {
    "unauthorized": "The id or the token is missing, unknown or disabled; send those of one key.",
    "no_such_path": "There is no such route; docs/voucherify.md lists those that work.",
}


def new_request_id() -> str:
    return f"v-{os.urandom(9).hex()}"


def error_body(error: TierlineError, request_id: str) -> ErrorBody:
    """Returns what the caller is shown: our sentence stands in `details`."""
    fallback = _PAYLOAD if error.status < 500 else _INTERNAL
    status, key, message = _WORDS.get(error.code, fallback)
    details = _DETAILS.get(error.code, error.sentence)
    resource, kind = None, None
    if isinstance(error, NotFound):
        resource, kind = str(error.facts["name"]), str(error.facts["what"])
        details = f"Cannot find {kind} with id {resource}"
    return ErrorBody(status, key, message, details, request_id, resource, kind)


def headers(error: TierlineError) -> dict[str, str]:
    """Returns what goes with the body: when to retry, which methods there are."""
    if isinstance(error, (Busy, TooManyCalls)):
        fields = {"retry-after": str(error.facts.get("retry_after", RETRY_SECONDS))}
        return fields | ({} if isinstance(error, Busy) else {"x-rate-limit-type": "api_calls"})
    if isinstance(error, MethodNotAllowed):
        return {"allow": str(error.facts["allowed"])}
    return {}
