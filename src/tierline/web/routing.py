"""The table of operations, and the one way in which every one of them is run.

An `Operation` says who may call it, what it reads and what it answers; the same table makes the
router, the OpenAPI document and the documentation's checks. A handler is
`async (call) -> answer` or `async (call, body) -> answer`; an answer is anything that encodes as
JSON, or a `Reply` where the status is not the usual one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, Literal, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tierline.errors import Invalid, TierlineError
from tierline.model import validation
from tierline.model.actor import SYSTEM
from tierline.model.tenant import Project
from tierline.store.catalog.audit import acting
from tierline.web import auth, limits, problem, request_body
from tierline.web.auth import Caller
from tierline.web.dependencies import Dependencies

T = TypeVar("T")
Handler = Callable[..., Awaitable[Any]]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
JSON = "application/json"
_encode = msgspec.json.Encoder().encode


class Reply(Struct, frozen=True):
    """An answer with a status, headers or bytes of its own."""

    status: int = 200
    body: Any = None  # bytes are sent as they are
    content_type: str = JSON
    headers: dict[str, str] = {}


class OtherAnswer(Struct, frozen=True):
    """A further answer of an operation, for the OpenAPI document; of several types, any."""

    status: int
    types: tuple[Any, ...]  # none: text
    content_type: str = JSON
    about: str = ""


class Operation(Struct, frozen=True):
    """One method of one path."""

    method: Method
    path: str
    handler: Handler
    about: str  # one sentence for OpenAPI
    scopes: tuple[str, ...] = ()
    body: Any = None  # the type of the JSON body; None: there is none
    query: type | None = None  # a struct of what the query string may hold
    answer: Any = None  # the type of a successful answer; None: any JSON
    status: int = 200
    optional: bool = False  # the body may be empty
    open: bool = False  # needs no key
    reads_body: bool = False  # the handler does, for it is no JSON
    direct: bool = False  # called all the time: a small POST takes the fast path (fast_path.py)
    other_bodies: tuple[tuple[str, Any], ...] = ()  # content type, type of its lines
    other_answers: tuple[OtherAnswer, ...] = ()
    refers_to: tuple[Any, ...] = ()  # types that schemas name and no field holds
    details: str = ""  # for OpenAPI, where one sentence is too little

    @property
    def writes(self) -> bool:
        """Whether it needs room on the disk. Taking something away is tried without: a key that
        leaked can be disabled at any time."""
        adds = self.method in ("POST", "PUT", "PATCH")
        return adds and any(scope.startswith(("write_", "manage_")) for scope in self.scopes)


class Call:
    """One request, as a handler sees it."""

    def __init__(
        self,
        parts: Dependencies,
        request: Request,
        caller: Caller | None,
        headers: Mapping[str, str] | None = None,
        raw: bytes = b"",
    ) -> None:
        self.parts = parts
        self.request = request
        self.headers = request.headers if headers is None else headers  # names in small letters
        self._caller = caller
        self._project = 0 if caller is None else caller.project.number
        self.wall = parts.clock()
        self.raw = raw

    @property
    def caller(self) -> Caller:
        assert self._caller is not None  # only open operations have none
        return self._caller

    @property
    def project(self) -> Project:
        return self.parts.catalog.project(self._project)

    @property
    def now(self) -> int:
        """The project's own time."""
        return self.parts.catalog.now(self._project, self.wall)

    def param(self, name: str) -> str:
        """A part of the path, percent-decoded and checked as a name."""
        try:
            text = unquote(self.request.path_params[name], errors="strict")
        except UnicodeDecodeError:
            raise Invalid(path=name, reason=f"{name}: the path is not UTF-8.") from None
        return validation.identifier(text, name)

    def query(self, shape: type[T]) -> T:
        return request_body.query(self.request, shape)


class PathApp:
    """One path with its methods: an ASGI application that never raises."""

    def __init__(self, parts: Dependencies, path: str, operations: Iterable[Operation]) -> None:
        self.parts = parts
        self.path = path
        self.by_method = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, began = Request(scope, receive), perf_counter()
        try:
            response = await self._run(request)
        except Exception as error:  # noqa: BLE001 - the last line: everything becomes a problem
            self.parts.database.disk.saw(error)
            response = refusal(problem.as_error(error, path=self.path, method=scope["method"]))
        await response(scope, receive, send)
        self.parts.metrics.observe(self.path, response.status_code, perf_counter() - began)

    async def _run(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        operation = self.by_method.get(method)  # type: ignore[call-overload]
        if operation is None:
            allowed = ", ".join(self.by_method)
            raise problem.MethodNotAllowed(method=request.method, allowed=allowed)
        caller = None
        if not operation.open:
            parts = self.parts
            caller = await auth.of_request(
                parts.catalog, parts.sessions, request.scope, parts.clock()
            )
            caller.require(*operation.scopes)
        request_body.require_known(request.scope["query_string"], operation.query)
        if operation.writes:
            self.parts.database.disk.require_room()
        call = Call(self.parts, request, caller)
        with acting(SYSTEM if caller is None else caller.actor):
            answer = await _answer(operation, call)
        return respond(answer, operation.status)


async def _answer(operation: Operation, call: Call) -> Any:
    if operation.body is None:
        if operation.method != "GET" and not operation.reads_body:
            await request_body.require_none(call.request)
        return await operation.handler(call)
    call.raw = await request_body.body_of(call.request, limits.BODY_BYTES_MAX)
    if operation.optional and not call.raw:
        return await operation.handler(call, request_body.configuration(b"{}", operation.body))
    request_body.require_json(call.request.headers.get("content-type"))
    return await operation.handler(call, request_body.configuration(call.raw, operation.body))


class JsonResponse(Response):
    """Most answers: their headers need no building."""

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]


def respond(answer: Any, status: int) -> Response:
    if answer.__class__ is dict and status != 204:
        return JsonResponse(_encode(answer), status)
    if isinstance(answer, Response):
        return answer  # streamed: the handler knows how
    reply = answer if isinstance(answer, Reply) else Reply(status, answer)
    if reply.status == 204:
        return Response(status_code=204, headers=reply.headers)
    body = reply.body if isinstance(reply.body, bytes) else _encode(reply.body)
    if reply.content_type == JSON and not reply.headers:
        return JsonResponse(body, reply.status)
    headers = {"content-type": reply.content_type, **reply.headers}
    return Response(body, reply.status, headers)


def refusal(error: TierlineError) -> Response:
    return Response(problem.body(error), error.status, problem.headers(error))


def routes(parts: Dependencies, operations: Sequence[Operation]) -> list[BaseRoute]:
    """One route per path, in the order of the table."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_path[operation.path].append(operation)
    return [Route(path, PathApp(parts, path, methods)) for path, methods in by_path.items()]
