"""From one PostgreSQL to many: the one step that knows of Citus.

Tables with a `shard` column are distributed by it, all in one colocation group, so that everything
of a shard lies on one node and a transaction in it stays there; all others become reference tables,
the same on every node, but for signs of life, which stay on the coordinator. Each table is a
transaction of its own, and what is done already is left alone: an interrupted run goes on where it
stopped, and after a migration that added a table the same command distributes that one too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import asyncpg
from msgspec import Struct

from tierline.errors import TierlineError
from tierline.store.database import Database, where
from tierline.store.heartbeat import require_idle

HEADS: Final = "shard_head"  # the first: the others are placed beside it
# Signs of life: everybody connects to the coordinator, so they are read nowhere else. A write to a
# reference table needs every node: one dead worker would silence all senders, and they would stop.
STAY: Final = frozenset({"process"})
# The node of a statement is chosen when its parameters are known, so it is planned each time.
KEEP_NO_PLANS: Final = "UPDATE installation SET plan_cache_mode = 'auto' WHERE id = 1"


class ExtensionMissing(TierlineError):
    """The database at {where} has no citus extension, so it cannot be distributed. Install Citus on
    every node, run CREATE EXTENSION citus in this database on each, and add the workers with
    citus_add_node; then repeat this command."""

    code = "citus_missing"
    status = 409


class NotTheCoordinator(TierlineError):
    """The database at {where} is a worker of its cluster; distribute from the coordinator."""

    code = "citus_not_coordinator"
    status = 409


class NoNodes(TierlineError):
    """No node of the cluster at {where} may hold data. Add workers with citus_add_node, or let the
    coordinator hold it: SELECT citus_set_node_property(host, port, 'shouldhaveshards', true)."""

    code = "citus_without_nodes"
    status = 409


class Distributed(Struct, frozen=True):
    """How the tables lie afterwards, and how many of them this run changed."""

    large: tuple[str, ...]
    small: tuple[str, ...]
    nodes: int
    changed: int


class Tables(Struct, frozen=True):
    """The installation's tables by what they become, in the order in which they must."""

    large: tuple[str, ...]
    small: tuple[str, ...]


async def distribute(
    database: Database, on_table: Callable[[str], None] = lambda _: None
) -> Distributed:
    """Distribute an installation whose schema is up to date; `told` gets each table's name before
    its turn. Rows that are there already are moved. Raises ExtensionMissing, NotTheCoordinator,
    NoNodes, and InUse while a server works on it and there is something to do."""
    connection = await database.connect(statement_timeout="0")
    try:
        await _require_citus(connection, where(database.url))
        tables = await _tables(connection)
        done = await _done(connection)
        todo = [table for table in (*tables.small, *tables.large) if table not in done]
        if todo:
            await require_idle(connection, where(database.url))
            await connection.execute(KEEP_NO_PLANS)
        for table in todo:
            on_table(table)
            await _place(connection, table, large=table in tables.large)
        nodes = await _nodes(connection)
    finally:
        await connection.close()
    return Distributed(tables.large, tables.small, nodes, len(todo))


async def _require_citus(connection: asyncpg.Connection, place: str) -> None:
    if not await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'citus'"):
        raise ExtensionMissing(where=place)
    if await connection.fetchval("SELECT groupid FROM pg_dist_local_group") != 0:
        raise NotTheCoordinator(where=place)
    # A database without any node yet is its own: Citus registers it by itself.
    node_count = await connection.fetchval("SELECT count(*) FROM pg_dist_node")
    if node_count and not await _nodes(connection):
        raise NoNodes(where=place)


async def _nodes(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_dist_node"
        " WHERE isactive AND shouldhaveshards AND noderole = 'primary'"
    )
    return count


async def _tables(connection: asyncpg.Connection) -> Tables:
    rows = await connection.fetch(
        """SELECT c.relname AS name,
                  EXISTS (SELECT FROM pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attname = 'shard') AS large,
                  ARRAY(SELECT f.confrelid::regclass::text FROM pg_constraint f
                        WHERE f.conrelid = c.oid AND f.contype = 'f') AS needs
           FROM pg_class c
           WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
             AND NOT relation_is_a_known_shard(c.oid)  -- our sessions see those, too
           ORDER BY c.relname"""
    )
    rows = [row for row in rows if row["name"] not in STAY]
    needs = {row["name"]: set(row["needs"]) for row in rows}
    large = {row["name"] for row in rows if row["large"]}
    return Tables(
        (HEADS, *sorted(large - {HEADS})),
        tuple(sorted(needs.keys() - large, key=lambda name: (_depth(name, needs), name))),
    )


def _depth(name: str, needs: dict[str, set[str]]) -> int:
    """How long its longest chain of foreign keys is: what others refer to goes first."""
    return 1 + max((_depth(other, needs) for other in needs[name] - {name}), default=0)


async def _done(connection: asyncpg.Connection) -> set[str]:
    """What is placed already. A small table that Citus only took into its catalog because a
    foreign key led to another one is not."""
    rows = await connection.fetch(
        """SELECT c.relname AS name
           FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid
           WHERE c.relnamespace = current_schema()::regnamespace
             AND (p.partmethod = 'h' OR p.partmethod = 'n' AND p.repmodel = 't')"""
    )
    return {row["name"] for row in rows}


async def _place(connection: asyncpg.Connection, table: str, *, large: bool) -> None:
    if not large:
        await connection.execute("SELECT create_reference_table($1::text::regclass)", table)
        return
    beside = "none" if table == HEADS else HEADS
    async with connection.transaction():
        await connection.execute(
            "SELECT create_distributed_table($1::text::regclass, 'shard', colocate_with => $2)",
            table,
            beside,
        )
        # The rows were copied to their nodes; this empties the shell that they were copied from.
        await connection.execute(
            "SELECT truncate_local_data_after_distributing_table($1::text::regclass)", table
        )
