"""`tierline audit`: what commands did, under whose name, and the whole log as lines of JSON."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

from tests.test_cli import serving, tierline
from tests.web.conftest import CLUB, running
from tierline.bootstrap import open_installation
from tierline.config import Location


async def lines(directory: Path, *options: str) -> list[dict[str, Any]]:
    code, out, err = await tierline("audit", "--json", *options, directory=directory)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


async def test_commands_are_noted_as_the_operators(tmp_path: Path) -> None:
    """Projects, keys and imports, beside what the server itself made at its first start."""
    user = getpass.getuser()
    async with serving(directory=tmp_path):
        _, project, _ = await tierline("project", "create", "Shop", directory=tmp_path)
        shop = project.strip()
        await tierline("key", "create", "--project", shop, "--label", "till", directory=tmp_path)
        (made,) = await lines(tmp_path, "--kind", "key.created", "--project", shop)
        await tierline("key", "disable", made["object"], directory=tmp_path)
        mine = await lines(tmp_path, "--actor", user)
        whole = await lines(tmp_path)

    assert [line["kind"] for line in mine] == ["key.disabled", "key.created", "project.created"]
    assert {(line["actor_kind"], line["project"]) for line in mine} == {("cli", shop)}
    assert mine[1]["after"]["label"] == "till"
    assert {line["actor_kind"] for line in whole} == {"cli", "system"}
    assert [line["id"] for line in whole] == sorted((w["id"] for w in whole), reverse=True)
    assert await lines(tmp_path, "--limit", "2") == whole[:2]
    _, table, _ = await tierline("audit", "--project", shop, directory=tmp_path)
    assert [row.split()[4] for row in table.splitlines()[1:]] == [line["kind"] for line in mine]


async def test_an_import_is_one_act_however_many_adjustments_it_brings(tmp_path: Path) -> None:
    async with (
        open_installation(Location(tmp_path)) as installation,
        running(installation.database, tmp_path) as api,
    ):
        await api.put("/api/programs/club", CLUB)
    file = tmp_path / "adjustments.jsonl"
    records = [
        *({"customer": f"c{n}", "kind": "earn", "points": 9} for n in range(3)),
        *({"customer": f"c{n}", "kind": "adjust", "points": -1} for n in range(3)),
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    options = ("import", str(file), "--project", "Shop", "--program", "club")
    _, _, error = await tierline(*options, "--dry-run", directory=tmp_path)
    assert await lines(tmp_path, "--kind", "import") == [], error
    code, _, error = await tierline(*options, directory=tmp_path)
    ended, begun = await lines(tmp_path, "--kind", "import")

    assert code == 0, error
    assert (begun["kind"], ended["kind"]) == ("import.begun", "import.ended")
    assert ended["object"] == begun["object"]
    assert (ended["after"]["program"], ended["after"]["commands"]) == ("club", 6)
    assert await lines(tmp_path, "--kind", "member") == []
