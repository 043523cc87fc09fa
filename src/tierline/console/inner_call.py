"""The API as a page calls it: an operation of the table, run in place for the page's user, with
the scopes, the checks and the errors that it has over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request

from tierline.ledger.command_parsing import CommandParser
from tierline.store.catalog.audit import acting
from tierline.web import request_body, responses
from tierline.web.asgi import OPERATIONS
from tierline.web.responses import ActivityAnswer
from tierline.web.routes import activities
from tierline.web.routing import Call, Operation, Reply

_TABLE: Final[dict[tuple[str, str], Operation]] = {
    (operation.method, operation.path): operation for operation in OPERATIONS
}
_encode = msgspec.json.Encoder().encode


class InnerCall(Call):
    """A call that a page makes; nothing of it was sent."""

    def __init__(
        self, outer: Call, path: Mapping[str, str], query: Mapping[str, Any], raw: bytes
    ) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "",
            "headers": [],
            "query_string": urlencode({k: v for k, v in query.items() if v is not None}).encode(),
            "path_params": {name: quote(text, safe="") for name, text in path.items()},
        }
        super().__init__(outer.parts, Request(scope), outer.caller)
        self.wall = outer.wall
        self.raw = raw


async def run(
    outer: Call,
    name: str,
    path: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
) -> Any:
    """Returns what the operation `METHOD /path` answers, as values. Raises what it raises, and
    Forbidden where the page's user lacks a scope."""
    return (await reply(outer, name, path, query=query, body=body)).body


async def reply(
    outer: Call,
    name: str,
    path: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
) -> Reply:
    """As `run`, with the status."""
    method, _, route = name.partition(" ")
    operation = _TABLE[method, route]
    raw = b"" if body is None else _encode(body)
    call = InnerCall(outer, path or {}, query or {}, raw)
    if not operation.open:
        call.caller.require(*operation.scopes)
    if operation.writes:
        call.parts.database.disk.require_room()
    with acting(call.caller.actor):
        if route == activities.PATH:
            return Reply(body=await _record(call))
        if operation.body is None:
            answer = await operation.handler(call)
        else:
            shape = request_body.configuration(raw or b"{}", operation.body)
            answer = await operation.handler(call, shape)
    return answer if isinstance(answer, Reply) else Reply(operation.status, answer)


async def _record(call: Call) -> ActivityAnswer:
    """One activity; its route is the hot one, which has a way of its own."""
    catalog, project = call.parts.catalog, call.project
    number, _ = await catalog.need_program(project.number, call.param("program"))
    command = CommandParser(project, number).activity(call.raw, call.now)
    return responses.activity(await call.parts.writer.record(command))
