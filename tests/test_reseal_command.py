"""`tierline reseal`: another secret key takes over, and the former one goes."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.test_cli import start
from tierline.bootstrap import open_installation
from tierline.clock import wall
from tierline.config import Location
from tierline.store.catalog.projects import NewProject

NEW = base64.b64encode(bytes([2]) * 32).decode()


async def test_a_former_key_goes_when_all_is_sealed_anew(database_url: str, tmp_path: Path) -> None:
    """The doctor counts what still needs it, and refuses a key that does not open everything."""
    async with open_installation(Location(tmp_path, database_url)) as installation:
        catalog = installation.catalog
        shop = await catalog.add_project(NewProject(name="Shop"), wall())
        await catalog.add_endpoint(shop.number, "ep_1", "{}", b"secret", 1, wall())
    former = (tmp_path / "secret.key").read_text().strip()

    async def run(command: str, keys: str) -> tuple[int | None, str]:
        process = await start(
            command, "--database-url", database_url, directory=tmp_path, TIERLINE_SECRET_KEY=keys
        )
        out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    before = await run("doctor", f"{NEW} {former}")
    too_early, _ = await run("doctor", NEW)
    sealed = await run("reseal", f"{NEW} {former}")
    after = await run("doctor", f"{NEW} {former}")
    too_old, refusal = await run("doctor", former)
    alone, _ = await run("doctor", NEW)

    assert "ok  secrets: the key opens them" in before[1]
    assert "; sealed with a former key: 2 (`tierline reseal` " in before[1]
    assert sealed == (0, "2 secrets sealed anew.\n")
    assert "; sealed with a former key: 0\n" in after[1]
    assert (before[0], too_early, after[0], too_old, alone) == (0, 1, 0, 1, 0)
    assert "The secret key does not open what this database holds" in refusal
