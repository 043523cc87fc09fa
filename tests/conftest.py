"""What the tests stand on: a real PostgreSQL, a fresh database each, and a real HTTP receiver.

The server is the embedded one, or that of TIERLINE_TEST_DATABASE_URL, whose user must be allowed to
create databases. A test's database is a copy of a migrated template: about 30 ms.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.receiver import Receiver, receiving
from tierline.store import cluster
from tierline.store.database import Database
from tierline.store.embedded import EmbeddedServer

SCRATCH_BYTES = 2 << 30  # a session makes some hundred databases, one after the other


class Server:
    """The session's PostgreSQL: makes databases and drops them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.template = ""

    def url_of(self, database: str) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/{database}?{parts.query}"

    async def execute(self, *statements: str) -> None:
        """Run statements outside a transaction, in the administrative database."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, template: str = "template0") -> str:
        """A new database; its URL."""
        name = f"tierline_test_{secrets.token_hex(6)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url_of(name)

    async def drop(self, url: str) -> None:
        name = urlsplit(url).path.removeprefix("/")
        await self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stands on the server is marked `database`, so that `.ci/run` repeats it elsewhere."""
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The PostgreSQL of this session, with a migrated template."""
    given = os.environ.get("TIERLINE_TEST_DATABASE_URL")
    if given:
        running = Server(given)
        asyncio.run(_make_template(running))
        yield running
        asyncio.run(running.drop(running.url_of(running.template)))
        return
    with scratch() as directory, EmbeddedServer.attach_or_start(directory) as embedded:
        running = Server(embedded.url)
        asyncio.run(running.execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"))
        asyncio.run(_make_template(running))
        yield running


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that goes away, in memory where there is room: making and removing a cluster's
    thousand files takes seconds on some disks. Its path is short, for the socket's sake."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes ours inside
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > SCRATCH_BYTES
    directory = Path(tempfile.mkdtemp(prefix="tierline-", dir=memory if roomy else None))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data directory for an embedded server; what a test left running is stopped."""
    with scratch() as directory:
        yield directory
        if postmaster := cluster.postmaster(directory / "postgres"):
            with suppress(ProcessLookupError):
                os.kill(postmaster.pid, signal.SIGQUIT)


async def _make_template(server: Server) -> None:
    url = await server.create()
    await (await Database.open(url)).close()
    server.template = urlsplit(url).path.removeprefix("/")


@pytest.fixture
async def empty_url(server: Server) -> AsyncIterator[str]:
    """The URL of a new database with nothing in it."""
    url = await server.create()
    yield url
    await server.drop(url)


@pytest.fixture
async def database_url(server: Server) -> AsyncIterator[str]:
    """The URL of a new, migrated installation of two shards."""
    url = await server.create(server.template)
    yield url
    await server.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A new, migrated installation, open."""
    async with await Database.open(database_url) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook receiver on loopback; see `tests/receiver.py`."""
    async with receiving() as running:
        yield running
