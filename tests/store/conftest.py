"""Empty databases beside the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.servers import Server
from tierline.store.database import Database
from tierline.store.distribute import distribute


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
