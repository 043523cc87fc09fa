"""A sandbox's clock, and what happened while it went on."""

from __future__ import annotations

from typing import Any, Final

from tierline.console import cells
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.errors import Invalid
from tierline.model import calendar
from tierline.model.calendar import format_day, format_instant, parse_instant

LINES: Final = 100
STEPS: Final = ("day", "month", "due", "to")


async def show(view: PageView) -> Content:
    """`since`: where the clock stood before; what happened from then on is listed."""
    since = view.asks("since")
    events: list[Any] = []
    more = False
    if since is not None:
        query = {"since": since, "limit": LINES}
        page = await view.api("GET /api/events", query=query)
        events = [event for event in page.events if parse_instant(event["at"]) <= view.now]
        more = page.more
    return {"since": since, "events": events, "more": more, "due": await _next_due(view)}


async def _next_due(view: PageView) -> str | None:
    """The next day, of 30, on which something falls due in any program."""
    days = []
    for line in (await view.api("GET /api/programs")).programs:
        summary = await view.api("GET /api/programs/{program}/summary", {"program": line.id})
        days += [due.day for due in summary.due if due.members]
    return min(days, default=None)


async def advance(view: PageView) -> Go:
    before, step = format_instant(view.now), view.form.text("step") or ""
    await view.api("POST /api/clock", body={"advance_to": await _target(view, step)})
    return Go(view.url("time", since=before), "advanced")


async def _target(view: PageView, step: str) -> str:
    zone = calendar.zone(view.zone)
    today = zone.day(view.now)
    if step == "day":
        return format_instant(view.now + calendar.DAY_MS)
    if step == "month":
        midnight = zone.start(today)
        return format_instant(zone.start(calendar.add_months(today, 1)) + view.now - midnight)
    if step == "due":
        day = await _next_due(view)
        if day is None:
            raise Invalid(path="step", reason="Nothing falls due within 30 days.")
        return cells.day_end(max(day, format_day(today)), "step", view.zone)
    text = view.form.text("to")
    if step != "to" or text is None:
        raise Invalid(path="to", reason="to: say until when.")
    return cells.local_instant(text, "to", view.zone)


_READ: Final = ("read_customers", "read_programs")
PAGES: Final = (
    ConsolePage(
        "/time", "time.html", "Time", show, advance, section="time",
        scopes=(*_READ, "write_customers"),
    ),
)  # fmt: skip
