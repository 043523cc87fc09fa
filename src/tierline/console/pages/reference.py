"""The API's reference, made from the document that `/openapi.json` serves; each operation can be
tried, as whoever is signed in."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from tierline.console import cells, inner_call
from tierline.console.reference import OperationView, reference
from tierline.console.site import ConsolePage, Content, PageView
from tierline.errors import Invalid, TierlineError
from tierline.web.problem import as_problem

TEXT_MAX: Final = 200_000  # characters of an answer that are shown


async def show_all(view: PageView) -> Content:
    whole = await asyncio.to_thread(reference)
    return {"groups": whole.groups, "vendors": sorted(view.call.parts.documents)}


async def _operation(view: PageView) -> OperationView:
    return (await asyncio.to_thread(reference)).find(view.param("operation"))


async def show(view: PageView) -> Content:
    operation = await _operation(view)
    return {
        "operation": operation,
        "title": f"{operation.method} {operation.path}",
        "result": None,
        "host": view.call.request.headers.get("host", "127.0.0.1"),
        "scheme": view.call.request.url.scheme,
    }


async def run(view: PageView) -> Content:
    """Calls it. What it refuses is an answer, too."""
    operation = await _operation(view)
    if not operation.runs:
        raise Invalid(path="operation", reason="This operation cannot be tried here.")
    given: dict[str, dict[str, str]] = {"path": {}, "query": {}}
    for field in operation.parameters:
        text = view.form.text(f"{field.place}.{field.name}")
        if field.place == "path" and text is None:
            raise Invalid(path=f"path.{field.name}", reason=f"{field.name}: it is needed.")
        if text is not None and field.place in given:
            given[field.place][field.name] = text
    sent = view.form.text("body") if operation.body is not None else None
    name = f"{operation.method} {operation.path}"
    try:
        body = cells.json_of(sent, "body")
        reply = await inner_call.reply(
            view.call, name, given["path"], query=given["query"], body=body
        )
    except TierlineError as error:
        if error.status >= 500:
            raise
        return {"result": {"status": error.status, "text": _text(as_problem(error))}}
    return {"result": {"status": reply.status, "text": _text(reply.body)}}


def _text(answer: Any) -> str:
    raw = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    try:
        text = msgspec.json.format(raw).decode()
    except msgspec.DecodeError:
        text = raw.decode("utf-8", "replace")  # a metric, a line of text
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]} …"


PAGES: Final = (
    ConsolePage("/reference", "reference.html", "API reference", show_all, section="reference"),
    ConsolePage(
        "/reference/{operation}", "operation.html", "Operation", show, run, section="reference"
    ),
)
