"""The webhook receiver: it checks each signature, and keeps count of what came, and in which order.

It answers 200 to all, so what comes twice was sent twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import msgspec
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


class Hook:
    """`secrets`: of each path. By path: `times`, how often each delivery id came; `disordered`,
    first receipts behind a later event of the same member; `changed`, repetitions in other bytes;
    `forged`, requests that nobody should trust."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: dict[str, str] = {}
        self.times: dict[str, Counter[str]] = defaultdict(Counter)
        self.at: dict[str, list[tuple[float, str]]] = defaultdict(list)  # first receipts: customers
        self.disordered = 0
        self.changed = 0
        self.forged = 0
        self._digests: dict[tuple[str, str], bytes] = {}
        self._newest: Counter[tuple[str, str, str]] = Counter()

    def repeated(self, path: str) -> int:
        """How many requests came although one with the same id had come."""
        return self.times[path].total() - len(self.times[path])

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """One request."""
        try:
            Webhook(self.secrets[path]).verify(body, headers)
        except (WebhookVerificationError, KeyError):
            self.forged += 1
            return
        name, digest = headers["webhook-id"], hashlib.sha256(body).digest()
        self.times[path][name] += 1
        if self.times[path][name] > 1:
            self.changed += self._digests[path, name] != digest
            return
        self._digests[path, name] = digest
        data = msgspec.json.decode(body)["data"]
        member = path, data["program"], data["customer"]
        self.disordered += data["seq"] < self._newest[member]
        self._newest[member] = max(self._newest[member], data["seq"])
        self.at[path].append((monotonic(), data["customer"]))

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.receive(request.path, headers, await request.read())
        return web.Response()


@asynccontextmanager
async def listening() -> AsyncIterator[Hook]:
    """On a free port of 127.0.0.1."""
    hook = Hook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield hook
    finally:
        await runner.cleanup()
