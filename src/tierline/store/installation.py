"""An installation, wherever it lies: the embedded server of a data directory, or a named one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from tierline.config import Location
from tierline.errors import TierlineError
from tierline.logging import RecurringFaults
from tierline.store.database import Database
from tierline.store.disk_space import DiskSpace
from tierline.store.embedded_postgres.server import EmbeddedServer
from tierline.store.errors import NoInstallation, PathUnusable
from tierline.store.node_watch import watching

LOOK_SECONDS: Final = 1.0  # how often we look whether the embedded server lives
_log = structlog.get_logger("tierline.store")
_again = RecurringFaults(_log)


@asynccontextmanager
async def opened(
    location: Location, *, serve: bool = False, migrate: bool = True, create: bool = True
) -> AsyncIterator[Database]:
    """The place's database, open; its embedded server runs as long as anybody is inside, and is
    started again when it dies. `serve` is for the one process that does everything: DataDirInUse
    when there is one already. Unless it may `create` one, NoInstallation where there is none."""
    if not create and location.database_url is None:
        _require_cluster(location.data_dir)
    if location.database_url is not None:
        async with (
            await Database.open(
                location.database_url, migrate=migrate, create=create, shards=location.shards
            ) as database,
            watching(database),
        ):
            yield database
        return
    server = await _attach_or_start(location.data_dir, serve=serve)
    disk = DiskSpace(server.data_dir / "postgres")
    if serve:
        disk.settle()
    nurse = asyncio.create_task(_keep_alive(server, disk), name="embedded")
    try:
        async with await Database.open(
            server.url, migrate=migrate, create=create, shards=location.shards, disk=disk
        ) as database:
            yield database
    finally:
        nurse.cancel()
        await asyncio.to_thread(server.close)


async def _attach_or_start(data_dir: Path, *, serve: bool) -> EmbeddedServer:
    """Where it is cancelled meanwhile, nothing goes on running: the thread that starts a server
    cannot be stopped, so its end is waited for."""
    starting = asyncio.ensure_future(
        asyncio.to_thread(EmbeddedServer.attach_or_start, data_dir, serve=serve)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            (await starting).close()
        raise


def _require_cluster(data_dir: Path) -> None:
    """Raises NoInstallation where no database was made in the data directory, PathUnusable where
    that cannot be seen."""
    directory = data_dir.expanduser().absolute()
    try:
        made = (directory / "postgres" / "PG_VERSION").exists()
    except OSError as error:
        raise PathUnusable(where=str(directory), reason=error.strerror) from error
    if not made:
        raise NoInstallation(where=str(directory))


async def holds_secrets(database: Database) -> bool:
    """Whether something was sealed here, so that there must be a key already."""
    any_secret: bool = await database.pool.fetchval(
        "SELECT EXISTS (SELECT 1 FROM project WHERE secrets IS NOT NULL)"
        " OR EXISTS (SELECT 1 FROM endpoint)"
        " OR EXISTS (SELECT 1 FROM installation WHERE digest_key IS NOT NULL)"
    )
    return any_secret


async def _keep_alive(server: EmbeddedServer, disk: DiskSpace) -> None:
    """A full disk or a kill ends PostgreSQL. What was on its way is done again by the same keys as
    soon as it is back, so it is tried for as long as we live."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await asyncio.to_thread(disk.settle)
            if await asyncio.to_thread(server.revive):
                _log.warning("postgres_started_again", where=str(server.data_dir))
        except TierlineError as error:
            _again.error("postgres_down", code=error.code, reason=error.sentence)
        except Exception:  # noqa: BLE001 - logged; the next look tries again
            _again.error("postgres_down", where=str(server.data_dir), exc_info=True)
