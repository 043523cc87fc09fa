"""What the database holds, asked behind the server's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from tierline.store.embedded_postgres.server import EmbeddedServer


@contextmanager
def url_of(data_dir: Path) -> Iterator[str]:
    """The address of a data directory's database, which is started if it is not running."""
    with EmbeddedServer.attach_or_start(data_dir) as server:
        yield server.url


async def check_offsets(url: str) -> int:
    """Each shard's log counts 1, 2, 3 …; how many events there are in all."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            'SELECT shard, array_agg("offset" ORDER BY "offset") AS found FROM event GROUP BY shard'
        )
    finally:
        await connection.close()
    for row in rows:
        assert row["found"] == list(range(1, len(row["found"]) + 1))
    return sum(len(row["found"]) for row in rows)


async def handovers(url: str) -> int:
    """How often the cursor that changed its owner most often did so."""
    return await _number(url, "SELECT coalesce(max(generation), 1) - 1 FROM cursor")


async def entries(url: str) -> int:
    """How many lines the ledger has, without the enrolments that first activities bring along."""
    return await _number(url, "SELECT count(*) FROM entry WHERE kind <> 'enrol'")


async def _number(url: str, text: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(text))
    finally:
        await connection.close()
