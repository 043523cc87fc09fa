"""Writing tables anew, so that no file of the database holds what was deleted from them.

PostgreSQL leaves a deleted row's bytes in its page until something else needs the room, and the
planner's statistics hold samples of columns. Each table is locked while it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import asyncpg

from tierline.store.database import Database

STATISTICS: Final = "pg_catalog.pg_statistic"
# A cluster's pieces of a table are written anew with the table; our sessions see those, too.
WHOLE_TABLES: Final = {"citus.override_table_visibility": "on"}


async def compact(database: Database, on_table: Callable[[str], None] = lambda _: None) -> int:
    """Writes every table anew, one after the other; returns how many. Whoever wants to write into
    the one whose turn it is waits."""
    connection = await database.connect(statement_timeout="0", **WHOLE_TABLES)
    try:
        rows = await connection.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace"
            " ORDER BY 1"
        )
        for row in rows:
            on_table(row["name"])
            await connection.execute(f"VACUUM (FULL, ANALYZE) {row['name']}")
        with suppress(asyncpg.InsufficientPrivilegeError):  # of a server elsewhere: see its manual
            await connection.execute(f"VACUUM (FULL) {STATISTICS}")
            await connection.execute("CHECKPOINT")  # former files go with it
    finally:
        await connection.close(timeout=5)
    return len(rows)
