"""OAuth 2 for partners' apps: from the authorize page to a token, and what that token opens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.receiver import Receiver
from tests.vendors.loyaltylion_api.conftest import Shop
from tests.web.browser import PASSWORD, Browser
from tests.web.conftest import Answered
from tierline.clock import wall
from tierline.errors import Unauthorized
from tierline.store.catalog.catalog import Catalog
from tierline.vendors.loyaltylion.api import grants

BACK = "https://app.example.com/callback"
FORM = {"content-type": "application/x-www-form-urlencoded"}
SCOPE = "read_customers,read_orders"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]
Json = dict[str, Any]


class App:
    """A partner's app that is registered in the project, and a browser to be led around."""

    def __init__(self, shop: Shop, browser: Browser, client: Json) -> None:
        self.shop = shop
        self.browser = browser
        self.id = client["client_id"]
        self.secret = client["client_secret"]
        self.key = client["id"]

    def query(self, **changes: str) -> str:
        parameters = {"client_id": self.id, "scope": SCOPE, "redirect_uri": BACK, "state": "s&1"}
        return urlencode({**parameters, **changes})

    async def page(self, **changes: str) -> Answered:
        return await self.browser.get(f"/oauth/authorize?{self.query(**changes)}")

    async def answer(self, word: str = "allow", **changes: str) -> Answered:
        """Sends the form of the page as it is, with one of its buttons."""
        html = (await self.page(**changes)).body.decode()
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
        fields = {name: text.replace("&amp;", "&") for name, text in fields.items()}
        return await self.send({**fields, "answer": word})

    async def send(self, fields: dict[str, str], **headers: str) -> Answered:
        body = urlencode(fields).encode()
        return await self.browser.call("POST", "/oauth/authorize", body, {**FORM, **headers})

    async def code(self, **changes: str) -> str:
        answered = await self.answer(**changes)
        assert answered.status == 303, answered.body
        return landed(answered)["code"]

    async def token(self, code: str, **changes: str) -> Answered:
        form = {"code": code, "client_id": self.id, "client_secret": self.secret, **changes}
        body = urlencode({name: text for name, text in form.items() if text}).encode()
        return await self.shop.call("POST", "/oauth/access-token", body, headers=FORM)


def landed(answered: Answered) -> dict[str, str]:
    """What the browser brings back to the app."""
    location = answered.headers["location"]
    assert location.startswith(f"{BACK}?")
    return dict(parse_qsl(urlsplit(location).query))


@pytest.fixture
async def app(club: Shop) -> App:
    body = {"kind": "loyaltylion_client", "label": "Partner <b>",
            "scopes": ["write_customers", "read_customers", "read_orders"]}  # fmt: skip
    client = await club.good("POST", "/api/keys", body)
    uris = {client["client_id"]: [BACK, "http://evil.example.com/"]}
    presentation = {"presentations": {"loyaltylion": {"redirect_uris": uris}}}
    await club.good("PATCH", "/api/project", presentation)
    return App(club, await browser_of(club, "anna@example.com", "admin"), client)


async def browser_of(shop: Shop, email: str, role: str) -> Browser:
    """Somebody who has used their invitation."""
    invited = await shop.good("POST", "/api/users", {"email": email, "role": role})
    browser = Browser(shop)  # type: ignore[arg-type]  # it has what a browser asks of it
    assert (await browser.join(invited["token"])).status == 200
    return browser


async def test_an_app_is_let_in(app: App, receiver: Receiver) -> None:
    """By a page that says what it asks for; its token is permanent, of these scopes, and its
    webhooks are its own, signed with its own secret."""
    page = await app.page()
    text = page.body.decode()
    assert page.status == 200
    assert "Partner &lt;b&gt;" in text
    assert "see orders" in text
    assert "form-action 'self' https://app.example.com;" in page.headers["content-security-policy"]
    back = landed(await app.answer())
    assert back["state"] == "s&1"
    granted = await app.token(back["code"])
    assert granted.status == 200
    assert granted.headers["cache-control"] == "no-store"
    token = granted.json["access_token"]
    assert granted.json == {"access_token": token, "token_type": "bearer", "scope": SCOPE}

    shop, own = app.shop, {"authorization": f"Bearer {token}"}
    whoami = (await shop.call("GET", "/v2/identity/whoami", headers=own)).json["identity"]
    assert whoami["scopes"] == ["read_customers", "read_orders"]
    change = {"customer": {"blocked": True}}
    assert (await shop.call("PATCH", "/v2/customers/ann", change, headers=own)).status == 403
    topic = "program_events/customer.enrolled"
    webhook = {"webhook": {"topic": topic, "address": receiver.url}}
    made = await shop.call("POST", "/v2/webhooks", webhook, headers=own)
    assert made.status == 201
    assert (await shop.call("GET", "/v2/webhooks", headers=own)).json["webhooks"] == [
        made.json["webhook"]
    ]
    assert (await shop.good("GET", "/v2/webhooks"))["webhooks"] == []
    gone = await shop.call("DELETE", f"/v2/webhooks/{made.json['webhook']['id']}")
    assert gone.status == 404
    await shop.good("PUT", "/api/programs/club/members/ann", {})
    (request,) = await receiver.wait(1)
    digest = hmac.new(app.secret.encode(), request.body, hashlib.sha256).digest()
    assert request.headers["x-loyaltylion-hmac-sha256"] == base64.b64encode(digest).decode()

    await shop.good("DELETE", f"/api/keys/{app.key}")
    assert (await shop.call("GET", "/v2/customers", headers=own)).status == 401
    assert (await app.page()).status == 400


