"""A process to kill: sweeps one shard on a clock of its own, a few members at a time, and prints
how many each commit moved."""

from __future__ import annotations

import asyncio
import sys

from tierline.ledger.sweep.sweep_pass import SweepPass
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.store.sweep import Lease

MEMBERS = 2  # a commit


async def main(url: str, shard: int, now: int) -> None:
    async with await Database.open(url) as database:
        catalog = await Catalog.open(database, SecretBox(bytes(32)))
        lease = Lease(shard, "sweep", "killed")
        sweep = SweepPass(database, catalog, lease, lambda _: None)
        connection = (await sweep.connected()).connection
        assert await lease.take(connection, now, now + 1_000)
        while (step := await sweep.step(now, now, MEMBERS, ahead=True)).members:
            sys.stdout.write(f"{step.members}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
