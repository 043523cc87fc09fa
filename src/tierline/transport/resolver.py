"""Names to addresses, with a cap on how long an answer is believed and on how many lookups run.

getaddrinfo blocks and tells no TTL, so it runs in threads of its own, and an answer is believed for
half a minute at most: an endpoint that moves is followed. A slow zone is a noisy neighbour too: the
deadline frees who waits for a lookup, but not its thread. So a project has two lookups under way at
most, and while a name is looked up again its last answer is used if that takes long.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

Lookup = Callable[[str], Awaitable[list[str]]]

TTL_S_MAX = 30.0
LOOKUPS_MAX = 32
LOOKUPS_OF_PROJECT_MAX = 2
RENEWED_S = 0.5  # how long a name in the cache waits for its new answer
OLD_S_MAX = 300.0  # how long the last answer is of use
NAMES_MAX = 10_000


class Resolver:
    """A cache in front of a lookup. `lookup` is the system's unless another is given."""

    def __init__(self, lookup: Lookup | None = None, ttl_s: float = TTL_S_MAX) -> None:
        self._lookup = lookup or self._system
        self._ttl_s = ttl_s
        self._cache: dict[str, tuple[float, list[str]]] = {}
        self._lookups: dict[tuple[int, str], asyncio.Task[list[str]]] = {}
        self._permits: dict[int, asyncio.Semaphore] = {}  # by project
        self._threads: ThreadPoolExecutor | None = None

    async def addresses(self, host: str, project: int = 0) -> list[str]:
        """The addresses of a name, an answer of at most `ttl_s` ago, or an older one while the new
        one is long in coming; OSError if there are none."""
        now = monotonic()
        entry = self._cache.get(host)
        if entry is not None and entry[0] > now:
            return entry[1]
        task = self._lookups.get((project, host))
        if task is None:
            task = asyncio.ensure_future(self._resolve(host, project))
            task.add_done_callback(_observe)
            self._lookups[project, host] = task
        if entry is not None and entry[0] + OLD_S_MAX > now:
            await asyncio.wait({task}, timeout=RENEWED_S)
            if not task.done():
                return entry[1]
        return await asyncio.shield(task)

    def fresh(self, host: str) -> bool:
        """Whether the last answer is still believed."""
        entry = self._cache.get(host)
        return entry is not None and entry[0] > monotonic()

    async def close(self) -> None:
        for task in self._lookups.values():
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _resolve(self, host: str, project: int) -> list[str]:
        permits = self._permits.setdefault(project, asyncio.Semaphore(LOOKUPS_OF_PROJECT_MAX))
        try:
            async with permits:
                addresses = await self._lookup(host)
            if not addresses:
                raise OSError(f"{host} has no address")
            if len(self._cache) >= NAMES_MAX:
                self._cache.clear()
            self._cache[host] = (monotonic() + self._ttl_s, addresses)
            return addresses
        finally:
            self._lookups.pop((project, host), None)

    async def _system(self, host: str) -> list[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(LOOKUPS_MAX, "tierline-dns")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _getaddrinfo, host)


def _observe(task: asyncio.Task[list[str]]) -> None:
    """Perhaps nobody waits for it any more; that is no fault of its own."""
    if not task.cancelled():
        task.exception()


def _getaddrinfo(host: str) -> list[str]:
    addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in addresses))
