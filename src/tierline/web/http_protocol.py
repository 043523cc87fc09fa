"""One HTTP/1.1 connection: uvicorn's protocol with our promises about bad requests.

Where uvicorn would do otherwise:
- A head has a bound, and nothing of an endless one is kept.
- Fields of a trailer are no header fields (RFC 9110 §6.5.1): they are dropped, within a bound.
- A head that does not come to its end in time is refused; a connection that sends nothing ends.
- An answer that comes before the request's body is read must arrive although more of the body does:
  the connection's other half is closed first, and what still comes is dropped, within bounds.
- What is no HTTP gets a problem like every other refusal, and only after all that came before it on
  the connection has its answer: it must not be taken for the answer to what was recorded.
- An offer to speak another protocol is passed over (RFC 9110 §7.8). Java's client makes one with
  its first request; the parser would take that request's body for the other protocol's.
- One timer serves a connection for as long as it is used; uvicorn makes and cancels one a request.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tierline.errors import Invalid, TierlineError, TooLarge
from tierline.web import limits, problem, routing

_OFFERS: Final = frozenset({b"upgrade", b"http2-settings"})


class RequestTimeout(TierlineError):
    """The head of the request did not come to its end within {seconds} seconds; send it at once."""

    code = "request_timeout"
    status = 408


class _AnswerTransport:
    """What uvicorn's cycle of one request writes to: the connection's transport, whose end waits
    for the client to have the answer."""

    __slots__ = ("connection",)

    def __init__(self, connection: HttpConnection) -> None:
        self.connection = connection

    def write(self, data: bytes) -> None:
        self.connection.transport.write(data)

    def is_closing(self) -> bool:
        return self.connection.transport.is_closing()

    def close(self) -> None:
        self.connection.hang_up()


class HttpConnection(HttpToolsProtocol):
    """What a request may be is checked here; `begin`, `on_body` and `end` are the request."""

    cycle: Any  # uvicorn's own, or another request that has its attributes

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._current: Any = None  # the cycle that is being answered; later ones wait
        self._in_head = self._in_body = False
        self._received = self._size = 0  # bytes so far, and of the last read
        self._head_start = self._first_read = 0  # both when the head began: it lies within them
        self._upgrade = False  # another protocol
        self._ending = False  # the last answer is on its way
        self._error: TierlineError | None = None  # nothing more is read
        self._progress = 0  # bytes received when a body, or a chunk of it, last went on
        self._unread = 0  # bytes of a body that came after the answer
        self._answered_at = 0.0  # when the last answer went out, by the loop's clock
        self._timer: asyncio.TimerHandle | None = None  # of a head, or of a connection that ends

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.await_request()

    def await_request(self) -> None:
        """From now on the connection ends when nothing comes for too long."""
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Ends the connection if nothing has come all the time; else looks again later."""
        self.timeout_keep_alive_task = None
        if (
            self._in_head
            or self._in_body
            or not (self.cycle is None or self.cycle.response_complete)
        ):
            return  # the answer to what is coming starts the time anew
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
            return
        self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    # -- reading --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._size = len(data)
        self._received += self._size
        if self._error is not None or self._ending:
            self._drop(self._size)
            return
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(self._fault(error))
        else:
            if self._in_head:
                if self._received - self._head_start > limits.HEAD_BYTES_MAX:
                    self._refuse(_head_too_large())
                elif self._timer is None:
                    self._timer = self.loop.call_later(limits.HEAD_SECONDS_MAX, self._head_late)
            elif self._in_body and self._received - self._progress > limits.HEAD_BYTES_MAX:
                limit = f"{limits.HEAD_BYTES_MAX} bytes"
                self._refuse(TooLarge(what="chunk's head or the trailer", limit=limit))

    def _feed(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                rest = memoryview(rest)[offer.args[0] :]
                self.parser.feed_data(self._head_without_offer())
            else:
                return

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b: %b\r\n" % field for field in self.headers if field[0] not in _OFFERS]
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        return b"".join([line, *lines, b"\r\n"])

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._in_head = True
        self._head_start, self._first_read = self._received, self._size

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        self._upgrade = self.parser.should_upgrade()
        most = self._received - self._head_start + self._first_read
        if most > limits.HEAD_BYTES_MAX and self._head() > limits.HEAD_BYTES_MAX:
            self._error = _head_too_large()
            raise self._error
        if not self._upgrade:
            self._in_body = True
            self._progress = self._received
            self._unread = 0
            self.begin()
        elif self.parser.get_method() == b"CONNECT":
            self._error = Invalid(reason="CONNECT asks for a tunnel; this is no proxy.")
            raise self._error

    def _head(self) -> int:
        """The size of the head that was read, in bytes."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._progress = self._received
        if self.cycle.response_complete:
            self._drop(len(body))
        else:
            super().on_body(body)

    def on_chunk_complete(self) -> None:
        self._progress = self._received

    def on_message_complete(self) -> None:
        if not self._upgrade:
            self._in_body = False
            self.end()

    def begin(self) -> None:
        """A request's head is read."""
        url, headers = self.url, self.headers
        super().on_message_begin()  # as if it began now: the fast path needs nothing of this
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
        self.cycle.transport = _AnswerTransport(self)

    def end(self) -> None:
        """A request's body is read."""
        super().on_message_complete()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_late(self) -> None:
        self._refuse(RequestTimeout(seconds=limits.HEAD_SECONDS_MAX))

    def _drop(self, size: int) -> None:
        """Counts bytes that nobody reads; hangs up on a client that goes on and on."""
        self._unread += size
        if self._unread > limits.UNREAD_BYTES_MAX:
            self.transport.abort()

    # -- answering ------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._current = cycle
        super()._start_asgi_task(cycle, app)

    def _fault(self, error: httptools.HttpParserError) -> TierlineError:
        """The caller's, unless ours: the parser runs our code."""
        if self._error is not None:
            return self._error
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        if isinstance(cause, Exception) and not isinstance(
            cause, (httptools.HttpParserError, UnicodeError)
        ):
            return problem.as_error(cause)
        return Invalid(reason=f"What was sent is not HTTP/1.1: {cause}.")

    def _refuse(self, error: TierlineError) -> None:
        """Answer all that came before with its own, then this; then hang up."""
        self._error = error
        self._stop_timer()
        cycle = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if self._in_body:  # of the request that was read last: it is this one that is broken
            if not busy or getattr(cycle, "response_started", False):
                self.transport.close()  # an answer has begun; a cut says enough
                return
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            else:
                cycle.disconnected, busy = True, False
                cycle.message_event.set()
        self.cycle = self._refusal()
        answer: Any = routing.refusal(error)
        if busy:
            self.pipeline.appendleft((self.cycle, answer))
        else:
            self._start_asgi_task(self.cycle, answer)

    def hang_up(self) -> None:
        """Ends the connection after an answer. A client that still sends would lose the answer if
        the connection closed at once: its system drops what it has not read yet."""
        if self._error is None and not self._in_body:
            self.transport.close()
        elif not self._ending:
            self._ending = True
            self._stop_timer()
            self.transport.write_eof()
            self._timer = self.loop.call_later(limits.UNREAD_SECONDS_MAX, self.transport.abort)

    def _refusal(self) -> RequestResponseCycle:
        """A request without a body that is answered and then the connection's last."""
        scope: Any = {"type": "http", "method": "GET"}
        cycle = RequestResponseCycle(
            scope=scope,
            transport=_AnswerTransport(self),  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        return cycle

    def connection_lost(self, exc: Exception | None) -> None:
        """Also the one that is being answered hears of it; those that wait are not begun."""
        self._stop_timer()
        running = self._current
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)


def _head_too_large() -> TooLarge:
    return TooLarge(what="head of the request", limit=f"{limits.HEAD_BYTES_MAX} bytes")
