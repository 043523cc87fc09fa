"""People who sign in: links, passwords, sessions; and what a stolen or forged one opens."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from tests.web.browser import PASSWORD, Browser, joined
from tests.web.conftest import SERVING, Api, running
from tierline.people.attempts import ACCOUNT_MAX, ADDRESS_MAX, WINDOW_MS
from tierline.people.directory import LINK_MS
from tierline.people.sessions import ABSOLUTE_MS, IDLE_MS
from tierline.store.database import Database


async def shift(api: Api, table: str, column: str, milliseconds: int) -> None:
    """As if something had been written so much earlier."""
    statement = f"UPDATE {table} SET {column} = {column} - {milliseconds}"  # noqa: S608
    await api.installation.database.pool.execute(statement)


async def first(api: Api) -> str:
    link = await api.process.join_link()
    assert link is not None
    return link.rpartition("token=")[2]


# Links ------------------------------------------------------------------------------------------


async def test_the_first_user_comes_by_the_link_of_the_start(api: Api) -> None:
    """Each start before the first use prints one; the first use ends them all, for ever."""
    one, other = await first(api), await first(api)
    anna = Browser(api)
    assert (await anna.join(one)).problem == (400, "invalid", "email")
    answer = await anna.join(one, email="Anna@Example.com", name="Anna")
    assert answer.status == 200, answer.body
    assert (answer.json["email"], answer.json["name"]) == ("anna@example.com", "Anna")
    assert answer.json["roles"] == [{"project": "*", "role": "admin"}]
    assert await api.process.join_link() is None
    for token in (one, other):
        again = await Browser(api).join(token, email="eve@example.com")
        assert again.problem[:2] == (410, "link_invalid")
    assert (await anna.get("/api/project")).json["name"] == "Shop"


async def test_many_first_users_at_once_are_one(api: Api) -> None:
    tokens = [await first(api) for _ in range(3)]
    answers = await asyncio.gather(*(
        Browser(api).join(token, email=f"{n}@example.com") for n, token in enumerate(tokens)
    ))  # fmt: skip
    assert sorted(answer.status for answer in answers) == [200, 410, 410]


async def test_a_link_is_good_once_and_not_for_ever(api: Api) -> None:
    invited = await api.post("/api/users", {"email": "bob@example.com", "role": "viewer"})
    token = invited.json["token"]
    answers = await asyncio.gather(*(Browser(api).join(token) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 410, 410, 410]
    late = await api.post("/api/users", {"email": "cleo@example.com", "role": "viewer"})
    await shift(api, "sign_in_link", "expires_at", LINK_MS)
    assert (await Browser(api).join(late.json["token"])).problem[:2] == (410, "link_invalid")
    for token in ("", "inv_none", late.json["token"][:-1]):
        assert (await Browser(api).join(token)).status == 410


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 201])
async def test_a_password_has_a_length(api: Api, password: str) -> None:
    """And one that is refused does not use the link up."""
    invited = await api.post("/api/users", {"email": "bob@example.com", "role": "viewer"})
    refused = await Browser(api).join(invited.json["token"], password)
    assert refused.problem == (400, "invalid", "password")
    assert (await Browser(api).join(invited.json["token"])).status == 200


async def test_the_page_behind_a_link_needs_no_script(api: Api) -> None:
    token, anna = await first(api), Browser(api)
    page = await anna.get(f"/join?token={token}%22%3E%3Cscript%3E")
    assert "<script>" not in page.body.decode()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    form = {"content-type": "application/x-www-form-urlencoded"}
    fields = f"token={token}&email=anna%40example.com&password="
    wrong = await anna.post("/join", f"{fields}short".encode(), headers=form)
    foreign = {**form, "origin": "https://evil.example"}
    forged = await anna.post("/join", f"{fields}correct+horse+1".encode(), headers=foreign)
    right = await anna.post("/join", f"{fields}correct+horse+1".encode(), headers=form)
    started = await anna.get(right.headers["location"])

    assert (wrong.status, "12 to 200 characters" in wrong.body.decode()) == (400, True)
    assert forged.status == 403
    assert (right.status, right.headers["location"]) == (303, "/console")
    assert "sign-in" not in started.headers.get("location", "")
    assert (await anna.get("/api/session")).status == 200


async def test_where_no_console_is_served_the_page_says_who_is_signed_in(
    database: Database, tmp_path: Path
) -> None:
    """It leads nowhere then, and `/` speaks of no console."""
    options = msgspec.structs.replace(SERVING, console=False)
    async with running(database, tmp_path, options=options) as api:
        form = {"content-type": "application/x-www-form-urlencoded"}
        fields = f"token={await first(api)}&email=anna%40example.com&password=correct+horse+1"
        page = await Browser(api).post("/join", fields.encode(), headers=form)
        root = await api.get("/")

    assert (page.status, "anna@example.com" in page.body.decode()) == (200, True)
    assert "console" not in root.json


async def test_the_root_names_the_console(api: Api) -> None:
    assert (await api.get("/")).json["console"] == "/console"


# Passwords --------------------------------------------------------------------------------------


async def test_signing_in_and_out(api: Api) -> None:
    await joined(api, "bob@example.com")
    bob = Browser(api, agent="Browser 2.0")
    answer = await bob.sign_in("Bob@example.com")
    cookie = answer.headers["set-cookie"]
    sessions = (await bob.get("/api/sessions")).json["sessions"]

    assert answer.status == 200
    assert re.fullmatch(
        r"tierline_session=[\w-]+; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800", cookie
    )
    assert [(s["agent"], s["current"]) for s in sessions] == [
        ("Browser 2.0", True), ("Browser 1.0", False),
    ]  # fmt: skip
    stolen = dict(bob.cookies)
    assert (await bob.post("/api/sign-out")).status == 204
    bob.cookies = stolen
    assert (await bob.get("/api/session")).problem[:2] == (401, "unauthorized")


async def test_what_was_wrong_is_not_said(api: Api) -> None:
    """An unknown address, a wrong password, a disabled user, one who has not joined yet."""
    await joined(api, "bob@example.com")
    await joined(api, "cleo@example.com")
    users = (await api.get("/api/users")).json["users"]
    cleo = next(user["id"] for user in users if user["email"] == "cleo@example.com")
    assert (await api.call("DELETE", f"/api/users/{cleo}")).status == 204
    await api.post("/api/users", {"email": "dan@example.com", "role": "viewer"})
    answers = [
        await Browser(api).sign_in("nobody@example.com"),
        await Browser(api).sign_in("bob@example.com", PASSWORD[:-1]),
        await Browser(api).sign_in("bob@example.com", PASSWORD + " "),
        await Browser(api).sign_in("bob@example.com", ""),
        await Browser(api).sign_in("cleo@example.com"),
        await Browser(api).sign_in("dan@example.com"),
    ]

    assert {answer.problem[:2] for answer in answers} == {(401, "sign_in_failed")}
    assert len({answer.body for answer in answers}) == 1
    assert all("set-cookie" not in answer.headers for answer in answers)


async def test_attempts_on_an_account_are_counted(api: Api) -> None:
    """Also many at once, also the right password after them; and not for ever."""
    await joined(api, "bob@example.com")
    bob = Browser(api)
    await asyncio.gather(
        *(bob.sign_in("BOB@example.com", f"wrong {n}") for n in range(ACCOUNT_MAX))
    )
    refused = await bob.sign_in("bob@example.com")
    assert refused.problem[:2] == (429, "too_many_attempts")
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_MS // 1000
    assert (await bob.sign_in("anna@example.com")).status == 401  # another account is not held up
    await shift(api, "sign_in_attempt", "since", WINDOW_MS)
    assert (await bob.sign_in("bob@example.com")).status == 200
    assert (await bob.sign_in("bob@example.com", "wrong")).status == 401  # counted anew


async def test_attempts_from_an_address_are_counted(api: Api) -> None:
    """Whatever accounts they try, links too; through a proxy nearby, the address that it says."""
    here, there = {"x-forwarded-for": "10.1.1.1, 203.0.113.7"}, {"x-forwarded-for": "203.0.113.8"}
    pool = api.installation.database.pool
    eve = Browser(api)
    body = {"email": "e@example.com", "password": PASSWORD}
    assert (await eve.post("/api/sign-in", body, headers=here)).status == 401
    await pool.execute("UPDATE sign_in_attempt SET count = $1", ADDRESS_MAX)
    refused = [
        await eve.post("/api/sign-in", {**body, "email": "f@example.com"}, headers=here),
        await eve.post("/api/join", {"token": "x", "password": PASSWORD}, headers=here),
    ]
    assert [answer.status for answer in refused] == [429, 429]
    other = await eve.post("/api/sign-in", {**body, "email": "g@example.com"}, headers=there)
    assert other.status == 401


async def test_nothing_that_is_stored_opens_anything(api: Api) -> None:
    """Passwords, links and sessions are known by their hashes."""
    bob = await joined(api, "bob@example.com")
    other = (await api.post("/api/users", {"email": "c@example.com", "role": "viewer"})).json
    pool, text = api.installation.database.pool, ""
    for table in ("user_account", "session", "sign_in_link", "sign_in_attempt", "audit"):
        text += str([tuple(row) for row in await pool.fetch(f"SELECT * FROM {table}")])  # noqa: S608
    hashed = await pool.fetchval("SELECT password FROM user_account WHERE password IS NOT NULL")

    assert hashed.startswith("$argon2id$")
    for secret in (PASSWORD, bob.cookies["tierline_session"], bob.csrf or "", other["token"]):
        assert secret
        assert secret not in text


# Sessions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "milliseconds"), [("seen_at", IDLE_MS), ("expires_at", ABSOLUTE_MS)]
)
async def test_sessions_end_by_themselves(api: Api, column: str, milliseconds: int) -> None:
    bob = await joined(api, "bob@example.com")
    await shift(api, "session", column, milliseconds - 60_000)
    assert (await bob.get("/api/session")).status == 200
    await shift(api, "session", column, milliseconds)
    assert (await bob.get("/api/session")).problem[:2] == (401, "unauthorized")
    assert (await bob.get("/api/project")).problem[:2] == (401, "unauthorized")


async def test_use_keeps_a_session_awake(api: Api) -> None:
    bob = await joined(api, "bob@example.com")
    for _ in range(3):
        await shift(api, "session", "seen_at", IDLE_MS - 60_000)
        assert (await bob.get("/api/session")).status == 200


@pytest.mark.parametrize("forged", ["", "x", "A" * 80, "ä", "{last}x", "{flipped}"])
async def test_a_forged_cookie_opens_nothing(api: Api, forged: str) -> None:
    bob = await joined(api, "bob@example.com")
    own = bob.cookies["tierline_session"]
    flipped = own[:30] + ("A" if own[30] != "A" else "B") + own[31:]
    bob.cookies["tierline_session"] = forged.format(last=own, flipped=flipped) or "none"
    assert (await bob.get("/api/project")).status == 401
    assert (await bob.get("/api/sessions")).status == 401


async def test_sessions_are_revoked(api: Api) -> None:
    """By their user one by one; all by a reset, which whoever manages keys may do; none by
    somebody else."""
    bob, eve = await joined(api, "bob@example.com"), await joined(api, "eve@example.com", "viewer")
    other = Browser(api)
    await other.sign_in("bob@example.com")
    ids = {s["current"]: s["id"] for s in (await bob.get("/api/sessions")).json["sessions"]}
    assert (await eve.call("DELETE", f"/api/sessions/{ids[False]}")).status == 404
    assert (await bob.call("DELETE", f"/api/sessions/{ids[False]}")).status == 204
    assert (await other.get("/api/session")).status == 401
    assert (await bob.get("/api/session")).status == 200
    user = (await bob.get("/api/session")).json["user"]
    assert (await eve.post(f"/api/users/{user}/reset")).status == 403
    reset = await api.post(f"/api/users/{user}/reset")
    assert (await bob.get("/api/session")).status == 401
    assert (await bob.sign_in("bob@example.com")).status == 401
    assert (await bob.join(reset.json["token"], "another password")).status == 200
    assert (await api.call("DELETE", f"/api/users/{user}/sessions")).status == 204
    assert (await bob.get("/api/session")).status == 401


async def test_a_disabled_users_session_opens_nothing(api: Api) -> None:
    bob = await joined(api, "bob@example.com")
    user = (await bob.get("/api/session")).json["user"]
    assert (await api.call("DELETE", f"/api/users/{user}")).status == 204
    assert (await bob.get("/api/project")).status == 401
    invited = await api.post("/api/users", {"email": "bob@example.com", "role": "viewer"})
    assert invited.problem[:2] == (409, "conflict")
