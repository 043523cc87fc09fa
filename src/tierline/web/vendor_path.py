"""How a path of a vendor's own HTTP API is run: the native way (`routing.py`), with the vendor's
keys and the vendor's error body.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from time import perf_counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tierline.errors import TierlineError
from tierline.store.catalog.audit import acting
from tierline.store.catalog.catalog import Catalog
from tierline.web import limits, problem, request_body, routing
from tierline.web.auth import Caller
from tierline.web.dependencies import Dependencies
from tierline.web.routing import Call, Operation


class VendorDoor(ABC):
    """What differs from vendor to vendor. `passes_bodies`: whether a body that no operation reads
    is passed over."""

    passes_bodies = False

    @abstractmethod
    async def caller(self, catalog: Catalog, path: str, headers: Mapping[str, str]) -> Caller:
        """Returns whom the request's keys prove. Raises Unauthorized."""

    @abstractmethod
    def refusal(self, error: TierlineError, path: str) -> Response:
        """Returns the vendor's error body."""

    @abstractmethod
    def admit(self, caller: Caller, path: str, headers: Mapping[str, str]) -> None:
        """Lets a call of a known caller in. Raises what refuses it."""

    def preflight(self, catalog: Catalog, path: str, headers: Mapping[str, str]) -> Response | None:
        """Returns what a browser hears that asks whether a page may call; None: as any method."""
        return None

    def require_known(self, request: Request, operation: Operation) -> None:
        """Raises Invalid for a parameter that the operation's query does not have."""
        request_body.require_known(request.scope["query_string"], operation.query)

    def headers(
        self, caller: Caller | None, path: str, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Returns what goes with every answer to a request with these headers, where it is not
        there already. No caller: nobody was proved."""
        return {}


class DoorPath:
    """One path with its methods: an ASGI application that never raises. Without operations it is
    a path that there is not."""

    def __init__(
        self, parts: Dependencies, door: VendorDoor, path: str, operations: Iterable[Operation]
    ) -> None:
        self.parts = parts
        self.door = door
        self.path = path
        self.by_method = {operation.method: operation for operation in operations}

    @property
    def direct(self) -> bool:
        """Whether a small POST may go past uvicorn's cycle."""
        operation = self.by_method.get("POST")
        return operation is not None and operation.direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        began = perf_counter()
        caller, response = None, None
        try:
            if request.method == "OPTIONS":
                response = self.door.preflight(self.parts.catalog, self.path, request.headers)
            if response is None:
                caller = await self.door.caller(self.parts.catalog, self.path, request.headers)
                response = await self._run(request, caller)
        except Exception as error:  # noqa: BLE001 - the last line: everything becomes a refusal
            self.parts.database.disk.saw(error)
            ours = problem.as_error(error, path=self.path, method=request.method)
            response = self.door.refusal(ours, self.path)
        for name, value in self.door.headers(caller, self.path, request.headers).items():
            response.headers.setdefault(name, value)
        self.parts.metrics.observe(self.path, response.status_code, perf_counter() - began)
        return response

    async def _run(self, request: Request, caller: Caller) -> Response:
        self.door.admit(caller, self.path, request.headers)
        if not self.by_method:
            raise problem.NoSuchPath(target=request.url.path)
        method = "GET" if request.method == "HEAD" else request.method
        operation = self.by_method.get(method)  # type: ignore[call-overload]
        if operation is None:
            allowed = ", ".join(self.by_method)
            raise problem.MethodNotAllowed(method=request.method, allowed=allowed)
        caller.require(*operation.scopes)
        self.door.require_known(request, operation)
        if operation.writes:
            self.parts.database.disk.require_room()
        with acting(caller.actor):
            call = Call(self.parts, request, caller)
            return await _answer(operation, call, passes_bodies=self.door.passes_bodies)


async def _answer(operation: Operation, call: Call, *, passes_bodies: bool) -> Response:
    if operation.body is None:
        if operation.method != "GET" and not passes_bodies:
            await request_body.require_none(call.request)
        return routing.respond(await operation.handler(call), operation.status)
    call.raw = await request_body.body_of(call.request, limits.BODY_BYTES_MAX)
    if operation.optional and not call.raw:
        body = request_body.configuration(b"{}", operation.body)
    else:
        request_body.require_json(call.request.headers.get("content-type"))
        body = request_body.configuration(call.raw, operation.body)
    return routing.respond(await operation.handler(call, body), operation.status)


def vendor_paths(
    parts: Dependencies, door: VendorDoor, operations: Iterable[Operation], roots: Iterable[str]
) -> list[BaseRoute]:
    """Returns one route per path in the order of the table, then the vendor's own 404 for whatever
    else lies below the roots."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_path[operation.path].append(operation)
    by_path |= {f"{root}/{{rest:path}}": [] for root in roots}
    return [Route(path, DoorPath(parts, door, path, there)) for path, there in by_path.items()]
