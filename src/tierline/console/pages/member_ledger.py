"""All that happened to one member: the ledger, orders, events and deliveries, each on a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from tierline.console.pages.member import MEMBER, frame
from tierline.console.site import ConsolePage, Content, PageView

LINES: Final = 50


async def show_ledger(view: PageView) -> Content:
    content = await frame(view)
    if content["member"] is None:
        return content
    query = {"order": "newest", "limit": LINES, "after": view.asks("after")}
    page = await view.api(f"GET {MEMBER}/entries", content["path"], query=query)
    reversible = view.may("write_customers")
    return {**content, "entries": page.entries, "next": page.next, "reversible": reversible}


async def show_orders(view: PageView) -> Content:
    content = await frame(view)
    query = {"customer": content["customer"].id, "limit": LINES, "after": view.asks("after")}
    page = await view.api("GET /api/orders", query=query)
    return {**content, "orders": page.orders, "next": page.next}


async def show_events(view: PageView) -> Content:
    content = await frame(view)
    query = {"customer": content["customer"].id, "limit": LINES, "after": view.asks("after")}
    page = await view.api("GET /api/events", query=query)
    return {**content, "events": page.events, "next": page.next if page.more else None}


async def show_deliveries(view: PageView) -> Content:
    """What every endpoint was sent of them, newest first."""
    content = await frame(view)
    lines: list[dict[str, Any]] = []
    for endpoint in (await view.api("GET /api/endpoints")).endpoints:
        query = {"customer": content["customer"].id, "limit": LINES}
        path = {"endpoint": endpoint["id"]}
        page = await view.api("GET /api/endpoints/{endpoint}/attempts", path, query=query)
        lines += [{**attempt, "endpoint": endpoint} for attempt in page.attempts]
    lines.sort(key=lambda line: line["at"], reverse=True)
    return {**content, "attempts": lines[:LINES]}


def _page(
    name: str, title: str, show: Callable[[PageView], Awaitable[Content]], *more: str
) -> ConsolePage:
    return ConsolePage(
        f"/programs/{{program}}/members/{{source_id}}/{name}", f"member_{name}.html", title, show,
        section="members", scopes=("read_customers", "read_programs", *more),
    )  # fmt: skip


PAGES: Final = (
    _page("ledger", "Ledger", show_ledger),
    _page("orders", "Orders", show_orders),
    _page("events", "Events", show_events),
    _page("deliveries", "Deliveries", show_deliveries, "manage_endpoints"),
)
