"""Settings: the project, its keys and people, one's own sessions, and who changed what."""

from __future__ import annotations

import json
from typing import Any, Final

from tierline.console import cells
from tierline.console.site import ROOT, ConsolePage, Content, Go, PageView
from tierline.errors import Invalid, NoSuchRecord
from tierline.people.roles import ROLES
from tierline.store.catalog.keys import SCOPES
from tierline.web.routes.sign_in import session_line

AUDIT_LINES: Final = 50
AUDIT_KINDS: Final = (
    "program",
    "member",
    "endpoint",
    "key",
    "user",
    "session",
    "project",
    "import",
)


async def show_project(view: PageView) -> Content:
    return {"project": await view.api("GET /api/project"), "tab": "project"}


async def change_project(view: PageView) -> Go:
    fields = {name: view.form.text(name) for name in ("name", "time_zone", "currency")}
    stored = await view.api("GET /api/project")
    body: dict[str, Any] = {
        k: v for k, v in fields.items() if v is not None and v != getattr(stored, k)
    }
    if view.may("manage_keys"):  # to others the box is only shown
        body["program_approval"] = view.form.text("program_approval") is not None
    await view.api("PATCH /api/project", body=body)
    return Go(view.url("settings"), "project")


# Keys -------------------------------------------------------------------------------------------


async def show_keys(view: PageView) -> Content:
    keys = (await view.api("GET /api/keys")).keys
    scopes = [scope for scope in SCOPES if view.may(scope)]
    return {"keys": keys, "scopes": scopes, "made": None, "tab": "keys"}


async def act_on_keys(view: PageView) -> Content | Go:
    key = view.form.text("disable")
    if key is not None:
        await view.api("DELETE /api/keys/{key}", {"key": key})
        return Go(view.url("settings", "keys"), "disabled")
    body = {"label": view.form.text("label") or "", "scopes": view.form.texts("scopes")}
    if not body["scopes"]:
        raise Invalid(path="scopes", reason="scopes: tick what the key may do.")
    return {"made": await view.api("POST /api/keys", body=body)}


# People -----------------------------------------------------------------------------------------


async def show_people(view: PageView) -> Content:
    users = (await view.api("GET /api/users")).users
    return {"users": users, "roles": tuple(ROLES), "link": None, "whom": "", "tab": "people"}


async def act_on_people(view: PageView) -> Content | Go:
    user = {"user": view.form.text("user") or "none"}
    command = view.form.text("command")
    if command == "role":
        await view.api("PATCH /api/users/{user}", user, body={"role": view.form.text("role")})
        return Go(view.url("settings", "people"), "role")
    if command == "remove":
        await view.api("DELETE /api/users/{user}", user)
        return Go(view.url("settings", "people"), "taken_out")
    if command == "sign_out":
        await view.api("DELETE /api/users/{user}/sessions", user)
        return Go(view.url("settings", "people"), "signed_out")
    if command == "reset":
        return _link(view, await view.api("POST /api/users/{user}/reset", user))
    body = {name: view.form.text(name) or "" for name in ("email", "role", "name")}
    return _link(view, await view.api("POST /api/users", body=body))


def _link(view: PageView, answer: Any) -> Content | Go:
    """The link to hand on, for the only time; None where somebody signs in already."""
    if answer.token is None:
        return Go(view.url("settings", "people"), "role")
    host = view.call.request.headers.get("host", "")
    scheme = view.call.request.url.scheme
    return {"link": f"{scheme}://{host}/join?token={answer.token}", "whom": answer.user.email}


# Sessions ---------------------------------------------------------------------------------------


async def show_sessions(view: PageView) -> Content:
    rows = await view.call.parts.sessions.of_user(view.visit.user_id, view.call.wall)
    lines = [session_line(row, view.visit.session.id) for row in rows]
    return {"sessions": lines, "tab": "sessions"}


async def end_session(view: PageView) -> Go:
    name = view.form.text("session") or ""
    row = await view.call.parts.sessions.row(name)
    if row is None or row.user_id != view.visit.user_id:
        raise NoSuchRecord(what="session", name=name, path="session")
    with view.acting():
        await view.call.parts.sessions.end(row.id)
    gone = row.id == view.visit.session.id
    return Go(f"{ROOT}/sign-in" if gone else view.url("settings", "sessions"), "ended")


# The audit log ----------------------------------------------------------------------------------


async def show_audit(view: PageView) -> Content:
    filters = ("actor", "kind", "object", "customer")
    query: dict[str, Any] = {name: view.asks(name) for name in filters}
    since, until = view.asks("since"), view.asks("until")
    query["since"] = None if since is None else cells.day_start(since, "since", view.zone)
    query["until"] = None if until is None else cells.day_end(until, "until", view.zone)
    query |= {"after": view.asks("after"), "limit": AUDIT_LINES}
    page = await view.api("GET /api/audit", query=query)
    users = {user.id: user.email for user in (await view.api("GET /api/users")).users}
    return {
        "changes": page.changes,
        "next": page.next,
        "names": users,
        "kinds": AUDIT_KINDS,
        "json": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
        "tab": "audit",
    }


_MANAGE: Final = ("manage_keys",)
PAGES: Final = (
    ConsolePage(
        "/settings", "settings_project.html", "Settings", show_project, change_project,
        section="settings", scopes=("read_programs",),
    ),
    ConsolePage(
        "/settings/keys", "settings_keys.html", "Keys", show_keys, act_on_keys,
        section="settings", scopes=_MANAGE,
    ),
    ConsolePage(
        "/settings/people", "settings_people.html", "People", show_people, act_on_people,
        section="settings", scopes=_MANAGE,
    ),
    ConsolePage(
        "/settings/sessions", "settings_sessions.html", "Your sessions", show_sessions,
        end_session, section="settings",
    ),
    ConsolePage(
        "/settings/audit", "settings_audit.html", "Audit log", show_audit,
        section="settings", scopes=_MANAGE,
    ),
)  # fmt: skip
