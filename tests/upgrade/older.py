"""An installation as an older Tierline left it, from the rows that `tests/data/upgrade` keeps."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.e2e.caller import Caller
from tierline.app import serving
from tierline.bootstrap import Installation
from tierline.config import ServeOptions
from tierline.ledger.rebuild import verify
from tierline.store import migrate
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.vendors.registry import KEY_KINDS

HISTORY = Path(__file__).parents[1] / "data/upgrade/history-75d61e6.txt"
SHOP = 2  # the sandbox project's number
UPGRADED = "2025-02-18T09:00:00.000Z"  # where the shop's clock stood
Json = dict[str, Any]


async def restore(url: str) -> None:
    """Fills an empty database with the older schema and its rows."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute((migrate.MIGRATIONS / "0001_initial.sql").read_text())
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
        for part in HISTORY.read_text().removeprefix("-- ").split("\n-- "):
            head, _, rows = part.partition("\n")
            table, *columns = head.split()
            source = io.BytesIO((rows.rstrip("\n") + "\n").encode() if rows else b"")
            await connection.copy_to_table(table, source=source, columns=columns)
    finally:
        await connection.close()


@asynccontextmanager
async def upgraded(url: str) -> AsyncIterator[Installation]:
    """The restored installation, migrated and open."""
    await restore(url)
    async with opened(url) as installation:
        yield installation


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Installation]:
    async with await Database.open(url) as database:
        catalog = await Catalog.open(database, SecretBox(bytes(32)), KEY_KINDS)
        yield Installation(database, catalog, Path())


@asynccontextmanager
async def served(
    installation: Installation, session: aiohttp.ClientSession
) -> AsyncIterator[Caller]:
    """A server with every role, and a caller with all scopes of the shop."""
    made = await installation.catalog.add_key(SHOP, "native", (), "", 0)
    options = ServeOptions(port=0, allow=(ip_network("127.0.0.0/8"),))
    async with serving(installation, options) as process:
        assert process.url is not None
        yield Caller(session, process.url, str(made["key"]))


async def unsound(installation: Installation) -> list[str]:
    """What `rebuild --verify` finds."""
    differences = verify(installation.database, installation.catalog)
    return [str(difference) async for difference in differences]


async def members(database: Database) -> list[asyncpg.Record]:
    """Everybody's stored row, with their source id and their program's."""
    rows: list[asyncpg.Record] = await database.pool.fetch(
        "SELECT m.*, a.name AS source_id, p.id AS program_id FROM member m"
        " JOIN alias a ON a.customer = m.customer AND a.kind = 'source'"
        " JOIN program p ON p.number = m.program ORDER BY a.name"
    )
    return rows


async def log(database: Database) -> list[tuple[Any, ...]]:
    """Every event's place, id and body."""
    rows = await database.pool.fetch(
        'SELECT shard, "offset", id, recorded_at, body FROM event ORDER BY 1, 2'
    )
    return [tuple(row) for row in rows]


async def checkpoints(database: Database) -> dict[str, int]:
    """How many checkpoints each customer's ledger has."""
    rows = await database.pool.fetch(
        "SELECT a.name, count(*) AS times FROM entry e JOIN alias a ON a.customer = e.customer"
        " AND a.kind = 'source' WHERE e.kind = 'checkpoint' GROUP BY a.name"
    )
    return {row["name"]: row["times"] for row in rows}


async def redirect(database: Database, url: str) -> None:
    """Lets every endpoint live at another address."""
    await database.pool.execute(
        "UPDATE endpoint SET body = regexp_replace(body, 'http://[^/]+/hook', $1)", url
    )
