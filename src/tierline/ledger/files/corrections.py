"""Which entries a file says anew, and which it corrects.

The first entry of a key has the key itself; the one that corrects it has the same key with a
number behind it that no caller can write, and so on. The newest is the one that counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from tierline.ledger import commands
from tierline.ledger.commands import Command
from tierline.ledger.files.people import numbers_of
from tierline.ledger.original_search import OriginalSearch
from tierline.model.tenant import Project
from tierline.store import members
from tierline.store.catalog.digests import Digests
from tierline.store.customers import shard_of_customer
from tierline.store.database import Database

STEP: Final = 4  # corrections of one key that are looked for at once


class Corrections:
    """Looks up what a program's ledger holds under a command's key."""

    def __init__(
        self, database: Database, digests: Digests, project: Project, program: int
    ) -> None:
        self.database = database
        self.digests = digests
        self.project = project
        self.program = program

    async def plan(self, repetitions: Sequence[tuple[Command, bool]]) -> list[Command | None]:
        """Returns for each command the one that corrects what is recorded; None where the newest
        says the same. The flag: whether the first entry of the key does."""
        commands_ = await self._addressed([command for command, _ in repetitions])
        repetitions = [(c, same) for c, (_, same) in zip(commands_, repetitions, strict=True)]
        names = {command.customer for command, _ in repetitions}
        numbers = await numbers_of(self.database, self.project, names)

        def number_of(command: Command) -> int:
            return command.number or numbers.get(command.customer, 0)

        plans: list[Command | None] = [None] * len(repetitions)
        newest = {i: (1, same) for i, (_, same) in enumerate(repetitions)}
        pending, first = list(newest), 2
        while pending:
            rows = await self._rows(
                [(i, number_of(repetitions[i][0])) for i in pending],
                repetitions,
                first,
            )
            for (i, n), row in sorted(rows.items()):
                newest[i] = n, self.digests.matches(row["digest"], repetitions[i][0].digest)
            pending = [i for i in pending if newest[i][0] == first + STEP - 1]
            first += STEP
        for i, (n, same) in newest.items():
            if not same:
                command = repetitions[i][0]
                plans[i] = commands.correction(
                    command, _key(command.key, n), _key(command.key, n + 1)
                )
        return plans

    async def _addressed(self, repeated: Sequence[Command]) -> list[Command]:
        """With the customers of those that name nobody: they were taken before, so there is one."""
        search = OriginalSearch(self.database)
        return [await search.addressed(c) if c.needs_customer else c for c in repeated]

    async def _rows(
        self,
        places: Sequence[tuple[int, int]],
        repetitions: Sequence[tuple[Command, bool]],
        first: int,
    ) -> dict[tuple[int, int], Any]:
        """Receipts by (position, number of the correction)."""
        by_shard: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for i, customer in places:
            shard = shard_of_customer(self.database.shards, customer)
            by_shard[shard] += [(i, customer, first + step) for step in range(STEP)]
        rows: dict[tuple[int, int], Any] = {}
        async with self.database.pool.acquire() as connection:
            for own in by_shard.values():
                keys = [
                    (customer, self.program, _key(repetitions[i][0].key, n))
                    for i, customer, n in own
                ]
                receipts = await members.receipts(connection, self.database.shards, keys)
                rows |= {(own[j][0], own[j][2]): row for j, row in receipts.items()}
        return rows


def _key(key: str, n: int) -> str:
    """The key of an entry that corrects for the (n - 1)th time."""
    return key if n == 1 else f"{key}\x1f{n}"
