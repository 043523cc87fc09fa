"""How a Voucherify route is run: whose key it is, what it reads, and the vendor's error body.

The table's form is the native one's (`web/routing.py`). A pair of headers names the key: that of an
application, or under `/management` that of its management.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from time import perf_counter

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tierline.errors import TierlineError, Unauthorized
from tierline.store.catalog.audit import acting
from tierline.store.catalog.catalog import Catalog
from tierline.vendors.voucherify.api import errors, lists
from tierline.vendors.voucherify.objects import NAME
from tierline.web import auth, limits, problem, request_body, routing
from tierline.web.auth import Caller
from tierline.web.dependencies import Dependencies
from tierline.web.routing import Call, Operation

MANAGEMENT = "/management/v1/"
_encode = msgspec.json.Encoder().encode


async def caller_of(catalog: Catalog, path: str, headers: Mapping[str, str], now: int) -> Caller:
    """Returns the caller that a pair of headers proves, or an access token of an application's key.
    Raises Unauthorized."""
    kind, id_, token = NAME, headers.get("x-app-id"), headers.get("x-app-token")
    if path.startswith(MANAGEMENT):
        kind = f"{NAME}.management"
        id_, token = headers.get("x-management-id"), headers.get("x-management-token")
    if id_ is None and token is None and kind == NAME and "authorization" in headers:
        caller = auth.of_token(catalog, (NAME,), auth.bearer(headers["authorization"]), now)
        if caller is None:
            raise Unauthorized
        return caller
    if id_ is None or token is None:
        raise Unauthorized
    return await Caller.of(catalog, (kind,), token, id_)


class VendorPath:
    """One path with its methods: an ASGI application that never raises. Without operations it is
    a path that there is not."""

    def __init__(self, parts: Dependencies, path: str, operations: Iterable[Operation]) -> None:
        self.parts = parts
        self.path = path
        self.by_method = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, began = Request(scope, receive), perf_counter()
        request_id = errors.new_request_id()
        try:
            response = await self._run(request)
        except Exception as error:  # noqa: BLE001 - the last line: everything becomes a refusal
            self.parts.database.disk.saw(error)
            ours = problem.as_error(error, path=self.path, method=scope["method"])
            response = refusal(ours, request_id)
        response.headers["x-request-id"] = request_id
        await response(scope, receive, send)
        self.parts.metrics.observe(self.path, response.status_code, perf_counter() - began)

    async def _run(self, request: Request) -> Response:
        now = self.parts.clock()
        caller = await caller_of(self.parts.catalog, self.path, request.headers, now)
        if not self.by_method:
            raise problem.NoSuchPath(target=request.url.path)
        method = "GET" if request.method == "HEAD" else request.method
        operation = self.by_method.get(method)  # type: ignore[call-overload]
        if operation is None:
            allowed = ", ".join(self.by_method)
            raise problem.MethodNotAllowed(method=request.method, allowed=allowed)
        caller.require(*operation.scopes)
        lists.require_known(request, operation.query)
        if operation.writes:
            self.parts.database.disk.require_room()
        with acting(caller.actor):
            return await _answer(operation, Call(self.parts, request, caller))


async def _answer(operation: Operation, call: Call) -> Response:
    if operation.body is None:
        return routing.respond(await operation.handler(call), operation.status)
    call.raw = await request_body.body_of(call.request, limits.BODY_BYTES_MAX)
    if operation.optional and not call.raw:
        empty = request_body.configuration(b"{}", operation.body)
        return routing.respond(await operation.handler(call, empty), operation.status)
    request_body.require_json(call.request.headers.get("content-type"))
    body = request_body.configuration(call.raw, operation.body)
    return routing.respond(await operation.handler(call, body), operation.status)


def refusal(error: TierlineError, request_id: str) -> Response:
    body = errors.error_body(error, request_id)
    headers = {"content-type": routing.JSON, **errors.headers(error)}
    return Response(_encode(body), HTTPStatus(body.code), headers)


def routes(parts: Dependencies, operations: Iterable[Operation]) -> list[BaseRoute]:
    """Returns one route per path in the order of the table, then the vendor's own 404."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_path[operation.path].append(operation)
    by_path |= {"/v1/{rest:path}": [], f"{MANAGEMENT}{{rest:path}}": []}
    return [Route(path, VendorPath(parts, path, there)) for path, there in by_path.items()]
