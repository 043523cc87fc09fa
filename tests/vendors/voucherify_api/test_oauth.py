"""`/v1/oauth`: access tokens of an application's key."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.vendors.voucherify_api.conftest import Shop, error_of
from tests.web.conftest import Answered

Json = dict[str, Any]
FORM = {"content-type": "application/x-www-form-urlencoded"}
GRANT = {"grant_type": "client_credentials", "scope": "api"}


async def form(shop: Shop, path: str, fields: Json, **headers: str) -> Answered:
    whole = {**shop.app, **FORM, **headers}
    return await shop.call("POST", f"/v1/oauth/{path}", urlencode(fields).encode(), headers=whole)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_token_stands_for_the_key(shop: Shop) -> None:
    token = (await form(shop, "token", GRANT)).json
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "api")
    assert token["client_id"] == shop.keys["app_id"]
    own = bearer(token["access_token"])
    assert (await shop.call("POST", "/v1/customers", {"source_id": "a"}, headers=own)).status == 200
    facts = (await form(shop, "introspect", {"access_token": token["access_token"]})).json
    assert (facts["active"], facts["expires_at"]) == (True, token["expires_at"])
    again = await shop.call(
        "POST",
        "/v1/oauth/token",
        b"grant_type=client_credentials&scope=api",
        headers={**FORM, **own},
    )
    assert error_of(again)[:2] == (403, "forbidden")


async def test_a_token_may_do_what_its_scopes_say(shop: Shop) -> None:
    fields = GRANT | {"scope": "customers events"}
    own = bearer((await form(shop, "token", fields)).json["access_token"])
    assert (await shop.call("GET", "/v1/customers", headers=own)).status == 200
    assert error_of(await shop.call("GET", "/v1/campaigns", headers=own))[:2] == (403, "forbidden")
    path = f"/management/v1/projects/{shop.project}/webhooks"
    assert error_of(await shop.call("GET", path, headers=own))[0] == 401
    assert (await shop.call("GET", "/api/programs", headers=own)).status == 401


async def test_a_token_ends_with_its_key(shop: Shop) -> None:
    token = (await form(shop, "token", GRANT)).json["access_token"]
    assert (await shop.call("DELETE", f"/api/keys/{shop.keys['id']}")).status == 204
    assert error_of(await shop.call("GET", "/v1/customers", headers=bearer(token)))[0] == 401


async def test_a_token_is_revoked(shop: Shop) -> None:
    """That one alone; twice, or one that never was, is not found."""
    token, other = [(await form(shop, "token", GRANT)).json["access_token"] for _ in range(2)]
    assert (await form(shop, "token/revoke", {"access_token": token})).status == 204
    again = await form(shop, "token/revoke", {"access_token": token})
    never = await form(shop, "token/revoke", {"access_token": "tat_x"})

    assert error_of(await shop.call("GET", "/v1/customers", headers=bearer(token)))[0] == 401
    assert (await shop.call("GET", "/v1/customers", headers=bearer(other))).status == 200
    assert (await form(shop, "introspect", {"access_token": token})).json == {"active": False}
    assert [error_of(each)[:2] for each in (again, never)] == [(404, "not_found")] * 2
    assert token not in again.body.decode()
    assert error_of(await form(shop, "token/revoke", {}))[:2] == (400, "missing_parameters")


@pytest.mark.parametrize(
    ("path", "fields", "refused"),
    [
        ("token", {"scope": "api"}, (400, "invalid_grant_type")),
        ("token", {"grant_type": "password", "scope": "api"}, (400, "invalid_grant_type")),
        ("token", {"grant_type": "client_credentials"}, (400, "missing_parameters")),
        ("token", GRANT | {"scope": "vouchers,campaigns"}, (400, "invalid_scope")),
        ("introspect", {}, (400, "missing_parameters")),
        ("token", {str(n): n for n in range(30)}, (400, "invalid_payload")),
    ],
)
async def test_a_wrong_form_is_named(
    shop: Shop, path: str, fields: Json, refused: tuple[int, str]
) -> None:
    assert error_of(await form(shop, path, fields))[:2] == refused


async def test_who_may_not_ask(shop: Shop) -> None:
    wrong = await form(shop, "token", GRANT, **{"x-app-token": "wrong"})
    assert error_of(wrong)[:2] == (401, "unauthorized")
    other = await shop.call("POST", "/v1/oauth/token", GRANT)
    assert error_of(other)[:2] == (415, "unsupported_media_type")
    assert (await form(shop, "introspect", {"access_token": "tat_x"})).json == {"active": False}
    for token in ("tat_x", "x", ""):
        answered = await shop.call("GET", "/v1/customers", headers=bearer(token))
        assert error_of(answered)[:2] == (401, "unauthorized")
