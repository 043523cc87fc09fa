"""`/v1/oauth`: access tokens of an application's key, by the form that OAuth 2.0 sends."""

from __future__ import annotations

import math
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from msgspec import UNSET, Struct, UnsetType

from tierline.errors import NotFound, TierlineError
from tierline.model import validation
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.objects import NAME
from tierline.web import access_tokens, limits, request_body
from tierline.web.auth import of_token
from tierline.web.problem import UnsupportedMediaType
from tierline.web.routes.tokens import NeedsKey
from tierline.web.routing import Call, Operation

TOKEN, INTROSPECT = "/v1/oauth/token", "/v1/oauth/introspect"
REVOKE = f"{TOKEN}/revoke"
_SHOWN_MAX: Final = 12  # characters of a token that a refusal repeats
FIELDS_MAX: Final = 20  # of a form
FORM: Final = "application/x-www-form-urlencoded"
Json = dict[str, Any]
_CUSTOMERS = frozenset(("read_customers", "write_customers"))
_PROGRAMS = frozenset(("read_programs", "write_programs"))
# Voucherify's scopes that open something here; `api` is all that the key may do.
SCOPES: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("customers", "events", "orders", "vouchers", "publications"), _CUSTOMERS),
    **dict.fromkeys(("qualifications", "exports"), _CUSTOMERS),
    "campaigns": _PROGRAMS,
    "loyalties": _CUSTOMERS | _PROGRAMS,
}


class InvalidScope(TierlineError):
    """There is no scope {scope!r} here; there are api, {scopes}, parted by spaces."""

    code = "invalid_scope"
    status = 400


class InvalidGrant(TierlineError):
    """The grant type must be client_credentials."""

    code = "invalid_grant_type"
    status = 400


class MissingParameter(TierlineError):
    """The form lacks {name}."""

    code = "missing_parameters"
    status = 400


class TokenForm(Struct, frozen=True):
    """What is asked for: which of the key's rights, as words parted by spaces."""

    grant_type: Literal["client_credentials"]
    scope: str


class TokenName(Struct, frozen=True):
    """Which token."""

    access_token: str


class TokenObject(Struct, frozen=True):
    """A token in place of the key, until it expires."""

    access_token: str
    client_id: str
    expires_at: Count
    expires_in: Count
    scope: str
    token_type: Literal["Bearer"]


class IntrospectionObject(Struct, frozen=True):
    """Whether a token holds; of one that does not, nothing more."""

    active: bool
    access_token: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    expires_at: Count | UnsetType = UNSET
    expires_in: Count | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    token_type: Literal["Bearer"] | UnsetType = UNSET


async def post_token(call: Call) -> Json:
    """A token with the key's rights or fewer, for a quarter of an hour."""
    form = await _form(call)
    if form.get("grant_type") != "client_credentials":
        raise InvalidGrant
    key = call.parts.catalog.key(call.request.headers.get("x-app-id", ""))
    if key is None or call.caller.by_token:
        raise NeedsKey
    words = _need(form, "scope").split()
    allowed = key.scopes if "api" in words else frozenset[str]()
    for word in words:
        if word != "api" and word not in SCOPES:
            raise InvalidScope(scope=word, scopes=", ".join(SCOPES))
        allowed |= SCOPES.get(word, frozenset())
    token, expires_at = access_tokens.issued(call.parts.catalog, key, allowed, call.wall)
    return _answer(call, token, key.lookup, expires_at, " ".join(words))


async def post_introspection(call: Call) -> Json:
    """Whether a token of the project holds, and until when."""
    text = _need(await _form(call), "access_token")
    opened = access_tokens.opened(call.parts.catalog, text, call.wall)
    caller = of_token(call.parts.catalog, (NAME,), text, call.wall)
    if opened is None or caller is None or caller.project.number != call.project.number:
        return {"active": False}
    key, token, _ = opened
    answer = _answer(call, text, key.lookup, token.expires_at, " ".join(token.scopes))
    return answer | {"active": True}


async def post_revocation(call: Call) -> None:
    """A token that does not hold is not found."""
    text = _need(await _form(call), "access_token")
    if not await access_tokens.revoke(call.parts.catalog, call.project.number, text, call.wall):
        raise NotFound(what="access_token", name=text[:_SHOWN_MAX], path="access_token")


def _answer(call: Call, token: str, client: str, expires_at: int, scope: str) -> Json:
    return {
        "access_token": token,
        "client_id": client,
        "expires_at": expires_at // 1000,
        "expires_in": max(0, math.ceil((expires_at - call.wall) / 1000)),
        "scope": scope,
        "token_type": "Bearer",
    }


async def _form(call: Call) -> dict[str, str]:
    content_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM:
        raise UnsupportedMediaType(content_type=content_type or "none", expected=FORM)
    raw = await request_body.body_of(call.request, limits.BODY_BYTES_MAX)
    try:
        return dict(parse_qsl(raw.decode("latin-1"), max_num_fields=FIELDS_MAX))
    except ValueError:
        raise validation.invalid("form", f"it has more than {FIELDS_MAX} fields") from None


def _need(form: dict[str, str], name: str) -> str:
    text = form.get(name, "")
    if not text:
        raise MissingParameter(name=name)
    return text


OPERATIONS = (
    Operation("POST", TOKEN, post_token, "Makes an access token of the key.",
              answer=TokenObject, reads_body=True, other_bodies=((FORM, TokenForm),)),
    Operation("POST", INTROSPECT, post_introspection, "Whether an access token holds.",
              answer=IntrospectionObject, reads_body=True, other_bodies=((FORM, TokenName),)),
    Operation("POST", REVOKE, post_revocation, "Ends an access token before its time.",
              reads_body=True, other_bodies=((FORM, TokenName),), status=204),
)  # fmt: skip
