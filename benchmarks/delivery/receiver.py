"""A receiver as lean as Python allows: answers 200 and remembers when each id came first.

`GET /stats` answers what was seen, `GET /reset` forgets it. Paths under `/hang` answer after five
seconds, `/drip` one byte a second, `/huge` 64 MiB; everything else at once.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
HANG_S = 5.0


class Committer:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.first: dict[bytes, float] = {}
        self.paths: dict[bytes, int] = {}
        self.repeated = 0
        self.bytes = 0
        self.times: list[float] = []

    def saw(self, path: bytes, webhook: bytes, length: int) -> None:
        if webhook in self.first:
            self.repeated += 1
            return
        now = time.time()
        self.first[webhook] = now
        self.paths[path] = self.paths.get(path, 0) + 1
        self.bytes += length
        if not path.startswith(b"/hang"):
            self.times.append(now)

    def stats(self, *, ids: bool) -> bytes:
        times = self.times
        results: dict[str, object] = {
            "received": len(self.first),
            "healthy": len(times),
            "repeated": self.repeated,
            "first": times[0] if times else None,
            "last": times[-1] if times else None,
            "body": self.bytes / max(1, len(self.first)),
            "paths": {path.decode(): n for path, n in self.paths.items()},
        }
        if ids:
            results["ids"] = {webhook.decode(): at for webhook, at in self.first.items()}
            results["times"] = times
        return json.dumps(results).encode()


class Connection(asyncio.Protocol):
    """One request at a time, as the sender sends them."""

    def __init__(self, journal: Committer) -> None:
        self.journal = journal
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        path = head.split(b" ", 2)[1]
        at = head.find(b"content-length: ")
        length = (
            int(head[at + 16 : head.find(b"\r", at) if head.find(b"\r", at) > 0 else end])
            if at > 0
            else 0
        )
        if len(self.buffer) < end + 4 + length:
            return
        # The id keeps its case.
        at = head.find(b"webhook-id: ")
        webhook = self.buffer[at + 12 : self.buffer.find(b"\r", at)] if at > 0 else b""
        self.buffer = b""
        self.answer(path, webhook, length)

    def answer(self, path: bytes, webhook: bytes, length: int) -> None:
        write = self.transport.write  # type: ignore[attr-defined]
        if path.startswith((b"/stats", b"/reset")):
            if path.startswith(b"/reset"):
                self.journal.reset()
            body = self.journal.stats(ids=b"ids" in path)
            write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return
        self.journal.saw(path, webhook, length)
        if path.startswith(b"/hang"):
            asyncio.get_running_loop().call_later(HANG_S, write, OK)
        elif path.startswith(b"/huge"):
            write(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n" + bytes(1 << 20))
        elif path.startswith(b"/drip"):
            write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            asyncio.get_running_loop().call_later(1.0, write, b"x")
        else:
            write(OK)


async def main() -> None:
    journal = Committer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(journal), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the parent lets go


if __name__ == "__main__":
    uvloop.run(main())
