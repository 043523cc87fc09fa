"""A session as an actor: as a key with the same scopes, and against what is forged."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.web.browser import PASSWORD, Browser, joined
from tests.web.conftest import CLUB, Api
from tierline.people.roles import ROLES
from tierline.store.catalog.projects import NewProject
from tierline.web.asgi import OPERATIONS

ACTIVITIES = "/api/programs/club/activities"
CHANGE = ("PATCH", "/api/project", {"name": "Other"})


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_what_its_scopes_say(club: Api, role: str) -> None:
    """Every operation, as a key with the same scopes would be answered."""
    user = await joined(club, f"{role}@example.com", role)
    made = await club.post("/api/keys", {"scopes": sorted(ROLES[role])})
    for operation in OPERATIONS:
        if operation.open or not operation.scopes:
            continue
        path = re.sub(r"{\w+}", "none", operation.path)
        body: Any = {} if operation.body is not None else None
        by_key = await club.call(operation.method, path, body, key=made.json["key"])
        by_session = await user.call(operation.method, path, body)
        assert (by_session.status == 403) == (by_key.status == 403), path
        if by_key.status == 403:
            assert by_session.body == by_key.body, path


async def test_what_a_session_does_is_noted_as_its_users(club: Api) -> None:
    bob = await joined(club, "bob@example.com")
    user = (await bob.get("/api/session")).json["user"]
    adjust = {"kind": "adjust", "customer": "anna", "points": 5}
    assert (await bob.call(*CHANGE)).status == 200
    assert (await bob.post(ACTIVITIES, adjust)).status == 200
    assert (await bob.post(ACTIVITIES, [adjust])).status == 200
    lines = (await club.get(f"/api/audit?actor={user}")).json["changes"]

    assert [line["kind"] for line in reversed(lines)] == [
        "project.changed", "member.adjusted", "member.adjusted",
    ]  # fmt: skip
    assert {line["actor_kind"] for line in lines} == {"user"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-csrf-token": ""}, "forgery_refused"),
        ({"x-csrf-token": "0" * 64}, "forgery_refused"),
        ({"x-csrf-token": "ä"}, "forgery_refused"),
        ({"origin": "https://evil.example"}, "forgery_refused"),
        ({"origin": "null"}, "forgery_refused"),
        ({"sec-fetch-site": "cross-site"}, "forgery_refused"),
        ({"sec-fetch-site": "same-site"}, "forgery_refused"),
    ],
)
async def test_a_forged_change_is_refused(club: Api, headers: dict[str, str], code: str) -> None:
    """On every way to change something, and nothing has happened."""
    bob = await joined(club, "bob@example.com")
    for method, path, body in (
        CHANGE,
        ("POST", ACTIVITIES, {"kind": "adjust", "customer": "anna", "points": 5}),
        ("POST", "/api/sign-out", None),
        ("PUT", "/api/customers/anna", {"name": "Anna"}),
    ):
        answer = await bob.call(method, path, body, headers)
        assert answer.problem[:2] == (403, code), path
    assert (await bob.get("/api/session")).status == 200
    assert (await club.get("/api/project")).json["name"] == "Shop"
    assert (await club.get("/api/customers/anna")).status == 404
    assert (await bob.call(*CHANGE)).status == 200


async def test_a_forged_sign_in_is_refused(api: Api) -> None:
    """Nobody is signed in as somebody else by a page elsewhere."""
    await joined(api, "bob@example.com")
    body = {"email": "bob@example.com", "password": PASSWORD}
    foreign = {"origin": "https://evil.example"}
    assert (await Browser(api).post("/api/sign-in", body, headers=foreign)).status == 403


async def test_in_several_projects_one_is_named(api: Api) -> None:
    catalog = api.installation.catalog
    other = await catalog.add_project(NewProject("Other", id="other"), 0)
    key = (await catalog.add_key(other.number, "native", (), "", 0))["key"]
    bob = await joined(api, "bob@example.com", "viewer")
    assert (await bob.get("/api/project")).json["name"] == "Shop"
    bob.project = "other"
    assert (await bob.get("/api/project")).problem[:2] == (404, "not_found")
    more = await api.post("/api/users", {"email": "bob@example.com", "role": "manager"}, key=key)
    assert (more.status, more.json["token"]) == (201, None)
    assert (await bob.get("/api/project")).json["name"] == "Other"
    bob.project = None
    assert (await bob.get("/api/project")).problem[:2] == (400, "project_needed")
    user = more.json["user"]["id"]
    for path in ("reset", "sessions"):
        method = "POST" if path == "reset" else "DELETE"
        assert (await api.call(method, f"/api/users/{user}/{path}")).status == 403
    assert (await api.call("DELETE", f"/api/users/{user}")).status == 204
    assert (await bob.get("/api/project")).json["name"] == "Other"


async def test_nobody_gives_more_than_they_have(api: Api) -> None:
    scopes = sorted({*ROLES["support"], "manage_keys"})
    key = (await api.post("/api/keys", {"scopes": scopes})).json["key"]
    boss = (await api.post("/api/users", {"email": "boss@example.com", "role": "admin"})).json
    invite: dict[str, Any] = {"email": "eve@example.com", "role": "admin"}
    refused = [
        await api.post("/api/users", invite, key=key),
        await api.post(
            "/api/users", {**invite, "email": "boss@example.com", "role": "viewer"}, key=key
        ),
        await api.call("PATCH", f"/api/users/{boss['user']['id']}", {"role": "viewer"}, key=key),
        await api.call("DELETE", f"/api/users/{boss['user']['id']}", key=key),
        await api.post(f"/api/users/{boss['user']['id']}/reset", key=key),
    ]
    assert {answer.problem[:2] for answer in refused} == {(403, "forbidden")}
    assert (await api.post("/api/users", {**invite, "role": "support"}, key=key)).status == 201


async def test_a_session_is_no_key_and_a_key_no_session(club: Api) -> None:
    """Where a key is sent it counts, and what is of sessions needs one."""
    bob = await joined(club, "bob@example.com", "viewer")
    headers = {"authorization": f"Bearer {club.key}", "x-csrf-token": ""}
    assert (await bob.call(*CHANGE, headers)).status == 200
    assert (
        await bob.call("GET", "/api/project", None, {"authorization": "Bearer x"})
    ).status == 401
    for method, path in (
        ("GET", "/api/session"),
        ("GET", "/api/sessions"),
        ("POST", "/api/sign-out"),
    ):
        assert (await club.call(method, path)).problem[:2] == (403, "session_needed")


async def test_over_tls_the_cookie_stays_on_tls(api: Api) -> None:
    await joined(api, "bob@example.com")
    body = {"email": "bob@example.com", "password": PASSWORD}
    answer = await Browser(api).post("/api/sign-in", body, headers={"x-forwarded-proto": "https"})
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    "email", ["", "bob", "bob@", "@x", "b b@x", "b\n@x.example", "x" * 320 + "@x"]
)
async def test_an_address_is_an_address(api: Api, email: str) -> None:
    answer = await api.post("/api/users", {"email": email, "role": "viewer"})
    assert answer.problem == (400, "invalid", "email")


async def test_programs_over_a_session(club: Api) -> None:
    """A manager's day: a program, a customer, what became of them."""
    bob = await joined(club, "bob@example.com", "manager")
    assert (await bob.call("PUT", "/api/programs/second", CLUB)).status == 201
    assert (
        await bob.post(ACTIVITIES, {"kind": "earn", "customer": "anna", "points": 150})
    ).status == 200
    assert (await bob.get("/api/programs/club/members/anna")).json["tier"]["id"] == "silver"
    assert (await bob.get("/api/users")).status == 403


async def test_what_is_done_with_people_is_noted(api: Api) -> None:
    """Roles by ids, and neither an address nor a name: these are of the installation's log."""
    bob = await joined(api, "bob@example.com", "viewer")
    user = (await bob.get("/api/session")).json["user"]
    await api.call("PATCH", f"/api/users/{user}", {"role": "support"})
    await bob.post("/api/sign-out")
    await api.post(f"/api/users/{user}/reset")
    await api.call("DELETE", f"/api/users/{user}")
    pool = api.installation.database.pool
    rows = await pool.fetch("SELECT * FROM audit WHERE project IS NULL ORDER BY id")

    assert [row["kind"] for row in rows] == [
        "user.invited", "user.joined", "session.begun", "user.changed", "session.ended",
        "user.reset", "user.disabled",
    ]  # fmt: skip
    assert {row["actor_kind"] for row in rows} == {"key", "user"}
    assert "bob@" not in str([tuple(row) for row in rows])
