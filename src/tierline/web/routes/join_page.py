"""The page behind a link: it asks for a password, without scripts, and shows what is wrong."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs

from msgspec import Struct

from tierline.errors import TierlineError
from tierline.web import limits, request_body
from tierline.web.problem import UnsupportedMediaType
from tierline.web.routes.sign_in import JoinBody, joined, signed_in
from tierline.web.routing import Call, Operation, OtherAnswer, Reply

HTML: Final = "text/html; charset=utf-8"
FORM: Final = "application/x-www-form-urlencoded"
# Nothing is loaded, nothing is run, nobody frames it, and the link goes nowhere else.
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


class JoinQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a link."""

    token: str = ""


async def get_join(call: Call) -> Reply:
    return _page(200, _form(call.query(JoinQuery).token, "", ""))


async def post_join(call: Call) -> Reply:
    content_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM:
        raise UnsupportedMediaType(content_type=content_type, expected=FORM)
    raw = await request_body.body_of(call.request, limits.LINE_BYTES_MAX)
    fields = {name: texts[-1] for name, texts in parse_qs(raw.decode("latin-1")).items()}
    token, email = fields.get("token", ""), fields.get("email", "").strip()
    body = JoinBody(token, fields.get("password", ""), email or None)
    try:
        cookie, visit = await joined(call, body)
    except TierlineError as error:
        return _page(error.status, _form(token, email, error.sentence))
    set_cookie = {"set-cookie": signed_in(call, cookie, visit).headers["set-cookie"]}
    if call.parts.console:
        return Reply(303, b"", headers={**_HEADERS, **set_cookie, "location": "/console"})
    return _page(200, f"<p>You are signed in as {escape(visit.email)}.</p>", set_cookie)


def _form(token: str, email: str, problem: str) -> str:
    said = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return f"""{said}<form method="post" action="/join">
<input type="hidden" name="token" value="{escape(token)}">
<p><label>E-mail address (only the first user is asked for it)<br>
<input name="email" type="email" autocomplete="username" value="{escape(email)}"></label></p>
<p><label>Password, 12 characters or more<br>
<input name="password" type="password" autocomplete="new-password" minlength="12" required>
</label></p><p><button>Set the password and sign in</button></p></form>"""


def _page(status: int, content: str, headers: dict[str, str] | None = None) -> Reply:
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tierline: join</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>Tierline</h1>{content}</body></html>
"""
    return Reply(status, html.encode(), HTML, {**_HEADERS, **(headers or {})})


OPERATIONS = (
    Operation(
        "GET", "/join", get_join, "The page behind a link, which asks for a password.",
        open=True, query=JoinQuery, other_answers=(OtherAnswer(200, (), HTML),),
    ),
    Operation(
        "POST", "/join", post_join, "Takes that page's form; signs in, and leads to the console.",
        open=True, reads_body=True,
        other_answers=(
            OtherAnswer(200, (), HTML),
            OtherAnswer(303, (), about="To the console, signed in."),
        ),
    ),
)  # fmt: skip
