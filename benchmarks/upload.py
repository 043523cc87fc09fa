"""NDJSON over one connection: lines go up while their answers come down."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from benchmarks.load import PATH
from benchmarks.stock import Stock


async def upload(url: str, stock: Stock, count: int, prefix: str = "u") -> None:
    """Stream NDJSON up while its answers stream down; each must be good."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**20)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {stock.token}\r\n"
        "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())

    async def send() -> None:
        for start in range(0, count, 500):
            stop = min(start + 500, count)
            lines = b"".join(
                b'{"key":"%s%d","customer":"c%d","kind":"earn","points":10}\n'
                % (prefix.encode(), i, i * 7919 % stock.people)
                for i in range(start, stop)
            )
            writer.write(b"%x\r\n%s\r\n" % (len(lines), lines))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    sending = asyncio.create_task(send())
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(status.decode())
    answered = 0
    while answered < count:
        data = await reader.read(2**18)
        if not data:
            raise SystemExit(f"the answer ended after {answered} lines")
        answered += data.count(b"\n")
        if b'"code":' in data:
            raise SystemExit(data.decode()[:2000])
    await sending
    writer.close()
