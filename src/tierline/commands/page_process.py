"""Makes the console's pages for a server, in a process of its own: it reads what it is asked on its
standard input, and answers on its standard output. It changes nothing: forms go to the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import uvloop
from starlette.types import Message

from tierline.app import Process
from tierline.bootstrap import catalogued
from tierline.clock import wall
from tierline.commands.installation_options import settle_memory
from tierline.config import Location, ServeOptions, parse_networks
from tierline.console.page_process import PageAnswer, PageRequest, PageSettings, framed, receive
from tierline.console.routes import PAGES, SECTIONS
from tierline.console.site import PageApp
from tierline.logging import configure
from tierline.store.database import Database
from tierline.store.event_log import EventLog
from tierline.web.dependencies import Dependencies

NICENESS: Final = 10  # requests of the API go first
CONNECTIONS_MAX: Final = 4
AT_ONCE_MAX: Final = 8  # pages


class Kitchen:
    """Where pages are made."""

    def __init__(self, parts: Dependencies, out: Any) -> None:
        self.parts = parts
        self._out = out
        self._apps = {page.path: PageApp(parts, page, SECTIONS) for page in PAGES}
        self._places = asyncio.Semaphore(AT_ONCE_MAX)

    async def make(self, order: PageRequest) -> None:
        self.parts.database.absent.saw(order.away)
        async with self._places:
            await self.parts.catalog.refresh()  # whoever was led here sees what they changed
            self.send(await self._made(order))

    async def _made(self, order: PageRequest) -> PageAnswer:
        scope = {
            "type": "http", "method": "GET", "path": order.path, "scheme": order.scheme,
            "query_string": order.query, "path_params": order.params, "headers": order.headers,
            "root_path": "", "server": None, "client": None,
        }  # fmt: skip
        status, headers, body = 500, list[tuple[bytes, bytes]](), bytearray()

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message["headers"])
            body.extend(message.get("body", b""))

        await self._apps[order.page](scope, _nothing, send)
        return PageAnswer(order.number, status, headers, bytes(body))

    def send(self, answer: PageAnswer) -> None:
        self._out.write(framed(answer))
        self._out.flush()


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def serve() -> None:
    """Until the server is gone."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # logs are no answers
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    settings = await receive(reader, PageSettings)
    if settings is None:
        return
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            await Database.open(settings.url, migrate=False, pool_max=CONNECTIONS_MAX)
        )
        directory = Path(settings.data_dir)
        installation = await catalogued(database, directory, create=False)
        options = ServeOptions(
            location=Location(directory), roles=frozenset({"api"}),
            allow=parse_networks(settings.allow), pages_apart=False,
        )  # fmt: skip
        log = EventLog(database)
        stack.push_async_callback(log.close)
        kitchen = Kitchen(Process(installation, options, wall).parts(log), out)
        kitchen.send(PageAnswer(0, 200, [], b""))
        async with asyncio.TaskGroup() as group:
            while (order := await receive(reader, PageRequest)) is not None:
                group.create_task(kitchen.make(order))


def main() -> None:
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    configure()
    settle_memory()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
