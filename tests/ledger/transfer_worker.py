"""A process to kill: sends points around a circle of customers, and prints each durable key."""

from __future__ import annotations

import asyncio
import sys

from tests.ledger.conftest import Club
from tierline.ledger.command_parsing import CommandParser
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

CIRCLE = tuple(f"c{i}" for i in range(6))


async def main(url: str) -> None:
    async with await Database.open(url) as database:
        club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
        (club.project,) = club.catalog.projects()
        (program,) = club.catalog.programs(club.project.number)
        await club.catalog.program_numbered(program.number)
        club.parser = CommandParser(club.project, program.number)
        async with club.writer() as writer:

            async def send(i: int) -> None:
                one, other = CIRCLE[i % 6], "stranger" if i % 4 == 0 else CIRCLE[(i + 1) % 6]
                sent = club.activity("transfer", one, to=other, points=1, key=f"t{i}")
                await writer.submit(sent)
                sys.stdout.write(f"t{i}\n")
                sys.stdout.flush()

            for start in range(0, 100_000, 40):
                await asyncio.gather(*(send(i) for i in range(start, start + 40)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
