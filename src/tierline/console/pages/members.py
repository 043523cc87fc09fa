"""Members: found as one types, filtered, page by page."""

from __future__ import annotations

from typing import Any, Final

from tierline.console import cells
from tierline.console.ladder_view import LadderView
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.errors import Invalid
from tierline.model import validation

LINES: Final = 25
LIST: Final = "GET /api/programs/{program}/members"


async def show(view: PageView) -> Content:
    name = view.param("program")
    _, program = await view.call.parts.catalog.need_program(view.project.number, name)
    try:
        lines, more = await _lines(view, name)
        view_problem = None
    except Invalid as error:
        lines, more, view_problem = [], None, error
    return {
        "program": program,
        "ladder": LadderView(program, view.now),
        "programs": (await view.api("GET /api/programs")).programs,
        "members": lines,
        "next": more,
        "search_problem": view_problem,
        "filters": _filters(view),
    }


def _filters(view: PageView) -> dict[str, str]:
    names = ("q", "tier", "expires_before", "balance_min", "balance_max", "attribute")
    return {name: view.asks(name) or "" for name in names}


async def _lines(view: PageView, program: str) -> tuple[list[Any], str | None]:
    filters: dict[str, Any] = {
        name: view.asks(name) for name in ("tier", "balance_min", "balance_max", "attribute")
    }
    filters["expires_before"] = _day(view, "expires_before")
    where, text = {"program": program}, view.asks("q")
    if text is None:
        query = {**filters, "limit": LINES, "after": view.asks("after")}
        page = await view.api(LIST, where, query=query)
        return page.members, page.next
    validation.name(text, "q")
    lines: dict[str, Any] = {}
    for field in ("id", "email") if "@" in text else ("id", "name", "email"):
        page = await view.api(LIST, where, query={**filters, field: text, "limit": LINES})
        lines.update({line.id: line for line in page.members})
    return list(lines.values())[:LINES], None


def _day(view: PageView, name: str) -> str | None:
    text = view.asks(name)
    return None if text is None else cells.day_start(text, name, view.zone)


async def show_first(view: PageView) -> Content | Go:
    """Without a program in the path: those of the first one."""
    programs = (await view.api("GET /api/programs")).programs
    return Go(view.url("programs", programs[0].id, "members") if programs else view.url())


async def enrol(view: PageView) -> Go:
    """Makes a customer a member, whom nobody needs to have known before."""
    program, name = view.param("program"), view.form.text("customer")
    if name is None:
        raise Invalid(path="customer", reason="customer: say whom, by the id in your own systems.")
    path = {"program": program, "source_id": name}
    await view.api("PUT /api/programs/{program}/members/{source_id}", path, body={})
    return Go(view.url("programs", program, "members", name), "enrolled")


PAGES: Final = (
    ConsolePage(
        "/members", "members.html", "Members", show_first,
        section="members", scopes=("read_customers", "read_programs"),
    ),
    ConsolePage(
        "/programs/{program}/members", "members.html", "Members", show, enrol,
        section="members", scopes=("read_customers", "read_programs"),
    ),
)  # fmt: skip
