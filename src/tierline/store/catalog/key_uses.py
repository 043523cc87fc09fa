"""When keys were used last: noted in memory by every call, and written down once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from tierline.clock import Clock
from tierline.logging import RecurringFaults
from tierline.store.catalog.queries import CatalogSql as Sql
from tierline.store.database import Database

EVERY_S: Final = 60
_again = RecurringFaults(structlog.get_logger("tierline.catalog"))


class KeyUses:
    """The keys that this process saw since it last wrote, by their ids."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    async def write(self, database: Database, now: int) -> None:
        """What could not be written is tried again the next time. `now`: wall time."""
        ids, self.ids = self.ids, set()
        if ids:
            try:
                await database.pool.execute(Sql.note_uses, sorted(ids), now)
            except BaseException:
                self.ids |= ids
                raise

    async def keep(self, database: Database, clock: Clock) -> None:
        """Writes until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.write(database, clock())
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _again.warning("key_uses_not_written", error=repr(error))


async def last_uses(database: Database, project: int) -> Mapping[str, int | None]:
    """Returns when each of a project's keys was used last, by its id."""
    rows = await database.pool.fetch(Sql.last_uses, project)
    return {row["id"]: row["last_used_at"] for row in rows}
