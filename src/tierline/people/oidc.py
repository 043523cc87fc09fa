"""Signing in at an OpenID provider: the code flow with PKCE, and an id token that is checked.

What a sign-in under way must remember (state, nonce, verifier) is in a sealed cookie of its
browser, so that any process may end it, and nobody else's browser. The provider says who somebody
is; whether they are let in is said here, by an invitation to an address that it has verified.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from tierline.errors import Invalid
from tierline.people.errors import NotInvited, ProviderFailed
from tierline.store.catalog.secret_box import SecretBox, SecretKeyWrong

SECONDS_MAX: Final = 10  # of one request to the provider
FLOW_MS: Final = 600_000
LEEWAY_SECONDS: Final = 60
ALGORITHMS: Final = ["RS256", "ES256", "PS256", "EdDSA"]
ANSWER_BYTES_MAX: Final = 1_048_576
_CONTEXT: Final = "oidc"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class OidcSettings(Struct, frozen=True):
    """A client at a provider."""

    issuer: str
    client_id: str
    client_secret: str


class Identity(Struct, frozen=True):
    """Who a provider says somebody is; an address only where it has verified it."""

    name: str  # issuer and subject
    email: str | None


class _Flow(Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    begun_at: int


class _Discovery(Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


def check_settings(settings: OidcSettings) -> None:
    """Raises Invalid for an issuer that is not reached safely."""
    parts = urlsplit(settings.issuer)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        reason = "An OpenID provider is reached by https; name its issuer like https://id.example."
        raise Invalid(path="--oidc-issuer", reason=reason)


class OpenIdProvider:
    """The provider of an installation."""

    def __init__(self, settings: OidcSettings, box: SecretBox) -> None:
        check_settings(settings)
        self.settings = settings
        self.box = box

    async def begin(self, redirect_uri: str, now: int) -> tuple[str, str]:
        """Returns where the browser goes, and the cookie that it keeps. Raises ProviderFailed."""
        discovery = await self._discovery()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = _Flow(state, nonce, verifier, now)
        digest = hashlib.sha256(flow.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        glue = "&" if "?" in discovery.authorization_endpoint else "?"
        sealed = self.box.token(msgspec.json.encode(flow), _CONTEXT)
        cookie = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        return f"{discovery.authorization_endpoint}{glue}{urlencode(query)}", cookie

    async def finish(
        self, cookie: str, state: str, code: str, redirect_uri: str, now: int
    ) -> Identity:
        """Returns who came back. Raises NotInvited for a flow that is not of this browser or is too
        old, and ProviderFailed."""
        flow = self._flow(cookie)
        if flow is None or not hmac.compare_digest(flow.state.encode(), state.encode()):
            raise NotInvited
        if not 0 <= now - flow.begun_at < FLOW_MS:
            raise NotInvited
        discovery = await self._discovery()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": flow.verifier,
        }
        names = (self.settings.client_id, self.settings.client_secret)
        pair = ":".join(quote(name, safe="") for name in names).encode()
        headers = {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
        answer = await self._json(discovery.token_endpoint, form, headers)
        keys = await self._json(discovery.jwks_uri)
        return self._identity(answer, keys, flow.nonce, now)

    def _identity(self, answer: Any, keys: Any, nonce: str, now: int) -> Identity:
        try:
            token = jwt.decode(answer["id_token"], KeySet.import_key_set(keys), ALGORITHMS)
            registry = jwt.JWTClaimsRegistry(
                now=now // 1000,
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.client_id},
                exp={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            registry.validate(token.claims)
        except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProviderFailed(reason=f"its id token is not good ({error})") from error
        claims = token.claims
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1:
            raise ProviderFailed(reason="its id token is for others too")
        verified = claims.get("email_verified") is True
        email = claims.get("email") if verified else None
        name = f"{self.settings.issuer} {claims['sub']}"
        return Identity(name, email if isinstance(email, str) else None)

    def _flow(self, cookie: str) -> _Flow | None:
        try:
            padded = cookie + "=" * (-len(cookie) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
            plain = self.box.read_token(sealed, _CONTEXT)
            return msgspec.json.decode(plain, type=_Flow)
        except (ValueError, SecretKeyWrong, msgspec.MsgspecError):
            return None

    async def _discovery(self) -> _Discovery:
        issuer = self.settings.issuer
        facts = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            discovery = msgspec.convert(facts, _Discovery)
        except msgspec.ValidationError as error:
            raise ProviderFailed(reason=f"its configuration cannot be read ({error})") from error
        if discovery.issuer != issuer:
            raise ProviderFailed(reason=f"it calls itself {discovery.issuer!r}, not {issuer!r}")
        return discovery

    async def _json(
        self,
        url: str,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        timeout = aiohttp.ClientTimeout(SECONDS_MAX)
        method = "GET" if form is None else "POST"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, url, data=form, allow_redirects=False) as response,
            ):
                raw = await response.content.read(ANSWER_BYTES_MAX)
                if response.status != 200:
                    raise ProviderFailed(reason=f"it answered with status {response.status}")
                return msgspec.json.decode(raw)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ProviderFailed(reason=f"it cannot be reached ({type(error).__name__})") from error
