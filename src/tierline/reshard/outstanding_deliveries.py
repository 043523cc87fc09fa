"""What endpoints are owed when an installation moves: lanes, one per key, in the new logs.

Every live cursor starts anew at its new log's head, so all that was below it and is not settled
must have a lane. A lane that was there keeps its schedule; its head gets the new offset. What the
cursor had not passed, or had in flight, gets a lane that is due at once. Filters are the sender's:
what an endpoint does not hear is settled when it reads the lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg

from tierline.endpoints.endpoint import Endpoint, decode_endpoint
from tierline.model.operational_event import decode_operational_event
from tierline.reshard.queries import ReshardSql as Sql
from tierline.store.event_log import EventLog

LIVE_RUN: Final = 0

# The columns of `add_lanes`: endpoint, key, head, attempt, due_at, state, format, first_at.
LaneRow = tuple[int, int, int, int, int, str, str, int]


class Debt:
    """What one endpoint is owed of one source shard."""

    __slots__ = ("done", "floor", "lanes", "mark", "number", "settings")

    def __init__(self, number: int, settings: Endpoint, mark: int, done: bytes) -> None:
        self.number = number
        self.settings = settings
        self.mark = mark
        self.done = {mark + 1 + i for i in range(len(done) * 8) if done[i >> 3] >> (i & 7) & 1}
        self.lanes: dict[int, asyncpg.Record] = {}
        self.floor = mark  # nothing at or below is owed

    def add(self, lane: asyncpg.Record) -> None:
        self.lanes[lane["key"]] = lane
        self.floor = min(self.floor, lane["head"] - 1)

    def owes(self, event: asyncpg.Record) -> bool:
        offset = event["offset"]
        if offset <= self.floor or not self._hears(event):
            return False
        lane = self.lanes.get(self.key(event, offset))
        if lane is not None:
            return bool(offset >= lane["head"])
        return offset > self.mark and offset not in self.done

    def key(self, event: asyncpg.Record, offset: int) -> int:
        """The lane's key of an event that lies at an offset."""
        order = self.settings.order
        if order == "customer":
            return int(event["customer"])
        return 0 if order == "fifo" else offset

    def row(self, event: asyncpg.Record, offset: int, now: int) -> LaneRow:
        """The lane that begins with this event, at its new offset."""
        key = self.key(event, offset)
        lane = self.lanes.get(self.key(event, event["offset"]))
        if lane is None:
            return (self.number, key, offset, 0, now, "retrying", "", now)
        same = lane["head"] == event["offset"]  # else its head was dropped, or never an event
        attempt, form = (lane["attempt"], lane["format"]) if same else (0, "")
        later = (attempt, lane["due_at"], lane["state"], form, lane["first_at"])
        return (self.number, key, offset, *later)

    def _hears(self, event: asyncpg.Record) -> bool:
        if event["class"] == "tier":
            return event["profile"] is not None  # erased: never sent
        if event["class"] == "points":
            return self.settings.points and event["profile"] is not None
        if event["class"] != "ops" or not self.settings.kinds:
            return False
        content = decode_operational_event(event["body"])
        return content.kind in self.settings.kinds and not content.quiet


class Owed:
    """The debts of one group of source shards, and the lanes made of them so far."""

    def __init__(self, now: int) -> None:
        self.endpoints: set[int] = set()  # those with a cursor here
        self._now = now
        self._debts: dict[tuple[int, int], list[Debt]] = {}  # (source shard, project)
        self._opened: set[tuple[int, int, int]] = set()  # (new shard, endpoint, key)

    async def read(
        self,
        connection: asyncpg.Connection,
        log: EventLog,
        shards: Iterable[int],
        endpoints: Sequence[tuple[int, int, str, int]],
    ) -> None:
        """`endpoints`: (number, project, body, start_at), without deleted ones."""
        states = {shard: await _standing(connection, shard) for shard in shards}
        self.endpoints = {number for cursors, _ in states.values() for number in cursors}
        for number, project, body, start_at in endpoints:
            if number not in self.endpoints:
                continue  # has never begun: it starts at its instant in the new logs, too
            settings = decode_endpoint(body)
            for shard, (cursors, lanes) in states.items():
                row = cursors.get(number)
                mark = (
                    await log.before(shard, *settings.start(start_at, project))
                    if row is None
                    else row["mark"]
                )
                debt = Debt(number, settings, mark, b"" if row is None else row["done"])
                for lane in lanes.get(number, ()):
                    debt.add(lane)
                self._debts.setdefault((shard, project), []).append(debt)
        self.endpoints &= {number for number, *_ in endpoints}

    def of(self, source: int, event: asyncpg.Record, shard: int, offset: int) -> list[LaneRow]:
        """The lanes that begin with this event, which now lies at (shard, offset)."""
        rows = []
        for debt in self._debts.get((source, event["project"]), ()):
            if not debt.owes(event):
                continue
            place = (shard, debt.number, debt.key(event, offset))
            if place not in self._opened:
                self._opened.add(place)
                rows.append(debt.row(event, offset, self._now))
        return rows


Standing = tuple[dict[int, asyncpg.Record], dict[int, list[asyncpg.Record]]]


async def _standing(connection: asyncpg.Connection, shard: int) -> Standing:
    cursors = await connection.fetch(Sql.cursors, shard)
    lanes: dict[int, list[asyncpg.Record]] = {}
    for lane in await connection.fetch(Sql.lanes, shard):
        if lane["run"] == LIVE_RUN:
            lanes.setdefault(lane["endpoint"], []).append(lane)
    return {row["endpoint"]: row for row in cursors if row["run"] == LIVE_RUN}, lanes
