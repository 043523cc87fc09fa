"""uvicorn on a socket of ours, told when it listens and when to stop; signals are the caller's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tierline.errors import TierlineError
from tierline.web.asgi import HealthApp

KEEP_ALIVE_SECONDS = 75
GRACEFUL_SECONDS_MAX = 10  # for requests that are under way when we stop
BACKLOG = 2048
_log = structlog.get_logger("tierline.web")


class AddressTaken(TierlineError):
    """Cannot listen on {host}:{port} ({reason}); choose another --host or --port."""

    code = "address_taken"


class _Server(uvicorn.Server):
    """uvicorn without its own ideas about signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: HealthApp, host: str, port: int) -> AsyncIterator[str]:
    """Serve inside; gives the URL. Port 0 takes a free one. Raises AddressTaken."""
    sock = _bound(host, port)
    config: dict[str, Any] = {
        "http": app.protocol,
        "ws": "none",
        "lifespan": "off",
    }
    server = _Server(
        uvicorn.Config(
            _cut_quietly(app),
            **config,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS_MAX,
        )
    )
    serving = asyncio.create_task(server.serve([sock]))
    try:
        await server.listening.wait()
        address = f"[{host}]" if ":" in host else host
        yield f"http://{address}:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        sock.close()


def _cut_quietly(app: ASGIApp) -> ASGIApp:
    """A request that is not over some seconds after the stop is cut: that is no fault."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            _log.warning("request_cut", path=scope.get("path"))

    return run


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol: asyncio switches Nagle's algorithm off only where it is named.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise AddressTaken(host=host, port=port, reason=error.strerror or str(error)) from error
    sock.setblocking(False)
    return sock
