"""Signing in at the installation's OpenID provider: there and back."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tierline.errors import NoSuchRecord
from tierline.people.errors import NotInvited, SignInFailed
from tierline.people.oidc import FLOW_MS, OpenIdProvider
from tierline.people.sessions import ABSOLUTE_MS
from tierline.web import auth
from tierline.web.routes.sign_in import address_of, scheme_of, set_cookie
from tierline.web.routing import Call, Operation, OtherAnswer, Reply

COOKIE: Final = "tierline_oidc"
CALLBACK: Final = "/api/sign-in/oidc/callback"


class CallbackQuery(Struct, frozen=True):
    """What a provider sends the browser back with; what else it says is passed over."""

    state: str = ""
    code: str = ""


async def begin_oidc(call: Call) -> Reply:
    url, cookie = await _provider(call).begin(_redirect_uri(call), call.wall)
    text = set_cookie(call.request, cookie, FLOW_MS // 1000, COOKIE)
    return Reply(
        302, b"", headers={"location": url, "set-cookie": text, "cache-control": "no-store"}
    )


async def finish_oidc(call: Call) -> Reply:
    provider, query = _provider(call), call.query(CallbackQuery)
    cookie = auth.cookie_of(call.request.headers, COOKIE) or ""
    facts = (cookie, query.state, query.code, _redirect_uri(call), call.wall)
    identity = await provider.finish(*facts)
    directory = call.parts.directory
    user = await directory.by_identity(identity.name)
    if user is None and identity.email is not None:
        user = await directory.by_email(identity.email)
        if user is None or user.identity is not None:
            raise NotInvited
        if user.state != "disabled":
            user = await directory.identify(user, identity.name, call.wall)
    if user is None:
        raise NotInvited
    if user.state != "active":
        raise SignInFailed
    agent = call.request.headers.get("user-agent", "")
    address = address_of(call.request)
    session, _ = await call.parts.sessions.begin(user, address, agent, call.wall)
    text = set_cookie(call.request, session, ABSOLUTE_MS // 1000)
    return Reply(
        302, b"", headers={"location": "/", "set-cookie": text, "cache-control": "no-store"}
    )


def _provider(call: Call) -> OpenIdProvider:
    if call.parts.provider is None:
        raise NoSuchRecord(what="way to sign in", name="oidc")
    return call.parts.provider


def _redirect_uri(call: Call) -> str:
    host = call.request.headers.get("host", "")
    return f"{scheme_of(call.request)}://{host}{CALLBACK}"


OPERATIONS = (
    Operation(
        "GET", "/api/sign-in/oidc", begin_oidc, "Leads the browser to the OpenID provider.",
        open=True, status=302,
        other_answers=(OtherAnswer(302, (), about="To the provider."),),
    ),
    Operation(
        "GET", CALLBACK, finish_oidc, "Where the provider leads it back; signs in.",
        open=True, status=302, query=CallbackQuery,
        other_answers=(OtherAnswer(302, (), about="To the start page, signed in."),),
    ),
)  # fmt: skip
