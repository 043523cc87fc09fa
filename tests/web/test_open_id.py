"""Signing in at an OpenID provider, over real HTTP; and every token that is not good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import OctKey, RSAKey
from msgspec.structs import replace

from tests.web.browser import Browser, joined
from tests.web.conftest import SERVING, Answered, Api, running
from tests.web.openid_provider import CLIENT, Provider, providing
from tierline.config import parse_oidc
from tierline.errors import Invalid
from tierline.people.oidc import OidcSettings, check_settings
from tierline.store.database import Database


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with providing() as started:
        yield started


@pytest.fixture
async def api(database: Database, tmp_path: Path, provider: Provider) -> AsyncIterator[Api]:
    options = replace(SERVING, oidc=(provider.url, *CLIENT))
    async with running(database, tmp_path, options=options) as caller:
        yield caller


async def begin(browser: Browser, provider: Provider) -> dict[str, str]:
    """Goes there; returns what the browser is sent back with."""
    there = await browser.get("/api/sign-in/oidc")
    assert there.status == 302, there.body
    state = parse_qs(urlsplit(there.headers["location"]).query)["state"][0]
    return {"state": state, "code": provider.authorize(there.headers["location"])}


async def back(browser: Browser, query: dict[str, str]) -> Answered:
    return await browser.get(f"/api/sign-in/oidc/callback?{urlencode(query)}")


async def sign_in(browser: Browser, provider: Provider) -> Answered:
    return await back(browser, await begin(browser, provider))


async def invite(api: Api, email: str = "bob@example.com") -> str:
    answer = await api.post("/api/users", {"email": email, "role": "viewer"})
    assert answer.status == 201, answer.body
    return str(answer.json["user"]["id"])


async def test_who_was_invited_signs_in_there(api: Api, provider: Provider) -> None:
    """By the address for the first time, by the subject from then on."""
    user, bob = await invite(api), Browser(api)
    first = await sign_in(bob, provider)
    assert (first.status, first.headers["location"]) == (302, "/")
    assert (await bob.get("/api/session")).json["user"] == user
    assert (await bob.get("/api/project")).status == 200
    provider.claims = {"email": "robert@example.com"}
    again = Browser(api)
    assert (await sign_in(again, provider)).status == 302
    assert (await again.get("/api/session")).json["user"] == user
    provider.claims = {"sub": "user-2"}  # another subject with the same address
    assert (await sign_in(Browser(api), provider)).problem[:2] == (403, "not_invited")


async def test_who_has_a_password_may_come_from_there_too(api: Api, provider: Provider) -> None:
    await joined(api, "bob@example.com")
    assert (await sign_in(Browser(api), provider)).status == 302
    assert (await Browser(api).sign_in("bob@example.com")).status == 200


@pytest.mark.parametrize(
    "claims",
    [{"email": "eve@example.com"}, {"email_verified": False}, {"email_verified": None},
     {"email_verified": "true"}, {"email": None}],
)  # fmt: skip
async def test_others_are_not_let_in(api: Api, provider: Provider, claims: dict[str, Any]) -> None:
    await invite(api)
    provider.claims = claims
    eve = Browser(api)
    assert (await sign_in(eve, provider)).problem[:2] == (403, "not_invited")
    assert (await eve.get("/api/session")).status == 401


async def test_a_disabled_user_is_not_let_in(api: Api, provider: Provider) -> None:
    user = await invite(api)
    assert (await sign_in(Browser(api), provider)).status == 302
    assert (await api.call("DELETE", f"/api/users/{user}")).status == 204
    assert (await sign_in(Browser(api), provider)).problem[:2] == (401, "sign_in_failed")


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://evil.example"}, {"aud": "other"}, {"aud": ["tierline", "other"]},
     {"nonce": "other"}, {"nonce": None}, {"exp": 1_600_000_000}, {"exp": None},
     {"sub": None}, {"aud": None}, {"iss": None}],
    ids=str,
)  # fmt: skip
async def test_a_token_that_is_not_good(
    api: Api, provider: Provider, claims: dict[str, Any]
) -> None:
    await invite(api)
    provider.claims = claims
    assert (await sign_in(Browser(api), provider)).problem[:2] == (502, "provider_failed")


@pytest.mark.parametrize("how", ["other key", "hmac"])
async def test_a_token_that_is_signed_wrongly(api: Api, provider: Provider, how: str) -> None:
    await invite(api)
    if how == "other key":
        provider.signing_key = RSAKey.generate_key(2048)
    else:
        provider.header = {"alg": "HS256", "kid": "one"}
        provider.signing_key = OctKey.import_key(b"x" * 32)  # type: ignore[assignment]
    assert (await sign_in(Browser(api), provider)).problem[:2] == (502, "provider_failed")


async def test_a_flow_is_of_one_browser_and_of_one_time(api: Api, provider: Provider) -> None:
    """Another's code and state are no way in, nor a code that was used."""
    await invite(api)
    bob, eve = Browser(api), Browser(api)
    query = await begin(bob, provider)
    await begin(eve, provider)
    for other in (eve, Browser(api)):
        assert (await back(other, query)).problem[:2] == (403, "not_invited")
    assert (await back(bob, {**query, "state": "x"})).problem[:2] == (403, "not_invited")
    assert (await back(bob, {})).problem[:2] == (403, "not_invited")
    assert (await back(bob, query)).status == 302
    assert (await back(bob, query)).problem[:2] == (502, "provider_failed")


async def test_a_provider_that_is_away(api: Api, provider: Provider) -> None:
    query = await begin(Browser(api), provider)
    assert query
    provider.url = "https://elsewhere.example"
    assert (await Browser(api).get("/api/sign-in/oidc")).problem[:2] == (502, "provider_failed")


async def test_without_a_provider_there_is_no_such_way(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as api:
        for path in ("/api/sign-in/oidc", "/api/sign-in/oidc/callback"):
            assert (await Browser(api).get(path)).problem[:2] == (404, "not_found")


def test_settings_are_whole_and_safe() -> None:
    assert parse_oidc(None, None, None) is None
    assert parse_oidc("https://a", "b", "c") == ("https://a", "b", "c")
    with pytest.raises(Invalid, match="or none of them"):
        parse_oidc("https://a", None, "c")
    with pytest.raises(Invalid, match="https"):
        check_settings(OidcSettings("http://id.example.com", "a", "b"))
