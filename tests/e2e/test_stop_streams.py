"""SIGTERM while something streams: what came is answered, the answer ends, the log has no fault."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.caller import Caller
from tests.e2e.test_server_log import Logged, served

CLUB = {"name": "Club", "policy": {"tiers": [{"id": "gold", "name": "Gold", "from": 1}]}}
Line = dict[str, Any]


async def shop(server: Logged, session: aiohttp.ClientSession) -> Caller:
    """A caller of a fresh server with a program."""
    key = json.loads(Path(server.ready["keys"]).read_text())["key"]
    caller = Caller(session, server.ready["url"], key)
    await caller.put("/api/programs/club", CLUB)
    return caller


class Upload:
    """NDJSON, line by line, over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def begin(cls, caller: Caller) -> Upload:
        host, _, port = caller.url.removeprefix("http://").partition(":")
        upload = cls(*await asyncio.open_connection(host, int(port)))
        upload.writer.write(
            "POST /api/programs/club/activities HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {caller.key}\r\ncontent-type: application/x-ndjson\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        return upload

    async def send(self, text: str) -> None:
        data = text.encode()
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 60)


def sound(lines: list[Line]) -> bool:
    """Whether a log speaks of no fault, and of an end."""
    faults = [line for line in lines if line["level"] == "error" or "exception" in line]
    return not faults and [line["event"] for line in lines[-2:]] == ["stopping", "stopped"]


async def test_an_upload_is_answered_as_far_as_it_came(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """Each whole line; half a line is nobody's activity. The chunked answer has its end."""
    server = await served(database_url, tmp_path)
    upload = await Upload.begin(await shop(server, session))
    activity = json.dumps({"customer": "ann", "kind": "earn", "points": 5})
    await upload.send(f"{activity}\n{activity}\n")
    begun = await upload.reader.readuntil(b'"repeated":false}')
    await upload.send(activity[:20])
    lines = await server.stop()
    answer = begun + await upload.rest()
    upload.writer.close()

    assert sound(lines), lines
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b'"entry":') == 2
    assert answer.endswith(b"0\r\n\r\n")


async def test_a_waiting_poll_is_answered(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """With no events and the cursor to go on from."""
    server = await served(database_url, tmp_path)
    caller = await shop(server, session)
    cursor = (await caller.get("/api/events"))["next"]
    poll = asyncio.create_task(caller.get(f"/api/events?after={cursor}&wait=50"))
    async with aiohttp.ClientSession() as other:
        await Caller(other, caller.url, caller.key).get("/api/project")  # it came in after the poll
    lines = await server.stop()
    page = await asyncio.wait_for(poll, 60)

    assert sound(lines), lines
    assert (page["events"], page["more"]) == ([], False)


async def test_a_client_that_reads_nothing_is_cut_without_a_fault(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """The server waits for it some seconds, and says in a line whose request it cut."""
    server = await served(database_url, tmp_path)
    upload = await Upload.begin(await shop(server, session))
    upload.reader._transport.pause_reading()  # type: ignore[attr-defined]
    wrong = json.dumps({"customer": "x" * 100, "kind": "none"}) + "\n"
    for _ in range(120):  # answers of more than any socket holds
        await upload.send(wrong * 1000)
    lines = await server.stop()
    upload.writer.transport.abort()

    assert not [line for line in lines if "exception" in line], lines
    assert "request_cut" in [line["event"] for line in lines]
    assert lines[-1]["event"] == "stopped"
