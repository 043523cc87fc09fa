"""What a project held that is deleted, or erased: its customers are erased in the background, some
at a time.

Deleting is one change of the catalog, which ends its keys, endpoints and programs, too. The
memberships go as those of any deleted program (`removals`). Of a project that is erased they stay,
in numbers; what was stopped while it was being shut is shut here. Each customer is erased as alone,
so that nothing of their text is left in the log either, whose places stay: other projects' events
lie between. Whoever begins where another was stopped finds who is left.

Of a project that is deleted, a shard first takes note that nothing more is to come in, as of a
program. What came in before is found when nobody is left, and once more a while later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from tierline.clock import Clock, wall
from tierline.errors import TierlineError
from tierline.ledger.erasure import project_erasure
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.erasure.project_erasure import ProjectCatalog
from tierline.ledger.removals import AGAIN_MS
from tierline.ledger.writer import Writer
from tierline.model.tenant import Project
from tierline.store import erasures as store
from tierline.store import removals
from tierline.store.database import Database

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

ROUND: Final = 20  # customers; then the sweep has its turn
_log = structlog.get_logger("tierline.ledger")


class RemovedProjects(ProjectCatalog, Protocol):
    """What it asks of the catalog."""

    def projects(self, *, deleted: bool = False) -> tuple[Project, ...]:
        """Returns the projects that are deleted, or the others."""


class ProjectRemoval:
    """One shard's part in it. `writer` opens what ends transfers that are under way."""

    def __init__(
        self,
        database: Database,
        catalog: RemovedProjects,
        shard: int,
        writer: Callable[[], Awaitable[Writer]],
        clock: Clock = wall,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.shard = shard
        self.writer = writer
        self.clock = clock
        self._begun: set[int] = set()
        self._looked: dict[int, int] = {}  # project -> when nobody of it was left here
        self._gone: set[int] = set()
        self._walks: dict[int, int] = {}  # project -> the last customer of this walk

    async def go_on(self) -> int:
        """Erases some of those who are left; returns how many."""
        erased = 0
        for project in self.catalog.projects(deleted=True):
            if project.number not in self._gone:
                erased += await self._go_on(project)
        for project in self.catalog.projects():
            if project.state == "erasing":
                erased += await self._go_on_erasing(project.number)
        return erased

    async def _go_on_erasing(self, number: int) -> int:
        """As of a project that is deleted; and its end. Another process may have ended it since: it
        goes on with new people then, and is never begun anew here."""
        project = self.catalog.project(number)
        if project.state != "erasing":
            return 0
        if self._is_open(project):
            await project_erasure.shut(self.catalog, project)
        page = await self._page(project)
        if not page:
            await project_erasure.end(self.catalog, self.database, project, self.clock())
            return 0
        return await self._erase(project, page)

    def _is_open(self, project: Project) -> bool:
        """Whether something may still come in or go out."""
        keys = any(key.disabled_at is None for key in self.catalog.keys(project.number))
        return keys or any(row.project == project.number for row in self.catalog.endpoints())

    async def _page(self, project: Project) -> list[int]:
        """The next who are left. A walk that has come to its end begins again, for those whom
        something kept, or who came meanwhile."""
        after = self._walks.get(project.number, 0)
        async with self.database.pool.acquire() as connection:
            place = (connection, self.shard, project.number)
            page = await store.not_erased(*place, after, ROUND)
            if not page and after:
                page = await store.not_erased(*place, 0, ROUND)
        self._walks[project.number] = page[-1] if page else 0
        return page

    async def _go_on(self, project: Project) -> int:
        if project.number not in self._begun:
            async with self.database.pool.acquire() as connection:
                await removals.begin(connection, self.shard, -project.number)
            self._begun.add(project.number)
        if page := await self._page(project):
            return await self._erase(project, page)
        async with self.database.pool.acquire() as connection:
            place = (connection, self.shard, project.number)
            await removals.drop_deliveries(*place)
            if await self._anybody(connection, project):
                return 0  # in another shard, whose fingerprints may come here
            await store.forget_project(*place)
            await removals.drop_rest_of_project(*place)
        since = self._looked.setdefault(project.number, self.clock())
        if self.clock() >= since + AGAIN_MS:  # what was on its way has come by now
            self._gone.add(project.number)
        return 0

    async def _erase(self, project: Project, page: list[int]) -> int:
        """Returns how many of them were erased."""
        erasures = Erasures(self.database, self.catalog, await self.writer(), clock=self.clock)
        erased = 0
        for customer in page:
            try:
                await erasures.erase_numbered(project, customer)
                erased += 1
            except TierlineError as error:
                _log.warning("erasure_left_open", customer=customer, error=error.code)
        return erased

    async def _anybody(self, connection: Session, project: Project) -> bool:
        for shard in range(self.database.shards):
            if await store.not_erased(connection, shard, project.number, 0, 1):
                return True
        return False
