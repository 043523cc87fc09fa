"""`/api/tokens`: a key's rights, or fewer, for a quarter of an hour."""

from __future__ import annotations

import base64

from tests.web.conftest import Api
from tierline.web import access_tokens

PATH = "/api/tokens"


async def as_token(api: Api, token: str, path: str = "/api/programs", method: str = "GET") -> int:
    headers = {"authorization": f"Bearer {token}"}
    return (await api.call(method, path, headers=headers)).status


async def test_a_token_does_what_it_may(api: Api) -> None:
    """And no more; nor does it make another token."""
    answer = (await api.post(PATH, {"scopes": ["read_programs"]})).json
    token = answer["token"]
    assert (token[:4], answer["scopes"]) == ("tat_", ["read_programs"])
    assert await as_token(api, token) == 200
    assert await as_token(api, token, "/api/customers") == 403
    assert await as_token(api, token, PATH, "POST") == 403
    whole = (await api.post(PATH)).json
    assert await as_token(api, whole["token"], "/api/customers") == 200


async def test_what_is_no_token_opens_nothing(api: Api) -> None:
    token = (await api.post(PATH)).json["token"]
    raw = base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4))
    changed = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()
    for wrong in ("tat_", "tat_x", token[:-4], f"tat_{changed}", token + "A" * 3000, "tat_é"):
        assert await as_token(api, wrong) == 401, wrong


async def test_a_token_ends_with_its_time_and_with_its_key(api: Api) -> None:
    made = (await api.post("/api/keys", {"kind": "native"})).json
    own = {"authorization": f"Bearer {made['key']}"}
    token = (await api.call("POST", PATH, headers=own)).json["token"]
    catalog = api.process.installation.catalog
    key = next(each for each in catalog.keys(1) if each.id == made["id"])
    text, ends = access_tokens.issued(catalog, key, key.scopes, 1_000)
    assert access_tokens.opened(catalog, text, ends - 1) is not None
    assert access_tokens.opened(catalog, text, ends) is None
    assert await as_token(api, token) == 200
    assert (await api.call("DELETE", f"/api/keys/{made['id']}")).status == 204
    assert await as_token(api, token) == 401


async def test_wrong_scopes_are_refused(api: Api) -> None:
    assert (await api.post(PATH, {"scopes": ["all"]})).problem == (400, "invalid", "scopes")
    assert (await api.post(PATH, {"scope": "x"})).problem[:2] == (400, "invalid")
    reader = (await api.post("/api/keys", {"kind": "native", "scopes": ["read_programs"]})).json
    own = {"authorization": f"Bearer {reader['key']}", "content-type": "application/json"}
    more = await api.call("POST", PATH, b'{"scopes": ["write_programs"]}', headers=own)
    assert more.status == 403


async def test_a_token_is_revoked(api: Api) -> None:
    """For good, alone, and with a line in the audit log; the key goes on."""
    token, other = [(await api.post(PATH)).json["token"] for _ in range(2)]
    answered = await api.post(f"{PATH}/revoke", {"token": token})
    again = await api.post(f"{PATH}/revoke", {"token": token})
    lines = (await api.call("GET", "/api/audit?kind=key.token_revoked")).json

    assert (answered.status, again.status, again.json["code"]) == (204, 404, "not_found")
    assert [await as_token(api, each) for each in (token, other)] == [401, 200]
    assert token not in again.body.decode()
    assert len(lines["changes"]) == 1
