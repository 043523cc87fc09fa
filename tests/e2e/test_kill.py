"""kill -9 under load: what was answered stands, what was not can be repeated."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp

from tests.e2e.caller import STAIRS, Caller, all_told, check_seqs, check_told
from tests.e2e.ledger import check_offsets, entries, url_of
from tests.e2e.load import Load
from tests.e2e.process import Served
from tests.receiver import Receiver
from tierline.store.embedded_postgres import cluster

CLIENTS, EACH, CUSTOMERS = 64, 16, 24
KILLS = (0.25, 0.6)  # after this share of the activities was answered


async def test_kill_9_under_load_loses_and_doubles_nothing(
    data_dir: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """64 clients post keyed activities while the server is killed twice: each counts once, the
    log has no gap, every event arrives in order, and repetitions have the first bytes."""
    with Served(data_dir) as served:
        caller = Caller(session, lambda: served.url, served.key)
        await caller.put("/api/programs/stairs", STAIRS)
        endpoint = await caller.post("/api/endpoints", {"url": receiver.url})
        load = Load(caller, clients=CLIENTS, each=EACH, customers=CUSTOMERS)
        running = asyncio.create_task(load.run())
        for share in KILLS:
            await load.answered(int(CLIENTS * EACH * share))
            load.up.clear()
            served.kill()
            await asyncio.to_thread(served.again)
            load.up.set()
        await running
        assert load.retries > 0

        balances = {c: await caller.balance("stairs", c) for c in load.expected}
        assert balances == load.expected
        events = await caller.feed()
        check_seqs(events)
        await all_told(receiver, events, endpoint["id"])
        check_told(receiver, events, endpoint["id"])
        with url_of(data_dir) as url:
            assert await check_offsets(url) == len(events)
            assert await entries(url) == CLIENTS * EACH
        await _repeated(caller, load)
        assert await caller.feed() == events


async def _repeated(caller: Caller, load: Load) -> None:
    """Every key again: the first answer, and nothing is done."""
    activities = [load.activity(client, step) for client in range(CLIENTS) for step in range(EACH)]
    answers = await caller.post("/api/programs/stairs/activities", activities)
    assert all(answer["repeated"] for answer in answers)
    assert {a["key"]: (a["entry"], a["balance"]) for a in answers} == load.answers


async def test_a_killed_postgres_is_started_again(
    data_dir: Path, session: aiohttp.ClientSession
) -> None:
    """By the server that it died under. What was answered stands; what is sent meanwhile is
    recorded once or refused with a word, and goes through when it is sent again."""
    path = "/api/programs/stairs/activities"
    with Served(data_dir) as served:
        caller = Caller(session, served.url, served.key)
        await caller.put("/api/programs/stairs", STAIRS)
        activities = [
            {"key": f"k{n}", "customer": "anna", "kind": "earn", "points": 1} for n in range(3)
        ]
        before = await caller.post(path, activities[0])
        killed = cluster.postmaster(data_dir / "postgres")
        assert killed is not None
        os.kill(killed.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            for activity in activities:
                while (answered := await caller.call("POST", path, activity)).status != 200:
                    assert answered.problem[0] == 503

        assert (await caller.post(path, activities[0])) == before | {"repeated": True}
        # A read may meet a connection that hears of its end only now.
        member = "/api/programs/stairs/members/anna"
        async with asyncio.timeout(60):
            while (read := await caller.call("GET", member)).status != 200:
                assert read.problem[0] == 503
        assert await caller.balance("stairs", "anna") == 3
        again = cluster.postmaster(data_dir / "postgres")
        assert again is not None
        assert again.pid != killed.pid
