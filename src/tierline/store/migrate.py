"""From any older schema to this program's, in one transaction.

The migrations are plain SQL files, `migrations/NNNN_name.sql`; Alembic orders them, and keeps the
version. It runs in its offline mode, as a writer of one script, so that no second driver and no ORM
is loaded, and only when the schema is behind: on every other start nothing of it is imported.
"""

from __future__ import annotations

import io
import secrets
from pathlib import Path
from typing import Final

import asyncpg

from tierline import clock
from tierline.errors import Invalid
from tierline.store.errors import SchemaBehind, SchemaTooNew

MIGRATIONS: Final = Path(__file__).parent / "migrations"
SHARDS_DEFAULT: Final = 2
SHARDS_MAX: Final = 1024
LEASES: Final = ("sweep",)
# Holds other starting processes back. Advisory locks are per node of a Citus cluster, which is
# enough here: migrations run on the coordinator only.
LOCK: Final = 0x7469_6572  # "tier"


def newest() -> str:
    """The schema that this program needs: the number of its last migration."""
    return max(path.name[:4] for path in MIGRATIONS.glob("[0-9]*.sql"))


async def version(connection: asyncpg.Connection) -> str | None:
    """The database's schema; None: nothing there yet."""
    # Not to_regclass: it reads a cache that a wait for the lock below does not refresh.
    there = await connection.fetchval(
        "SELECT count(*) > 0 FROM pg_class"
        " WHERE relname = 'alembic_version' AND pg_table_is_visible(oid)"
    )
    if not there:
        return None
    name: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return name


async def check(connection: asyncpg.Connection) -> bool:
    """Whether the schema is this program's; False: it is older, or missing. Raises SchemaTooNew."""
    schema = await version(connection)
    newest_schema = newest()
    if schema is not None and schema > newest_schema:
        raise SchemaTooNew(schema=schema, newest=newest_schema)
    return schema == newest_schema


async def require(connection: asyncpg.Connection) -> None:
    """Raise SchemaBehind or SchemaTooNew unless the schema is this program's."""
    if not await check(connection):
        raise SchemaBehind(schema=await version(connection) or "none", newest=newest())


async def upgrade(connection: asyncpg.Connection, shards: int = SHARDS_DEFAULT) -> None:
    """Bring the schema up to date; an empty database becomes an installation of `shards` shards.
    Any number of processes may call it at once, on connections without a statement_timeout: one
    works, the others wait and find it done."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        if await check(connection):
            return
        schema = await version(connection)
        await connection.execute(script(schema))
        if schema is None:
            await install(connection, shards)


def script(start: str | None) -> str:
    """The statements from schema `found` to the newest, with Alembic's own version row."""
    from alembic import command  # noqa: PLC0415 - 0.3 s, only when the schema is behind
    from alembic.config import Config  # noqa: PLC0415

    output = io.StringIO()
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, f"{start or 'base'}:head", sql=True)
    return output.getvalue()


def run_file(name: str) -> None:
    """For the revisions: write the statements of one SQL file, unchanged, into the script."""
    from alembic import op  # noqa: PLC0415
    from sqlalchemy import text  # noqa: PLC0415

    statements = (MIGRATIONS / name).read_text()
    op.execute(text(statements.replace(":", "\\:")))  # a colon would begin a parameter


async def install(connection: asyncpg.Connection, shards: int, epoch: str | None = None) -> None:
    """The rows that exist from the beginning: one installation, and all heads and leases, which
    statements take their shard from."""
    if not 1 <= shards <= SHARDS_MAX:
        raise Invalid(path="--shards", reason=f"1 to {SHARDS_MAX} shards, not {shards}")
    await connection.execute(
        "INSERT INTO installation (id, epoch, shards, created_at) VALUES (1, $1, $2, $3)",
        epoch or secrets.token_hex(8),
        shards,
        clock.wall(),
    )
    await connection.executemany(
        "INSERT INTO shard_head (shard, head, recorded_at, customers, log_start)"
        " VALUES ($1, 0, 0, 0, 1)",
        [(shard,) for shard in range(shards)],
    )
    await connection.executemany(
        "INSERT INTO lease (shard, name, owner, generation, until) VALUES ($1, $2, '', 0, 0)",
        [(shard, name) for shard in range(shards) for name in LEASES],
    )
