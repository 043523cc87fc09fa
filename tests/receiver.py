"""A real HTTP receiver on loopback: it journals what arrives and answers as the test scripts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from aiohttp import web
from msgspec import Struct


class Received(Struct, frozen=True):
    """One request as it came in."""

    method: str
    path: str  # with its query
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float  # monotonic seconds


class Reply(Struct, frozen=True):
    """What the receiver answers, after a pause of `after` seconds."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    after: float = 0.0


Rule = Callable[[Received], Reply | Awaitable[Reply]]


class Receiver:
    """`url` is where to send; `requests` is the journal. `answer` is the rule for every request
    (a function, also an async one); `then(500, 429)` answers the next requests so, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.answer: Rule = lambda _: Reply()
        self._script: list[Reply] = []
        self._arrived = asyncio.Condition()

    def then(self, *replies: int | Reply) -> None:
        """Script the next answers; afterwards `answer` rules again."""
        self._script += [Reply(status=r) if isinstance(r, int) else r for r in replies]

    async def wait(self, n: int, timeout: float = 10.0) -> list[Received]:
        """The first `n` requests, as soon as they are there."""
        try:
            async with asyncio.timeout(timeout), self._arrived:
                await self._arrived.wait_for(lambda: len(self.requests) >= n)
        except TimeoutError:
            got = len(self.requests)
            raise AssertionError(f"{got} of {n} requests arrived in {timeout} s") from None
        return self.requests[:n]

    def __iter__(self) -> Iterator[Received]:
        return iter(self.requests)

    async def handle(self, request: web.Request) -> web.Response:
        """The aiohttp handler of every method and path."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.path_qs, headers, body, time.monotonic())
        async with self._arrived:
            self.requests.append(received)
            reply = self._script.pop(0) if self._script else None
            self._arrived.notify_all()
        if reply is None:
            ruled = self.answer(received)
            reply = ruled if isinstance(ruled, Reply) else await ruled
        if reply.after:
            await asyncio.sleep(reply.after)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A running receiver on a free port of 127.0.0.1."""
    receiver = Receiver()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
