"""One copy from beginning to end."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from tierline import clock
from tierline.errors import TierlineError
from tierline.reshard.derived_rows import derive
from tierline.reshard.errors import ReplaysUnfinished, SourceChanged, TargetInUse
from tierline.reshard.log_merge import Group, Head, Merge, groups
from tierline.reshard.outstanding_deliveries import LIVE_RUN, Owed
from tierline.reshard.progress import Copying, Positions, Tally
from tierline.reshard.queries import ReshardSql as Sql
from tierline.reshard.row_moves import PAGE, Move, Pair, insert, move
from tierline.reshard.tables import ATTEMPT, LARGE, OWED, ROWS, SMALL, Places
from tierline.reshard.verification import Check, Job
from tierline.store import migrate
from tierline.store.database import COPYING, Database, connect, rows_of_table, where
from tierline.store.errors import SchemaBehind, ShardsFixed, translate
from tierline.store.event_log import EventLog
from tierline.store.heartbeat import require_idle

JOBS: Final = 4  # pages under way at once; each holds two connections
SETTINGS: Final = {"statement_timeout": "120000", "idle_in_transaction_session_timeout": "0"}


class Copied(Struct, frozen=True):
    """What a finished copy holds: rows per large table, all of them checked."""

    shards: int
    rows: dict[str, int]


async def copy_installation(
    source: Database,
    to: str,
    *,
    shards: int | None = None,
    end_replays: bool = False,
    on_progress: Callable[[Copying], None] = lambda _: None,
    page: int = PAGE,
) -> Copied:
    """Copy `source` into the database at URL `to`, of `shards` shards (default: as many as that
    has, or as many as the source). An interrupted copy goes on when it is asked for again. The
    source is only read; the target opens for work when all was compared and is the same. Replays
    stay behind, and are refused unless `end_replays`.

    Raises InUse, TargetInUse, SourceChanged, ReplaysUnfinished, ShardsFixed, CopyDiffers,
    CopyInterfered, and what opening a database raises."""
    try:
        return await CopyRun(source, to, shards, on_progress, page).run(end_replays=end_replays)
    except Exception as error:
        culprit = _first(error)
        if isinstance(culprit, TierlineError):
            raise culprit from None
        raise translate(culprit, where(to)) or culprit from error


class CopyRun:
    """A copy under way."""

    def __init__(
        self,
        source: Database,
        to: str,
        shards: int | None,
        on_progress: Callable[[Copying], None],
        page: int,
    ) -> None:
        self._source = source
        self._to = to
        self._shards = shards
        self._page = page
        self._tally = Tally(on_progress, source.shards)

    async def run(self, *, end_replays: bool) -> Copied:
        async with self._pairs(JOBS) as pairs:
            pair = pairs[0]
            await require_idle(pair.source, where(self._source.url))
            if not end_replays:
                await _require_no_replays(pair.source, self._source.shards)
            mark = await _mark(pair.source)
            shards = await self._claim(pair, mark)
            heads = await _heads(pair.source)
            places = await _places(pair.source, shards)
            positions = Positions(await pair.target.fetch(Sql.positions))
            counters = {shard: head.customers for shard, head in heads.items()}
            job = Move(places, positions, self._tally, counters, self._page)
            await _work(pairs, [*self._logs(job, heads), *self._rows(job)])
            await _work(pairs, self._attempts(job))
            await derive(pair, places, self._source.shards)
            for table in (*SMALL, *(table.name for table in LARGE), *sorted(OWED)):
                await pair.target.execute(f"ANALYZE {table}")
            check = Check(self._tally, self._source.shards, shards)
            await _work(pairs, check.jobs())
            await require_idle(pair.source, where(self._source.url))
            if await _mark(pair.source) != mark:
                raise SourceChanged(what="between begin and end")
            await check.verdict(pair)
            await _finish(pair.target, mark)
            return Copied(shards, self._tally.rows())

    @asynccontextmanager
    async def _pairs(self, count: int) -> AsyncIterator[list[Pair]]:
        opened: list[asyncpg.Connection] = []
        try:
            for _ in range(count):
                opened.append(await self._source.connect(**SETTINGS))
                opened.append(await connect(self._to, SETTINGS))
            yield [Pair(*opened[i : i + 2]) for i in range(0, len(opened), 2)]
        finally:
            for connection in opened:
                connection.terminate()

    async def _claim(self, pair: Pair, mark: str) -> int:
        """Make the target ours, or find that it is; its number of shards. The small tables come
        with the claim, in its transaction."""
        target, place = pair.target, where(self._to)
        await _require_schema(target, self._shards or self._source.shards)
        await require_idle(target, place)
        row = await target.fetchrow(Sql.installation)
        assert row is not None
        if self._shards not in {None, row["shards"]}:
            raise ShardsFixed(installed=row["shards"], option=self._shards)
        shards: int = row["shards"]
        if row["epoch"] == mark:
            return shards
        if row["epoch"].startswith(f"{COPYING}{self._source.epoch}:"):
            raise SourceChanged(what="since an earlier run")
        if row["epoch"].startswith(COPYING) or row["revision"] or await _holds_any(target):
            raise TargetInUse(where=place)
        ours = await pair.source.fetchrow(Sql.installation)
        assert ours is not None
        tables = {name: await rows_of_table(pair.source, name) for name in SMALL}
        async with target.transaction():
            facts = (ours["revision"], ours["created_at"], ours["digest_key"])
            if await target.fetchval(Sql.rename, row["epoch"], mark, *facts) is None:
                raise TargetInUse(where=place)
            for name, rows in tables.items():
                columns = list(rows[0].keys()) if rows else []
                await insert(target, name, columns, [tuple(row) for row in rows])
        return shards

    def _logs(self, job: Move, heads: dict[int, Head]) -> list[Job]:
        async def merge(group: Group, pair: Pair) -> None:
            owed = Owed(clock.wall())
            log = EventLog(self._source)
            try:
                rows = await pair.source.fetch(Sql.endpoints)
                endpoints = [tuple(row) for row in rows]
                await owed.read(pair.source, log, group.sources, endpoints)
            finally:
                await log.close()
            await Merge(pair, job, group, heads, owed).run()

        return [partial(merge, group) for group in groups(len(heads), job.places.shards)]

    def _rows(self, job: Move) -> list[Job]:
        return [
            partial(move, job, table, shard)
            for table in ROWS
            for shard in range(self._source.shards)
        ]

    def _attempts(self, job: Move) -> list[Job]:
        return [partial(move, job, ATTEMPT, shard) for shard in range(self._source.shards)]


async def _work(pairs: Sequence[Pair], jobs: Sequence[Job]) -> None:
    """All jobs, as many at once as there are pairs."""
    queue = deque(jobs)

    async def worker(pair: Pair) -> None:
        while queue:
            await queue.popleft()(pair)

    async with asyncio.TaskGroup() as group:
        for pair in pairs:
            group.create_task(worker(pair))


async def _require_schema(target: asyncpg.Connection, shards: int) -> None:
    schema = await migrate.version(target)
    if schema is None:
        await migrate.upgrade(target, shards)
    elif not await migrate.check(target):
        raise SchemaBehind(schema=schema, newest=migrate.newest())


async def _holds_any(target: asyncpg.Connection) -> bool:
    heads = await target.fetch(Sql.heads)
    return any(row["head"] or row["customers"] for row in heads)


async def _require_no_replays(source: asyncpg.Connection, shards: int) -> None:
    names = {row["number"]: row["id"] for row in await source.fetch(Sql.endpoint_ids)}
    endpoints = set()
    for shard in range(shards):
        rows = await source.fetch(Sql.cursors, shard)
        endpoints |= {names[row["endpoint"]] for row in rows if row["run"] != LIVE_RUN}
    if endpoints:
        raise ReplaysUnfinished(endpoints=", ".join(sorted(endpoints)))


async def _heads(source: asyncpg.Connection) -> dict[int, Head]:
    return {row["shard"]: Head(*tuple(row)[1:]) for row in await source.fetch(Sql.heads)}


async def _places(source: asyncpg.Connection, shards: int) -> Places:
    projects = {row["number"]: row["id"] for row in await source.fetch(Sql.project_ids)}
    endpoints = {row["number"]: row["id"] for row in await source.fetch(Sql.endpoint_ids)}
    return Places(shards, projects, endpoints)


async def _mark(source: asyncpg.Connection) -> str:
    """The name of the target while it is ours: the source's epoch, and what would have changed if
    the source had."""
    row = await source.fetchrow(Sql.installation)
    assert row is not None
    heads = [tuple(head) for head in await source.fetch(Sql.heads)]
    state = msgspec.json.encode([row["revision"], heads])
    return f"{COPYING}{row['epoch']}:{hashlib.blake2b(state, digest_size=8).hexdigest()}"


async def _finish(target: asyncpg.Connection, mark: str) -> None:
    """A new epoch opens the target, and refuses the feed cursors of the source."""
    row = await target.fetchrow(Sql.installation)
    assert row is not None
    async with target.transaction():
        facts = (row["revision"], row["created_at"], row["digest_key"])
        await target.fetchval(Sql.rename, mark, secrets.token_hex(8), *facts)
        await target.execute(Sql.forget_positions)


def _first(error: Exception) -> Exception:
    """What made the other jobs stop."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
