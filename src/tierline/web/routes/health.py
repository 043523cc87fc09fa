"""Whether this process lives and is ready, and its metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, Literal

import asyncpg
from msgspec import UNSET, Struct, UnsetType
from prometheus_client import CollectorRegistry, generate_latest

from tierline.store.absent_shards import absent_text
from tierline.store.catalog.keys import READ_METRICS
from tierline.store.disk_space import DiskSpace
from tierline.store.errors import DiskFull, translate
from tierline.store.heartbeat import ABSENT, living_roles, required_roles
from tierline.web import auth
from tierline.web.dependencies import Dependencies
from tierline.web.metrics import ScrapedMetrics
from tierline.web.routing import Call, Operation, OtherAnswer, Reply

READY_SECONDS_MAX = 2
MISSING: Final = {
    "database": "the database does not answer",
    "api": "a part of the API stopped in this process; look at its log, and restart it",
    "sender": "a part of the sender stopped in this process, or its signs of life do not arrive;"
    " look at its log",
    "sweeper": "the sweep stopped in this process, or got nowhere for a minute; look at its log",
    "disk": "the disk of the database is full (disk_full): writes are refused, reads go on; free"
    " some space",
    "shards": "no node that holds data answers; requests are refused (node_away) until one does",
    "draining": "this process gives up its work, as `tierline drain` asked for: stop it, or let it"
    " go on with `tierline drain --undo`",
    "catalog": "changes made by other processes are not seen here; restart this process",
}


class Healthy(Struct, frozen=True):
    status: Literal["ok"] = "ok"


class Ready(Struct, frozen=True):
    """`not_ready`: this process cannot do its work, and `missing` names what it lacks (the
    database, room on its disk, a role of which a part stopped or does not get on, the catalog, by
    which changes of other processes are seen, all shards), or says `draining`: it gives up its work
    before it is stopped. `degraded`: it can, but `missing` names roles that the installation needs
    and no living process has, or `shards`: then `away` has the numbers of those whose node is
    away."""

    status: Literal["ready", "degraded", "not_ready"]
    missing: tuple[str, ...] = ()
    details: tuple[str, ...] = ()  # one sentence each
    away: tuple[int, ...] | UnsetType = UNSET


async def get_health(_call: Call) -> Healthy:
    return Healthy()


async def get_ready(call: Call) -> Reply:
    missing, absent = call.parts.ready(), list[str]()
    disk, away = call.parts.database.disk, call.parts.database.absent.nodes
    if len(away) == call.parts.database.shards:
        missing = [*missing, "shards"]
    else:
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                absent = await _absent_roles(call.parts)
        except Exception as error:  # noqa: BLE001 - whatever it is, we are not ready
            disk.saw(error)
            if not isinstance(translate(error, ""), DiskFull):
                missing = [*missing, "database"]
    if disk.look():
        missing = [*missing, "disk"]
    shards = call.parts.database.absent.numbers or UNSET
    if missing:
        details = tuple(MISSING[each] for each in missing)
        return Reply(503, Ready("not_ready", tuple(missing), details, shards))
    details = tuple(ABSENT[role] for role in absent)
    if away:
        absent, details = [*absent, "shards"], (*details, absent_text(away))
    if absent:
        return Reply(200, Ready("degraded", tuple(absent), details, shards))
    return Reply(200, Ready("ready"))


async def _absent_roles(parts: Dependencies) -> list[str]:
    """The roles that the installation needs and nobody has, here or elsewhere. Raises whatever
    the database does."""
    database = parts.database
    if database.distributed:  # its nodes are watched: only the coordinator is asked here
        async with database.pool.acquire() as connection:
            alive = await _living(connection, database.disk)  # type: ignore[arg-type]
    else:
        await parts.log.heads()
        alive = await parts.log.reader(0).run(lambda c: _living(c, database.disk))
    required = required_roles(endpoints=bool(parts.catalog.endpoints()))
    return [role for role in required if role not in parts.roles and not alive[role]]


async def _living(connection: asyncpg.Connection, disk: DiskSpace) -> Counter[str]:
    if disk.full:
        await disk.ask(connection)
    return await living_roles(connection)


async def get_metrics(call: Call) -> Reply:
    """To whoever is on this machine, and to an operator's key, everything; to another key its own
    project's endpoints."""
    registry = call.parts.registry
    if not call.parts.loopback:
        catalog = call.parts.catalog
        sessions, scope = call.parts.sessions, call.request.scope
        caller = await auth.of_request(catalog, sessions, scope, call.wall)
        if READ_METRICS not in caller.scopes:
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
        details="A process that cannot do its own work answers 503. A role that is absent in the "
        "whole installation is told with 200, and so are shards whose node is away while others "
        "are there: taking this process out of service mends nothing.",
    ),
    Operation(
        "GET", "/metrics", get_metrics,
        "Prometheus' figures; unless bound to loopback with a key that may `read_metrics`, or with "
        "one that may `manage_endpoints`, then of its project's endpoints only.", open=True,
        other_answers=(OtherAnswer(200, (), "text/plain"),),
    ),
)  # fmt: skip
