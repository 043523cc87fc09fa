"""One HTTP/1.1 connection: an exchange at a time, bounded in what it reads."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from time import monotonic
from typing import Protocol

import httptools

from tierline.transport.exchange import Fault, HttpExchange, HttpReply, milliseconds

BODY_KEPT = 1024
BODY_READ_MAX = 16 * 1024
HEADERS_MAX = 32 * 1024
HEADERS_COUNT_MAX = 100


class ConnectionOwner(Protocol):
    """The pool that a connection belongs to."""

    def send(self, exchange: HttpExchange) -> None:
        """Send an exchange over another connection."""
        ...

    def idle(self, connection: ClientConnection, now: float) -> None:
        """An exchange ended well: the connection may be used again."""
        ...

    def dropped(self, connection: ClientConnection) -> None:
        """The connection is of no more use."""
        ...


class ClientConnection(asyncio.Protocol):
    """Belongs to a pool; idle while `exchange` is None."""

    def __init__(self, pool: ConnectionOwner, address: str) -> None:
        self.pool = pool
        self.address = address
        self.exchange: HttpExchange | None = None
        self.used = 0
        self.idle_since = 0.0
        self.retired = False  # close it after the exchange under way
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._headers: dict[str, str] = {}
        self._body = b""
        self._read = 0
        self._raw = 0
        self._status = 0
        self._complete = False
        self._keep = False

    def start(self, exchange: HttpExchange, now: float) -> None:
        transport = self._transport
        assert transport is not None
        assert self.exchange is None
        self.exchange = exchange
        exchange.connection = self
        exchange.sent = now
        transport.write(exchange.request)

    def abort(self) -> None:
        """Close at once and leave the pool. An exchange under way is not answered from here."""
        self.pool.dropped(self)
        self.close()

    def close(self) -> None:
        """Close at once. An exchange under way is not answered from here."""
        self.exchange = None
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are not subclasses

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abort()  # nothing was requested: whatever this is, it is no answer
            return
        now, timings = monotonic(), exchange.timings
        if timings.first_byte is None:
            timings.first_byte = milliseconds(now - exchange.sent)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail("protocol", f"not HTTP/1.1: {error}")
            return
        if self._complete:
            self._finish(now, keep=self._keep)
        elif self._status:
            if self._read > BODY_READ_MAX:
                self._finish(now, keep=False)  # its status counts; the rest is not ours to read
        else:
            self._raw += len(data)
            if self._raw > HEADERS_MAX:
                self._fail("protocol", "headers are too long")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.pool.dropped(self)
        if self.exchange is None:
            return
        if self._status and not self._framed() and error is None:
            self._finish(monotonic(), keep=False)  # its end is the end of the body
        elif not self._raw and not self._status and self.used and not self.exchange.fresh:
            # A kept connection was closed before a byte of answer: the one fault that is retried at
            # once, for it is most likely the receiver's idle timeout crossing our request.
            exchange, self.exchange = self.exchange, None
            exchange.fresh = True
            self.pool.send(exchange)
        else:
            self._fail("reset", str(error) if error else "closed before the answer was complete")

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        if len(headers) < HEADERS_COUNT_MAX:
            headers[_header_name(name)] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # 100 Continue, 103 Early Hints: the answer is still to come
        self._status = status

    def on_body(self, body: bytes) -> None:
        self._read += len(body)
        if len(self._body) < BODY_KEPT:
            self._body += body[: BODY_KEPT - len(self._body)]

    def on_message_complete(self) -> None:
        if self._status:
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # the parser forgets it right after this
        else:
            self._headers = {}

    def _framed(self) -> bool:
        """Whether length or chunks say where the body ends, not the end of the connection."""
        headers = self._headers
        framed = "content-length" in headers or "transfer-encoding" in headers
        return framed or self._status in (204, 304)

    def _finish(self, now: float, *, keep: bool) -> None:
        exchange = self.exchange
        assert exchange is not None
        reply = HttpReply(
            self._status, self._headers, self._body, None, None, self.address, self.used > 0,
            exchange.timings,
        )  # fmt: skip
        self.exchange = None
        self.used += 1
        if keep and not self.retired and not self.closed:
            self._reset()
            self.pool.idle(self, now)
        elif not self.closed:
            self.abort()
        exchange.finish(reply, now)

    def _fail(self, fault: Fault, reason: str) -> None:
        exchange = self.exchange
        assert exchange is not None
        self.abort()
        exchange.failed(fault, reason, monotonic(), self.address, reused=self.used > 0)


@lru_cache(maxsize=512)
def _header_name(name: bytes) -> str:
    """Receivers answer with the same few names again and again."""
    return name.decode("latin-1").lower()
