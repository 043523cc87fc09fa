"""Servers as people start them, and callers of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.conftest import scratch
from tests.e2e.caller import Caller
from tests.e2e.process import Served
from tests.servers import Server, new_name


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as opened:
        yield opened


@pytest.fixture(scope="session")
def standing_server() -> Iterator[Served]:
    """One `tierline serve` on a data directory of its own, for all tests that end nothing."""
    with scratch() as directory, Served(directory) as served:
        yield served


@pytest.fixture
def caller(session: aiohttp.ClientSession, standing_server: Served) -> Caller:
    """A caller with all scopes of the default project of the standing server."""
    return Caller(session, standing_server.url, standing_server.key)


@pytest.fixture
def server_url(server: Server) -> str:
    """The address of a database that does not exist, on the server of these tests."""
    return server.url_of(new_name())
