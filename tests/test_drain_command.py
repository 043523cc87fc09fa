"""`tierline drain`: a server gives its work to another one before it is stopped."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import aiohttp

from tests.test_cli import serving, tierline

PROCESS = re.compile(r"process (proc_[0-9a-f]+): (.*)")


async def test_one_of_two_servers_drains(database_url: str, tmp_path: Path) -> None:
    """By its id; by the host both, and back again."""
    place = ("--database-url", database_url)

    async def processes() -> dict[str, str]:
        _, out, _ = await tierline("doctor", *place, directory=tmp_path)
        return dict(PROCESS.findall(out))

    async with serving(*place, directory=tmp_path), serving(*place, directory=tmp_path):
        first, second = await processes()
        one = await tierline("drain", first, *place, directory=tmp_path)
        drained = await processes()
        host = socket.gethostname()
        both = await tierline("drain", "--host", host, *place, directory=tmp_path)
        undone = await tierline("drain", "--host", host, "--undo", *place, directory=tmp_path)
        after = await processes()
        unknown = await tierline("drain", "proc_0", *place, directory=tmp_path)
        nothing = await tierline("drain", *place, directory=tmp_path)

    assert one[:2] == (0, "1 process drained.\n")
    assert drained[first].endswith("; drained")
    assert "drain" not in drained[second]
    assert both[0] == 0
    assert both[1].startswith("2 processes drained.\n!! no sweeper is alive")
    assert undone[:2] == (0, "2 processes asked to take up their work again.\n")
    assert not any("drain" in text for text in after.values())
    assert (unknown[0], "There is no process 'proc_0' here" in unknown[2]) == (1, True)
    assert (nothing[0], "Name a process or a --host" in nothing[2]) == (2, True)


async def test_who_only_answers_requests_has_heard_of_it(database_url: str, tmp_path: Path) -> None:
    """When the command returns, whoever balances load is already told."""
    place = ("--database-url", database_url)
    async with serving(*place, "--roles", "api", directory=tmp_path) as (_, ready):
        host = socket.gethostname()
        drained = await tierline("drain", "--host", host, *place, directory=tmp_path)
        async with aiohttp.ClientSession(ready["url"]) as session:
            answer = await session.get("/readyz")
            missing = (await answer.json())["missing"]

    assert drained[0] == 0
    assert drained[1].startswith("1 process drained.\n")
    assert (answer.status, missing) == (503, ["draining"])
