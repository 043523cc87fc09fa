"""Watches the nodes of a distributed database: which of their shards can be reached.

1. All of a shard lies on one node, and shards move: which node it is, the coordinator's catalog
   says anew at each look. That costs no node anything.
2. A node is away when the coordinator says that it cannot be reached (one look-up by key in one of
   its shards, as any statement), or when that look-up stays without an answer twice in a row: once
   may be a busy moment.
3. Somebody whose statement failed has us look at once, and shares the look with whoever did so too.
   Else we look now and then, and more often while something is away.
4. If the coordinator is gone, nothing is known of the nodes: what was known stays.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal

import asyncpg
import structlog

from tierline.logging import RecurringFaults
from tierline.store.absent_shards import AbsentShards, shards_text
from tierline.store.database import Database
from tierline.store.event_log_queries import EventLogSql
from tierline.store.reconnecting_connection import ReconnectingConnection

LOOK_SECONDS: Final = 2.5
LOOK_AGAIN_SECONDS: Final = 1.0  # while something is away
PROBE_MS: Final = 1_000
SILENCE: Final = "57014"  # the look-up took longer than that

Reply = Literal["there", "refused", "silent"]
Placement = tuple[int, str]  # a shard, and the node that holds it
_log = structlog.get_logger("tierline.store")
_again = RecurringFaults(_log)


# From the coordinator's own catalog: which node holds each shard. Plain PostgreSQL has no such.
PLACEMENTS: Final = """
    SELECT s.shard, n.nodename || ':' || n.nodeport AS node
    FROM generate_series(0, $1::integer - 1) AS s(shard)
    JOIN pg_dist_shard d ON d.logicalrelid = 'shard_head'::regclass
        AND worker_hash(s.shard::smallint)
            BETWEEN d.shardminvalue::integer AND d.shardmaxvalue::integer
    JOIN pg_dist_placement p ON p.shardid = d.shardid
    JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
"""


def by_node(placements: Iterable[Placement]) -> dict[str, list[int]]:
    """The shards of each node, in order."""
    shards: dict[str, list[int]] = defaultdict(list)
    for shard, node in sorted(placements):
        shards[node].append(shard)
    return dict(shards)


def away(
    shards: Mapping[str, list[int]], replies: Mapping[str, Reply], silent: Collection[str]
) -> dict[int, str]:
    """The node of each shard that is away. `silent`: who did not answer at the look before."""
    gone = {
        node
        for node, reply in replies.items()
        if reply == "refused" or (reply == "silent" and node in silent)
    }
    return {shard: node for node in gone for shard in shards[node]}


class NodeWatch:
    """Keeps a database's `absent` up to date while it runs; see `watching`."""

    def __init__(self, database: Database) -> None:
        self.absent: AbsentShards = database.absent
        self._nodes = database.nodes
        self._shards = database.shards
        self._line = ReconnectingConnection(database, statement_timeout=str(PROBE_MS))
        self._silent: frozenset[str] = frozenset()
        self._current: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """When it returns, what is away was looked at since somebody last asked or was looking."""
        if self._current is None or self._current.done():
            self._current = asyncio.create_task(self._look(), name="look at nodes")
        await asyncio.shield(self._current)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS if self.absent.nodes else LOOK_SECONDS)
            await self.look()

    async def close(self) -> None:
        if self._current is not None:
            self._current.cancel()
            await asyncio.gather(self._current, return_exceptions=True)
        await self._line.close()

    async def _look(self) -> None:
        try:
            await self._line.run(self._see)
        except Exception as error:  # noqa: BLE001 - the coordinator is gone; the next look will see
            _again.warning("nodes_unknown", error=repr(error))

    async def _see(self, connection: asyncpg.Connection) -> None:
        places = await placements(connection, self._shards)
        self._nodes.saw(dict(places))
        shards = by_node(places)
        replies = {node: await _reply(connection, own[0]) for node, own in shards.items()}
        gone = away(shards, replies, self._silent)
        self._silent = frozenset(node for node, reply in replies.items() if reply == "silent")
        for node in {*self.absent.nodes.values()} - {*gone.values()}:
            self._nodes.reached(node)  # it was away: that is why it could not be connected to
        if not self.absent.saw(gone):
            return
        if not gone:
            _log.info("nodes_back")
        for node, own in by_node(gone.items()).items():
            _log.error("node_away", node=node, shards=shards_text(own))


async def placements(connection: asyncpg.Connection, shards: int) -> list[Placement]:
    return [(row["shard"], row["node"]) for row in await connection.fetch(PLACEMENTS, shards)]


async def _reply(connection: asyncpg.Connection, shard: int) -> Reply:
    """Raises what the driver does where it is the coordinator that is gone."""
    try:
        await connection.fetch(EventLogSql.head, shard)
    except asyncpg.PostgresError as error:
        if connection.is_closed():
            raise
        return "silent" if error.sqlstate == SILENCE else "refused"
    return "there"


@asynccontextmanager
async def watching(database: Database) -> AsyncIterator[None]:
    """Watch a database's nodes while inside; where it lies in one place there is nothing to do."""
    if not database.distributed:
        yield
        return
    watch = NodeWatch(database)
    await watch.look()
    database.absent.watched_by(watch.look)
    running = asyncio.create_task(watch.run(), name="nodes")
    try:
        yield
    finally:
        database.absent.watched_by(None)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await watch.close()


async def present_heads(
    connection: asyncpg.Connection, shards: int, absent: AbsentShards
) -> list[asyncpg.Record]:
    """Shard, newest offset and start of the log, of every shard that is there."""
    if not absent.nodes:
        try:
            return list(await connection.fetch(EventLogSql.heads))
        except asyncpg.PostgresError:
            if not await absent.confirms_any():
                raise
    return list(await connection.fetch(EventLogSql.heads_of, absent.present(shards)))
