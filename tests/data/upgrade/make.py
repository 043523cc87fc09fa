"""Makes a history with an older Tierline, and prints its rows as COPY text.

    python -m tests.data.upgrade.make TREE > tests/data/upgrade/history-75d61e6.txt

TREE is a checkout of the older commit with a `.venv`. Its `tierline serve` is driven over HTTP
alone: so any version that serves the native API can make a history.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.data.upgrade.stories import CLOCK, ENDPOINTS, PROGRAMS, STEPS
from tests.receiver import Received, Receiver, Reply, receiving
from tierline.store.embedded_postgres.server import EmbeddedServer

Json = dict[str, Any]
LOOPBACK = "127.0.0.0/8"
# A server's own signs of life, which another one writes anew.
PASSING = {"process", "copying"}
WORTHWHILE = {"attempt": "outcome <> 'delivered'"}
SECRET_KEY = base64.b64encode(bytes(32)).decode()  # what the endpoints' secrets are sealed with
ENVIRONMENT = os.environ | {"TIERLINE_SECRET_KEY": SECRET_KEY}


class Older:
    """A running server of the older tree."""

    def __init__(self, session: aiohttp.ClientSession, tree: Path, directory: Path) -> None:
        self.session = session
        self.command = [str(tree / ".venv/bin/tierline")]
        self.directory = ["--data-dir", str(directory)]
        self.url = ""
        self.key = ""

    async def run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            *self.directory,
            stdout=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return out.decode()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(
            *self.command, "serve", "--port", "0", "--allow-address", LOOPBACK, *self.directory,
            stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT,
        )  # fmt: skip
        assert process.stdout is not None
        self.url = json.loads(await process.stdout.readline())["url"]
        try:
            yield
        finally:
            process.terminate()
            assert await process.wait() == 0

    async def call(self, method: str, path: str, body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.key}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=headers
        ) as answer:
            text = await answer.read()
            assert answer.status < 300, (method, path, body, text)
            return json.loads(text) if text else None


def answer(request: Received) -> Reply:
    """The third endpoint fails for some, so that lanes wait; the fourth for everybody."""
    if request.path.endswith("/never"):
        return Reply(status=503)
    troubled = request.path.endswith("/sometimes") and b"q-" in request.body
    return Reply(status=500 if troubled else 200)


async def history(older: Older, receiver: Receiver) -> None:
    """All that the stories tell, and somebody on wall time whose points are about to expire."""
    receiver.answer = answer
    async with older.serving():
        keys = json.loads((Path(older.directory[1]) / "keys.json").read_text())
        project = await older.run("project", "create", "Shop", "--time-zone", "Europe/Berlin",
                                  "--currency", "EUR", "--clock", CLOCK, "--json")  # fmt: skip
        made = json.loads(await older.run(
            "key", "create", "--project", json.loads(project)["id"], "--json"
        ))  # fmt: skip
        older.key = keys["key"]
        await on_wall_time(older)
        older.key = made["key"]
        for program, rules in PROGRAMS.items():
            await older.call("PUT", f"/api/programs/{program}", rules)
        for path, body in ENDPOINTS.items():
            await older.call("POST", "/api/endpoints", body | {"url": receiver.url + path})
        for at, method, path, said in STEPS:
            await older.call("POST", "/api/clock", {"advance_to": at})
            await older.call(method, path, said)
        await older.session.close()


async def on_wall_time(older: Older) -> None:
    tiers = [
        {"id": "silver", "name": "Silver", "from": 0},
        {"id": "gold", "name": "Gold", "from": 100},
    ]
    await older.call("PUT", "/api/programs/club", {"name": "Club", "policy": {"tiers": tiers}})
    soon = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
    body = {"key": "w-1", "customer": "wanda", "kind": "earn", "points": 150, "expires_at": soon}
    await older.call("POST", "/api/programs/club/activities", body)


async def rows(url: str) -> None:
    """Prints every table's rows, as PostgreSQL copies them."""
    connection = await asyncpg.connect(url)
    tables = await connection.fetch(
        "SELECT relname AS name, oid FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY oid"
    )
    for table in tables:
        name = table["name"]
        if name in PASSING:
            continue
        columns = await connection.fetchval(
            "SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1"
            " AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
            table["oid"],
        )
        condition = WORTHWHILE.get(name, "true")
        order = ", ".join(str(n) for n in range(1, min(4, len(columns)) + 1))
        names = ", ".join(map(json.dumps, columns))
        query = f"SELECT {names} FROM {name} WHERE {condition} ORDER BY {order}"  # noqa: S608
        sys.stdout.buffer.write(f"-- {name} {' '.join(columns)}\n".encode())
        await connection.copy_from_query(query, output=sys.stdout.buffer)
    sys.stdout.flush()
    await connection.close()


async def main(tree: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="tierline-") as name:
        directory = Path(name)
        async with aiohttp.ClientSession() as session, receiving() as receiver:
            older = Older(session, tree, directory)
            await history(older, receiver)
        with EmbeddedServer.attach_or_start(directory) as server:
            await rows(server.url)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
