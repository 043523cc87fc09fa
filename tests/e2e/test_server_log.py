"""What `serve` writes on stderr: lines of JSON that tell an operator what happened, once each."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from structlog.testing import CapturingLogger

from tests.e2e.caller import Caller
from tests.e2e.process import LOOPBACK, tierline
from tests.receiver import Receiver
from tests.test_cli import start
from tierline import __version__
from tierline.delivery.outage_log import QUIET_MS, OutageLog
from tierline.endpoints.health import HEALTHY, Tolerance, failed, succeeded

CLUB = {"name": "Club", "policy": {"tiers": [{"id": "gold", "name": "Gold", "from": 1}]}}
Lines = list[dict[str, Any]]


class Logged:
    """A running server, and the lines that it has logged so far."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self.lines: Lines = []

    async def until(self, event: str) -> dict[str, Any]:
        """The next line of that event."""
        assert self.process.stderr is not None
        while True:
            text = await asyncio.wait_for(self.process.stderr.readline(), 60)
            assert text, f"no {event} in {self.lines}"
            self.lines.append(json.loads(text))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]

    async def stop(self) -> Lines:
        """SIGTERM; all that it has logged."""
        self.process.terminate()
        _, rest = await asyncio.wait_for(self.process.communicate(), 60)
        self.lines += [json.loads(line) for line in rest.decode().splitlines()]
        assert self.process.returncode == 0
        return self.lines


async def served(database_url: str, directory: Path) -> Logged:
    place = ("--database-url", database_url, *LOOPBACK)
    process = await start("serve", "--port", "0", *place, directory=directory)
    assert process.stdout is not None
    return Logged(process, json.loads(await asyncio.wait_for(process.stdout.readline(), 60)))


async def test_a_start_and_a_stop_are_logged(database_url: str, tmp_path: Path) -> None:
    """With what an operator asks first, and without the database's password."""
    url = database_url.replace("user=postgres", "user=postgres&password=hush-hush")
    server = await served(url, tmp_path)
    lines = await server.stop()
    (started,) = (line for line in lines if line["event"] == "started")

    assert started["version"] == __version__
    assert started["data_dir"] == str(tmp_path)
    assert "database tierline_test_" in started["database"]
    assert started["roles"] == ["api", "sender", "sweeper"]
    assert started["url"] == server.ready["url"]
    assert started["allow"] == ["127.0.0.0/8"]
    assert [line["event"] for line in lines[-2:]] == ["stopping", "stopped"]
    assert "hush-hush" not in json.dumps(lines)


async def test_what_happens_is_logged_once(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """Keys that are made and disabled here and by a command, an endpoint that fails and works
    again, and a command's import that ends; no token of any of them."""
    server = await served(database_url, tmp_path)
    keys = json.loads(Path(server.ready["keys"]).read_text())
    caller = Caller(session, server.ready["url"], keys["key"])
    await caller.put("/api/programs/club", CLUB)
    first = [await server.until("key_made") for _ in range(3)]
    assert {line["kind"] for line in first} == {"native", "voucherify", "loyaltylion"}

    by_api = await caller.post("/api/keys", {"kind": "native", "label": "till"})
    assert (await server.until("key_made"))["key"] == by_api["id"]
    place = ("--database-url", database_url)
    made = tierline("key", "create", "--project", "Default", "--json", *place, data_dir=tmp_path)
    by_command = json.loads(made.stdout)
    line = await server.until("key_made")
    assert (line["key"], line["kind"], line["project"]) == (
        by_command["id"], "native", "proj_default",
    )  # fmt: skip
    tierline("key", "disable", by_command["id"], *place, data_dir=tmp_path)
    assert (await server.until("key_disabled"))["key"] == by_command["id"]

    retry = {"schedule": [0.1] * 9, "jitter": 0}
    endpoint = await caller.post("/api/endpoints", {"url": receiver.url, "retry": retry})
    receiver.then(500, 500, 500)
    await caller.post(
        "/api/programs/club/activities", {"customer": "ann", "kind": "earn", "points": 5}
    )
    for event in ("endpoint_fails", "endpoint_works_again"):
        assert (await server.until(event))["endpoint"] == endpoint["id"]

    file = tmp_path / "people.csv"
    file.write_text("customer,points\nbob,5\ncem,x\n")
    flags = ("--project", "Default", "--program", "club", *place)
    tierline("import", str(file), *flags, data_dir=tmp_path)
    ended = await server.until("import_ended")
    assert (ended["project"], ended["program"]) == ("proj_default", "club")
    assert (ended["records"], ended["refused"]) == (2, 1)

    lines = await server.stop()
    events = [line["event"] for line in lines]
    once = ("key_disabled", "endpoint_fails", "endpoint_works_again", "import_ended")
    assert [events.count(event) for event in (*once, "key_made")] == [1, 1, 1, 1, 3 + 2]
    for token in (by_api["key"], by_command["key"], keys["key"], endpoint["secret"]):
        assert token not in json.dumps(lines)


async def test_a_fault_is_logged_without_the_values_of_variables(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """A trace says where; tokens that stood in variables on the way are in no line."""
    server = await served(database_url, tmp_path)
    key = json.loads(Path(server.ready["keys"]).read_text())["key"]
    caller = Caller(session, server.ready["url"], key)
    connection = await asyncpg.connect(database_url)
    await connection.execute("ALTER TABLE endpoint RENAME TO elsewhere")
    await connection.close()
    headers = {"x-token": "hush-hush-token"}
    endpoint = {"url": "https://shop.example.com/", "headers": headers}
    answered = await caller.call("POST", "/api/endpoints", endpoint)
    lines = await server.stop()
    fault = next(line for line in lines if line["event"] == "internal_error")

    assert answered.problem[:2] == (500, "internal_error")
    assert "Traceback" in fault["exception"]
    assert "UndefinedTable" in fault["exception"]
    for token in ("hush-hush-token", key):
        assert token not in json.dumps(lines)
        assert token.encode() not in answered.body


def test_an_endpoint_that_fails_now_and_then_is_not_logged_each_time() -> None:
    """Twice a minute at most."""
    lines = CapturingLogger()
    log, health = OutageLog("ep_1", lines), HEALTHY
    for now in range(0, 3 * QUIET_MS, 1000):
        step = (
            failed(health, Tolerance(), now) if health is HEALTHY or not health.failures
            else succeeded(health, now)
        )  # fmt: skip
        log.changed(health, step.health, step.event, now)
        health = step.health

    assert len(lines.calls) == 6
