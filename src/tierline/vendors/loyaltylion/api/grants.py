"""OAuth 2 for partners' apps: what an app asks for, the code that it gets, and the token for that.

The flow is authentication/oauth of the vendor's pages: scopes with commas, permanent tokens, no
refresh. Beyond it, as RFC 6749 and 7636 ask: a code is good once and for a minute, for the very
redirect URI that it was given for, and with PKCE for whoever began.

A code says by itself what it stands for, sealed with the installation's secret key. A token is a
key's row whose id goes on behind the client's, so it ends with its client, and the second token
for one code cannot be stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from tierline.errors import TierlineError, Unauthorized
from tierline.model.tenant import Project
from tierline.store.catalog import keys
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.keys import Key
from tierline.store.catalog.secret_box import SecretKeyWrong
from tierline.vendors.loyaltylion.credentials import CLIENT, SCOPES, TOKEN
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.web.auth import Caller

CODE_LIFE_MS: Final = 60_000
TEXT_CHARACTERS_MAX: Final = 2_000  # of a state, a code or a redirect URI
REDIRECT_URIS: Final = "redirect_uris"  # in the project's presentation: by client id
OWN_SCOPES: Final = ("read_customers", "write_customers", *SCOPES)
_CONTEXT: Final = "loyaltylion code"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_encode = msgspec.msgpack.Encoder().encode


class CodeRefused(TierlineError):
    """The code is unknown, too old or used, or it was given for another app, redirect URI or
    verifier; send the user to the authorize page again."""

    code = "code_refused"
    status = 400


class UnknownApp(TierlineError):
    """There is no such app, or it has not registered this redirect URI; the project's settings
    list them under `presentations.loyaltylion.redirect_uris`."""

    code = "unknown_app"
    status = 400


class AccessRequest(Struct, frozen=True):
    """What an app asks for at the authorize page, checked."""

    client: Key
    project: Project
    scopes: tuple[str, ...]
    redirect_uri: str
    state: str
    challenge: str

    def back(self, **answer: str) -> str:
        """Returns where the browser goes with an answer."""
        if self.state:
            answer["state"] = self.state
        glue = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{glue}{urlencode(answer)}"


class AuthorizationCode(Struct, frozen=True, array_like=True):
    """`nonce` makes the id of the one token that it is good for."""

    lookup: str
    hash: bytes
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    nonce: str
    expires_at: int


_decode = msgspec.msgpack.Decoder(AuthorizationCode).decode


class AppRefused(Exception):
    """What an app asks for is no good: `error` as RFC 6749 §4.1.2.1 calls it, and where the browser
    takes it."""

    def __init__(self, error: str, location: str) -> None:
        super().__init__(error)
        self.location = location


def read_request(catalog: Catalog, query: Mapping[str, str]) -> AccessRequest:
    """Returns what an app asks for. Raises UnknownApp where the browser may be led nowhere, and
    AppRefused where it is led back."""
    client = catalog.key(query.get("client_id", ""))
    redirect_uri = query.get("redirect_uri", "")
    if client is None or client.kind != CLIENT:
        raise UnknownApp(path="client_id")
    project = catalog.project(client.project)
    if redirect_uri not in registered(project, client.lookup):
        raise UnknownApp(path="redirect_uri")
    names = [name for name in re.split(r"[,\s]+", query.get("scope", "")) if name]
    scopes = tuple(scope for scope in OWN_SCOPES if scope in names)
    state, challenge = query.get("state", ""), query.get("code_challenge", "")
    request = AccessRequest(client, project, scopes, redirect_uri, state, challenge)
    error = ""
    if query.get("response_type", "code") != "code":
        error = "unsupported_response_type"
    elif not names or set(names) - client.scopes or set(names) - set(scopes):
        error = "invalid_scope"
    elif len(state) > TEXT_CHARACTERS_MAX or not _challenge_is_good(query):
        error = "invalid_request"
    if error:
        raise AppRefused(error, request.back(error=error))
    return request


def _challenge_is_good(query: Mapping[str, str]) -> bool:
    if "code_challenge" not in query:
        return "code_challenge_method" not in query
    good = _CHALLENGE.match(query["code_challenge"]) is not None
    return good and query.get("code_challenge_method") == "S256"


def registered(project: Project, client_id: str) -> list[str]:
    """Returns the redirect URIs of an app: https, or plain on this machine."""
    own = project.presentations.get(NAME, {}).get(REDIRECT_URIS)
    uris = own.get(client_id) if isinstance(own, dict) else None
    return [uri for uri in uris if _is_safe(uri)] if isinstance(uris, list) else []


def _is_safe(uri: Any) -> bool:
    if not isinstance(uri, str) or len(uri) > TEXT_CHARACTERS_MAX or not uri.isprintable():
        return False
    parts = urlsplit(uri)
    if not parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def native_scopes(scopes: tuple[str, ...]) -> set[str]:
    """Returns what somebody must be allowed to do, to let an app do so much."""
    return {"manage_keys", *(SCOPES.get(scope, scope) for scope in scopes)}


def issued(catalog: Catalog, request: AccessRequest, now: int) -> str:
    """Returns a code for what a user has agreed to."""
    client = request.client
    code = AuthorizationCode(
        client.lookup,
        client.hash,
        request.scopes,
        request.redirect_uri,
        request.challenge,
        secrets.token_hex(8),
        now + CODE_LIFE_MS,
    )
    sealed = catalog.box.token(_encode(code), _CONTEXT)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


async def token_for(
    catalog: Catalog, form: Mapping[str, str], now: int
) -> tuple[str, tuple[str, ...]]:
    """Returns a permanent token for a code, and its scopes. Raises Unauthorized for the app, and
    CodeRefused for the code."""
    caller = await Caller.of(
        catalog, (CLIENT,), form.get("client_secret", ""), form.get("client_id", "")
    )
    client = catalog.key(form.get("client_id", ""))
    if client is None:
        raise Unauthorized
    code = _opened(catalog, form.get("code", ""))
    if code is None or code.lookup != client.lookup or code.hash != client.hash:
        raise CodeRefused(path="code")
    if now >= code.expires_at:
        raise CodeRefused(path="code")
    if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
        raise CodeRefused(path="redirect_uri")
    if not _is_verified(code.challenge, form.get("code_verifier", "")):
        raise CodeRefused(path="code_verifier")
    text = "pat_" + secrets.token_hex(16)
    hashed = keys.digest(text)
    id_ = f"{client.id}.{code.nonce}"
    token = Key(
        id_, client.project, TOKEN, keys.bearer_lookup(hashed), hashed,
        frozenset(code.scopes) & client.scopes, client.label, now,
        beginning=text[: keys.BEGINNING_CHARACTERS],
    )  # fmt: skip
    async with catalog.changing() as change:
        stored = await keys.add_token(*change, caller.project, TOKEN, token)
    if not stored:  # somebody has the code who should not: what it gave ends, too
        await catalog.disable_key(id_, now, client.project)
        raise CodeRefused(path="code")
    return text, tuple(sorted(token.scopes))


def _opened(catalog: Catalog, text: str) -> AuthorizationCode | None:
    if not text or len(text) > TEXT_CHARACTERS_MAX * 2:
        return None
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return _decode(catalog.box.read_token(sealed, _CONTEXT))
    except (binascii.Error, ValueError, msgspec.MsgspecError, SecretKeyWrong):
        return None


def _is_verified(challenge: str, verifier: str) -> bool:
    if not challenge:
        return not verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    answer = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return hmac.compare_digest(answer, challenge)
