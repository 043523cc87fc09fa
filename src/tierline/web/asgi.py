"""The ASGI application: the hot route first, then the table of operations, then the routes that
its caller adds (vendors' own)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tierline import __version__
from tierline.errors import Invalid, NoSuchRecord, TierlineError, TooLarge
from tierline.web import limits, openapi, problem, routing
from tierline.web.dependencies import Dependencies
from tierline.web.fast_path import FastProtocol
from tierline.web.http_protocol import HttpConnection
from tierline.web.problem import Problem
from tierline.web.responses import ActivityAnswer
from tierline.web.routes import (
    activities,
    audit,
    change_requests,
    customers,
    deletion,
    dry_run,
    endpoints,
    erasure,
    events,
    health,
    history,
    join_page,
    listing,
    members,
    open_id,
    orders,
    points,
    preview,
    programs,
    projects,
    sign_in,
    states,
    summary,
    tokens,
    users,
)
from tierline.web.routes.activities import Activities
from tierline.web.routing import Call, Operation, OtherAnswer, Reply
from tierline.web.vendor_path import DoorPath


async def post_activities(call: Call, _body: Any) -> Any:
    """Never called: `App` sends this path straight to `Activities`."""
    raise AssertionError(call)


# Fields with one value: where two come, another reader on the way might take the other one.
_SINGLE = frozenset({b"host", b"authorization", b"content-type", b"content-encoding"})


class RootAnswer(msgspec.Struct, frozen=True):
    """The answer of `/`, the address that `serve` prints."""

    name: str = "Tierline"
    version: str = __version__
    api: str = "/openapi.json"
    ready: str = "/readyz"
    console: str | msgspec.UnsetType = msgspec.UNSET
    next: str = "Send `Authorization: Bearer KEY`; the first start wrote keys to keys.json."


async def get_root(call: Call) -> RootAnswer | Reply:
    """A browser is led to the console."""
    if call.parts.console and "text/html" in call.request.headers.get("accept", ""):
        return Reply(303, b"", headers={"location": "/console", "vary": "accept"})
    return RootAnswer(console="/console" if call.parts.console else msgspec.UNSET)


async def get_openapi(_call: Call) -> Reply:
    return Reply(200, _document())


async def get_vendor_openapi(call: Call) -> Reply:
    name = call.param("vendor")
    document = call.parts.documents.get(name)
    if document is None:
        raise NoSuchRecord(what="vendor with an API", name=name, path="vendor")
    return Reply(200, await asyncio.to_thread(document))


NDJSON = "application/x-ndjson"
_MEMBERS = {"additionalProperties": {"type": ["string", "object", "array"]}}
_DOCUMENT = Annotated[
    dict[str, Any],
    msgspec.Meta(description="An OpenAPI document.", extra_json_schema=_MEMBERS),
]
_ITEM = Annotated[
    Any,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [
                {"$ref": f"#/components/schemas/{name}"} for name in ("ActivityAnswer", "Problem")
            ]
        }
    ),
]
ACTIVITIES = Operation(
    "POST", activities.PATH, post_activities,
    "Records activities: one object, an array (validated whole), or NDJSON (line by line).",
    details="One object is answered when it is durable. An array is validated whole before the "
    "first write and answered item by item, in order, a refused one by a problem. NDJSON is "
    "answered line by line while it is read. The same key with the same body counts once.",
    scopes=("write_customers",), body=activities.ActivitiesBody,
    other_bodies=((NDJSON, activities.ActivityBody),), refers_to=activities.BODIES,
    other_answers=(
        OtherAnswer(200, (ActivityAnswer, list[_ITEM])),
        OtherAnswer(200, (ActivityAnswer, Problem), NDJSON),
    ),
)  # fmt: skip
OPERATIONS: tuple[Operation, ...] = (
    *programs.OPERATIONS,
    *preview.OPERATIONS,
    *change_requests.OPERATIONS,
    *customers.OPERATIONS,
    *listing.OPERATIONS,
    *summary.OPERATIONS,
    *history.OPERATIONS,
    *points.OPERATIONS,
    *members.OPERATIONS,
    ACTIVITIES,
    *orders.OPERATIONS,
    *dry_run.OPERATIONS,
    *events.OPERATIONS,
    *endpoints.OPERATIONS,
    *projects.OPERATIONS,
    *states.OPERATIONS,
    *deletion.OPERATIONS,
    *tokens.OPERATIONS,
    *erasure.OPERATIONS,
    *audit.OPERATIONS,
    *sign_in.OPERATIONS,
    *open_id.OPERATIONS,
    *users.OPERATIONS,
    *join_page.OPERATIONS,
    *health.OPERATIONS,
    Operation(
        "GET", "/", get_root, "What this is, and where to go on.", open=True, answer=RootAnswer
    ),
    Operation(
        "GET", "/openapi.json", get_openapi, "This document.", open=True, answer=_DOCUMENT
    ),
    Operation(
        "GET", "/openapi/{vendor}.json", get_vendor_openapi,
        "The like of it for a vendor's own API, as this server has it.", open=True,
        answer=_DOCUMENT,
    ),
)  # fmt: skip


@cache
def _document() -> bytes:
    return msgspec.json.encode(openapi.document(OPERATIONS, __version__))


class ApiElsewhere(TierlineError):
    """Only /healthz, /readyz and /metrics are served by this process; ask one that has the role
    `api`."""

    code = "api_elsewhere"
    status = 404


class HealthApp:
    """What uvicorn serves in a process without the role `api`: how the process is."""

    protocol: Callable[..., asyncio.Protocol] = HttpConnection  # of a connection

    def __init__(self, parts: Dependencies) -> None:
        routes = routing.routes(parts, health.OPERATIONS)
        self.router: ASGIApp = Router(routes, redirect_slashes=False, default=_api_elsewhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = scope["raw_path"].decode("latin-1")
            await self.router(scope, receive, send)


class App(HealthApp):
    """What uvicorn serves in a process that has it. Paths are matched as they were sent: a `%2F`
    inside a name is part of the name."""

    def __init__(self, parts: Dependencies, vendor_routes: Iterable[BaseRoute] = ()) -> None:
        self.parts = parts
        self.activities = Activities(parts)
        routes = [*routing.routes(parts, OPERATIONS), *vendor_routes]
        self.router = Router(routes, redirect_slashes=False, default=_no_such_path)
        # The router tries one after the other: a path without parameters is looked up instead.
        self.plain = {
            route.path: route.app
            for route in reversed(routes)
            if isinstance(route, Route) and route.methods is None and "{" not in route.path
        }
        direct = {
            path.encode(): app
            for path, app in self.plain.items()
            if isinstance(app, DoorPath) and app.direct
        }
        self.protocol = partial(FastProtocol, self.activities, direct)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no websockets; uvicorn runs us without a lifespan
        error = _wrong_headers(scope["headers"])
        if error is not None:
            await routing.refusal(error)(scope, receive, send)
            return
        raw: bytes = scope["raw_path"]
        if (
            scope["method"] == "POST"
            and raw.endswith(activities.SUFFIX)
            and raw.startswith(activities.PREFIX)
            and raw.count(b"/") == 4
        ):
            await self.activities(scope, receive, send)
            return
        path = scope["path"] = raw.decode("latin-1")
        await self.plain.get(path, self.router)(scope, receive, send)


def _wrong_headers(headers: Sequence[tuple[bytes, bytes]]) -> TierlineError | None:
    """Returns why a request's header fields are refused, or None."""
    if len(headers) > limits.HEADERS_MAX:
        return TooLarge(what="list of headers", limit=f"{limits.HEADERS_MAX} fields")
    singles = [name for name, _ in headers if name in _SINGLE]
    if len(singles) == len(set(singles)):
        return None
    name = next(name for name in singles if singles.count(name) > 1).decode()
    return Invalid(path=name, reason=f"{name}: the header field comes twice; send it once.")


async def _api_elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    await routing.refusal(ApiElsewhere())(scope, receive, send)


async def _no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
    error = problem.NoSuchPath(target=Request(scope).url.path)
    await routing.refusal(error)(scope, receive, send)
