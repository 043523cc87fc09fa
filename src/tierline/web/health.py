"""Whether this process lives and is ready, and its figures."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Struct

from tierline.web import auth
from tierline.web.routing import Call, Operation, Reply

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
    if not call.parts.loopback:
        await auth.native(call.parts.catalog, call.request.headers.get("authorization"))
    content_type = "text/plain; version=0.0.4; charset=utf-8"
    return Reply(200, call.parts.metrics(), content_type)


OPERATIONS = (
    Operation(
        "GET", "/healthz", get_health, "Whether the process answers.", open=True, answer=Healthy
    ),
    Operation(
        "GET", "/readyz", get_ready, "Whether the database and all roles are there.",
        open=True, answer=Ready,
    ),
    Operation(
        "GET", "/metrics", get_metrics,
        "Prometheus' figures; needs a key unless bound to loopback.", open=True,
    ),
)  # fmt: skip
