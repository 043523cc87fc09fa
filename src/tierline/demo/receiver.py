"""The demo's webhook receiver: a consumer as its author would write it, signatures first.

Nothing of Tierline's own signing code is used: what the vendors document is computed anew.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from msgspec import Struct

from tierline.demo.stories import Signature

WAIT_SECONDS_MAX = 30


class ReceiverSecrets(Struct, frozen=True):
    """What verifies a delivery: the vendor's header and the Standard Webhooks one. `signatures`:
    what the endpoint's answer said of them."""

    vendor: str | None
    standard: str
    signatures: list[dict[str, Any]] = []


class ReceivedWebhook(Struct, frozen=True):
    """One webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: str


class Receiver:
    """A real HTTP server on this machine that keeps what it gets, in order."""

    def __init__(self) -> None:
        self.deliveries: list[ReceivedWebhook] = []
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{name}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = (await request.read()).decode()
        async with self._arrived:
            self.deliveries.append(ReceivedWebhook(request.path, headers, body))
            self._arrived.notify_all()
        return web.Response()

    async def wait(self, count: int) -> None:
        """Until so many have arrived. TimeoutError when they do not."""
        async with asyncio.timeout(WAIT_SECONDS_MAX), self._arrived:
            await self._arrived.wait_for(lambda: len(self.deliveries) >= count)


def verified(delivery: ReceivedWebhook, secrets: ReceiverSecrets, signature: Signature) -> bool:
    """Whether both of a delivery's signatures are genuine."""
    return genuine(delivery, secrets.standard) and _vendor(
        delivery.headers, delivery.body.encode(), secrets.vendor, signature
    )


def genuine(delivery: ReceivedWebhook, secret: str) -> bool:
    """Whether the signature of https://www.standardwebhooks.com is right: HMAC-SHA256 over
    `id.timestamp.body`, base64."""
    headers, body = delivery.headers, delivery.body.encode()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return any(
        hmac.compare_digest(expected, given) for given in headers["webhook-signature"].split()
    )


def _vendor(headers: dict[str, str], body: bytes, secret: str | None, signature: Signature) -> bool:
    """As the vendor documents it: HMAC-SHA256 over the raw body, in the encoding of its header."""
    if secret is None:
        return True
    digest = hmac.digest(secret.encode(), body, "sha256")
    encode = bytes.hex if signature.encoding == "hex" else _base64
    return hmac.compare_digest(encode(digest), headers.get(signature.header, ""))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
