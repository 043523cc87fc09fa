"""Rolling out new rules: every member of a program becomes due when they come into force.

Done stretch by stretch and noted, so that it resumes where a crash left it; stretches are short and
give way while online requests come in. Two passes: a batch under way when the version was written
may still bring in a member behind the first one's back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from tierline.clock import Clock, wall
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.sweep.sweep_pass import SweepPass
from tierline.model.tenant import Project
from tierline.store import sweep as store
from tierline.store.catalog.programs import ProgramRow
from tierline.store.sweep import RolloutState

STRETCH: Final = 1_000  # members
STRETCH_BUSY: Final = 100  # while online requests come in: about what 5 ms are enough for
SETTLED_MS: Final = 10_000  # no transaction lasts longer, so the second pass misses nobody
DONE: Final = 3


class Rolled(ProgramCatalog, Protocol):
    """What a roll-out asks of the catalog."""

    def projects(self, *, deleted: bool = False) -> tuple[Project, ...]: ...
    def programs(self, project: int) -> tuple[ProgramRow, ...]: ...


class Rollout:
    """One shard's part in rolling out new rules. `busy`: whether online requests come in."""

    def __init__(
        self,
        catalog: Rolled,
        shard: int,
        clock: Clock = wall,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.catalog = catalog
        self.shard = shard
        self.clock = clock
        self.busy = busy
        self._done: dict[int, int] = {}  # program -> version that everybody knows of

    async def mark(self, sweep: SweepPass, project: int | None = None) -> None:
        """Make everybody due who does not know their program's newest rules; of all projects, or
        of one."""
        projects = [project] if project is not None else [p.number for p in self.catalog.projects()]
        for number in projects:
            for row in self.catalog.programs(number):
                if row.latest > self._done.get(row.number, 1):
                    await self._mark(sweep, row)

    async def _mark(self, sweep: SweepPass, row: ProgramRow) -> None:
        connection = (await sweep.connected()).connection
        state, loop = await self._state(sweep, row), asyncio.get_running_loop()
        while state.number < DONE:
            if state.number > 1 and self.clock() < state.began_at + SETTLED_MS:
                return  # the second pass comes later
            busy, began = self.busy(), loop.time()
            stretch = STRETCH_BUSY if busy else STRETCH
            state = await store.mark_due(connection, self.shard, row.number, state, stretch)
            await asyncio.sleep(loop.time() - began if busy else 0)
        self._done[row.number] = state.version

    async def _state(self, sweep: SweepPass, row: ProgramRow) -> RolloutState:
        connection = (await sweep.connected()).connection
        state = await store.rollout(connection, self.shard, row.number)
        if state is None or state.version < row.latest:
            await store.begin_rollout(connection, self.shard, row.number, row.latest, self.clock())
            state = await store.rollout(connection, self.shard, row.number)
        assert state is not None
        return state
