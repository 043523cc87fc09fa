"""Texts about people are forgotten before the rows that they stand in: what webhooks said and were
answered, profiles in old events, lines of the audit log, sessions that have ended.

How long each is kept stands in the settings; None is for ever. Done in chunks, along keys of the
tables; where a process stopped, the next one looks from the beginning again and finds less to do.
"""

from __future__ import annotations

import asyncio
from typing import Final

from tierline.clock import Clock
from tierline.endpoints.settings import SenderSettings
from tierline.model.attempt_text import attempt_remains
from tierline.store.catalog.audit import first_id
from tierline.store.event_log import EventLog
from tierline.store.people import SESSION_IDLE_MS, PeopleSql
from tierline.store.retention import RetentionSql as Sql

CHUNK: Final = 500
BREATH_S: Final = 0.02  # between chunks: nothing competes with deliveries
SMALL_TABLES_AT: Final = 0  # the shard whose keeper looks after the small tables, too


class TextRetention:
    """Forgets texts of the shards that it is asked to look at."""

    def __init__(self, log: EventLog, settings: SenderSettings, clock: Clock) -> None:
        self._log = log
        self._settings = settings
        self._clock = clock
        self._attempts: dict[tuple[int, int], tuple[int, str, int]] = {}  # emptied up to here
        self._profiles: dict[int, int] = {}  # by shard: the offset up to which they are gone

    async def look(self, shard: int) -> None:
        """One round over a shard."""
        settings = self._settings
        if settings.attempt_texts_kept_s is not None:
            await self._empty_attempts(shard, self._before(settings.attempt_texts_kept_s))
        if settings.profiles_kept_s is not None:
            await self._drop_profiles(shard, self._before(settings.profiles_kept_s))
        if settings.audit_kept_s is not None:
            await self._drop_audit(shard, self._before(settings.audit_kept_s))
        if shard == SMALL_TABLES_AT:
            now = self._clock()
            await self._log.database.pool.execute(
                PeopleSql.drop_expired, now, now - SESSION_IDLE_MS
            )

    def _before(self, kept_s: int) -> int:
        return self._clock() - kept_s * 1000

    async def _empty_attempts(self, shard: int, before: int) -> None:
        pool = self._log.database.pool
        for endpoint in await pool.fetch(Sql.endpoints):
            place = shard, endpoint["number"]
            after = self._attempts.get(place, (0, "", 0))
            while rows := await pool.fetch(Sql.attempts_before, *place, *after, before, CHUNK):
                texts = [(row, attempt_remains(row["detail"])) for row in rows]
                changes = [
                    (row["at"], row["delivery"], row["number"], text)
                    for row, text in texts
                    if text != row["detail"]
                ]
                if changes:
                    columns = [list(column) for column in zip(*changes, strict=True)]
                    await pool.execute(Sql.rewrite_attempts, *place, *columns)
                after = rows[-1]["at"], rows[-1]["delivery"], rows[-1]["number"]
                self._attempts[place] = after
                await asyncio.sleep(BREATH_S)

    async def _drop_profiles(self, shard: int, before: int) -> None:
        pool, after = self._log.database.pool, self._profiles.get(shard, 0)
        upto = await self._log.before(shard, before)
        while rows := await pool.fetch(Sql.profiles_before, shard, after, upto, CHUNK):
            offsets = [row["offset"] for row in rows]
            await pool.execute(Sql.drop_profiles, shard, offsets)
            after = offsets[-1]
            await asyncio.sleep(BREATH_S)
        self._profiles[shard] = max(after, upto)

    async def _drop_audit(self, shard: int, before: int) -> None:
        pool, below = self._log.database.pool, first_id(before)
        while rows := await pool.fetch(Sql.old_member_audit, shard, below, CHUNK):
            await pool.execute(Sql.drop_member_audit, shard, [row["id"] for row in rows])
            await asyncio.sleep(BREATH_S)
        if shard == SMALL_TABLES_AT:
            await pool.execute(Sql.drop_audit, below)
