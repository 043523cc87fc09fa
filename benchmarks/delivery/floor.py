"""The bare floor: the same bodies, signed and posted over kept connections, and nothing else.

No database, no order, no retries, no address guard, no attempt rows: what this machine allows.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import resource
import sys
import time

import httptools
import uvloop

CONNECTIONS = 64
KEY = b"secret-secret-secret-secret-1234"


class Connection(asyncio.Protocol):
    def __init__(self, work: list[tuple[str, bytes, bytes]], done: asyncio.Event) -> None:
        self.work = work
        self.done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self.post()

    def post(self) -> None:
        if not self.work:
            self.done.set()
            return
        webhook, head, body = self.work.pop()
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
        self.post()


async def main(port: str, count: str, size: str) -> None:
    n, body = int(count), b"{" + b"x" * (int(size) - 2) + b"}"
    head = f"POST /floor HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n".encode()
    work = [(f"msg_{i:08d}", head, body) for i in range(n)]
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(work, done), "127.0.0.1", int(port))
    await done.wait()
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    user = after.ru_utime - before.ru_utime
    found = {"rate": n / took, "cpu_us": cpu / n * 1e6, "user_us": user / n * 1e6}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:4]))
