"""An installation, wherever it lies: the embedded server of a data directory, or a named one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tierline.config import Place
from tierline.store.database import Database
from tierline.store.embedded import EmbeddedServer


@asynccontextmanager
async def opened(
    place: Place, *, serve: bool = False, migrate: bool = True
) -> AsyncIterator[Database]:
    """The place's database, open; its embedded server runs as long as anybody is inside. `serve`
    is for the one process that does everything: DataDirInUse when there is one already."""
    if place.database_url is not None:
        async with await Database.open(
            place.database_url, migrate=migrate, shards=place.shards
        ) as database:
            yield database
        return
    server = await asyncio.to_thread(EmbeddedServer.attach_or_start, place.data_dir, serve=serve)
    try:
        async with await Database.open(
            server.url, migrate=migrate, shards=place.shards
        ) as database:
            yield database
    finally:
        await asyncio.to_thread(server.close)
