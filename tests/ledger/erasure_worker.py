"""A process to kill: makes people and erases them, one after the other, and prints who is gone."""

from __future__ import annotations

import asyncio
import sys

from tests.ledger.conftest import Club
from tests.ledger.erasing import erasing
from tierline.ledger.command_parsing import CommandParser
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database


async def main(url: str) -> None:
    async with await Database.open(url) as database:
        club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
        (club.project,) = club.catalog.projects()
        (program,) = club.catalog.programs(club.project.number)
        club.parser = CommandParser(club.project, program.number)
        async with erasing(club) as erasures:
            for n in range(100_000):
                name = f"somebody-{n}"
                await erasures.writer.submit(club.activity(customer=name, points=9, key=name))
                erased = await erasures.erase(club.project, name)
                sys.stdout.write(f"{erased.customer}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
