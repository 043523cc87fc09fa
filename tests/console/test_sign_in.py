"""Who is let in, and what is sent along: sessions, forged forms, frames, and where one is led."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from tests.console.visitor import FORM, Visitor, signed_in, text_of
from tests.web.browser import PASSWORD
from tests.web.conftest import SERVING, Api, running
from tests.web.test_sign_in import shift
from tierline.console.pages.sign_in import safe_next
from tierline.console.routes import PAGES
from tierline.console.site import HEADERS
from tierline.people.sessions import ABSOLUTE_MS, IDLE_MS
from tierline.store.catalog.projects import NewProject
from tierline.store.database import Database

MEMBERS = "/programs/club/members"
ANNA = f"{MEMBERS}/anna"


async def test_a_visit_begins_at_the_sign_in_and_ends_there(club: Api) -> None:
    maya = await signed_in(club)
    stranger = Visitor(club)
    away = await stranger.get(f"{maya.root}{MEMBERS}?q=anna")
    assert away.status == 303
    target = urlencode({"next": f"{maya.root}{MEMBERS}?q=anna"})
    assert away.headers["location"] == f"/console/sign-in?{target}"
    form = {"email": "maya@example.com", "password": "wrong and long enough", "next": ""}
    wrong = await stranger.call("POST", "/console/sign-in", _form(form), {"content-type": FORM})
    assert wrong.status == 401
    assert "The address or the password is wrong" in wrong.body.decode()
    form |= {"password": PASSWORD, "next": f"{maya.root}{MEMBERS}"}
    right = await stranger.call("POST", "/console/sign-in", _form(form), {"content-type": FORM})
    assert (right.status, right.headers["location"]) == (303, f"{maya.root}{MEMBERS}")
    assert "HttpOnly" in right.headers["set-cookie"]
    assert "Members" in text_of(await stranger.page(MEMBERS))
    csrf = (await stranger.get("/api/session")).json["csrf_token"]
    out = await stranger.call(
        "POST", "/console/sign-out", _form({"csrf": csrf}), {"content-type": FORM}
    )
    assert (out.status, out.headers["location"]) == (303, "/console/sign-in")
    assert (await stranger.get(f"{maya.root}{MEMBERS}")).status == 303


def _form(fields: dict[str, str]) -> bytes:
    return urlencode(fields).encode()


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/console/../x//evil", "/api/project",
     "javascript:x", "/console/\\evil", "/console/\nx", "/consoleevil", "", "/console/ü"],
)  # fmt: skip
def test_signing_in_leads_to_the_console_and_nowhere_else(target: str) -> None:
    assert safe_next(target) == "/console"


async def test_a_browser_is_led_from_the_root(club: Api) -> None:
    answer = await Visitor(club).call("GET", "/", headers={"accept": "text/html,*/*"})
    assert (answer.status, answer.headers["location"]) == (303, "/console")
    assert (await club.get("/")).json["name"] == "Tierline"
    led = await Visitor(club).get("/console")
    assert (led.status, led.headers["location"]) == (303, "/console/sign-in")
    maya = await signed_in(club)
    assert (await maya.get("/console")).headers["location"] == maya.root


async def test_no_page_opens_without_a_good_session(shop: Api, maya: Visitor) -> None:
    """Neither without one, nor with a forged one, nor with a part of one."""
    cookie = maya.cookies["tierline_session"]
    stranger = Visitor(shop)
    for page in PAGES:
        path = page.path.replace("{program}", "club").replace("{source_id}", "anna")
        path = path.replace("{endpoint}", "ep_1")
        for value in ("", "x", cookie[:-2], cookie[::-1]):
            stranger.cookies = {"tierline_session": value} if value else {}
            for method in ("GET", "POST"):
                form = {"content-type": FORM}
                answer = await stranger.call(method, f"{maya.root}{path}", b"", form)
                assert answer.status == 303, page.path
                assert answer.headers["location"].startswith("/console/sign-in")


async def test_a_session_that_has_ended_opens_nothing(club: Api) -> None:
    maya = await signed_in(club)
    assert (await maya.get(f"{maya.root}{MEMBERS}")).status == 200
    await shift(club, "session", "seen_at", IDLE_MS)
    assert (await maya.get(f"{maya.root}{MEMBERS}")).status == 303
    ben = await signed_in(club, "ben@example.com")
    await shift(club, "session", "expires_at", ABSOLUTE_MS)
    assert (await ben.get(f"{maya.root}{MEMBERS}")).status == 303
    eve = await signed_in(club, "eve@example.com")
    user = (await eve.get("/api/session")).json["user"]
    assert (await club.call("DELETE", f"/api/users/{user}")).status == 204
    assert (await eve.get(f"{maya.root}{MEMBERS}")).status == 303


async def test_another_project_is_not_there(club: Api) -> None:
    maya = await signed_in(club)
    other = await club.installation.catalog.add_project(NewProject("Other"), 0)
    for project in (other.id, "none", "%2e%2e"):
        answer = await maya.get(f"/console/{project}{MEMBERS}")
        assert answer.status == 404, project
        assert "There is no project" in answer.body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_forged_form_changes_nothing(club: Api, headers: dict[str, str]) -> None:
    """From elsewhere, or with another token than the session's."""
    maya = await signed_in(club)
    form = {"points": "5", "reason": "forged", "do": "yes"}
    assert (await club.earn("anna", 1)).status == 200
    answer = await maya.send(f"{ANNA}/adjust", form, headers)
    assert answer.status == 403
    other = await signed_in(club, "ben@example.com")
    for token in ("", "0" * 64, other.csrf, "ä"):
        answer = await maya.send(f"{ANNA}/adjust", {**form, "csrf": token})
        assert answer.status == 403
    json = await maya.call(
        "POST", f"{maya.root}{ANNA}/adjust", {**form, "csrf": maya.csrf},
    )  # fmt: skip
    assert json.status == 415
    member = (await club.get("/api/programs/club/members/anna")).json
    assert member["points"]["balance"] == 1
    assert (await maya.send(f"{ANNA}/adjust", form)).status == 303


