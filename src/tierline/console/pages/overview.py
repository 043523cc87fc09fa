"""The project at a glance: members per tier, moves, what falls due, and how deliveries do."""

from __future__ import annotations

from typing import Any, Final

from tierline.console.charts.columns import column_chart
from tierline.console.ladder_view import LadderView
from tierline.console.site import ConsolePage, Content, PageView
from tierline.model import calendar
from tierline.model.calendar import format_day
from tierline.web.routes.summary import DAYS

KINDS: Final = ("upgraded", "joined", "prolonged", "downgraded", "left")
DUE: Final = ("tiers_ending", "other")


async def show(view: PageView) -> Content:
    programs = (await view.api("GET /api/programs")).programs
    content: dict[str, Any] = {"programs": programs, "program": None, "endpoints": None}
    if view.may("manage_endpoints"):
        content["endpoints"] = (await view.api("GET /api/endpoints")).endpoints
    names = [line.id for line in programs]
    name = view.asks("program") or ""
    if names:
        content |= await _numbers(view, name if name in names else names[0])
    return content


async def _numbers(view: PageView, name: str) -> dict[str, Any]:
    _, program = await view.call.parts.catalog.need_program(view.project.number, name)
    summary = await view.api("GET /api/programs/{program}/summary", {"program": name})
    today = calendar.zone(view.zone).day(view.now)
    days = [format_day(day) for day in range(today - DAYS + 1, today + 1)]
    moves = {line.day: line.moves for line in summary.moves}
    due = {
        line.day: {"tiers_ending": line.tiers_ending, "other": line.members - line.tiers_ending}
        for line in summary.due
    }
    most = max([line.members for line in summary.tiers], default=0)
    return {
        "program": program,
        "ladder": LadderView(program, view.now),
        "summary": summary,
        "most": max(most, 1),
        "kinds": KINDS,
        "moves": column_chart(days, moves, KINDS),
        "due": column_chart([line.day for line in summary.due], due, DUE),
        "ending": sum(line.tiers_ending for line in summary.due),
        "moved": {kind: sum(m.get(kind, 0) for m in moves.values()) for kind in KINDS},
    }


PAGES: Final = (
    ConsolePage(
        "", "overview.html", "Overview", show, section="overview",
        scopes=("read_customers", "read_programs"),
    ),
)  # fmt: skip
