"""Whether this process lives and is ready, and its metrics."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest

from tierline.web import auth
from tierline.web.metrics import ScrapedMetrics
from tierline.web.routing import Call, Operation, OtherAnswer, Reply

READY_SECONDS_MAX = 2


class Healthy(Struct, frozen=True):
    status: Literal["ok"] = "ok"


class Ready(Struct, frozen=True):
    """`missing` names what is not there: the database, a role of which a part stopped or does not
    get on, the catalog (changes made by other processes are not seen)."""

    status: Literal["ready", "not_ready"]
    missing: tuple[str, ...] = ()


async def get_health(_call: Call) -> Healthy:
    return Healthy()


async def get_ready(call: Call) -> Reply:
    missing = list(call.parts.ready())
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            await call.parts.log.heads()
    except Exception:  # noqa: BLE001 - whatever it is, we are not ready
        missing.append("database")
    if missing:
        return Reply(503, Ready("not_ready", tuple(missing)))
    return Reply(200, Ready("ready"))


async def get_metrics(call: Call) -> Reply:
    """To whoever is on this machine everything; to a key its own project's endpoints."""
    registry = call.parts.registry
    if not call.parts.loopback:
        catalog = call.parts.catalog
        caller = await auth.native(catalog, call.request.headers.get("authorization"))
        caller.require("manage_endpoints")
        project = caller.project.number
        own = frozenset(row.id for row in catalog.endpoints() if row.project == project)
        registry = CollectorRegistry()
        registry.register(ScrapedMetrics(call.parts.registry, own))
    content_type = "text/plain; version=0.0.4; charset=utf-8"
    return Reply(200, generate_latest(registry), content_type)


OPERATIONS = (
    Operation(
        "GET", "/healthz", get_health, "Whether the process answers.", open=True, answer=Healthy
    ),
    Operation(
        "GET", "/readyz", get_ready, "Whether the database and all roles are there.",
        open=True, answer=Ready, other_answers=(OtherAnswer(503, (Ready,)),),
    ),
    Operation(
        "GET", "/metrics", get_metrics,
        "Prometheus' figures; unless bound to loopback with a key that may `manage_endpoints`, and "
        "of its project's endpoints only.", open=True,
        other_answers=(OtherAnswer(200, (), "text/plain"),),
    ),
)  # fmt: skip
