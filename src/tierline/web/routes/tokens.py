"""`/api/tokens`: access tokens, which end by themselves."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from tierline.errors import NotFound, TierlineError
from tierline.model.calendar import format_instant
from tierline.store.catalog.keys import SCOPES, checked_scopes
from tierline.web import access_tokens
from tierline.web.routing import Call, Operation

_SHOWN_MAX: Final = 12  # characters of a token that a refusal repeats


class NeedsKey(TierlineError):
    """A token is made by a key itself, not by a token or a session; send the key."""

    code = "key_needed"
    status = 403


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the key's scopes the token is to have; none named: all."""

    scopes: Annotated[list[str], Meta(max_length=len(SCOPES))] = []


class TokenAnswer(Struct, frozen=True):
    """A token, in place of the key, until it expires."""

    token: str
    scopes: tuple[str, ...]
    expires_at: str


async def post_token(call: Call, body: TokenBody) -> TokenAnswer:
    caller = call.caller
    own = [key for key in call.parts.catalog.keys(call.project.number) if key.id == caller.id]
    if caller.by_token or not own:
        raise NeedsKey
    scopes = checked_scopes(body.scopes) if body.scopes else tuple(call.caller.scopes)
    for scope in scopes:
        call.caller.require(scope)
    token, expires_at = access_tokens.issued(
        call.parts.catalog, own[0], frozenset(scopes), call.wall
    )
    return TokenAnswer(token, tuple(sorted(scopes)), format_instant(expires_at))


class RevocationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which token is to end."""

    token: Annotated[str, Meta(min_length=1, max_length=access_tokens.CHARACTERS_MAX)]


async def post_revocation(call: Call, body: RevocationBody) -> None:
    catalog, project = call.parts.catalog, call.project.number
    if not await access_tokens.revoke(catalog, project, body.token, call.wall):
        raise NotFound(what="token", name=body.token[:_SHOWN_MAX], path="token")


OPERATIONS = (
    Operation(
        "POST", "/api/tokens", post_token,
        "Makes a token with rights of the key's, for a quarter of an hour.",
        body=TokenBody, optional=True, answer=TokenAnswer,
    ),
    Operation(
        "POST", "/api/tokens/revoke", post_revocation,
        "Ends an access token of the project before its time.", body=RevocationBody, status=204,
    ),
)  # fmt: skip
