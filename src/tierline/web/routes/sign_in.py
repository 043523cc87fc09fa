"""Signing in and out: passwords, links, and what a session knows of itself."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec import Struct
from starlette.requests import Request

from tierline.errors import NoSuchRecord
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.people import passwords
from tierline.people.errors import SessionNeeded
from tierline.people.sessions import ABSOLUTE_MS, Visit
from tierline.store.catalog.audit import acting, user_actor
from tierline.store.people import SessionRow
from tierline.web import auth
from tierline.web.routing import Call, Operation, Reply


class SignInBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs in."""

    email: str
    password: str


class JoinBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A link that was sent, and the password to be; the first user says their address too."""

    token: str
    password: str
    email: str | None = None
    name: str | None = None


class GrantAnswer(Struct, frozen=True):
    """A role in a project; of `*`, in every one."""

    project: str
    role: str


class SessionAnswer(Struct, frozen=True):
    """Who is signed in. Changes by this session carry `csrf_token` in `X-CSRF-Token`."""

    user: str
    email: str
    name: str
    roles: tuple[GrantAnswer, ...]
    csrf_token: str
    session: str
    expires_at: str


class SessionLine(Struct, frozen=True):
    """A session that has not ended."""

    id: str
    user: str
    address: str
    agent: str
    created_at: str
    seen_at: str
    expires_at: str
    current: bool


class SessionList(Struct, frozen=True):
    sessions: tuple[SessionLine, ...]


async def sign_in(call: Call, body: SignInBody) -> Reply:
    auth.check_origin(call.request.headers)
    facts = (address_of(call.request), call.request.headers.get("user-agent", ""), call.wall)
    cookie, visit = await call.parts.sessions.sign_in(body.email, body.password, *facts)
    return signed_in(call, cookie, visit)


async def join(call: Call, body: JoinBody) -> Reply:
    return signed_in(call, *await joined(call, body))


async def joined(call: Call, body: JoinBody) -> tuple[str, Visit]:
    """Returns the cookie and the session of whoever used a link."""
    auth.check_origin(call.request.headers)
    passwords.check(body.password)
    if body.name is not None:
        validation.name(body.name, "name")
    sessions, address = call.parts.sessions, address_of(call.request)
    await sessions.attempts.count(f"link:{body.token}", address, call.wall)
    facts = (body.token, body.password, body.email, body.name, call.wall)
    user = await call.parts.directory.accept(*facts)
    await sessions.attempts.forgive(f"link:{body.token}", address, call.wall)
    agent = call.request.headers.get("user-agent", "")
    return await sessions.begin(user, address, agent, call.wall)


async def sign_out(call: Call) -> Reply:
    visit = await visit_of(call)
    with acting(user_actor(visit.user_id)):
        await call.parts.sessions.end(visit.session.id)
    return Reply(204, headers={"set-cookie": set_cookie(call.request, "", 0)})


async def get_session(call: Call) -> SessionAnswer:
    return _session(await visit_of(call))


async def list_sessions(call: Call) -> SessionList:
    visit = await visit_of(call)
    rows = await call.parts.sessions.of_user(visit.user_id, call.wall)
    return SessionList(tuple(session_line(row, visit.session.id) for row in rows))


async def delete_session(call: Call) -> Reply:
    visit = await visit_of(call)
    row = await call.parts.sessions.row(call.param("session"))
    if row is None or row.user_id != visit.user_id:
        raise NoSuchRecord(what="session", name=call.param("session"), path="session")
    with acting(user_actor(visit.user_id)):
        await call.parts.sessions.end(row.id)
    return Reply(204)


# What they share --------------------------------------------------------------------------------


async def visit_of(call: Call) -> Visit:
    """The session of a call, which a key cannot stand for. Raises SessionNeeded, SessionEnded, and
    ForgeryRefused."""
    headers = call.request.headers
    if "authorization" in headers:
        raise SessionNeeded
    return await auth.visit_of(call.parts.sessions, headers, call.request.method, call.wall)


def signed_in(call: Call, cookie: str, visit: Visit) -> Reply:
    """The answer to whoever has just signed in."""
    headers = {
        "set-cookie": set_cookie(call.request, cookie, ABSOLUTE_MS // 1000),
        "cache-control": "no-store",
    }
    return Reply(200, _session(visit), headers=headers)


def set_cookie(request: Request, value: str, seconds: int, name: str = auth.COOKIE) -> str:
    """A cookie that no script reads and no other site sends along with a change."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax", f"Max-Age={seconds}"]
    return "; ".join([*parts, "Secure"] if scheme_of(request) == "https" else parts)


def scheme_of(request: Request) -> str:
    """`https` also where a proxy in front of us speaks it."""
    said = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    return "https" if said == "https" else str(request.url.scheme)


def address_of(request: Request) -> str:
    """Where a request comes from: through a proxy nearby, from where that one says."""
    peer = request.client.host if request.client is not None else ""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if forwarded and _nearby(peer):
        return forwarded[:100]
    return peer


def _nearby(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False


def session_line(row: SessionRow, current: str) -> SessionLine:
    return SessionLine(
        id=row.id,
        user=row.user_id,
        address=row.address,
        agent=row.agent,
        created_at=format_instant(row.created_at),
        seen_at=format_instant(row.seen_at),
        expires_at=format_instant(row.expires_at),
        current=row.id == current,
    )


def roles_of(grants: dict[str, str]) -> tuple[GrantAnswer, ...]:
    return tuple(GrantAnswer(project, role) for project, role in sorted(grants.items()))


def _session(visit: Visit) -> SessionAnswer:
    return SessionAnswer(
        user=visit.user_id,
        email=visit.email,
        name=visit.name,
        roles=roles_of(visit.grants),
        csrf_token=visit.csrf_token,
        session=visit.session.id,
        expires_at=format_instant(visit.session.expires_at),
    )


OPERATIONS = (
    Operation(
        "POST", "/api/sign-in", sign_in, "Signs in with a password; the answer sets a cookie.",
        open=True, body=SignInBody, answer=SessionAnswer,
    ),
    Operation(
        "POST", "/api/join", join, "Sets a password by a link that was sent, and signs in.",
        open=True, body=JoinBody, answer=SessionAnswer,
    ),
    Operation(
        "POST", "/api/sign-out", sign_out, "Ends this session.", open=True, status=204,
    ),
    Operation(
        "GET", "/api/session", get_session, "Who is signed in.", open=True, answer=SessionAnswer,
    ),
    Operation(
        "GET", "/api/sessions", list_sessions, "The user's own sessions.",
        open=True, answer=SessionList,
    ),
    Operation(
        "DELETE", "/api/sessions/{session}", delete_session, "Ends one of the user's own sessions.",
        open=True, status=204,
    ),
)  # fmt: skip
