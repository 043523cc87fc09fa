"""The users who have a role in the caller's project.

A caller gives only roles that may do no more than they may themselves, and resets or disables only
a user who has no role elsewhere: another project's people are theirs to look after.
"""

from __future__ import annotations

from msgspec import Struct

from tierline.errors import NotFound
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.people.errors import BeyondYourReach
from tierline.people.roles import ROLES, Role, role_in
from tierline.store.people import User, UserState
from tierline.web.routes.sign_in import SessionList, session_line
from tierline.web.routing import Call, Operation, Reply

_USER = "/api/users/{user}"


class UserBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to be invited."""

    email: str
    role: Role
    name: str = ""


class UserChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Another role in this project."""

    role: Role


class UserLine(Struct, frozen=True):
    """A user, with their role in this project."""

    id: str
    email: str
    name: str
    role: str
    state: UserState
    created_at: str


class UserList(Struct, frozen=True):
    users: tuple[UserLine, ...]


class InvitationAnswer(Struct, frozen=True):
    """A user, and the token of their link, shown only here: `POST /api/join` takes it, once,
    within three days. Null: they sign in already."""

    user: UserLine
    token: str | None


async def list_users(call: Call) -> UserList:
    users = await call.parts.directory.users()
    return UserList(tuple(_line(call, user) for user in users if _role(call, user) is not None))


async def post_user(call: Call, body: UserBody) -> Reply:
    _require_reach(call, body.role)
    name = body.name and validation.name(body.name, "name")
    before = await call.parts.directory.by_email(body.email)
    if before is not None and _role(call, before) is not None:
        _require_reach(call, _role(call, before))
    grants = {call.project.id: body.role}
    user, token = await call.parts.directory.invite(body.email, name, grants, call.wall)
    return Reply(201, InvitationAnswer(_line(call, user), token))


async def patch_user(call: Call, body: UserChange) -> UserLine:
    user = await _find(call)
    _require_reach(call, body.role)
    _require_reach(call, _role(call, user))
    project = call.project.id
    return _line(call, await call.parts.directory.grant(user.id, project, body.role, call.wall))


async def delete_user(call: Call) -> Reply:
    user = await _find(call)
    _require_reach(call, _role(call, user))
    if call.project.id not in user.grants:
        raise BeyondYourReach(path="user")  # their role is of every project
    await call.parts.directory.grant(user.id, call.project.id, None, call.wall)
    return Reply(204)


async def reset_user(call: Call) -> InvitationAnswer:
    user = await _owned(call)
    user, token = await call.parts.directory.reset(user.id, call.wall)
    return InvitationAnswer(_line(call, user), token)


async def list_user_sessions(call: Call) -> SessionList:
    user = await _find(call)
    visit = call.caller.visit
    current = "" if visit is None else visit.session.id
    rows = await call.parts.sessions.of_user(user.id, call.wall)
    return SessionList(tuple(session_line(row, current) for row in rows))


async def delete_user_sessions(call: Call) -> Reply:
    user = await _owned(call)
    for row in await call.parts.sessions.of_user(user.id, call.wall):
        await call.parts.sessions.end(row.id)
    return Reply(204)


def _role(call: Call, user: User) -> str | None:
    return role_in(user.grants, call.project.id)


async def _find(call: Call) -> User:
    """A user with a role in this project. Raises NotFound."""
    user = await call.parts.directory.find(call.param("user"))
    if _role(call, user) is None:
        raise NotFound(what="user", name=call.param("user"), path="user")
    return user


async def _owned(call: Call) -> User:
    """A user whose roles the caller may give, all of them. Raises NotFound, BeyondYourReach."""
    user = await _find(call)
    if set(user.grants) != {call.project.id}:
        raise BeyondYourReach(path="user")
    _require_reach(call, _role(call, user))
    return user


def _require_reach(call: Call, role: str | None) -> None:
    if not ROLES.get(role or "", frozenset()) <= call.caller.scopes:
        raise BeyondYourReach(path="role")


def _line(call: Call, user: User) -> UserLine:
    return UserLine(
        id=user.id,
        email=user.email,
        name=user.name,
        role=_role(call, user) or "",
        state=user.state,
        created_at=format_instant(user.created_at),
    )


OPERATIONS = (
    Operation(
        "GET", "/api/users", list_users, "The users who have a role in the project.",
        scopes=("manage_keys",), answer=UserList,
    ),
    Operation(
        "POST", "/api/users", post_user, "Invites somebody into the project, by a one-time link.",
        scopes=("manage_keys",), body=UserBody, answer=InvitationAnswer, status=201,
    ),
    Operation(
        "PATCH", _USER, patch_user, "Gives a user another role in the project.",
        scopes=("manage_keys",), body=UserChange, answer=UserLine,
    ),
    Operation(
        "DELETE", _USER, delete_user,
        "Takes a user's role in the project away; without any role they are disabled.",
        scopes=("manage_keys",), status=204,
    ),
    Operation(
        "POST", f"{_USER}/reset", reset_user,
        "Ends a user's sessions and their password; the answer has a link to set another.",
        scopes=("manage_keys",), answer=InvitationAnswer,
    ),
    Operation(
        "GET", f"{_USER}/sessions", list_user_sessions, "A user's sessions.",
        scopes=("manage_keys",), answer=SessionList,
    ),
    Operation(
        "DELETE", f"{_USER}/sessions", delete_user_sessions, "Ends all sessions of a user.",
        scopes=("manage_keys",), status=204,
    ),
)  # fmt: skip
