"""A birthday rule that is new for a program: its members' birthdates are written down, too.

Whoever joins under such a rule brings the birthdate of the profile along (`ledger/birthdates`). For
those who were there before, a walk over the program's members does it, once for each version of
the rules that asks. It follows the roll-out of that version: a batch under way when the version
was written has ended by then. How far it is stands with the roll-out, so that it goes on where a
crash left it; written twice it would say the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from tierline.clock import Clock, wall
from tierline.errors import TierlineError
from tierline.ledger import commands
from tierline.ledger.birthdates import ATTRIBUTE, SERVER_ERROR, attribute_of
from tierline.ledger.commands import ProgramRef
from tierline.ledger.sweep.rollout import DONE, Rolled
from tierline.ledger.writer import Writer
from tierline.model.encoding import decode_standing
from tierline.model.tenant import Project
from tierline.store import sweep as store
from tierline.store.catalog.programs import ProgramRow
from tierline.store.customers import read_profile
from tierline.store.database import Database

PAGE: Final = 200
WRITTEN: Final = DONE + 1  # what the roll-out's pass is afterwards

OpenWriter = Callable[[], Awaitable[Writer]]


class BirthdateWalk:
    """One shard's part of it. `writer` opens what makes a command durable."""

    def __init__(
        self,
        database: Database,
        catalog: Rolled,
        shard: int,
        writer: OpenWriter,
        clock: Clock = wall,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.shard = shard
        self.writer = writer
        self.clock = clock
        self._done: dict[int, int] = {}  # program -> version whose walk has ended

    async def go_on(self) -> None:
        """Walks on wherever a roll-out has ended and its walk has not."""
        for project in self.catalog.projects():
            for row in self.catalog.programs(project.number):
                if row.latest > self._done.get(row.number, 1):
                    await self._go_on(project, row)

    async def at_once(self, project: Project) -> None:
        """Walks over a sandbox's programs without waiting: its time stands still meanwhile."""
        for row in self.catalog.programs(project.number):
            if row.latest > self._done.get(row.number, 1):
                if await self._asks(row):
                    async for _ in self._pages(project, row, 0):
                        pass
                self._done[row.number] = row.latest

    async def _asks(self, row: ProgramRow) -> bool:
        program = await self.catalog.program_numbered(row.number, row.latest)
        return program.asks_birthdates(self.catalog.now(row.project, self.clock()))

    async def _go_on(self, project: Project, row: ProgramRow) -> None:
        async with self.database.pool.acquire() as connection:
            state = await store.rollout(connection, self.shard, row.number)
        if state is None or state.version < row.latest or state.number < DONE:
            return
        if state.number == DONE and await self._asks(row):
            closure = self.catalog.closures.get(row.number)
            if closure is not None and closure.paused:
                return  # when it goes on
            async for last in self._pages(project, row, state.after):
                async with self.database.pool.acquire() as connection:
                    at = replace(state, after=last)
                    await store.note_rollout(connection, self.shard, row.number, at)
            async with self.database.pool.acquire() as connection:
                end = replace(state, number=WRITTEN)
                await store.note_rollout(connection, self.shard, row.number, end)
        self._done[row.number] = row.latest

    async def _pages(self, project: Project, row: ProgramRow, after: int) -> AsyncIterator[int]:
        """Writes down page by page, from behind a customer on; the last of each page. Raises what
        keeps it from its end for now."""
        ref, last = ProgramRef(project, row.number), after
        while True:
            async with self.database.pool.acquire() as connection:
                page = await store.birthdates(connection, self.shard, row.number, last, PAGE)
            if not page:
                return
            notes = []
            for member in page:
                standing = decode_standing(member["standing"])
                birthdate = attribute_of(read_profile(member["profile"]).birthdate)
                if birthdate in {None, standing.attributes.get(ATTRIBUTE)}:
                    continue
                if standing.joined_at is not None:
                    values = {ATTRIBUTE: birthdate}
                    notes.append(commands.attributes(ref, "", values, number=member["customer"]))
            if notes:
                for outcome in await (await self.writer()).submit_all(notes):
                    if isinstance(outcome, TierlineError) and outcome.status >= SERVER_ERROR:
                        raise outcome
            last = page[-1]["customer"]
            yield last
