"""What an endpoint was sent: searched by customer, event, kind and time; and one attempt whole,
with the receiver's answer as text and the time that each phase took."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from tierline.console import cells
from tierline.console.charts.scale import Scale
from tierline.console.pages.endpoints import ENDPOINT, one
from tierline.console.site import ConsolePage, Content, PageView
from tierline.errors import NoSuchRecord

LINES: Final = 50
EVENT_LINES: Final = 500  # attempts of one event that are looked through for one
PHASES: Final = (("dns", "Name"), ("connect", "Connect"), ("tls", "TLS"), ("first_byte", "Answer"))
WIDTH: Final = 640


class Phase(Struct, frozen=True):
    """A part of the time that a request took."""

    name: str
    x: float
    width: float
    took: float


async def show(view: PageView) -> Content:
    content = await one(view)
    before = view.asks("before")
    if before is not None:
        before = cells.local_instant(before, "before", view.zone)
    query = {
        "customer": view.asks("customer"), "event": view.asks("event"), "kind": view.asks("kind"),
        "before": before, "limit": LINES,
    }  # fmt: skip
    path = {"endpoint": view.param("endpoint")}
    page = await view.api(f"GET {ENDPOINT}/attempts", path, query=query)
    outcome = view.asks("outcome")
    lines = [line for line in page.attempts if outcome is None or _is(line, outcome)]
    return {**content, "attempts": lines, "next": page.next, "outcome": outcome or ""}


def _is(attempt: Any, outcome: str) -> bool:
    good = attempt["outcome"] in ("delivered", "test_delivered")
    return good if outcome == "good" else not good


async def show_one(view: PageView) -> Content:
    content = await one(view)
    path = {"endpoint": view.param("endpoint")}
    event, number = view.asks("event"), view.asks("number") or "1"
    query = {"event": event, "limit": EVENT_LINES}
    lines = (await view.api(f"GET {ENDPOINT}/attempts", path, query=query)).attempts
    at = view.asks("at")
    for line in lines:
        if str(line["number"]) == number and at in (None, line["at"]):
            return {**content, "attempt": line, "phases": _phases(line["detail"]["timings"])}
    raise NoSuchRecord(what="attempt", name=event or "", path="event")


def _phases(timings: dict[str, Any]) -> list[Phase]:
    x = Scale(0, max(timings.get("total") or 0, 0.001), 0, WIDTH)
    phases, start = [], 0.0
    for field, name in PHASES:
        took = timings.get(field)
        if took:
            phases.append(Phase(name, x(start), max(x(start + took) - x(start), 1.5), took))
            start += took
    rest = (timings.get("total") or 0) - start
    if rest > 0:
        phases.append(Phase("Rest", x(start), max(WIDTH - x(start), 1.5), round(rest, 2)))
    return phases


_SCOPES: Final = ("manage_endpoints", "read_customers")
PAGES: Final = (
    ConsolePage(
        "/endpoints/{endpoint}/attempts", "attempts.html", "Attempts", show,
        section="deliveries", scopes=_SCOPES,
    ),
    ConsolePage(
        "/endpoints/{endpoint}/attempt", "attempt.html", "Attempt", show_one,
        section="deliveries", scopes=_SCOPES,
    ),
)  # fmt: skip
