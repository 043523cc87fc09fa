"""The first touch of a member, by several processes and by one that is killed."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.caller import Caller
from tests.e2e.process import Served
from tests.upgrade.older import SHOP, checkpoints, members, opened, restore, unsound


@pytest.mark.parametrize("answers", [1, 12])
async def test_two_servers_and_a_kill_note_one_checkpoint_each(
    empty_url: str, tmp_path: Path, session: aiohttp.ClientSession, answers: int
) -> None:
    """Both get every activity in the same moment; one is killed after some answers, and what it was
    sent goes to the other once more."""
    await restore(empty_url)
    async with opened(empty_url) as installation:
        made = await installation.catalog.add_key(SHOP, "native", (), "", 0)
        shop = [row for row in await members(installation.database) if row["program"] > 1]
    (tmp_path / "secret.key").write_text(base64.b64encode(bytes(32)).decode())
    servers = [Served(tmp_path, "--database-url", empty_url) for _ in range(2)]
    with servers[0] as first, servers[1] as second:
        one, other = (Caller(session, s.url, str(made["key"])) for s in (first, second))
        enough = asyncio.Semaphore(0)

        async def earn(caller: Caller, program: str, customer: str) -> None:
            body = {"key": "touch", "customer": customer, "kind": "earn", "points": 1}
            await caller.post(f"/api/programs/{program}/activities", body)
            enough.release()

        def send(caller: Caller) -> list[asyncio.Task[None]]:
            places = [(row["program_id"], row["source_id"]) for row in shop]
            return [asyncio.create_task(earn(caller, *place)) for place in places]

        tasks = [*send(one), *send(other)]
        for _ in range(answers):
            await enough.acquire()
        first.kill()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*send(other))
    async with opened(empty_url) as installation:
        times = await checkpoints(installation.database)
        assert {row["source_id"] for row in shop} <= times.keys()
        assert set(times.values()) == {1}
        entries = {row["source_id"]: row["entries"] for row in await members(installation.database)}
        assert [entries[row["source_id"]] - row["entries"] for row in shop] == [2] * len(shop)
        assert await unsound(installation) == []
