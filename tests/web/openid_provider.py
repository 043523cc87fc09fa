"""A small OpenID provider over real HTTP: discovery, keys, codes, and id tokens that it signs."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT = ("tierline", "s3cret")


class Provider:
    """Its user is whoever `claims` says; what a test puts there replaces what is right."""

    def __init__(self) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
        self.signing_key = self.key
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.claims: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}

    def authorize(self, location: str) -> str:
        """What a browser does there: the code that it is sent back with."""
        parts = urlsplit(location)
        query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/authorize"
        assert (query["client_id"], query["response_type"]) == (CLIENT[0], "code")
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return code

    async def configuration(self, _: web.Request) -> web.Response:
        paths = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "keys",
        }
        places = {name: f"{self.url}/{path}" for name, path in paths.items()}
        return web.json_response({"issuer": self.url, **places})

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response(KeySet([self.key]).as_dict(private=False))

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        begun = self.codes.pop(str(form.get("code")), None)
        basic = base64.b64encode(":".join(CLIENT).encode()).decode()
        if begun is None or request.headers.get("authorization") != f"Basic {basic}":
            return web.json_response({"error": "invalid_grant"}, status=400)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != begun["code_challenge"] or form["redirect_uri"] != begun["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT[0], "sub": "user-1", "iat": now, "exp": now + 300,
            "nonce": begun["nonce"], "email": "bob@example.com", "email_verified": True,
            **self.claims,
        }  # fmt: skip
        whole = {name: value for name, value in claims.items() if value is not None}
        text = jwt.encode(self.header, whole, self.signing_key, [self.header["alg"]])
        return web.json_response({"id_token": text, "access_token": "x", "token_type": "Bearer"})


@asynccontextmanager
async def providing() -> AsyncIterator[Provider]:
    """A provider that runs."""
    provider, app = Provider(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.configuration)
    app.router.add_get("/keys", provider.keys)
    app.router.add_post("/token", provider.token)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = site.name.replace("localhost", "127.0.0.1").rstrip("/")
    host, port = runner.addresses[0][:2]
    provider.url = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
