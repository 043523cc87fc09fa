"""Pages are made in a process of their own: what a page reads, folds and draws holds up no request
of the API. This is the server's side of it; `commands/page_process.py` is the other one.

The process starts when somebody first comes to the console, and ends when nobody has come for a
while. Where it is not there, or ends in the middle, a page is made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tierline.console.child_process import child_process
from tierline.web.dependencies import CommitSignal, Dependencies

PROCESS: Final = "tierline.commands.page_process"  # what is run, as a module
START_SECONDS_MAX: Final = 10.0  # a page waits so long for the process, and is made here then
PAGE_SECONDS_MAX: Final = 30.0
IDLE_SECONDS_MAX: Final = 600.0
LENGTH_BYTES: Final = 4  # before each message
_encode = msgspec.msgpack.Encoder().encode
_log = structlog.get_logger("tierline.console")
T = TypeVar("T")


class PageSettings(Struct, frozen=True):
    """What the process needs to know once."""

    url: str
    data_dir: str
    allow: tuple[str, ...]


class PageRequest(Struct, frozen=True):
    """A page to be made: an ASGI scope, as far as pages look at it, and which page it is."""

    number: int
    page: str
    path: str
    query: bytes
    scheme: str
    params: dict[str, str]
    headers: list[tuple[bytes, bytes]]
    away: dict[int, str]  # shards whose node is away, as the server knows


class PageAnswer(Struct, frozen=True):
    """A page that was made."""

    number: int
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def receive(reader: asyncio.StreamReader, type_: type[T]) -> T | None:
    """The next message; None where the other side is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
        return msgspec.msgpack.decode(await reader.readexactly(length), type=type_)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def framed(message: Struct) -> bytes:
    body = _encode(message)
    return len(body).to_bytes(LENGTH_BYTES) + body


class PageProcess:
    """The process, from here."""

    def __init__(self, settings: PageSettings) -> None:
        self._settings = settings
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[PageAnswer]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._used_at = 0.0

    def begin(self) -> None:
        """Starts it, where it does not run."""
        self._used_at = asyncio.get_running_loop().time()
        if self._running is None or self._running.done():
            self._ready.clear()
            self._running = asyncio.create_task(self._run(), name="pages")

    async def page(self, page: str, request: Request, away: Mapping[int, str]) -> Response | None:
        """None where it cannot be made there. `away`: shards whose node is, by their numbers."""
        self.begin()
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await self._ready.wait()
            async with asyncio.timeout(PAGE_SECONDS_MAX):
                answer = await self._ask(page, request, away)
        except (TimeoutError, ConnectionError):
            return None
        response = Response(answer.body, answer.status)
        response.raw_headers = answer.headers
        return response

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _ask(self, page: str, request: Request, away: Mapping[int, str]) -> PageAnswer:
        if self._process is None or self._process.stdin is None:
            raise ConnectionError
        number, scope = next(self._numbers), request.scope
        order = PageRequest(
            number, page, scope["path"], scope["query_string"], scope["scheme"],
            scope["path_params"], scope["headers"], dict(away),
        )  # fmt: skip
        future: asyncio.Future[PageAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._process.stdin.write(framed(order))
            return await future
        finally:
            del self._waiting[number]

    async def _run(self) -> None:
        try:
            async with child_process(PROCESS) as process, asyncio.TaskGroup() as group:
                self._process = process
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(framed(self._settings))
                idle = group.create_task(self._end_when_idle(process))
                while (answer := await receive(process.stdout, PageAnswer)) is not None:
                    self._ready.set()  # the first one has number 0
                    if (future := self._waiting.get(answer.number)) and not future.done():
                        future.set_result(answer)
                idle.cancel()
        finally:
            self._process = None
            self._ready.clear()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError())
            _log.debug("pages_ended")

    async def _end_when_idle(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        while True:
            left = self._used_at + IDLE_SECONDS_MAX - loop.time()
            if left <= 0:
                break
            await asyncio.sleep(left)
        process.terminate()


_processes: WeakKeyDictionary[CommitSignal, PageProcess] = WeakKeyDictionary()


def process_of(parts: Dependencies) -> PageProcess | None:
    """The one of this server; None where pages are made here."""
    if not parts.pages_apart:
        return None
    process = _processes.get(parts.commit_signal)
    if process is None:
        settings = PageSettings(parts.database.url, str(parts.files), parts.allow)
        process = PageProcess(settings)
        _processes[parts.commit_signal] = process
        parts.commit_signal.on_close(process.close)
    return process