async def test_every_page_says_that_nobody_may_frame_it_or_run_scripts(club: Api) -> None:
    maya = await signed_in(club)
    await club.earn("anna", 1)
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for path in (MEMBERS, ANNA, f"{MEMBERS}/nobody", "/nowhere"):
        answer = await maya.get(f"{maya.root}{path}")
        for name, text in HEADERS.items():
            assert answer.headers[name] == text, path
        page = answer.body.decode()
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count("<script src=")


async def test_files_are_kept_for_ever_and_no_other_is_served(club: Api) -> None:
    page = (await Visitor(club).get("/console/sign-in")).body.decode()
    sheet = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await Visitor(club).get(sheet)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    for path in ("console.css", "..%2Fsite.py", "%2e%2e/site.py", "none.js"):
        assert (await Visitor(club).get(f"/console/static/{path}")).status == 404


async def test_without_a_console_there_is_none(database: Database, tmp_path: Path) -> None:
    """And nothing else is missing."""
    async with running(database, tmp_path, options=replace(SERVING, console=False)) as api:
        visitor = Visitor(api)
        assert (await visitor.get("/console")).problem[:2] == (404, "no_such_path")
        answer = await visitor.call("GET", "/", headers={"accept": "text/html"})
        assert answer.json["name"] == "Tierline"
        assert (await api.get("/api/project")).status == 200


async def test_a_role_sees_and_does_what_it_may(club: Api) -> None:
    """A viewer is not offered what is refused to them."""
    await club.earn("anna", 1)
    viewer = await signed_in(club, "vera@example.com", "viewer")
    page = await viewer.page(ANNA)
    assert "Adjust points" not in page
    assert (await viewer.get(f"{viewer.root}{ANNA}/adjust")).status == 403
    answer = await viewer.send(f"{ANNA}/adjust", {"points": "5", "reason": "x", "do": "yes"})
    assert answer.status == 403
    support = await signed_in(club, "sam@example.com", "support")
    assert "Adjust points" in await support.page(ANNA)
