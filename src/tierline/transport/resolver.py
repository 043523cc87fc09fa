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
RENEWED_S = 0.5  # how long a known name waits for its new answer
OLD_S_MAX = 300.0  # how long the last answer is of use
NAMES_MAX = 10_000


class Resolver:
    """A cache in front of a lookup. `lookup` is the system's unless another is given."""

    def __init__(self, lookup: Lookup | None = None, ttl_s: float = TTL_S_MAX) -> None:
        self._lookup = lookup or self._system
        self._ttl_s = ttl_s
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._asked: dict[tuple[int, str], asyncio.Task[list[str]]] = {}
        self._turns: dict[int, asyncio.Semaphore] = {}  # by project
        self._threads: ThreadPoolExecutor | None = None

    async def addresses(self, host: str, project: int = 0) -> list[str]:
        """The addresses of a name, an answer of at most `ttl_s` ago, or an older one while the new
        one is long in coming; OSError if there are none."""
        now = monotonic()
        known = self._known.get(host)
        if known is not None and known[0] > now:
            return known[1]
        task = self._asked.get((project, host))
        if task is None:
            task = asyncio.ensure_future(self._ask(host, project))
            task.add_done_callback(_heard)
            self._asked[project, host] = task
        if known is not None and known[0] + OLD_S_MAX > now:
            await asyncio.wait({task}, timeout=RENEWED_S)
            if not task.done():
                return known[1]
        return await asyncio.shield(task)

    def fresh(self, host: str) -> bool:
        """Whether the last answer is still believed."""
        known = self._known.get(host)
        return known is not None and known[0] > monotonic()

    async def close(self) -> None:
        for task in self._asked.values():
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, host: str, project: int) -> list[str]:
        turns = self._turns.setdefault(project, asyncio.Semaphore(LOOKUPS_OF_PROJECT_MAX))
        try:
            async with turns:
                found = await self._lookup(host)
            if not found:
                raise OSError(f"{host} has no address")
            if len(self._known) >= NAMES_MAX:
                self._known.clear()
            self._known[host] = (monotonic() + self._ttl_s, found)
            return found
        finally:
            self._asked.pop((project, host), None)

    async def _system(self, host: str) -> list[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(LOOKUPS_MAX, "tierline-dns")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _getaddrinfo, host)


def _heard(task: asyncio.Task[list[str]]) -> None:
    """Perhaps nobody waits for it any more; that is no fault of its own."""
    if not task.cancelled():
        task.exception()


def _getaddrinfo(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))
