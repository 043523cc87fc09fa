"""Whether what batches keep beside the members equals what the members and events say."""

from __future__ import annotations

from typing import Any

from tierline.ledger.list_upkeep import ListUpkeep
from tierline.store import tier_counts
from tierline.store.database import Database
from tierline.store.tier_counts import CountDifference

DAY_MS = 86_400_000


async def wrong_counts(database: Database) -> list[CountDifference]:
    """The counts that differ from the members, each shard in one snapshot of its own."""
    wrong = []
    async with database.pool.acquire() as connection:
        for shard in range(database.shards):
            wrong += await tier_counts.differences(connection, shard)
    return wrong


async def wrong_moves(database: Database) -> list[Any]:
    """The moves that differ from the log, of projects in UTC whose log is whole."""
    rows: list[Any] = await database.pool.fetch(
        """SELECT * FROM (
               SELECT shard, program, ((body::json ->> 'at')::bigint / $1)::int AS day,
                      body::json ->> 'kind' AS kind, count(*) AS moves
               FROM event WHERE class = 'tier' GROUP BY 1, 2, 3, 4
           ) AS log
           FULL JOIN tier_move m USING (shard, program, day, kind)
           WHERE log.moves IS DISTINCT FROM m.moves""",
        DAY_MS,
    )
    return rows


async def unlisted(database: Database) -> list[Any]:
    """The customers whom no list by last change holds once it is brought up to date, and those
    whom it holds above their shard's mark."""
    await ListUpkeep(database).run_once()
    rows: list[Any] = await database.pool.fetch(
        """SELECT c.id FROM customer c
           LEFT JOIN last_change l ON l.shard = c.shard AND l.customer = c.id
           LEFT JOIN list_mark m ON m.shard = c.shard
           WHERE l.changed_at IS NULL OR m.upto IS NULL OR l.changed_at > m.upto"""
    )
    return rows


async def moves_of(database: Database) -> list[Any]:
    """The moves of each day, over all shards."""
    rows = await database.pool.fetch(
        "SELECT program, day, kind, sum(moves) FROM tier_move GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in rows]
