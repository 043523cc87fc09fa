"""No line of any log tells of a person: neither the server's nor the database's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.e2e.caller import Caller
from tests.e2e.process import Served
from tests.receiver import Receiver, Reply
from tests.web.erasure.person import PROFILE, SOURCE, TOKEN
from tests.web.erasure.traces import holds, spellings
from tests.web.test_orders import RULES
from tierline.store.embedded_postgres.server import EmbeddedServer

ACTIVITIES = "/api/programs/club/activities"
PERSON = f"/api/customers/{SOURCE}"
SAID: dict[str, Any] = {"metadata": {"note": TOKEN, TOKEN: TOKEN}}


async def lives(caller: Caller, receiver: Receiver) -> None:
    """Somebody is known, sends and gets points, is told of to a receiver that fails."""
    await caller.put("/api/programs/club", RULES)
    await caller.post("/api/endpoints", {"url": receiver.url, "retry": {"schedule": [3600]}})
    await caller.put(PERSON, PROFILE)
    await caller.put("/api/customers/bob", {"email": "bob@shop.example"})
    for n, activity in enumerate((
        {"customer": SOURCE, "kind": "earn", "points": 300},
        {"customer": "bob", "kind": "earn", "points": 300},
        {"customer": SOURCE, "kind": "transfer", "to": "bob", "points": 5},
        {"customer": SOURCE, "kind": "order", "order": f"{TOKEN}-o", "paid": 900},
    )):  # fmt: skip
        await caller.post(ACTIVITIES, {**activity, "key": f"{TOKEN}-{n}", **SAID})


async def is_refused(caller: Caller) -> None:
    """In every way that a caller may have it wrong about somebody, and what is said twice."""
    earn: dict[str, Any] = {"customer": SOURCE, "kind": "earn", "points": 1, **SAID}
    wrong: list[tuple[str, str, Any]] = [
        ("POST", ACTIVITIES, {**earn, "points": 2, "key": f"{TOKEN}-0"}),
        ("POST", ACTIVITIES, {**earn, "points": TOKEN}),
        ("POST", ACTIVITIES, {**earn, "kind": TOKEN}),
        ("POST", ACTIVITIES, {**earn, "customer": f"{TOKEN}\x00"}),
        ("POST", ACTIVITIES, f"{{{TOKEN}".encode()),
        ("POST", ACTIVITIES, {"customer": SOURCE, "kind": "redeem", "points": 9_999, **SAID}),
        ("POST", ACTIVITIES, {"customer": SOURCE, "kind": "void", "of": f"{TOKEN}-none", **SAID}),
        ("PUT", "/api/customers/bob", {"names": PROFILE["names"]}),
        ("PUT", "/api/customers/bob", {"source_id": SOURCE}),
        ("PUT", PERSON, {"birthdate": TOKEN}),
        ("GET", f"/api/customers/{TOKEN}", None),
        ("GET", f"/api/customers?email={TOKEN}%40shop.example", None),
        ("POST", f"/{TOKEN}", {}),
    ]
    for method, path, body in wrong:
        answered = await caller.call(method, path, body)
        assert answered.status < 500, (path, answered.body)
    same = {**earn, "key": f"{TOKEN}-same"}
    bodies = [same] * 10 + [{**same, "points": n} for n in range(2, 12)]
    await asyncio.gather(*(caller.call("POST", ACTIVITIES, body) for body in bodies))
    names = [{"names": {"card": (f"{TOKEN}-c{n % 2}",)}} for n in range(10)]
    people = [f"/api/customers/{TOKEN}-{n % 5}" for n in range(10)]
    await asyncio.gather(
        *(caller.call("PUT", path, body) for path, body in zip(people, names, strict=True))
    )


async def meets_faults(caller: Caller, url: str) -> None:
    """The database refuses a row for what stands in it, ends a statement, and lacks a table."""
    earn: dict[str, Any] = {"customer": SOURCE, "kind": "earn", "points": 1, **SAID}
    connection = await asyncpg.connect(url)
    refuse = "ALTER TABLE entry ADD CONSTRAINT refuses CHECK (key !~ 'refused') NOT VALID"
    try:
        await connection.execute(refuse)
        refused = {**earn, "key": f"{TOKEN}-refused"}
        assert (await caller.call("POST", ACTIVITIES, refused)).status >= 400
        await connection.execute("ALTER TABLE entry DROP CONSTRAINT refuses")
        unique = "CREATE UNIQUE INDEX refuses ON alias (shard, (left(name, 9))) WHERE name ~ 'twin'"
        await connection.execute(unique)
        for n in range(8):  # two of them in one shard
            await caller.call("PUT", f"/api/customers/{TOKEN}-twin-{n}", PROFILE | {"names": {}})
        await connection.execute("DROP INDEX refuses")
        await connection.execute("ALTER TABLE alias RENAME TO elsewhere")
        assert (await caller.call("GET", f"/api/customers/{TOKEN}-x")).status >= 500
        await connection.execute("ALTER TABLE elsewhere RENAME TO alias")
        await connection.execute("BEGIN; LOCK TABLE entry")
        waits = asyncio.create_task(caller.call("POST", ACTIVITIES, earn))
        while not (pids := await connection.fetch(_WAITING)):
            pass
        for row in pids:
            await connection.execute("SELECT pg_terminate_backend($1)", row["pid"])
        await connection.execute("ROLLBACK")
        await waits
    finally:
        await connection.close()


_WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_no_log_names_anybody(
    data_dir: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """Whatever went wrong with a person's data, before and after they were erased: refusals, races,
    faults of the database, a receiver that says the name, and a server that is killed."""
    receiver.answer = lambda r: Reply(500, body=b"no such person: " + r.body)
    with Served(data_dir) as served:
        caller = Caller(session, lambda: served.url, served.key)
        await lives(caller, receiver)
        await receiver.wait(1)
        await is_refused(caller)
        with EmbeddedServer.attach_or_start(data_dir) as embedded:
            await meets_faults(caller, embedded.url)
        sending = asyncio.create_task(caller.call("POST", f"{PERSON}/erase"))
        served.kill()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.to_thread(served.again)
        while (await caller.call("POST", f"{PERSON}/erase")).status not in (200, 404):
            pass  # it is busy, and tells when to come again
        await is_refused(caller)
        assert served.stop() == 0, served.log
        logs = {"server": served.log.encode(), "ready": json.dumps(served.ready).encode()}
        served.again()
    places = [path for path in data_dir.rglob("*.log") if "pg_wal" not in path.parts]
    logs |= {path.name: path.read_bytes() for path in places}

    assert "server.log" in logs
    forms = spellings(TOKEN)
    lines = [
        (name, line[:300])
        for name, data in logs.items()
        for line in data.splitlines()
        if holds(line, forms)
    ]
    assert lines == []
    assert b"internal_error" in logs["server"]  # what was to be provoked was
    assert b"terminating connection due to administrator command" in logs["server.log"]
