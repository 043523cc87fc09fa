"""What large bodies leave behind in the server: each is read, answered and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from benchmarks.load import PATH, Target
from benchmarks.server import Running

CONNECTIONS = 32


class Bodies(Struct, frozen=True):
    """So many activities, each a body of so many bytes, nearly all of them metadata."""

    count: int
    size: int


BODIES = (Bodies(64_000, 12_000), Bodies(40_000, 30_000))


async def growth(server: Running, target: Target, bodies: Bodies, prefix: str) -> int:
    """Sends bodies to a server that has answered some before; returns by how many bytes its
    memory has grown afterwards."""
    await _send(target, Bodies(bodies.count // 20, bodies.size), f"w{prefix}")
    before = server.usage().resident
    await _send(target, bodies, f"r{prefix}")
    return server.usage().resident - before


async def _send(target: Target, bodies: Bodies, prefix: str) -> None:
    numbers = iter(range(bodies.count))
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_connection(target, bodies.size, numbers, prefix))


async def _connection(target: Target, size: int, numbers: Iterator[int], prefix: str) -> None:
    place = urlsplit(target.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    for number in numbers:
        writer.write(_request(target, size, f"{prefix}-{number}", number))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(head)
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()


def _request(target: Target, size: int, key: str, number: int) -> bytes:
    activity = {
        "key": key,
        "customer": f"c{number % target.people}",
        "kind": "earn",
        "points": 10,
        "metadata": {"note": "x" * (size - 120)},
    }
    body = msgspec.json.encode(activity)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {target.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
