"""`tierline user` and `tierline program` beside a running server; the link that `serve` prints."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import aiohttp

from tests.test_cli import serving, tierline
from tests.web.conftest import CLUB

PASSWORD = "correct horse battery"


async def call(
    url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any, str]:
    """Status, answer, and the session's cookie where one is set."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session,
        session.request(method, url + path, json=body, headers=headers) as response,
    ):
        raw = await response.read()
        cookie = response.headers.get("set-cookie", "").partition(";")[0]
        return response.status, json.loads(raw) if raw else None, cookie


async def test_the_first_link_and_what_a_kill_leaves(tmp_path: Path) -> None:
    """Each start prints one until it is used; sessions outlive a process that was killed."""
    async with serving(directory=tmp_path) as (process, line):
        first = line["join"]
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with serving(directory=tmp_path) as (process, line):
        assert line["join"].rpartition("=")[2] != first.rpartition("=")[2]
        body = {"token": line["join"].rpartition("=")[2], "password": PASSWORD}
        body |= {"email": "anna@example.com"}
        status, _, cookie = await call(line["url"], "POST", "/api/join", body)
        assert status == 200
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with serving(directory=tmp_path) as (_, line):
        assert "join" not in line
        status, answer, _ = await call(line["url"], "GET", "/api/session", None, {"cookie": cookie})
        assert (status, answer["email"]) == (200, "anna@example.com")


async def test_users_from_invitation_to_reset(tmp_path: Path) -> None:
    async with serving(directory=tmp_path) as (_, line):
        url = line["url"]
        options = ("--project", "proj_default", "--role", "support", "--url", f"{url}/")
        code, link, error = await tierline(
            "user", "invite", "Bob@example.com", *options, directory=tmp_path
        )
        assert code == 0, error
        assert link.startswith(f"{url}/join?token=inv_")
        body = {"token": link.strip().rpartition("=")[2], "password": PASSWORD}
        status, answer, cookie = await call(url, "POST", "/api/join", body)
        assert (status, answer["roles"]) == (200, [{"project": "proj_default", "role": "support"}])
        _, again, _ = await tierline("user", "invite", "bob@example.com", directory=tmp_path)
        assert "signs in already" in again
        _, listed, _ = await tierline("user", "list", "--json", directory=tmp_path)
        (bob,) = (json.loads(each) for each in listed.splitlines())
        assert bob["roles"] == {"*": "viewer", "proj_default": "support"}
        assert (await tierline("user", "disable", bob["id"], directory=tmp_path))[0] == 0
        mine = {"cookie": cookie}
        assert (await call(url, "GET", "/api/session", None, mine))[0] == 401
        _, reset, _ = await tierline(
            "user", "reset", "bob@example.com", "--json", directory=tmp_path
        )
        body = {**body, "token": json.loads(reset)["link"].rpartition("=")[2]}
        assert (await call(url, "POST", "/api/join", body))[0] == 200
        code, _, error = await tierline("user", "disable", "nobody", directory=tmp_path)
        assert (code, "no user 'nobody'" in error) == (1, True)


async def test_programs_end_and_their_members_leave(tmp_path: Path) -> None:
    async with serving(directory=tmp_path) as (_, line):
        url, keys = line["url"], json.loads(Path(line["keys"]).read_text())
        key = {"authorization": f"Bearer {keys['key']}"}
        assert (await call(url, "PUT", "/api/programs/club", CLUB, key))[0] == 201
        earn = {"kind": "earn", "customer": "anna", "points": 100}
        activities = "/api/programs/club/activities"
        assert (await call(url, "POST", activities, earn, key))[0] == 200
        place = ("club", "--project", "proj_default")
        for words, refusal in (
            (("program", "pause", *place), "program_paused"),
            (("program", "resume", *place), None),
            (("project", "pause", "proj_default"), "program_paused"),
            (("project", "resume", "proj_default"), None),
            (("program", "end", *place), "program_ended"),
        ):
            assert (await tierline(*words, directory=tmp_path))[0] == 0
            answer: Any = {"code": "?"}
            while answer.get("code") != refusal:  # the server follows within a second
                _, answer, _ = await call(url, "POST", activities, earn, key)
        for left in ("1 member left.\n", "0 members left.\n"):
            done = await tierline("program", "end", *place, "--tiers", "end", directory=tmp_path)
            assert done[:2] == (0, left)
        later = ("--at", "2099-01-01T00:00:00Z", "--tiers", "end")
        code, _, error = await tierline("program", "end", *place, *later, directory=tmp_path)
        assert (code, "repeat this command then" in error) == (1, True)
        code, out, _ = await tierline("program", "delete", *place, "--dry-run", directory=tmp_path)
        assert (code, out.partition(" with ")[0]) == (0, "1 member")
        code, out, _ = await tierline("program", "delete", *place, "--yes", directory=tmp_path)
        assert (code, out.splitlines()[-1]) == (0, "club is deleted.")
        code, _, error = await tierline("program", "delete", *place, "--yes", directory=tmp_path)
        assert (code, "There is no program 'club'" in error) == (1, True)
        owner = ("project", "delete", "proj_default")
        code, out, _ = await tierline(*owner, "--dry-run", directory=tmp_path)
        assert (code, out) == (0, "1 customer will be erased; these programs go: none.\n")
        code, out, _ = await tierline(*owner, "--yes", directory=tmp_path)
        assert (code, out.splitlines()[-1]) == (0, "proj_default is deleted.")
        assert "proj_default" not in (await tierline("project", "list", directory=tmp_path))[1]
