"""Settings and a sandbox's time in the console: what each form does, and what is refused."""

from __future__ import annotations

import re
from html import escape

from tests.console.visitor import Visitor, signed_in, text_of
from tests.web.browser import Browser
from tests.web.conftest import Api


async def test_a_sandbox_goes_on(shop: Api, maya: Visitor) -> None:
    """By a day, a month, over the next due day, and to an instant; what happened is listed."""

    async def clock() -> str:
        text: str = (await shop.get("/api/project")).json["clock"]
        return text

    led = ""
    for step, expected in (
        ({"step": "day"}, "2026-05-11T10:00:00.000Z"),
        ({"step": "month"}, "2026-06-11T10:00:00.000Z"),
        ({"step": "due"}, None),
        ({"step": "to", "to": "2027-01-02T00:00"}, "2027-01-02T00:00:00.000Z"),
    ):
        answer = await maya.send("/time", step)
        assert answer.status in (303, 400), step
        assert expected is None or await clock() == expected
        led = answer.headers.get("location", "")
    page = text_of((await maya.get(led)).body.decode())
    assert "downgraded" in page
    assert "Silver → Bronze" in page
    for step in ({"step": "to", "to": "2020-01-01T00:00"}, {"step": "to"}, {"step": "x"}):
        assert (await maya.send("/time", step)).status in (400, 409, 422), step
    assert await clock() == "2027-01-02T00:00:00.000Z"


async def test_wall_time_is_not_moved(club: Api) -> None:
    maya = await signed_in(club)
    assert "Only a sandbox" in await maya.page("/time")
    assert 'href="/console' in await maya.page("")
    assert ">Time<" not in await maya.page("")
    assert (await maya.send("/time", {"step": "day"})).status == 422


async def test_the_project_is_changed(club: Api) -> None:
    maya = await signed_in(club)
    answer = await maya.send("/settings", {"name": "Store", "time_zone": "Europe/Berlin"})
    assert answer.status == 303
    project = (await club.get("/api/project")).json
    assert (project["name"], project["time_zone"]) == ("Store", "Europe/Berlin")
    wrong = await maya.send("/settings", {"name": "Store", "time_zone": "Mars"})
    assert wrong.status == 400
    vera = await signed_in(club, "vera@example.com", "viewer")
    assert (await vera.send("/settings", {"name": "Mine"})).status == 403


async def test_a_key_is_shown_once_and_disabled(club: Api) -> None:
    maya = await signed_in(club)
    form = {"label": "<b>till</b>", "scopes": ["read_programs"]}
    page = (await maya.send("/settings/keys", form)).body.decode()
    key = re.search(r"tk_[0-9a-f]+", page)
    assert key is not None
    assert "not yet" in page
    assert (await club.get("/api/programs", key=key[0])).status == 200
    page = await maya.page("/settings/keys")
    assert key[0] not in page
    assert "<b>till" not in page
    assert escape("<b>till</b>") in page
    id_ = (await club.get("/api/keys")).json["keys"][-1]["id"]
    assert (await maya.send("/settings/keys", {"disable": id_})).status == 303
    assert (await maya.send("/settings/keys", {"disable": "none"})).status == 404
    assert (await maya.send("/settings/keys", {"label": "x"})).status == 400
    assert (await maya.send("/settings/keys", {"scopes": ["fly"]})).status == 403


async def test_people_come_and_go(club: Api) -> None:
    maya = await signed_in(club)
    form = {"command": "invite", "email": "ben@example.com", "role": "viewer", "name": "Ben"}
    page = (await maya.send("/settings/people", form)).body.decode()
    token = re.search(r"/join\?token=(inv_[\w-]+)", page)
    assert token is not None
    ben = Browser(club)
    assert (await ben.join(token[1])).status == 200
    user = (await ben.get("/api/session")).json["user"]
    change = {"command": "role", "user": user, "role": "support"}
    assert (await maya.send("/settings/people", change)).status == 303
    assert (await ben.get("/api/session")).json["roles"][0]["role"] == "support"
    assert (
        await maya.send("/settings/people", {"command": "sign_out", "user": user})
    ).status == 303
    assert (await ben.get("/api/session")).status == 401
    link = await maya.send("/settings/people", {"command": "reset", "user": user})
    assert "inv_" in link.body.decode()
    assert (await maya.send("/settings/people", {"command": "remove", "user": user})).status == 303
    for wrong in (
        {"command": "invite", "email": "none", "role": "viewer"},
        {"command": "invite", "email": "a@b", "role": "king"},
        {"command": "role", "user": "usr_none", "role": "viewer"},
    ):
        assert (await maya.send("/settings/people", wrong)).status in (400, 404), wrong


async def test_sessions_end_and_the_audit_log_tells(club: Api) -> None:
    maya = await signed_in(club)
    other = Browser(club)
    assert (await other.sign_in("maya@example.com")).status == 200
    session = (await other.get("/api/session")).json["session"]
    assert "this one" in await maya.page("/settings/sessions")
    assert (await maya.send("/settings/sessions", {"session": session})).status == 303
    assert (await other.get("/api/session")).status == 401
    assert (await maya.send("/settings/sessions", {"session": "ses_none"})).status == 404
    await maya.send("/settings", {"name": "Store"})
    page = text_of(await maya.page("/settings/audit?kind=project"))
    assert "project.changed" in page
    assert "maya@example.com" in page
    assert "Nothing" in text_of(await maya.page("/settings/audit?kind=import"))
    assert 'class="empty"' in await maya.page("/settings/audit?since=soon", 400)
    vera = await signed_in(club, "vera@example.com", "viewer")
    for path in ("/settings/audit", "/settings/keys", "/settings/people"):
        assert (await vera.get(f"{vera.root}{path}")).status == 403
