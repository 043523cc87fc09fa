"""What the tests stand on: a real PostgreSQL, a fresh database each, and a real HTTP receiver.

The server is the embedded one, or that of TIERLINE_TEST_DATABASE_URL, whose user must be allowed to
create databases. A test's database is a copy of a migrated template: about 30 ms. Where
TIERLINE_TEST_CITUS_URL is given, what stands on the server runs a second time, on that cluster, in
distributed databases (`tests/cluster.py`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from tests.cluster import Cluster
from tests.delivery.world import World, make_world
from tests.javascript import Node
from tests.receiver import Receiver, receiving
from tests.servers import Server
from tierline.store.citus import distribute
from tierline.store.database import Database
from tierline.store.embedded_postgres import cluster
from tierline.store.embedded_postgres.server import EmbeddedServer
from tierline.store.node_watch import watching

# The suite tries the same examples every time; searching for new ones is `make fuzz`'s work.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

SCRATCH_BYTES = 2 << 30  # a session makes some hundred databases, one after the other
# Browsers, kills, sleeps, and commands in processes of their own.
LONG = (
    "tests/console/",
    "tests/delivery/test_chaos.py",
    "tests/delivery/test_thousands_of_lanes.py",
    "tests/demo/",
    "tests/ledger/test_erasure_kill.py",
    "tests/ledger/test_export_worlds.py",
    "tests/ledger/test_pipes.py",
    "tests/reshard/",
    "tests/test_audit_command.py",
    "tests/test_cli.py",
    "tests/test_customer_command.py",
    "tests/test_drain_command.py",
    "tests/test_every_door.py",
    "tests/test_member_command.py",
    "tests/test_no_installation.py",
    "tests/test_user_command.py",
    "tests/upgrade/",
    "tests/web/test_apply.py",
    "tests/web/test_database_failures.py",
    "tests/web/test_every_message.py",
    *(
        f"tests/e2e/test_{name}.py"
        for name in (
            *(
                "bad_input",
                "erased_logs",
                "first_steps",
                "full_disk",
                "kill",
                "pages",
                "sleep",
                "start_stop",
                "stop_streams",
                "tutorial",
            ),
            *("server_log", "two_servers", "voucherify_kill"),
        )
    ),
)
PLACES = ["plain"] + ["citus"] * ("TIERLINE_TEST_CITUS_URL" in os.environ)


def pytest_configure() -> None:
    """What tests start hears signals as from a terminal, also where nohup or a shell's `&` began
    the tests: what is ignored here stays so there, and what is handled here does not."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stands on the server is marked `database`, so that `.ci/run` repeats it elsewhere; what
    takes minutes together is marked `long`."""
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker("database")
        if item.nodeid.startswith(LONG):
            item.add_marker("long")


@pytest.fixture(scope="session", params=PLACES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The PostgreSQL of this session, with a migrated template; on a cluster, distributed."""
    if request.param == "citus":
        nodes = asyncio.run(Cluster.at_url(os.environ["TIERLINE_TEST_CITUS_URL"]))
        asyncio.run(nodes.make_template())
        yield nodes
        asyncio.run(nodes.drop(nodes.url_of(nodes.template)))
        return
    given = os.environ.get("TIERLINE_TEST_DATABASE_URL")
    if given:
        running = Server(given)
        asyncio.run(running.make_template())
        yield running
        asyncio.run(running.drop(running.url_of(running.template)))
        return
    with scratch() as directory, EmbeddedServer.attach_or_start(directory) as embedded:
        running = Server(embedded.url)
        asyncio.run(running.execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"))
        asyncio.run(running.make_template())
        yield running


def absent(what: str) -> NoReturn:
    """Skips a test whose tool is not on this machine, and says so in the summary; where the whole
    must be tried (CI=true), that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI tries everything: {what}")
    pytest.skip(what)


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
    """A new, migrated installation, open; its nodes are watched where it has some."""
    async with await Database.open(database_url) as opened, watching(opened):
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook receiver on loopback; see `tests/receiver.py`."""
    async with receiving() as running:
        yield running


@pytest.fixture
async def fresh(server: Server) -> AsyncIterator[Callable[[int], Any]]:
    """Makes the URLs of empty databases, to copy into; on a cluster they are distributed."""
    async with AsyncExitStack() as stack:

        async def make(shards: int) -> str:
            url = await server.create()
            stack.push_async_callback(server.drop, url)
            if isinstance(server, Cluster):
                async with await Database.open(url, shards=shards) as target:
                    await distribute(target)
            return url

        yield make


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A running Node; without one its tests are skipped, and the summary says so."""
    if shutil.which("node") is None:
        absent("no Node.js on this machine: JavaScript's own answer was not asked")
    with Node() as process:
        yield process


@pytest.fixture
async def world(database: Database) -> World:
    """An installation with a project and a program; see `tests/delivery/world.py`."""
    return await make_world(database)
