"""`tierline apply`, `diff` and `save` against a real server: a project as a folder of files."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.web.conftest import Api

CLUB = """
name = "Club"
[policy]
metric = {source = "earned"}
[[policy.tiers]]
id = "silver"
name = "Silver"
from = 100
[[policy.tiers]]
id = "gold"
name = "Gold"
from = 500
"""
CRM = {
    "url": "http://127.0.0.1:9/hooks",
    "format": "standard",
    "program": "club",
    "kinds": ["joined", "upgraded"],
    "retry": "voucherify",
    "headers": {"x-token": "${CRM_TOKEN}"},
}


class Shell:
    """The command line beside a server, with a folder."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.key, self.token = api.key, "secret"

    def write(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    async def run(self, *arguments: str, code: int = 0) -> str:
        environment = {**os.environ, "TIERLINE_URL": self.api.process.url, "TIERLINE_KEY": self.key}
        if self.token:
            environment["CRM_TOKEN"] = self.token
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tierline", *arguments, "-f", str(self.folder)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode == code, printed.decode()
        return printed.decode()


@pytest.fixture
def shell(api: Api, tmp_path: Path) -> Shell:
    made = Shell(api, tmp_path / "loyalty")
    made.write("programs/club.toml", CLUB)
    made.write("endpoints/crm.json", json.dumps(CRM))
    return made


async def test_a_folder_is_applied_once_and_stays(shell: Shell) -> None:
    """A new endpoint's secret is told for the only time; the second time there is nothing to do."""
    first = await shell.run("diff")
    made = await shell.run("apply")
    again = await shell.run("apply")
    same = await shell.run("diff", "--exit-code")
    program = (await shell.api.get("/api/programs/club")).json
    endpoints = (await shell.api.get("/api/endpoints")).json["endpoints"]

    assert first == "programs/club: new\nendpoints/crm: new\n"
    assert "secret whsec_" in made
    assert again == same == "programs/club: as it is\nendpoints/crm: as it is\n"
    assert program["version"] == 1
    assert [(each["kinds"], each["headers"]) for each in endpoints] == [
        (["joined", "upgraded"], ["x-token"])
    ]


async def test_a_dry_run_says_what_differs_and_who_would_move(shell: Shell) -> None:
    """And changes nothing; applied, it is a new version of the rules."""
    await shell.run("apply")
    for customer, points in (("ann", 150), ("bob", 600)):
        assert (await shell.api.earn(customer, points)).status == 200
    shell.write("programs/club.toml", CLUB.replace("from = 100", "from = 200"))
    shell.write("endpoints/crm.json", json.dumps({**CRM, "kinds": ["left"]}))
    dry = await shell.run("apply", "--dry-run")
    different = await shell.run("diff", "--exit-code", code=1)
    before = (await shell.api.get("/api/programs/club")).json["version"]
    await shell.run("apply")
    after = (await shell.api.get("/api/programs/club")).json

    assert "  policy.tiers[0].from: 100 → 200\n" in dry
    assert (
        "  0 of 2 members would move at once; at their next assessment, by what counts today:"
        " 1 silver → no tier\n" in dry
    )
    assert '  kinds: ["joined","upgraded"] → ["left"]\n' in dry
    assert "  policy.tiers[0].from: 100 → 200\n" in different
    assert (before, after["version"], after["policy"]["tiers"][0]["from"]) == (1, 2, 200)


async def test_reminders_are_compared_where_a_file_speaks_of_them(shell: Shell) -> None:
    """A file without them leaves them as they are, which is no difference."""
    shell.write("programs/club.toml", CLUB + "[reminders.tier_near]\nwithin = 50\n")
    await shell.run("apply")
    shell.write("programs/club.toml", CLUB)
    silent = await shell.run("diff", "--exit-code")
    shell.write("programs/club.toml", CLUB + "[reminders.tier_near]\nwithin = 60\n")
    different = await shell.run("diff", "--exit-code", code=1)

    assert silent == "programs/club: as it is\nendpoints/crm: as it is\n"
    assert "  reminders.tier_near.within: 50 → 60\n" in different


async def test_what_is_there_is_saved_and_comes_back(shell: Shell, tmp_path: Path) -> None:
    """From the saved files nothing differs, also of an endpoint that no folder made: it is found by
    its id."""
    await shell.run("apply")
    made = (await shell.api.post("/api/endpoints", {"url": "http://127.0.0.1:9/other"})).json
    shell.folder = tmp_path / "saved"
    await shell.run("save")
    same = await shell.run("diff", "--exit-code")

    lines = {"programs/club: as it is", "endpoints/crm: as it is"}
    assert set(same.splitlines()) == {*lines, f"endpoints/{made['id']}: as it is"}
    crm = json.loads((shell.folder / "endpoints" / "crm.json").read_text())
    assert "secret" not in crm
    assert (await shell.api.post("/api/endpoints", crm)).status == 201  # as elsewhere, of a folder


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("programs/club.toml", "name = ", "programs/club.toml: not TOML"),
        ("programs/club.json", "[]", "programs/club.json: expected an object"),
        ("programs/club.txt", "", "programs/club.txt: expected a file .toml or .json"),
        ("programs/club.json", '{"name": "x"}', "two files have this name; keep one"),
        ("programs/other.json", '{"nam": "x"}', "programs/other: "),
        ("programs/other.json", '{"name": "x"}', "programs/other: policy: it is needed"),
        ("endpoints/crm.json", '{"url": "${NOBODY}"}', "${NOBODY}: set this environment variable"),
        ("endpoints/bad.json", '{"url": "ftp://x"}', "POST /api/endpoints: "),
    ],
)
async def test_a_wrong_file_is_told_by_its_name(
    shell: Shell, path: str, text: str, words: str
) -> None:
    """In one sentence; what stands before it in the folder may be applied by then."""
    shell.write(path, text)
    printed = await shell.run("apply", code=1)

    assert words in printed
    assert "Traceback" not in printed


async def test_a_wrong_server_or_key_is_told(shell: Shell) -> None:
    """Nothing is read into it."""
    shell.key = "tk_of_nobody"
    refused = await shell.run("apply", code=1)
    away = await shell.run("diff", "--url", "http://127.0.0.1:9", code=1)

    assert refused.startswith("tierline: GET /api/project: ")
    assert away.startswith("tierline: No Tierline answers at http://127.0.0.1:9 (")
