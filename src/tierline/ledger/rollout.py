"""Rolling out new rules: every member of a program becomes due when they come into force.

A member's row says which rules its due instant knows of (`version`), so the work left is always
what an index finds: it resumes by itself, after a crash too, and needs no state of its own.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from tierline.engine.announcement import Project
from tierline.ledger.batch import Catalog
from tierline.ledger.sweep import Pass
from tierline.store import sweep as store
from tierline.store.programs import ProgramRow

MEMBERS_MAX: Final = 500
# A batch under way when the version was written may still bring in a member that knows the old
# rules; no transaction lasts longer than this.
SETTLED_SECONDS: Final = 10.0


class Rolled(Catalog, Protocol):
    """What a roll-out asks of the catalog."""

    def projects(self) -> tuple[Project, ...]: ...
    def programs(self, project: int) -> tuple[ProgramRow, ...]: ...


class Rollout:
    """One shard's part in rolling out new rules."""

    def __init__(self, catalog: Rolled, shard: int) -> None:
        self.catalog = catalog
        self.shard = shard
        self._known: dict[int, tuple[int, float]] = {}  # program -> (version, first seen at)
        self._settled: dict[int, int] = {}  # program -> version that nobody is behind any more

    async def mark(self, sweep: Pass, project: int | None = None) -> None:
        """Make everybody due who does not know their program's newest rules; of all projects, or
        of one."""
        wanted = [project] if project is not None else [p.number for p in self.catalog.projects()]
        for number in wanted:
            for row in self.catalog.programs(number):
                if self._settled.get(row.number) != row.latest:
                    await self._mark_program(sweep, row)

    async def _mark_program(self, sweep: Pass, row: ProgramRow) -> None:
        began = time.monotonic()
        version, since = self._known.get(row.number, (0, began))
        if version != row.latest:
            since = began
            self._known[row.number] = (row.latest, since)
        await self._mark(sweep, row)
        if began - since >= SETTLED_SECONDS:
            self._settled[row.number] = row.latest

    async def _mark(self, sweep: Pass, row: ProgramRow) -> None:
        connection = (await sweep.connected()).connection
        if not await store.behind(connection, self.shard, row.number, row.latest):
            return
        after: int | None = 0
        while after is not None:
            after = await store.mark_due(
                connection, self.shard, row.number, row.latest, after, MEMBERS_MAX
            )
