"""A process to kill: tells orders that change hands again and again, and prints what is durable.
With the name of a step it tells one order, `s-<step>`, and kills itself when that step is done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from tests.ledger.conftest import Club
from tierline.ledger.command_parsing import CommandParser
from tierline.model.calendar import format_instant
from tierline.store import orders
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

ORDERS = 6
PEOPLE = 4
START = 1_700_000_000_000


def statement(order: int, turn: int) -> dict[str, Any]:
    """The state of an order as of a turn: another person's each time, another amount."""
    return {
        "order": f"o{order}",
        "customer": f"c{(order + turn) % PEOPLE}",
        "as_of": format_instant(START + turn * 1000),
        "paid": 10_000 + 100 * turn,
        "refunded": 100 * (turn % 5),
    }


def die_after(step: str) -> None:
    """The process ends by kill -9 when the statement of this step has run, committed or not."""
    real = getattr(orders, step)

    async def last(*arguments: Any) -> None:
        await real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(orders, step, last)


async def main(url: str, step: str | None = None) -> None:
    async with await Database.open(url) as database:
        club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
        (club.project,) = club.catalog.projects()
        (program,) = club.catalog.programs(club.project.number)
        await club.catalog.program_numbered(program.number)
        club.parser = CommandParser(club.project, program.number)
        async with club.writer() as writer:

            async def tell(order: int, turn: int) -> None:
                await writer.record(club.activity("order", **statement(order, turn)))
                sys.stdout.write(f"{order} {turn}\n")
                sys.stdout.flush()

            if step is not None:
                die_after(step)
                body = statement(0, 0) | {"order": f"s-{step}", "customer": step}
                await writer.record(club.activity("order", **body))
            for turn in range(100_000):
                await asyncio.gather(*(tell(order, turn) for order in range(ORDERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
