"""The fast path of single activities: from the parser to the writer, and back in one write.

uvicorn makes a task, an event and several dictionaries for each request; for a route that does next
to nothing between reading a body and queueing it, that is most of its cost. Here one small activity
with a known key and program takes none of that. Whatever is unusual in the least (a stream, an
array, an unknown key, a refusal) goes uvicorn's own way, so that every rule of HTTP and every word
of an error stands in one place.

Vendors' routes that are called as often (`Operation.direct`) take a task of ours in place of
uvicorn's cycle; what they read and answer is theirs alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from tierline.errors import TierlineError
from tierline.ledger.commands import Answer
from tierline.web import limits, problem, responses, routing
from tierline.web.auth import LastBearer
from tierline.web.http_protocol import HttpConnection
from tierline.web.request_body import content_length
from tierline.web.routes import activities
from tierline.web.routes.activities import Activities
from tierline.web.vendor_path import DoorPath

BODY_BYTES_MAX: Final = 65_536  # a longer body goes uvicorn's way
_SLOW_HEADERS: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect"})
_JSON: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})
_OK: Final = STATUS_LINE[200] + b"content-type: application/json\r\n"
_encode = msgspec.json.Encoder().encode


class _NoWaiter:
    """Where uvicorn announces that a connection is lost: no task of a fast request waits for it."""

    def set(self) -> None:
        """Does nothing."""


_NO_WAITER: Final = _NoWaiter()


class FastRequest:
    """A request on the fast path. To uvicorn it is a cycle like its own: until it is complete,
    later requests of the connection wait."""

    __slots__ = (
        *("authorization", "start_seconds", "body", "disconnected", "keep_alive", "message_event"),
        *("path", "response_complete"),
    )

    def __init__(self, authorization: bytes, path: DoorPath | None) -> None:
        self.authorization = authorization
        self.path = path  # a vendor's; None: an activity
        self.body = b""
        self.start_seconds = perf_counter()
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False
        # Not the request itself: that circle would keep its body until the collector comes by.
        self.message_event = _NO_WAITER


class FastProtocol(HttpConnection):
    """A connection with a fast path for single activities, and for `direct` paths of vendors."""

    def __init__(
        self, activities: Activities, direct: Mapping[bytes, DoorPath], **options: Any
    ) -> None:
        super().__init__(**options)
        self.activities = activities
        self.direct = direct
        self._bearer = LastBearer()
        self._default_lines: tuple[object, bytes] = (None, b"")

    # -- reading --------------------------------------------------------------------------------

    def begin(self) -> None:
        request = self._plain_request()
        if request is None:
            super().begin()
        else:
            self.cycle = self._current = request

    def _plain_request(self) -> FastRequest | None:
        """Returns a request whose head is that of a plain activity, or of a plain request for a
        direct path; None for any other."""
        url, path = self.url, None
        if not url.endswith(activities.SUFFIX) or not url.startswith(activities.PREFIX):
            path = self.direct.get(url)
            if path is None:
                return None
        if (
            self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
            or len(self.headers) > limits.HEADERS_MAX
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
        ):
            return None
        authorization, length, content_types, hosts = b"", 0, 0, 0
        for name, value in self.headers:
            if name == b"content-length":
                length = int(value) if value.isdigit() and len(value) < 8 else content_length(value)
            elif name == b"authorization":
                if authorization:
                    return None
                authorization = value
            elif name == b"content-type":
                content_types += 1
                if content_types > 1 or value.lower() not in _JSON:
                    return None
            elif name == b"host":
                hosts += 1
            elif name in _SLOW_HEADERS:
                return None
        if hosts > 1 or not 0 < length <= BODY_BYTES_MAX:
            return None
        return FastRequest(authorization, path)

    def on_body(self, body: bytes) -> None:
        if type(self.cycle) is FastRequest:
            self.cycle.body += body
        else:
            super().on_body(body)

    def end(self) -> None:
        request = self.cycle
        if type(request) is not FastRequest:
            super().end()
            return
        request.keep_alive = self.parser.should_keep_alive()
        if request.path is not None:
            task = self.loop.create_task(self._run(request, request.path, self.headers))
            self.tasks.add(task)  # else nothing would hold it, nor a server that ends wait for it
            task.add_done_callback(self.tasks.discard)
            return
        caller = self._bearer.caller(self.activities.parts.catalog, request.authorization)
        answer = self.activities.submit_plain(caller, self.url, request.body)
        if answer is not None:
            request.body = b""  # read: nobody needs it while the answer is waited for
            answer.add_done_callback(partial(self._answer, request))
            return
        self.cycle = None
        super().begin()
        super().on_body(request.body)
        super().end()

    # -- answering ------------------------------------------------------------------------------

    async def _run(
        self, request: FastRequest, path: DoorPath, headers: list[tuple[bytes, bytes]]
    ) -> None:
        scope: Scope = {
            "type": "http", "method": "POST", "scheme": "http", "path": path.path,
            "query_string": b"", "headers": headers,
        }  # fmt: skip
        try:
            response = await path.answer(Request(scope), request.body)
        except Exception as fault:  # noqa: BLE001 - the last line: nobody waits for ever
            error = problem.as_error(fault, path=path.path, method="POST")
            response = routing.refusal(error)
        self._send(request, _response_head(response), bytes(response.body))

    def _answer(self, request: FastRequest, answer: asyncio.Future[Answer]) -> None:
        try:
            body = _encode(responses.activity(answer.result()))
            status, head = 200, _OK
        except Exception as fault:  # noqa: BLE001 - the last line: everything becomes a problem
            error = problem.as_error(fault, path=activities.PATH, method="POST")
            status, body, head = error.status, problem.body(error), _head(error)
        seconds = perf_counter() - request.start_seconds
        self.activities.parts.metrics.observe(activities.PATH, status, seconds)
        self._send(request, b"%bcontent-length: %d\r\n" % (head, len(body)), body)

    def _send(self, request: FastRequest, head: bytes, body: bytes) -> None:
        request.response_complete = True
        if request.disconnected or self.transport.is_closing():
            return
        closing = b"\r\n" if request.keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((head, self._date(), closing, body)))
        if not request.keep_alive:
            self.transport.close()
        if self.pipeline or self.flow.read_paused or not request.keep_alive:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.await_request()

    def _date(self) -> bytes:
        """The headers that uvicorn puts into every answer; it makes new ones each second."""
        headers = self.server_state.default_headers
        if self._default_lines[0] is not headers:
            self._default_lines = headers, b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._default_lines[1]


def _head(error: TierlineError) -> bytes:
    lines = [f"{name}: {value}\r\n".encode() for name, value in problem.headers(error).items()]
    return STATUS_LINE[error.status] + b"".join(lines)


def _response_head(response: Response) -> bytes:
    lines = [b"%b: %b\r\n" % header for header in response.raw_headers]
    return STATUS_LINE[response.status_code] + b"".join(lines)
