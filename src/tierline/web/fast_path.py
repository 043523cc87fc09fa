"""The quick way for single activities: from the parser to the writer, and back in one write.

uvicorn makes a task, an event and several dictionaries for each request; for a route that does next
to nothing between reading a body and queueing it, that is most of its cost. Here one small activity
with a known key and program takes none of that. Whatever is unusual in the least (a stream, an
array, an unknown key, a refusal) goes uvicorn's own way, so that every rule of HTTP and every word
of an error stands in one place.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from tierline.errors import TierlineError
from tierline.ledger.commands import Answer
from tierline.web import limits, problem, responses
from tierline.web.http_protocol import Connection
from tierline.web.routes import activities
from tierline.web.routes.activities import Activities

QUICK_BYTES_MAX: Final = 65_536  # a longer body goes uvicorn's way
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect"})
_JSON: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})
_OK: Final = STATUS_LINE[200] + b"content-type: application/json\r\n"
_encode = msgspec.json.Encoder().encode


class Exchange:
    """A request on the quick way. To uvicorn it is a cycle like its own: while it is not complete,
    requests that are already here wait their turn."""

    __slots__ = (
        *("authorization", "began", "body", "disconnected", "keep_alive", "message_event"),
        "response_complete",
    )

    def __init__(self, authorization: bytes) -> None:
        self.authorization = authorization
        self.body = b""
        self.began = perf_counter()
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False
        self.message_event = self  # uvicorn sets it when the connection is lost; nobody waits

    def set(self) -> None:
        """Nobody waits for a message here."""


class FastProtocol(Connection):
    """A connection with a shorter way for single activities."""

    def __init__(self, activities: Activities, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.activities = activities
        self._usual: tuple[object, bytes] = (None, b"")

    # -- reading --------------------------------------------------------------------------------

    def begin(self) -> None:
        exchange = self._begun()
        if exchange is None:
            super().begin()
        else:
            self.cycle = self._running = exchange

    def _begun(self) -> Exchange | None:
        """An exchange, when the head of the request is that of a plain activity."""
        url = self.url
        if (
            not url.endswith(activities.SUFFIX)
            or not url.startswith(activities.PREFIX)
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
            or len(self.headers) > limits.HEADERS_MAX
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
        ):
            return None
        authorization, length = b"", 0
        for name, value in self.headers:
            if name == b"content-length":
                length = int(value) if value.isdigit() else 0
            elif name == b"authorization":
                authorization = value
            elif name in _UNUSUAL or (name == b"content-type" and value.lower() not in _JSON):
                return None
        return Exchange(authorization) if 0 < length <= QUICK_BYTES_MAX else None

    def on_body(self, body: bytes) -> None:
        if type(self.cycle) is Exchange:
            self.cycle.body += body
        else:
            super().on_body(body)

    def end(self) -> None:
        exchange = self.cycle
        if type(exchange) is not Exchange:
            super().end()
            return
        exchange.keep_alive = self.parser.should_keep_alive()
        answer = self.activities.quick(exchange.authorization, self.url, exchange.body)
        if answer is not None:
            answer.add_done_callback(partial(self._answer, exchange))
            return
        self.cycle = None
        super().begin()
        super().on_body(exchange.body)
        super().end()

    # -- answering ------------------------------------------------------------------------------

    def _answer(self, exchange: Exchange, answer: asyncio.Future[Answer]) -> None:
        try:
            body = _encode(responses.activity(answer.result()))
            status, head = 200, _OK
        except Exception as error:  # noqa: BLE001 - the last line: everything becomes a problem
            told = problem.told(error, path=activities.PATH, method="POST")
            status, body, head = told.status, problem.body(told), _head(told)
        seconds = perf_counter() - exchange.began
        self.activities.parts.figures.answered(activities.PATH, status, seconds)
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            return
        closing = b"" if exchange.keep_alive else b"connection: close\r\n"
        size = b"content-length: %d\r\n\r\n" % len(body)
        self.transport.write(b"".join((head, self._date(), closing, size, body)))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _date(self) -> bytes:
        """The headers that uvicorn puts into every answer; it makes new ones each second."""
        headers = self.server_state.default_headers
        if self._usual[0] is not headers:
            self._usual = headers, b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._usual[1]


def _head(told: TierlineError) -> bytes:
    lines = [f"{name}: {value}\r\n".encode() for name, value in problem.headers(told).items()]
    return STATUS_LINE[told.status] + b"".join(lines)
