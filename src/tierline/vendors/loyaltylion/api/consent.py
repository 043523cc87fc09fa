"""`/oauth/authorize` and `/oauth/access-token`: the page on which somebody lets an app in, and the
call that turns its code into a token.

Where nobody is signed in, the page asks for that first. An answer is taken from this page alone:
with the session's token, from our own origin.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from html import escape
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from msgspec import Struct

from tierline.errors import Forbidden, Invalid, TierlineError, Unauthorized
from tierline.people.errors import ForgeryRefused, SessionEnded, SignInFailed, TooManyAttempts
from tierline.people.roles import scopes_in
from tierline.people.sessions import ABSOLUTE_MS, Visit
from tierline.store.catalog.audit import acting, user_actor
from tierline.vendors.loyaltylion.api import grants
from tierline.vendors.loyaltylion.api.grants import AccessRequest, AppRefused
from tierline.web import auth, limits, request_body
from tierline.web.problem import UnsupportedMediaType
from tierline.web.routes.sign_in import address_of, set_cookie
from tierline.web.routing import JSON, Call, Operation, OtherAnswer, Reply

AUTHORIZE: Final = "/oauth/authorize"
ACCESS_TOKEN: Final = "/oauth/access-token"  # noqa: S105 - a path
HTML: Final = "text/html; charset=utf-8"
FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 20
_PARAMETERS: Final[tuple[str, ...]] = (
    *("client_id", "scope", "redirect_uri", "state"),
    *("response_type", "code_challenge", "code_challenge_method"),
)
_SENTENCES: Final = {
    "read_customers": "see customers, their points and their tiers",
    "write_customers": "change customers, their points and their tiers",
    "read_orders": "see orders",
    "write_orders": "tell and change orders",
    "read_unsubscribes": "see who does not want mails",
    "write_unsubscribes": "change who does not want mails",
    "read_reviews": "see reviews, of which there are none here",
    "write_reviews": "change reviews, of which there are none here",
    "write_configuration": "switch rewards on and off, of which there are none here",
}


class AuthorizeQuery(Struct, frozen=True):
    """What an app asks for. `scope`: names with commas between them."""

    client_id: str = ""
    scope: str = ""
    redirect_uri: str = ""
    state: str = ""
    response_type: str = "code"
    code_challenge: str = ""
    code_challenge_method: str = ""


class TokenGrant(Struct, frozen=True):
    """A permanent token; `scope` has commas."""

    access_token: str
    token_type: str
    scope: str


async def get_authorize(call: Call) -> Reply:
    return await _page(call, dict(call.request.query_params))


async def post_authorize(call: Call) -> Reply:
    """A user's answer, or who signs in first."""
    form = await _form(call)
    query = {name: form[name] for name in _PARAMETERS if name in form}
    auth.check_origin(call.request.headers)
    if "password" in form:
        return await _sign_in(call, query, form)
    try:
        request, visit = grants.read_request(call.parts.catalog, query), await _visit(call)
    except AppRefused as error:
        return _go(error.location)
    except (TierlineError, SessionEnded):
        return await _page(call, query)
    token = form.get("csrf_token", "")
    if not hmac.compare_digest(token.encode(), visit.csrf_token.encode()):
        raise ForgeryRefused
    if form.get("answer") != "allow":
        return _go(request.back(error="access_denied"))
    _require(visit, request)
    return _go(request.back(code=grants.issued(call.parts.catalog, request, call.wall)))


async def post_access_token(call: Call) -> Reply:
    form = await _form(call)
    try:
        if form.get("grant_type", "authorization_code") != "authorization_code":
            return _token_error(400, "unsupported_grant_type", "grant_type: it is a code.")
        text, scopes = await grants.token_for(call.parts.catalog, form, call.wall)
    except Unauthorized:
        return _token_error(401, "invalid_client", "The app's id or secret is wrong.")
    except grants.CodeRefused as error:
        return _token_error(400, "invalid_grant", error.sentence)
    return Reply(200, TokenGrant(text, "bearer", ",".join(scopes)), headers=_NO_STORE)


_NO_STORE: Final = {"cache-control": "no-store"}


def _token_error(status: int, error: str, sentence: str) -> Reply:
    """As RFC 6749 §5.2 shapes it, which is what apps' libraries read."""
    return Reply(status, {"error": error, "error_description": sentence}, headers=_NO_STORE)


# Who answers --------------------------------------------------------------------------------------


async def _visit(call: Call) -> Visit:
    return await auth.visit_of(call.parts.sessions, call.request.headers, "GET", call.wall)


def _require(visit: Visit, request: AccessRequest) -> None:
    """Raises Forbidden for whoever may not do what they would let an app do."""
    own = scopes_in(visit.grants, request.project.id)
    for scope in sorted(grants.native_scopes(request.scopes) - own):
        raise Forbidden(scope=scope)


