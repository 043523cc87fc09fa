"""Where events are sent: every endpoint with its health and how far behind it is; and one of them,
with what waits, what was sent, and what can be done about it."""

from __future__ import annotations

from typing import Any, Final

from tierline.console import cells
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.errors import Invalid
from tierline.vendors.registry import FORMATS
from tierline.vendors.vendor import kind_names

ENDPOINT: Final = "/api/endpoints/{endpoint}"
LAGS_MAX: Final = 30  # endpoints of a list whose lag is looked up, too
LINES: Final = 25
COMMANDS: Final = {"retry": "retried", "pause": "paused", "resume": "resumed"}


async def show_all(view: PageView) -> Content:
    endpoints = (await view.api("GET /api/endpoints")).endpoints
    lags = {}
    for endpoint in endpoints[:LAGS_MAX]:
        shown_alone = await view.api(f"GET {ENDPOINT}", {"endpoint": endpoint["id"]})
        lags[endpoint["id"]] = shown_alone["lag"]
    return {"endpoints": endpoints, "lags": lags}


async def one(view: PageView) -> dict[str, Any]:
    """What every page of an endpoint has."""
    endpoint = await view.api(f"GET {ENDPOINT}", {"endpoint": view.param("endpoint")})
    place = ("endpoints", endpoint["id"])
    format_ = FORMATS[endpoint["format"]]
    return {
        "endpoint": endpoint,
        "kinds": list(kind_names(format_)),
        "place": lambda *parts, **query: view.url(*place, *parts, **query),
        "title": endpoint["description"] or endpoint["url"],
    }


async def show(view: PageView) -> Content:
    content = await one(view)
    content |= {"lanes": None, "attempts": None, "answer": None, "secret": None}
    path = {"endpoint": view.param("endpoint")}
    if view.may("read_customers"):
        content["lanes"] = (await view.api(f"GET {ENDPOINT}/lanes", path)).lanes
        query = {"limit": LINES}
        content["attempts"] = (
            await view.api(f"GET {ENDPOINT}/attempts", path, query=query)
        ).attempts
    return content


async def act(view: PageView) -> Content | Go:
    """One of the endpoint's buttons."""
    path, command = {"endpoint": view.param("endpoint")}, view.form.text("command") or ""
    if command in COMMANDS:
        await view.api(f"POST {ENDPOINT}/{command}", path)
        return Go(view.url("endpoints", path["endpoint"]), COMMANDS[command])
    if command == "test":
        kind = {"kind": view.form.text("kind")}
        return {"answer": await view.api(f"POST {ENDPOINT}/test", path, body=kind)}
    if command == "rotate":
        body: dict[str, Any] = {"kind": view.form.text("secret_kind") or "hmac"}
        overlap = view.form.number("overlap")
        body |= {} if overlap is None else {"overlap": overlap}
        return {"secret": await view.api(f"POST {ENDPOINT}/rotate", path, body=body)}
    if command == "stop_replay":
        run = view.form.text("run") or ""
        await view.api(f"DELETE {ENDPOINT}/replay/{{run}}", {**path, "run": run})
        return Go(view.url("endpoints", path["endpoint"]), "stopped")
    raise Invalid(path="command", reason="command: there is no such button.")


# Replay -----------------------------------------------------------------------------------------


async def show_replay(view: PageView) -> Content:
    return {**await one(view), "count": None, "event": view.asks("event")}


def _replay(view: PageView) -> dict[str, Any]:
    since, until = view.form.text("since"), view.form.text("until")
    body: dict[str, Any] = {
        "ids": [text for line in view.form.texts("ids") for text in line.split()],
        "since": None if since is None else cells.local_instant(since, "since", view.zone),
        "until": None if until is None else cells.local_instant(until, "until", view.zone),
        "kinds": view.form.texts("kinds"),
        "everything": view.form.text("everything") is not None,
    }
    rate = view.form.number("rate_per_s")
    return body if rate is None else {**body, "rate_per_s": rate}


async def replay(view: PageView) -> Content | Go:
    """Counts first; then the same form sends."""
    path, body = {"endpoint": view.param("endpoint")}, _replay(view)
    counted = await view.api(f"POST {ENDPOINT}/replay", path, body={**body, "dry_run": True})
    if "try" in view.form:
        return {"count": counted}
    await view.api(f"POST {ENDPOINT}/replay", path, body=body)
    return Go(view.url("endpoints", path["endpoint"]), "replayed")


async def show_removal(view: PageView) -> Content:
    return await one(view)


async def remove(view: PageView) -> Go:
    await view.api(f"DELETE {ENDPOINT}", {"endpoint": view.param("endpoint")})
    return Go(view.url("endpoints"), "removed")


_MANAGE: Final = ("manage_endpoints",)
PAGES: Final = (
    ConsolePage(
        "/endpoints", "endpoints.html", "Deliveries", show_all,
        section="deliveries", scopes=_MANAGE,
    ),
    ConsolePage(
        "/endpoints/{endpoint}", "endpoint.html", "Endpoint", show, act,
        section="deliveries", scopes=_MANAGE,
    ),
    ConsolePage(
        "/endpoints/{endpoint}/replay", "endpoint_replay.html", "Send again", show_replay, replay,
        section="deliveries", scopes=(*_MANAGE, "read_customers"),
    ),
    ConsolePage(
        "/endpoints/{endpoint}/remove", "endpoint_remove.html", "Delete", show_removal, remove,
        section="deliveries", scopes=_MANAGE,
    ),
)  # fmt: skip
