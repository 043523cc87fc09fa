"""A closed-loop load generator: wrk where it is installed, else one of ours.

    python -m benchmarks.load TARGET CONNECTIONS SECONDS PREFIX

prints one JSON line; TARGET is a `Target` as JSON. Every request is one activity with a key of its
own, for a member drawn at random; every answer must be a 200.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop
from msgspec import Struct

PATH = "/api/programs/bench/activities"
WRK = """
local thread_prefix = "%(prefix)s"
local n = 0
math.randomseed(%(seed)d)
request = function()
  n = n + 1
  local body = string.format('%(body)s', thread_prefix, n, math.random(0, %(people)d - 1))
  return wrk.format("POST", "%(path)s", {%(headers)s, ["Content-Type"]="application/json"}, body)
end
done = function(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format(
    'RESULT {"requests":%%d,"seconds":%%f,"p50":%%f,"p99":%%f,"bad":%%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, bad))
end
"""


_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Load(Struct, frozen=True):
    """What a run of load was answered; latencies in ms."""

    requests: int
    seconds: float
    p50: float
    p99: float
    bad: int
    generator: str = "wrk"

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Target(Struct, frozen=True):
    """Where the load goes. `body` is filled with the prefix, the number of the request and that of
    the member; `pair` are the headers of a vendor's key, in place of the token."""

    url: str
    token: str
    people: int
    path: str = PATH
    body: str = '{"key":"%s-%d","customer":"c%d","kind":"earn","points":10}'
    pair: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        return self.pair or {"Authorization": f"Bearer {self.token}"}


async def load(target: Target, connections: int, seconds: float, prefix: str) -> Load:
    """One run of load from a process of its own."""
    if shutil.which("wrk"):
        return await _wrk(target, connections, seconds, prefix)
    arguments = (msgspec.json.encode(target).decode(), connections, seconds, prefix)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.load", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return msgspec.json.decode(printed, type=Load)


async def _wrk(target: Target, connections: int, seconds: float, prefix: str) -> Load:
    facts = {
        "prefix": prefix,
        "seed": random.randrange(2**31),
        "people": target.people,
        "path": target.path,
        "body": target.body,
        "headers": ", ".join(f'["{name}"]="{text}"' for name, text in target.headers.items()),
    }
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        await asyncio.to_thread(script.write_text, WRK % facts)
        process = await asyncio.create_subprocess_exec(
            *("wrk", "-t1", f"-c{connections}", f"-d{int(seconds)}s", "-s", str(script)),
            target.url,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
    line = next(li for li in printed.decode().splitlines() if li.startswith("RESULT "))
    return msgspec.json.decode(line.removeprefix("RESULT "), type=Load)


class _Connection(asyncio.Protocol):
    """One connection: the next request when the last one was answered."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self._sent = 0.0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is none by birth
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data  # head and body may come one after the other
        head, _, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        data, self._answer = self._answer, b""
        self.run.took.append(time.perf_counter() - self._sent)
        self.run.bad += data[9:12] != b"200"
        if time.perf_counter() < self.run.until:
            self._next()
        else:
            self.transport.close()

    def _next(self) -> None:
        self._sent = time.perf_counter()
        self.transport.write(self.run.request())

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.open -= 1
        if not self.run.open:
            self.run.over.set_result(None)


class _Run:
    def __init__(self, target: Target, connections: int, seconds: float, prefix: str) -> None:
        self.target = target
        self.open = connections
        self.until = time.perf_counter() + seconds
        self.prefix = prefix
        self.took: list[float] = []
        self.bad = 0
        self.sent = 0
        self.over = asyncio.get_running_loop().create_future()
        headers = "".join(f"{name}: {text}\r\n" for name, text in target.headers.items())
        self._head = (
            f"POST {target.path} HTTP/1.1\r\nHost: bench\r\n{headers}"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._body = target.body.encode()

    def request(self) -> bytes:
        self.sent += 1
        who = random.randrange(self.target.people)
        body = self._body % (self.prefix.encode(), self.sent, who)
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)


async def _ours(target: Target, connections: int, seconds: float, prefix: str) -> Load:
    run, place = _Run(target, connections, seconds, prefix), urlsplit(target.url)
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    host, port = place.hostname or "127.0.0.1", place.port or 80
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), host, port)
    await run.over
    took = sorted(run.took)
    p50, p99 = took[len(took) // 2] * 1e3, took[int(len(took) * 0.99)] * 1e3
    return Load(len(took), time.perf_counter() - began, p50, p99, run.bad, "own generator")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    where = msgspec.json.decode(arguments[0], type=Target)
    result = uvloop.run(_ours(where, int(arguments[1]), float(arguments[2]), arguments[3]))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")


async def loads(targets: Sequence[Target], seconds: int, prefix: str) -> list[Load]:
    """64 connections spread over so many servers, at once."""
    each = 64 // len(targets)
    runs = [load(target, each, seconds, f"{prefix}-{i}") for i, target in enumerate(targets)]
    return await asyncio.gather(*runs)
