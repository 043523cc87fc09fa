"""A process to kill: sends activities through a writer of its own, and prints each durable key."""

from __future__ import annotations

import asyncio
import sys

from tests.ledger.conftest import Club
from tierline.ledger.command_parsing import CommandParser
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

KEYS = 400


async def main(url: str) -> None:
    async with await Database.open(url) as database:
        club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
        (club.project,) = club.catalog.projects()
        (program,) = club.catalog.programs(club.project.number)
        await club.catalog.program_numbered(program.number)
        club.parser = CommandParser(club.project, program.number)
        async with club.writer() as writer:

            async def send(i: int) -> None:
                await writer.submit(club.activity(customer=f"c{i % 5}", points=10, key=f"k{i}"))
                sys.stdout.write(f"{i}\n")
                sys.stdout.flush()

            while True:  # the same keys again and again, until somebody kills us
                await asyncio.gather(*(send(i) for i in range(KEYS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
