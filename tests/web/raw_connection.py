"""Requests as bytes, on a connection of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.web.conftest import Api

PATH = "/api/programs/club/activities"


def activity(number: int) -> bytes:
    fields: dict[str, Any] = {"key": f"a-{number}", "customer": "anna", "kind": "earn", "points": 1}
    return json.dumps(fields | {"metadata": {"note": "x" * 400}}).encode()


class Line:
    """A connection on which bytes are sent as they are."""

    def __init__(
        self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.key = key
        self.reader = reader
        self.writer = writer

    def request(self, method: str, path: str, body: bytes = b"", /, **fields: str) -> bytes:
        headers = {
            "host": "x",
            "authorization": f"Bearer {self.key}",
            "content-type": "application/json",
            "content-length": str(len(body)),
        }
        headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def earn(self, number: int, /, **fields: str) -> bytes:
        return self.request("POST", PATH, activity(number), **fields)

    async def answers(self, sent: bytes, count: int) -> list[tuple[int, Any]]:
        """Status and body of so many answers; fewer if the connection ends before."""
        writing = asyncio.create_task(self._write(sent))
        answers: list[tuple[int, Any]] = []
        async with asyncio.timeout(30):
            while len(answers) < count and (answer := await self._answer()) is not None:
                answers.append(answer)
        writing.cancel()
        return answers

    async def _write(self, sent: bytes) -> None:
        self.writer.write(sent)
        await self.writer.drain()

    async def _answer(self) -> tuple[int, Any] | None:
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:-1])
        body = await self.reader.readexactly(int(fields["content-length"]))
        status = int(head.split()[1])
        assert fields["content-type"] == f"application/{'' if status < 400 else 'problem+'}json"
        return status, json.loads(body)

    async def ended(self) -> bool:
        """Nothing more comes; False would be a hang."""
        async with asyncio.timeout(30):
            return await self.reader.read() == b""


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Line]:
    url = urlsplit(api.process.url)
    reader, writer = await asyncio.open_connection(str(url.hostname), url.port)
    try:
        yield Line(api.key, reader, writer)
    finally:
        writer.close()


async def balance(api: Api) -> int:
    """Of anna, who was made by a first activity on another connection."""
    member = await api.get("/api/programs/club/members/anna")
    return int(member.json["points"]["balance"])
