"""The server under measurement, in a process of its own: what `tierline serve` runs.

    python -m benchmarks.server DATABASE_URL ROLES [--without-storage]

Prints one JSON line with its URL, and ends when its standard input does. `--without-storage`
answers every activity at once: the floor of the HTTP stack.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psutil
import uvloop
from msgspec import Struct

from tierline.app import serving
from tierline.bootstrap import catalogued
from tierline.commands.installation_options import settle_memory
from tierline.config import Location, ServeOptions, parse_roles
from tierline.ledger.commands import Answer, Command
from tierline.ledger.writer import Writer
from tierline.store.catalog.secret_box import KEY_VARIABLE
from tierline.store.database import Database
from tierline.store.node_watch import watching

ANSWER = Answer(key="k", entry=3, points=10, amount=0, balance=1510, tier="t3", since=0)


async def main(url: str, roles: str, *, stored: bool) -> None:
    if not stored:
        Writer.submit = _at_once  # type: ignore[assignment,method-assign]
    with TemporaryDirectory() as folder:
        place = Location(data_dir=Path(folder), database_url=url)
        async with await Database.open(url) as database, watching(database):
            how = ServeOptions(place, port=0, roles=parse_roles(roles))
            async with serving(await catalogued(database, place.data_dir), how) as process:
                settle_memory()
                sys.stdout.write(f'{{"url":"{process.url}"}}\n')
                sys.stdout.flush()
                await asyncio.to_thread(sys.stdin.read)


def _at_once(*_: Writer | Command, bulk: bool = False) -> asyncio.Future[Answer]:  # noqa: ARG001
    answered = asyncio.get_running_loop().create_future()
    answered.set_result(ANSWER)
    return answered


class Usage(Struct, frozen=True):
    """What the process has used: seconds of CPU, and resident bytes now."""

    cpu: float
    resident: int


class Running:
    """A server process from outside."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    def usage(self) -> Usage:
        server = psutil.Process(self.process.pid)
        times = server.cpu_times()
        return Usage(times.user + times.system, server.memory_info().rss)


@asynccontextmanager
async def running(url: str, roles: str = "api", *, stored: bool = True) -> AsyncIterator[Running]:
    """Such a server, as long as somebody is inside."""
    arguments = [url, roles] if stored else [url, roles, "--without-storage"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.server", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, KEY_VARIABLE: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        said: dict[str, Any] = msgspec.json.decode(await process.stdout.readline())
        yield Running(process, said["url"])
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], stored=len(sys.argv) == 3))
