"""What `tierline doctor` looks at: cheap questions whose answers should all be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
from msgspec import Struct

from tierline.model.calendar import format_instant
from tierline.store import migrate
from tierline.store import sweep as sweeps
from tierline.store.absent_shards import absent_text, shards_text
from tierline.store.catalog import resealing
from tierline.store.connection_counts import process_most
from tierline.store.database import Database
from tierline.store.heartbeat import (
    ABSENT,
    LivingProcess,
    living_processes,
    living_roles,
    required_roles,
)
from tierline.store.named_queries import Queries
from tierline.store.node_watch import by_node, placements

if TYPE_CHECKING:
    from tierline.store.catalog.catalog import Catalog

LATE_MS = 60_000  # what was due so long ago is being swept by nobody
WALL = 0  # the clock of projects on wall time
PROCESSES = {"api": "API servers", "sender": "senders", "sweeper": "sweepers"}


class DiagnosticsSql(Queries, file="diagnostics.sql"):
    connections: str
    shard_state: str
    quarantined: str
    unwell: str
    server_version: str
    sweep_owner: str


class Diagnosis(Struct, frozen=True):
    about: str
    text: str
    well: bool = True


async def findings(database: Database, catalog: Catalog, now: int) -> list[Diagnosis]:
    """Good and bad, in the order in which an operator would ask."""
    # A look over ten million members may take longer than a request would be allowed to.
    connection = await database.connect(statement_timeout="0")
    try:
        version = await connection.fetchval(DiagnosticsSql.server_version)
        schema = await migrate.version(connection)
        checks = [
            # "15.20 (Debian 15.20-0+deb12u1)": what packagers add says nothing here.
            Diagnosis("database", f"PostgreSQL {version.split()[0]}, schema {schema}"),
            Diagnosis("shards", f"{database.shards}, epoch {database.epoch}"),
            await _secrets(connection, catalog),
        ]
        checks.append(await _disk(connection, database))
        checks.append(await _connections(connection, database))
        if database.distributed:
            checks.append(await _nodes(connection, database))
        for shard in range(database.shards):
            if shard in database.absent:
                text = "its node is away, so nothing of it can be told"
                checks.append(Diagnosis(f"shard {shard}", text, well=False))
            else:
                checks += await _shard(connection, catalog, shard, now)
        checks += await _roles(connection, endpoints=bool(catalog.endpoints()))
        checks += await _processes(connection, database, now)
    finally:
        await connection.close(timeout=5)
    return checks


async def _secrets(connection: asyncpg.Connection[asyncpg.Record], catalog: Catalog) -> Diagnosis:
    """Opening the catalog has opened every secret in it; by which key is said here."""
    text = f"the key opens them, projects: {len(catalog.projects())}"
    if catalog.box.has_former:
        count = len(await resealing.of_former_keys(connection, catalog.box))
        text += f"; sealed with a former key: {count}"
        if count:
            text += " (`tierline reseal` seals them with the first one)"
    return Diagnosis("secrets", text)


async def _nodes(connection: asyncpg.Connection[asyncpg.Record], database: Database) -> Diagnosis:
    """Which node holds how many shards, and which of them are away."""
    absent = database.absent.nodes
    nodes = by_node(await placements(connection, database.shards))
    text = "; ".join(f"{node} holds {shards_text(shards)}" for node, shards in nodes.items())
    if absent:
        away = f"{', '.join(sorted(set(absent.values())))} away: {absent_text(absent)}"
        return Diagnosis("nodes", f"{away}; {text}", well=False)
    return Diagnosis("nodes", text)


async def _connections(
    connection: asyncpg.Connection[asyncpg.Record], database: Database
) -> Diagnosis:
    row = await connection.fetchrow(DiagnosticsSql.connections)
    assert row is not None
    nodes = 0
    if database.distributed:
        nodes = len(by_node(await placements(connection, database.shards)))
    most = process_most(database.shards, nodes=nodes)
    text = (
        f"{row['count']} of Tierline's are open, the server takes {row['most']} of everybody's;"
        f" a process with every role may open {most}"
    )
    return Diagnosis("connections", text)


async def _disk(connection: asyncpg.Connection[asyncpg.Record], database: Database) -> Diagnosis:
    disk = database.disk
    if not disk.look():
        await disk.ask(connection)
    if disk.full:
        text = f"it is full (disk_full), nothing more is written; free some space: {disk.text}"
        return Diagnosis("disk", text, well=False)
    return Diagnosis("disk", disk.text)


async def _roles(
    connection: asyncpg.Connection[asyncpg.Record], *, endpoints: bool
) -> list[Diagnosis]:
    """How many processes of each role live. Where all are stopped nothing is wrong; where some
    work, a role that the installation needs and nobody has is."""
    alive = await living_roles(connection)
    required = required_roles(endpoints=endpoints) if alive else ()
    checks = []
    for role, name in PROCESSES.items():
        absent = role in required and not alive[role]
        text = f"{alive[role]} alive" + (f": {ABSENT[role]}" if absent else "")
        checks.append(Diagnosis(name, text, well=not absent))
    return checks


async def _processes(
    connection: asyncpg.Connection[asyncpg.Record], database: Database, now: int
) -> list[Diagnosis]:
    """Which process does which part of the work."""
    swept: dict[str, list[int]] = {}
    for shard in range(database.shards):
        if shard not in database.absent:
            owner = await connection.fetchval(DiagnosticsSql.sweep_owner, shard, now)
            swept.setdefault(owner, []).append(shard)
    return [
        Diagnosis(f"process {process.id}", _work(process, swept.get(process.id, [])))
        for process in await living_processes(connection)
    ]


def _work(process: LivingProcess, swept: list[int]) -> str:
    roles = process.roles.replace(",", ", ") or "nothing"
    parts = [
        f"{process.host}, pid {process.pid}, Tierline {process.version}",
        f"{roles} since {format_instant(process.started_at)}",
        f"endpoints: {process.endpoints}",
        f"sweeps {shards_text(swept)}" if swept else "sweeps nothing",
    ]
    if process.draining:
        parts.append("drained" if process.drained else "gives up its work")
    return "; ".join(parts)


async def schema(database: Database) -> str | None:
    connection = await database.connect()
    try:
        return await migrate.version(connection)
    finally:
        await connection.close(timeout=5)


async def _shard(
    connection: asyncpg.Connection[asyncpg.Record], catalog: Catalog, shard: int, now: int
) -> list[Diagnosis]:
    about = f"shard {shard}"
    state = await connection.fetchrow(DiagnosticsSql.shard_state, shard)
    if state is None:
        return [Diagnosis(about, "has no head: the installation is incomplete", well=False)]
    head, newest = state["head"], state["newest"] or 0
    log = Diagnosis(about, f"events: {head}")
    # Retention may have dropped all there was.
    if newest != head and (newest or state["log_start"] <= head):
        log = Diagnosis(about, f"its head is {head}, its newest event {newest}", well=False)
    checks = [log]
    due = await sweeps.next_due(connection, shard, WALL)
    if due is not None and now - due > LATE_MS:
        late = (now - due) // 1000
        checks.append(
            Diagnosis(about, f"members are due since {late} s; is a sweeper running?", False)
        )
    quarantined = await connection.fetchval(DiagnosticsSql.quarantined, shard)
    if quarantined:
        text = f"quarantined members: {quarantined}; see the ops events, then `rebuild`"
        checks.append(Diagnosis(about, text, well=False))
    for row in await connection.fetch(DiagnosticsSql.unwell, shard):
        endpoint = catalog.endpoint_numbered(row["endpoint"])
        if endpoint is not None:
            checks.append(Diagnosis(f"endpoint {endpoint.id}", row["state"], well=False))
    return checks
