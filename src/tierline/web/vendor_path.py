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
from tierline.web.routing import Call, JsonResponse, Operation


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
        self._writing = frozenset(m for m, operation in self.by_method.items() if operation.writes)

    @property
    def direct(self) -> bool:
        """Whether a small POST may go past uvicorn's cycle."""
        operation = self.by_method.get("POST")
        return operation is not None and operation.direct and operation.body is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request, raw: bytes | None = None) -> Response:
        """`raw`: the whole body, of a request for JSON that is on a direct path."""
        began, method = perf_counter(), request.scope["method"]
        caller, response, headers = None, None, _fields(request.scope)
        try:
            if method == "OPTIONS":
                response = self.door.preflight(self.parts.catalog, self.path, headers)
            if response is None:
                caller = await self.door.caller(self.parts.catalog, self.path, headers)
                self.door.admit(caller, self.path, headers)
                response = await self._run(request, caller, headers, raw)
        except Exception as error:  # noqa: BLE001 - the last line: everything becomes a refusal
            self.parts.database.disk.saw(error)
            ours = problem.as_error(error, path=self.path, method=method)
            response = self.door.refusal(ours, self.path)
        plain = response.__class__ is JsonResponse
        there = () if plain else {name for name, _ in response.raw_headers}
        for field, value in self.door.headers(caller, self.path, headers).items():
            name = field.encode("latin-1")
            if name not in there:
                response.raw_headers.append((name, value.encode("latin-1")))
        self.parts.metrics.observe(self.path, response.status_code, perf_counter() - began)
        return response

    async def _run(
        self, request: Request, caller: Caller, headers: Mapping[str, str], raw: bytes | None
    ) -> Response:
        if not self.by_method:
            raise problem.NoSuchPath(target=request.url.path)
        name = request.scope["method"]
        method = "GET" if name == "HEAD" else name
        operation = self.by_method.get(method)  # type: ignore[arg-type]
        if operation is None:
            allowed = ", ".join(self.by_method)
            raise problem.MethodNotAllowed(method=name, allowed=allowed)
        caller.require(*operation.scopes)
        self.door.require_known(request, operation)
        disk = self.parts.database.disk
        # The ledger looks before each of its batches: often enough for paths that all go there.
        if method in self._writing and (raw is None or disk.full):
            disk.require_room()
        with acting(caller.actor):
            if raw is not None:
                call = Call(self.parts, request, caller, headers, raw)
                body = request_body.configuration(raw, operation.body)
                return routing.respond(await operation.handler(call, body), operation.status)
            call = Call(self.parts, request, caller, headers)
            return await _answer(operation, call, passes_bodies=self.door.passes_bodies)


def _fields(scope: Scope) -> dict[str, str]:
    """Header fields by their names in small letters; of one that comes twice the first counts."""
    fields = reversed(scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}


async def _answer(operation: Operation, call: Call, *, passes_bodies: bool) -> Response:
    if operation.body is None:
        if operation.method != "GET" and not passes_bodies:
            await request_body.require_none(call.request)
        return routing.respond(await operation.handler(call), operation.status)
    call.raw = await request_body.body_of(call.request, limits.BODY_BYTES_MAX)
    if operation.optional and not call.raw:
        body = request_body.configuration(b"{}", operation.body)
    else:
        request_body.require_json(call.headers.get("content-type"))
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
