"""The bare floor: the same bodies, signed and posted over kept connections, and nothing else.

No database, no order, no retries, no address guard, no attempt rows: what this machine allows.

    PORT COUNT SIZE     posts so many at once, and says what it took
    PORT follow SIZE    posts one for each id that comes on stdin, as soon as it comes
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httptools
import uvloop

CONNECTIONS = 64
KEY = b"secret-secret-secret-secret-1234"


class Connection(asyncio.Protocol):
    """Says `free` when it can post."""

    def __init__(self, free: Callable[[Connection], None]) -> None:
        self.free = free

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self.free(self)

    def post(self, webhook: str, head: bytes, body: bytes) -> None:
        at = str(int(time.time()))
        signed = hmac.digest(KEY, b"%b.%b.%b" % (webhook.encode(), at.encode(), body), "sha256")
        signature = base64.b64encode(signed).decode()
        lines = (
            f"webhook-id: {webhook}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: v1,{signature}"
            f"\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head + lines.encode() + body)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.free(self)


async def main(port: str, count: str, size: str) -> None:
    head = f"POST /floor HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n".encode()
    body = b"{" + b"x" * (int(size) - 2) + b"}"
    if count == "follow":
        await follow(int(port), head, body)
    else:
        await drain(int(port), int(count), head, body)


async def connect(port: int, free: Callable[[Connection], None]) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(free), "127.0.0.1", port)


async def follow(port: int, head: bytes, body: bytes) -> None:
    """More connections than are ever needed, so nobody waits for one."""
    idle: list[Connection] = []
    await connect(port, idle.append)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while webhook := (await reader.readline()).decode().strip():
        idle.pop().post(webhook, head, body)


async def drain(port: int, n: int, head: bytes, body: bytes) -> None:
    work = [f"msg_{i:08d}" for i in range(n)]
    done = asyncio.Event()

    def free(connection: Connection) -> None:
        if work:
            connection.post(work.pop(), head, body)
        else:
            done.set()

    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    await connect(port, free)
    await done.wait()
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    user = after.ru_utime - before.ru_utime
    results = {
        "rate": n / took,
        "cpu_us": cpu / n * 1e6,
        "user_us": user / n * 1e6,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(results), flush=True)


def peak_mb() -> float:
    """The most that this process ever held. (`ru_maxrss` remembers the parent's, too.)"""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:4]))
