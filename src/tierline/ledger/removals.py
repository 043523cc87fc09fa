"""What a deleted program held goes, in the background, page by page.

Deleting is one change of the catalog: from then on nobody finds the program, and nothing is taken
for it. What is stored of its members follows here, in each shard for itself. Whoever begins where
another was stopped does nothing twice. Another process may not have heard of it yet, so the shard
first takes note that nothing more is to come in, and everything is looked through once more a while
later, for what was on its way.

The log stays as it is, and so do the rules' versions: what was told of the program's members goes
on being delivered and read, with the names of the tiers, and nobody's place in the log moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tierline.clock import Clock, wall
from tierline.ledger.batch import ProgramCatalog
from tierline.store import removals as store
from tierline.store.catalog.closures import deleted_among
from tierline.store.database import Database

STRETCH: Final = 200  # members
STRETCH_BUSY: Final = 20  # while online requests come in
AGAIN_MS: Final = 60_000  # after which what was on its way is looked for once more
PASSES: Final = 2


class Removals:
    """One shard's part in it. `busy`: whether online requests come in."""

    def __init__(
        self,
        database: Database,
        catalog: ProgramCatalog,
        shard: int,
        clock: Clock = wall,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.shard = shard
        self.clock = clock
        self.busy = busy
        self._gone: set[int] = set()  # programs of which nothing is left here

    async def go_on(self) -> int:
        """Removes what is due; returns how many members there were."""
        programs = deleted_among(self.catalog.closures) - self._gone
        if not programs:
            return 0
        async with self.database.pool.acquire() as connection:
            passes = await store.due(connection, self.shard, programs, PASSES, self.clock())
        return sum([await self._remove(program, done) for program, done in passes.items()])

    async def _remove(self, program: int, done: int) -> int:
        members, after, loop = 0, 0, asyncio.get_running_loop()
        async with self.database.pool.acquire() as connection:
            await store.begin(connection, self.shard, program)
        while True:
            busy, began = self.busy(), loop.time()
            stretch = STRETCH_BUSY if busy else STRETCH
            async with self.database.pool.acquire() as connection:
                count, last = await store.drop_page(connection, self.shard, program, after, stretch)
            if last is None:
                break
            members, after = members + count, last
            await asyncio.sleep(loop.time() - began if busy else 0)
        async with self.database.pool.acquire() as connection:
            await store.drop_rest(connection, self.shard, program)
            due_at = self.clock() + AGAIN_MS
            await store.note(connection, self.shard, program, done + 1, due_at)
        if done + 1 == PASSES:
            self._gone.add(program)
        return members
