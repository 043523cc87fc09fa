"""The rules are changed: everyday values in a form, all of them as JSON beside it, and who would
move, before anything is saved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from tierline.console import cells
from tierline.console.charts.sankey import Flow, SankeyChart, sankey
from tierline.console.pages.programs import PROGRAM, frame
from tierline.console.site import HEADERS, ConsolePage, Content, Go, PageView, fragment
from tierline.errors import Invalid
from tierline.ledger.previews.preview import PreviewProgress
from tierline.proposals import PreviewBody
from tierline.rules.program import Rules
from tierline.web import problem, request_body
from tierline.web.routes.preview import steps_of

EVENT_STREAM: Final = "text/event-stream"
RETARGETED: Final = {
    "hx-retarget": "#editor", "hx-reselect": "#editor", "hx-reswap": "outerHTML",
}  # fmt: skip
NO_TIER: Final = "No tier"
BLANK: Final = {
    "name": "Club",
    "policy": {
        "tiers": [
            {"id": "bronze", "name": "Bronze", "from": 0},
            {"id": "silver", "name": "Silver", "from": 200},
            {"id": "gold", "name": "Gold", "from": 800},
        ],
        "metric": {"source": "earned"},
        "window": {"type": "calendar", "unit": "year"},
        "term": {"type": "window_end", "windows": 1},
    },
}
Json = dict[str, Any]


def document_of(rules: Rules) -> Json:
    """The body of a PUT that says the same as these rules."""
    document: Json = msgspec.json.decode(msgspec.json.encode(rules))
    return {"name": document.pop("name"), "policy": document.pop("policy"), **document}


def edited(view: PageView) -> Json:
    """The document of the form: its JSON, with those everyday values that were changed since the
    page was shown. Raises Invalid for what is no JSON."""
    document = cells.json_of(view.form.text("document"), "document")
    base = cells.json_of(view.form.text("base"), "base")
    if not isinstance(document, dict):
        raise Invalid(path="document", reason="document: expected an object in braces.")
    if isinstance(base, dict):
        if (name := view.form.text("name")) is not None and name != base.get("name"):
            document["name"] = name
        _edit_tiers(view, document, _tiers(base))
    return document


def _tiers(document: Json) -> list[Json]:
    policy = document.get("policy")
    tiers = policy.get("tiers") if isinstance(policy, dict) else None
    return [tier for tier in tiers if isinstance(tier, dict)] if isinstance(tiers, list) else []


def _edit_tiers(view: PageView, document: Json, base: list[Json]) -> None:
    former = {str(tier.get("id")): tier for tier in base}
    tiers = _tiers(document)
    for place, tier in enumerate(tiers):
        field = f"tier_{tier.get('id')}"
        before = former.get(str(tier.get("id")), {})
        name = view.form.text(f"{field}_name")
        if name is not None and name != before.get("name"):
            tier["name"] = name
        low = view.form.number(f"{field}_from")
        if low is not None and low != before.get("from"):
            if place and "to" in tiers[place - 1]:  # the tier below ends where this one begins
                tiers[place - 1]["to"] = low - 1
            tier["from"] = low


async def _content(view: PageView, document: Json, **more: Any) -> dict[str, Any]:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    typed = view.form.raw("document")
    return {
        "document": typed if view.problem is not None and typed else text,
        "base": text,
        "tiers": _tiers(document),
        "name": document.get("name", ""),
        "preview": None,
        **more,
    }


def _document(view: PageView, stored: Json) -> Json:
    """What the form shows: what was sent, as far as it can be read."""
    if "document" not in view.form:
        return stored
    try:
        return edited(view)
    except Invalid:
        return stored


async def show(view: PageView) -> Content:
    content = await frame(view)
    newest = content["program"].versions[-1]
    document = _document(view, document_of(newest.rules))
    return {**content, **await _content(view, document), "newest": newest.number}


async def show_new(view: PageView) -> Content:
    document = _document(view, json.loads(json.dumps(BLANK)))
    return {**await _content(view, document), "program": None, "newest": 0}


def _body(view: PageView) -> Json:
    body = {**edited(view), "on_change": view.form.text("on_change") or "next_assessment"}
    effective = view.form.text("effective_at")
    if effective is not None:
        body["effective_at"] = cells.local_instant(effective, "effective_at", view.zone)
    return body


async def save(view: PageView) -> Content | Go | Response:
    streams = "try" in view.form and "hx-request" in view.call.request.headers
    if streams:
        view.headers = RETARGETED  # what is wrong is said at the fields
    body, path = _body(view), {"program": view.param("program")}
    if streams:
        return await _stream(view, body)
    if "try" in view.form:
        report = await view.api(f"POST {PROGRAM}/preview", path, body=body)
        return {"preview": report, "chart": chart_of(report)}
    newest = view.form.number("newest")
    body |= {"supersede": view.form.text("supersede") is not None}
    body |= {} if newest is None else {"based_on": newest}
    return await _put(view, path, body)


async def _put(view: PageView, path: dict[str, str], body: Json) -> Go:
    """Saves the rules, or proposes them where another person has to approve."""
    if not view.project.program_approval:
        await view.api(f"PUT {PROGRAM}", path, body=body)
        return Go(view.url("programs", path["program"]), "saved")
    body["reason"] = view.form.text("reason") or ""
    made = await view.api(f"POST {PROGRAM}/change-requests", path, body=body)
    return Go(view.url("changes", made.id), "proposed")


async def _stream(view: PageView, body: Json) -> Response:
    """The preview as it goes on. Closing the connection ends it."""
    view.call.caller.require("read_programs", "read_customers")
    shape = request_body.configuration(msgspec.json.encode(body), PreviewBody)
    steps = await steps_of(view.call, view.param("program"), shape)
    headers = {**HEADERS, "x-accel-buffering": "no"}
    content = await frame(view)
    return StreamingResponse(
        _messages(view, steps, content), headers=headers, media_type=EVENT_STREAM
    )


async def _messages(
    view: PageView, steps: AsyncIterator[PreviewProgress | Json], content: Content
) -> AsyncIterator[bytes]:
    yield _message("preview_progress.html", view=view, progress=None)
    try:
        async for step in steps:
            if isinstance(step, PreviewProgress):
                yield _message("preview_progress.html", view=view, progress=step)
            else:
                facts = {**content, "view": view, "preview": step, "chart": chart_of(step)}
                yield await asyncio.to_thread(_message, "preview.html", **facts)
    except Exception as fault:  # noqa: BLE001 - the page has begun: what went wrong stands on it
        error = problem.as_error(fault, what="preview")
        yield _message("preview_problem.html", error=error)


def _message(template: str, **content: Any) -> bytes:
    lines = fragment(template, **content).splitlines()
    return "".join([*(f"data: {line}\n" for line in lines), "\n"]).encode()


async def make(view: PageView) -> Go:
    name = view.form.text("program")
    if name is None:
        raise Invalid(path="program", reason="program: give it an id, like club.")
    return await _put(view, {"program": name}, {**edited(view), "based_on": 0})


def chart_of(report: Json) -> SankeyChart:
    """The flow of a preview: the highest tier on top, and whoever has none at the bottom."""
    before = [*reversed([t["id"] for t in report["tiers_before"]]), None]
    after = [*reversed([t["id"] for t in report["tiers"]]), None]
    names = {t["id"]: t["name"] for t in (*report["tiers_before"], *report["tiers"])}
    flows = [
        Flow(before.index(cell["from"]), after.index(cell["to"]), cell["members"])
        for cell in report["matrix"]
        if cell["from"] in before and cell["to"] in after
    ]
    if not any(flow.start == len(before) - 1 or flow.end == len(after) - 1 for flow in flows):
        before, after = before[:-1], after[:-1]  # everybody has a tier
    return sankey(
        [names.get(tier, NO_TIER) for tier in before],
        [names.get(tier, NO_TIER) for tier in after],
        flows,
    )


_SCOPES: Final = ("read_programs", "write_programs")
PAGES: Final = (
    ConsolePage(
        "/programs/{program}/edit", "program_editor.html", "Change the rules", show, save,
        section="program", scopes=_SCOPES,
    ),
    ConsolePage(
        "/new-program", "program_editor.html", "New program", show_new, make,
        section="program", scopes=_SCOPES,
    ),
)  # fmt: skip
