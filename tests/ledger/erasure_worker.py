"""A process to kill. `URL`: makes people and erases them, one after the other, and prints who is
gone. `URL customer NAME` erases one; `URL project` all."""

from __future__ import annotations

import asyncio
import sys

from tests.ledger.conftest import Club
from tests.ledger.erasing import erasing
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.erasure.project_erasure import erase_project
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database


async def many(club: Club) -> None:
    async with erasing(club) as erasures:
        for n in range(100_000):
            name = f"somebody-{n}"
            await erasures.writer.submit(club.activity(customer=name, points=9, key=name))
            erased = await erasures.erase(club.project, name)
            sys.stdout.write(f"{erased.customer}\n")
            sys.stdout.flush()


async def main(url: str, what: str = "many", name: str = "") -> None:
    async with await Database.open(url, migrate=False) as database:
        club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
        club.project = club.catalog.projects()[0]
        (program,) = club.catalog.programs(club.project.number)
        club.parser = CommandParser(club.project, program.number)
        if what == "many":
            await many(club)
        async with erasing(club) as erasures:
            if what == "customer":
                await erasures.erase(club.project, name)
            else:
                await erase_project(club.catalog, erasures, club.project)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