async def test_a_code_is_good_once_and_for_its_app(app: App, monkeypatch: Any) -> None:
    code = await app.code()
    for changes in ({"client_secret": "x"}, {"client_id": "x"}, {"client_secret": ""}):
        refused = await app.token(code, **changes)
        assert (refused.status, refused.json["error"]) == (401, "invalid_client")
    for changes in ({"redirect_uri": BACK + "/"}, {"code_verifier": VERIFIER}, {"code": "x"}):
        refused = await app.token(**{"code": code, **changes})
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    answers = await asyncio.gather(*(app.token(code, redirect_uri=BACK) for _ in range(3)))
    assert sorted(each.status for each in answers) == [200, 400, 400]
    token = next(each.json["access_token"] for each in answers if each.status == 200)
    own = {"authorization": f"Bearer {token}"}
    assert (await app.shop.call("GET", "/v2/customers", headers=own)).status == 401

    monkeypatch.setattr(grants, "CODE_LIFE_MS", 0)
    late = await app.token(await app.code())
    assert (late.status, late.json["error"]) == (400, "invalid_grant")


async def test_a_disabled_app_gets_no_token(app: App) -> None:
    """Nor from a process that has not heard of it yet: the token would outlive its app."""
    here = app.shop.process.installation
    kinds = tuple(here.catalog.key_kinds.values())
    stale = await Catalog.open(here.database, here.catalog.box, kinds)
    form = {"code": await app.code(), "client_id": app.id, "client_secret": app.secret}
    assert (await app.shop.call("DELETE", f"/api/keys/{app.key}")).status == 204
    with pytest.raises(Unauthorized):
        await grants.token_for(stale, form, wall())
    left = "SELECT count(*) FROM api_key WHERE id LIKE $1 AND disabled_at IS NULL"
    assert await here.database.pool.fetchval(left, f"{app.key}%") == 0


async def test_a_code_is_for_whoever_began(app: App) -> None:
    """PKCE, as RFC 7636 has it."""
    proof = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    for verifier in ("", "w" * 43):
        refused = await app.token(await app.code(**proof), code_verifier=verifier)
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    granted = await app.token(await app.code(**proof), code_verifier=VERIFIER)
    assert granted.status == 200
    body = json.dumps({"code": await app.code(), "client_id": app.id, "client_secret": app.secret})
    headers = {"content-type": "application/json"}
    by_json = await app.shop.call("POST", "/oauth/access-token", body.encode(), headers=headers)
    assert by_json.status == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "read_everything"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "write_orders"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": "x", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": CHALLENGE}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_led_back(app: App, changes: Json, error: str) -> None:
    answered = await app.page(**changes)

    assert answered.status == 303
    assert landed(answered) == {"error": error, "state": "s&1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "x"},
        {"client_id": ""},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": f"{BACK}?x=1"},
        {"redirect_uri": ""},
        {"redirect_uri": "http://evil.example.com/"},
    ],
)
async def test_an_unknown_app_leads_nowhere(app: App, changes: Json) -> None:
    answered = await app.page(**changes)

    assert answered.status == 400
    assert "location" not in answered.headers
    assert (await app.browser.call("POST", "/oauth/authorize", b"x=1", FORM)).status == 400


async def test_an_answer_is_of_this_page_and_of_somebody_who_may(app: App) -> None:
    fields = dict(parse_qsl(app.query())) | {"answer": "allow"}
    assert (await app.send(fields)).status == 403
    assert (await app.send({**fields, "csrf_token": "x"})).status == 403
    right = {**fields, "csrf_token": app.browser.csrf or ""}
    assert (await app.send(right, origin="https://evil.example.com")).status == 403
    assert landed(await app.answer("deny"))["error"] == "access_denied"
    support = await browser_of(app.shop, "bob@example.com", "support")
    other = App(app.shop, support, {"client_id": app.id, "client_secret": "", "id": ""})
    assert (await other.page()).status == 403
    refused = await other.send({**fields, "csrf_token": support.csrf or ""})
    assert refused.status == 403


async def test_whoever_is_not_signed_in_signs_in_first(app: App) -> None:
    app.browser.cookies.clear()
    page = await app.page()
    assert "Sign in first" in page.body.decode()
    fields = dict(parse_qsl(app.query())) | {"email": "anna@example.com"}
    assert (await app.send({**fields, "password": "wrong"})).status == 401
    answered = await app.send({**fields, "password": PASSWORD})
    assert answered.status == 303
    assert answered.headers["location"] == f"/oauth/authorize?{app.query()}"
    assert "Partner" in (await app.browser.get(answered.headers["location"])).body.decode()
