"""The event log as the sender reads it, and the one write by which deliveries are settled.

Everything here follows from a few rules:

1. Offsets of a shard have no gaps, and they are in the order of the commits. So a reader that has
   seen the head has seen everything below it.
2. A row never changes. Erasing empties its profile and leaves its offset.
3. Every statement names one shard. No transaction spans two, and none is open while anybody waits
   for HTTP.
4. Every write of the sender begins by advancing its cursor under its generation. A cursor that
   does not advance belongs to somebody else now, and nothing of that write counts.
5. Reads and writes have connections of their own, so that a slice never waits for a commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg
from msgspec import Struct

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model import ids
from tierline.model.operational_event import Notice
from tierline.store.column_encoding import columns, hexes, integers
from tierline.store.database import Database
from tierline.store.event_log_queries import EventLogSql as Sql
from tierline.store.log_lines import LogLines
from tierline.store.node_watch import present_heads
from tierline.store.reconnecting_connection import ReconnectingConnection


class Tombstone(Struct, frozen=True):
    """The content of an event that is never sent: its customer was erased, its body cannot be
    read, or only the feed speaks of its class."""


TOMBSTONE = Tombstone()
Content = Announcement | PointsAnnouncement | ReminderAnnouncement | Notice | Tombstone


class LogEvent:
    """A row of the event table. `content` is what the row stands for and `view` what a filter sees
    of it; the sender fills both in, once for all endpoints. They are None until then."""

    __slots__ = (
        "body", "class_", "content", "customer", "id", "offset", "profile", "program", "project",
        "recorded_at", "view",
    )  # fmt: skip

    offset: int
    class_: str
    project: int
    program: int
    customer: int
    id: str
    recorded_at: int
    body: str
    profile: str | None

    def __init__(self, row: Iterable[Any]) -> None:
        (
            self.offset,
            self.class_,
            self.project,
            self.program,
            self.customer,
            self.id,
            self.recorded_at,
            self.body,
            self.profile,
        ) = row
        self.content: Content | None = None
        self.view: dict[str, Any] | None = None

    def forget(self) -> None:
        """Lets go of the customer, who was erased."""
        self.content, self.profile, self.view = TOMBSTONE, None, None


class ShardRange(NamedTuple):
    """What to read of one shard: up to `limit` events behind `after`, none behind `upto`."""

    shard: int
    after: int
    upto: int
    limit: int


class CursorRow(Struct, frozen=True):
    endpoint: int
    run: int
    mark: int
    done: bytes
    generation: int
    plan: str | None


class CursorProgress(Struct, frozen=True):
    """What one flush says of one cursor. `lanes` are (key, head, attempt, due_at, state, format,
    first_at); `closed` are keys."""

    endpoint: int
    run: int
    generation: int
    mark: int
    done: bytes
    lanes: Sequence[tuple[int, int, int, int, str, str, int]]
    closed: Sequence[int]


# Of endpoint, run, at, delivery, number, offset, event, status (0: no answer), outcome, took_ms and
# detail. No text in it is empty.
AttemptRow = tuple[int, int, int, str, int, int, str, int, str, int, str]


class EventLog:
    """Slices, cursors, lanes and attempts of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.shards = database.shards
        self._readers, self._writers = LogLines(database), LogLines(database)
        self.statements = 0  # of the delivery path, for the benchmark and for metrics
        self.erased: set[int] = set()  # customers of whom something may be in memory here

    async def close(self) -> None:
        await self._readers.close()
        await self._writers.close()

    def reader(self, shard: int) -> ReconnectingConnection:
        self.database.absent.require(shard)  # or it would keep the other shards' line waiting
        return self._readers.of(shard)

    def writer(self, shard: int) -> ReconnectingConnection:
        self.database.absent.require(shard)
        return self._writers.of(shard)

    # Reading

    async def heads(self) -> dict[int, tuple[int, int]]:
        """Newest offset and start of the log, by shard; of one that is away, nothing."""
        self.statements += 1
        absent = self.database.absent
        rows = await self._readers.first.run(lambda c: present_heads(c, self.shards, absent))
        return {row[0]: (row[1], row[2]) for row in rows}

    async def slice(self, shard: int, after: int, limit: int) -> list[LogEvent]:
        """The next events of all projects."""
        return await self._events(shard, Sql.slice, shard, after, limit)

    async def slice_of(
        self, shard: int, project: int, classes: Sequence[str], after: int, upto: int, limit: int
    ) -> tuple[list[LogEvent], int]:
        """The next events of a project, in order, and the offset up to which they are all."""
        events: list[LogEvent] = []
        bound = upto
        for class_ in classes:
            slice_ = await self._events(
                shard, Sql.slice_of, shard, project, class_, after, upto, limit
            )
            if len(slice_) == limit:
                bound = min(bound, slice_[-1].offset)
            events += slice_
        if len(classes) > 1:
            events = sorted((e for e in events if e.offset <= bound), key=lambda e: e.offset)
        return events, bound

    async def slices_of(
        self, project: int, class_: str, ranges: Sequence[ShardRange]
    ) -> dict[int, list[LogEvent]]:
        """The next events of a project in several shards, in order, by shard."""
        if self.database.distributed:
            slices = await asyncio.gather(
                *(self.slice_of(r.shard, project, (class_,), *r[1:]) for r in ranges)
            )
            return {r.shard: events for r, (events, _) in zip(ranges, slices, strict=True)}
        self.statements += 1
        keys = columns(ranges, "iiii")
        rows = await self._readers.first.run(
            lambda c: c.fetch(Sql.slices_of, project, class_, *keys)
        )
        by_shard: dict[int, list[LogEvent]] = {r.shard: [] for r in ranges}
        for row in rows:
            by_shard[row[-1]].append(LogEvent(row[:-1]))
        return by_shard

    async def ids_at(self, places: Sequence[tuple[int, int]]) -> dict[int, str]:
        """The ids of the events that are kept at (shard, offset) places, by shard."""
        self.statements += 1
        keys = columns(places, "ii")
        rows = await self._readers.first.run(lambda c: c.fetch(Sql.ids_at, *keys))
        return {row[0]: row[1] for row in rows}

    async def slice_of_customers(
        self, shard: int, ranges: Sequence[tuple[int, int, int]], limit: int
    ) -> dict[int, list[LogEvent]]:
        """The next `limit` events by customer, for (customer, from, upto) triples."""
        keys = columns(ranges, "iii")
        events = await self._events(shard, Sql.slice_of_customers, shard, *keys, limit)
        by_customer: dict[int, list[LogEvent]] = {customer: [] for customer, _, _ in ranges}
        for event in sorted(events, key=lambda e: e.offset):
            by_customer[event.customer].append(event)
        return by_customer

    async def newest_of_customer(
        self, shard: int, customer: int, upto: int, down_to: int, limit: int
    ) -> list[LogEvent]:
        return await self._events(
            shard, Sql.newest_of_customer, shard, customer, upto, down_to, limit
        )

    async def at_offsets(self, shard: int, offsets: Sequence[int]) -> list[LogEvent]:
        return await self._events(shard, Sql.at_offsets, shard, offsets)

    async def by_id(self, shard: int, customer: int, event: str) -> LogEvent | None:
        events = await self._events(shard, Sql.by_id, shard, customer, event)
        return events[0] if events else None

    async def find(self, project: int, event: str) -> tuple[int, LogEvent] | None:
        """An event of a project by its id, whatever it is about, and its shard."""
        if "\0" in event:  # which no text in the database holds
            return None
        try:
            customer = ids.customer_of_event(event)
        except ValueError:  # an operational one, whose id says no place
            for shard in range(self.shards):
                events = await self._events(shard, Sql.ops_by_id, shard, project, event)
                if events:
                    return shard, events[0]
            return None
        shard = ids.shard_of(ids.route_of_customer(customer), self.shards)
        match = await self.by_id(shard, customer, event)
        return None if match is None or match.project != project else (shard, match)

    async def before(self, shard: int, instant: int, sandbox: int | None = None) -> int:
        """The last offset before an instant of recording. Of a `sandbox`, a project with a time of
        its own, the last one before the first of its members' events of that instant or later."""
        if sandbox is None:
            return await self._before(shard, instant)
        offset: int = await self.reader(shard).run(
            lambda c: c.fetchval(Sql.before_in_sandbox, shard, sandbox, instant)
        )
        return offset

    async def _before(self, shard: int, instant: int) -> int:
        """Found by bisection, for instants of recording never decrease along the log and have no
        index of their own."""
        line = self.reader(shard)
        row = await line.run(lambda c: c.fetchrow(Sql.head, shard))
        assert row is not None
        low, high = max(row["log_start"] - 1, 0), row["head"]  # low: before; above high: not before
        if row["recorded_at"] < instant:
            return int(high)
        while low < high:
            middle = (low + high + 1) // 2
            at = await self._recorded_at(shard, middle)
            if at is None or at < instant:
                low = middle
            else:
                high = middle - 1
        return int(low)

    async def _recorded_at(self, shard: int, offset: int) -> int | None:
        instant: int | None = await self.reader(shard).run(
            lambda c: c.fetchval(Sql.recorded_at, shard, offset)
        )
        return instant

    async def _events(self, shard: int, sql: str, *arguments: Any) -> list[LogEvent]:
        self.statements += 1
        rows = await self.reader(shard).run(lambda c: c.fetch(sql, *arguments))
        return [LogEvent(row) for row in rows]

    # Owning

    async def take_over(self, shard: int, endpoints: Sequence[int]) -> list[CursorRow]:
        """Raise the generation of every cursor of these endpoints, then read them."""
        rows = await self.writer(shard).run(lambda c: c.fetch(Sql.take_over, shard, endpoints))
        return [CursorRow(*row) for row in rows]

    async def open_cursors(
        self, shard: int, fresh: Sequence[tuple[int, int, int, str | None]]
    ) -> list[CursorRow]:
        """Rows for (endpoint, run, mark, plan) that have none; those that somebody else made
        meanwhile are left out."""
        texts = columns(fresh, "iiit")
        rows = await self.writer(shard).run(lambda c: c.fetch(Sql.open_cursors, shard, *texts))
        return [CursorRow(*row) for row in rows]

    async def lanes_of(self, shard: int, endpoints: Sequence[int]) -> list[asyncpg.Record]:
        return await self.writer(shard).run(lambda c: c.fetch(Sql.lanes_of, shard, endpoints))

    async def generations(self, shard: int, endpoints: Sequence[int]) -> list[asyncpg.Record]:
        """(endpoint, run, generation) of each of their cursors."""
        return await self.writer(shard).run(lambda c: c.fetch(Sql.generations, shard, endpoints))

    # Settling

    async def settle(
        self, shard: int, progress: Sequence[CursorProgress], attempts: Sequence[AttemptRow]
    ) -> set[tuple[int, int]]:
        """One transaction: fence and marks, lanes, attempts. Returns the (endpoint, run) that are
        no longer ours, of which nothing was written. Safe to repeat after an unknown commit."""
        return await self.writer(shard).run(lambda c: self._settle(c, shard, progress, attempts))

    async def _settle(
        self,
        connection: asyncpg.Connection,
        shard: int,
        progress: Sequence[CursorProgress],
        attempts: Sequence[AttemptRow],
    ) -> set[tuple[int, int]]:
        async with connection.transaction():
            lost = await self.fenced(connection, shard, progress)
            ours = [p for p in progress if (p.endpoint, p.run) not in lost] if lost else progress
            self.statements += 3  # with BEGIN and COMMIT
            lanes = [(p.endpoint, p.run, *lane) for p in ours for lane in p.lanes]
            if lanes:
                self.statements += 1
                await connection.execute(Sql.put_lanes, shard, *columns(lanes, "iiiiiitti"))
            closed = [(p.endpoint, p.run, key) for p in ours for key in p.closed]
            if closed:
                self.statements += 1
                await connection.execute(Sql.drop_lanes, shard, *columns(closed, "iii"))
            if lost:
                attempts = [a for a in attempts if (a[0], a[1]) not in lost]
            if attempts:
                self.statements += 1
                await self.add_attempts(connection, shard, attempts)
        return lost

    @staticmethod
    async def add_attempts(
        connection: asyncpg.Connection, shard: int, attempts: Sequence[AttemptRow]
    ) -> None:
        endpoints, _, *rest = columns(attempts, "iiitiititit")  # the run is for the fence only
        await connection.execute(Sql.add_attempts, shard, endpoints, *rest)

    async def forget_attempts(self, shard: int, endpoint: int, before: int, limit: int) -> int:
        """Delete up to `limit` attempts that began before an instant; how many there were."""
        status = await self.writer(shard).run(
            lambda c: c.execute(Sql.old_attempts, shard, endpoint, before, limit)
        )
        return int(status.rsplit(" ", 1)[1])

    async def drop_events(self, shard: int, below: int, limit: int) -> int:
        """Delete up to `limit` events below an offset; how many there were."""
        status = await self.writer(shard).run(
            lambda c: c.execute(Sql.drop_events, shard, below, limit)
        )
        return int(status.rsplit(" ", 1)[1])

    @staticmethod
    async def fenced(
        connection: asyncpg.Connection, shard: int, progress: Sequence[CursorProgress]
    ) -> set[tuple[int, int]]:
        """Advance what is ours; the rest."""
        rows = await connection.fetch(
            Sql.advance,
            shard,
            integers([p.endpoint for p in progress]),
            integers([p.run for p in progress]),
            integers([p.mark for p in progress]),
            hexes([p.done for p in progress]),
            integers([p.generation for p in progress]),
        )
        if len(rows) == len(progress):
            return set()
        ours = {(row[0], row[1]) for row in rows}
        return {(p.endpoint, p.run) for p in progress} - ours


async def tell_operators(
    connection: asyncpg.Connection,
    shard: int,
    now: int,
    about: tuple[int, int, int, str],
    body: str,
) -> None:
    """Append an operational event, under the last lock of the transaction. `about`: (project,
    program, customer, id), with 0 for a program or a customer that it is not about."""
    head = await connection.fetchrow(Sql.raise_head, shard, 1, now)
    assert head is not None  # every shard has its head row from the start
    *whose, event = about
    row = (shard, head["head"], *whose, event, head["recorded_at"], body)
    await connection.execute(Sql.add_ops_event, *row)


async def rows_of(line: ReconnectingConnection, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one statement, as plain dicts."""
    rows = await line.run(lambda c: c.fetch(sql, *arguments))
    return [dict(row) for row in rows]