async def _sign_in(call: Call, query: Mapping[str, str], form: Mapping[str, str]) -> Reply:
    facts = (address_of(call.request), call.request.headers.get("user-agent", ""), call.wall)
    try:
        email = form.get("email", "").strip()
        cookie, _ = await call.parts.sessions.sign_in(email, form["password"], *facts)
    except (SignInFailed, TooManyAttempts) as error:
        return _html(error.status, _sign_in_form(query, error.sentence))
    reply = _go(f"{AUTHORIZE}?{urlencode(query)}")
    reply.headers["set-cookie"] = set_cookie(call.request, cookie, ABSOLUTE_MS // 1000)
    return reply


# Pages --------------------------------------------------------------------------------------------


async def _page(call: Call, query: Mapping[str, str]) -> Reply:
    try:
        request = grants.read_request(call.parts.catalog, query)
    except AppRefused as error:
        return _go(error.location)
    except TierlineError as error:
        return _html(error.status, f'<p role="alert">{escape(error.sentence)}</p>')
    try:
        visit = await _visit(call)
        with acting(user_actor(visit.user_id)):
            _require(visit, request)
    except SessionEnded:
        return _html(200, _sign_in_form(query, ""))
    except Forbidden as error:
        sentence = f"You may not let an app do this in this project. {error.sentence}"
        return _html(403, f'<p role="alert">{escape(sentence)}</p>')
    return _html(200, _consent_form(query, request, visit), request.redirect_uri)


def _hidden(query: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(text)}">\n'
        for name, text in query.items()
        if name in _PARAMETERS
    )


def _sign_in_form(query: Mapping[str, str], problem: str) -> str:
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return f"""<p>An app asks for access. Sign in first.</p>{alert}
<form method="post" action="{AUTHORIZE}">
{_hidden(query)}<p><label>E-mail address<br>
<input name="email" type="email" autocomplete="username" required></label></p>
<p><label>Password<br>
<input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p></form>"""


def _consent_form(query: Mapping[str, str], request: AccessRequest, visit: Visit) -> str:
    app = request.client.label or request.client.lookup
    host = urlsplit(request.redirect_uri).netloc
    items = "".join(f"<li>{escape(_SENTENCES[scope])}</li>" for scope in request.scopes)
    return f"""<p>The app <strong>{escape(app)}</strong> ({escape(host)}) asks to</p>
<ul>{items}</ul>
<p>in the project <strong>{escape(request.project.name)}</strong>, until its access is ended.
You are signed in as {escape(visit.email)}.</p>
<form method="post" action="{AUTHORIZE}">
{_hidden(query)}<input type="hidden" name="csrf_token" value="{escape(visit.csrf_token)}">
<p><button name="answer" value="allow">Allow</button>
<button name="answer" value="deny">Do not allow</button></p></form>"""


def _html(status: int, content: str, redirect_uri: str = "") -> Reply:
    """`redirect_uri`: where a form's answer may lead."""
    parts = urlsplit(redirect_uri)
    targets = f"'self' {parts.scheme}://{parts.netloc}" if redirect_uri else "'self'"
    policy = f"default-src 'none'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    headers = {
        "content-security-policy": policy,
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        **_NO_STORE,
    }
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tierline: access for an app</title>
<meta name="viewport" content="width=device-width"></head>
<body><main><h1>Access for an app</h1>{content}</main></body></html>
"""
    return Reply(status, html.encode(), HTML, headers)


def _go(location: str) -> Reply:
    return Reply(
        303, b"", HTML, {"location": location, "referrer-policy": "no-referrer"} | _NO_STORE
    )


async def _form(call: Call) -> dict[str, str]:
    """A form, or for tokens a JSON object of texts. Raises UnsupportedMediaType and Invalid."""
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = await request_body.body_of(call.request, limits.LINE_BYTES_MAX)
    if kind == JSON and call.request.url.path == ACCESS_TOKEN:
        try:
            return msgspec.json.decode(raw, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            reason = "body: expected an object of texts: code, client_id and client_secret."
            raise Invalid(path="body", reason=reason) from None
    if kind != FORM:
        raise UnsupportedMediaType(content_type=kind or "none", expected=FORM)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        reason = f"body: expected a form of at most {FIELDS_MAX} fields."
        raise Invalid(path="body", reason=reason) from None
    return dict(pairs)


_PAGES: Any = (OtherAnswer(200, (), HTML), OtherAnswer(303, (), HTML, "Back to the app."))
OPERATIONS = (
    Operation("GET", AUTHORIZE, get_authorize, "The page on which somebody lets an app in.",
              open=True, query=AuthorizeQuery, other_answers=_PAGES),
    Operation("POST", AUTHORIZE, post_authorize, "Takes that page's answer.", open=True,
              reads_body=True, other_answers=_PAGES),
    Operation("POST", ACCESS_TOKEN, post_access_token, "Turns a code into a permanent token.",
              open=True, reads_body=True, answer=TokenGrant),
)  # fmt: skip
