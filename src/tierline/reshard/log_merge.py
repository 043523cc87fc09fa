"""The logs: those of the source merged into those of the target.

Shards are ranges of routes, so both numbers of shards cut the routes at the multiples of
65536 / gcd: between two such cuts lies a group, whose source shards and new shards have the same
events. Inside a group the source's logs are merged by the instants at which events were recorded,
which never decrease along a log: so they do not in the new ones either, and each customer's events,
which come from one log, keep their order. One page is one transaction.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from math import gcd
from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from tierline.model import ids
from tierline.reshard.outstanding_deliveries import LIVE_RUN, LaneRow, Owed
from tierline.reshard.progress import Position
from tierline.reshard.queries import ReshardSql as Sql
from tierline.reshard.row_moves import Move, Pair, insert
from tierline.reshard.tables import EVENT, Places
from tierline.store.column_encoding import columns
from tierline.store.event_log_queries import EventLogSql

BUFFERED: Final = 20_000  # events in memory at most, of all source shards of a group


class Group(Struct, frozen=True):
    """Source shards and new shards over the same routes."""

    sources: range
    targets: range


class Head(Struct, frozen=True):
    """A source shard's head row."""

    head: int
    recorded_at: int
    customers: int
    log_start: int


def groups(shards: int, new: int) -> list[Group]:
    count = gcd(shards, new)
    wide, fine = shards // count, new // count
    return [
        Group(range(i * wide, (i + 1) * wide), range(i * fine, (i + 1) * fine))
        for i in range(count)
    ]


class Merge:
    """The merged stream of a group, page by page, and where each event goes."""

    def __init__(
        self, pair: Pair, job: Move, group: Group, heads: Mapping[int, Head], owed: Owed
    ) -> None:
        self._pair = pair
        self._job = job
        self._group = group
        self._heads = heads
        self._owed = owed
        first = group.sources[0]
        at = job.positions.get(first, EVENT.name)
        self.position = at
        starts = [heads[shard].log_start - 1 for shard in group.sources]
        self._after = dict(zip(group.sources, at.after or starts, strict=True))
        self._new = dict(zip(group.targets, at.heads or [0] * len(group.targets), strict=True))
        self._buffers: dict[int, deque[asyncpg.Record]] = {s: deque() for s in group.sources}
        self._read_to = {s: int(self._after[s]) for s in group.sources}
        self._total = sum(heads[s].head - heads[s].log_start + 1 for s in group.sources)

    async def run(self) -> None:
        """Until the group's logs and lanes are complete. CopyInterfered as `Positions.advance`."""
        self._report()
        while not self.position.ended:
            await self._fill()
            page = list(self._page())
            await self._write(page)
            self._report()

    async def _fill(self) -> None:
        size = max(50, BUFFERED // len(self._group.sources) // 2)
        for shard, buffer in self._buffers.items():
            if not buffer and self._read_to[shard] < self._heads[shard].head:
                rows = await self._pair.source.fetch(EVENT.page, shard, self._read_to[shard], size)
                buffer.extend(rows)
                # Offsets are gapless, so a short page is the end.
                self._read_to[shard] = rows[-1]["offset"] if rows else self._heads[shard].head

    def _page(self) -> Iterator[tuple[int, asyncpg.Record]]:
        """(source shard, event) in the new order, as long as it is known which comes next."""
        fronts = [(b[0]["recorded_at"], shard) for shard, b in self._buffers.items() if b]
        heapq.heapify(fronts)
        left = self._job.page
        while fronts and left:
            _, shard = heapq.heappop(fronts)
            buffer = self._buffers[shard]
            yield shard, buffer.popleft()
            left -= 1
            if buffer:
                heapq.heappush(fronts, (buffer[0]["recorded_at"], shard))
            elif self._read_to[shard] < self._heads[shard].head:
                return

    async def _write(self, page: list[tuple[int, asyncpg.Record]]) -> None:
        records = []
        lanes: dict[int, list[LaneRow]] = {}
        for source, event in page:
            shard = place_of(self._job.places, event, source, len(self._heads))
            offset = self._new[shard] = self._new[shard] + 1
            self._after[source] = event["offset"]
            records.append((shard, offset, *tuple(event)[2:]))
            for lane in self._owed.of(source, event, shard, offset):
                lanes.setdefault(shard, []).append(lane)
        ended = not page or all(
            not self._buffers[s] and self._read_to[s] >= self._heads[s].head
            for s in self._group.sources
        )
        to = Position(
            tuple(self._after.values()),
            tuple(self._new.values()),
            self.position.rows + len(page),
            ended,
        )
        first = self._group.sources[0]
        target = self._pair.target
        async with target.transaction():
            await self._job.positions.advance(target, first, EVENT.name, to)
            await insert(target, EVENT.name, list(page[0][1].keys()) if page else [], records)
            for shard, rows in sorted(lanes.items()):
                await _add_lanes(target, shard, rows)
            if ended:
                await self._settle(target)
        self._job.positions.advanced(first, EVENT.name, to)
        self.position = to

    async def _settle(self, target: asyncpg.Connection) -> None:
        """Heads, and every begun endpoint's live cursor at its new head."""
        olds = [self._heads[shard] for shard in self._group.sources]
        recorded_at = max(old.recorded_at for old in olds)
        customers = max(old.customers for old in olds)  # so that no number is made twice
        for shard, head in self._new.items():
            await target.execute(Sql.set_head, shard, head, recorded_at, customers)
            fresh = [(each, LIVE_RUN, head, None) for each in sorted(self._owed.endpoints)]
            await target.fetch(EventLogSql.open_cursors, shard, *columns(fresh, "iiit"))

    def _report(self) -> None:
        at, weight = self.position, len(self._group.sources)
        share = 1.0 if at.ended or not self._total else min(1.0, at.rows / self._total)
        shard = self._group.sources[0]
        self._job.tally.report("copy", EVENT.name, shard, at.rows, share, weight)


def place_of(places: Places, event: asyncpg.Record, source: int, shards: int) -> int:
    """A customer's event goes with the customer, an endpoint's to its home; any other stays among
    the routes that it was among."""
    if event["customer"]:
        return places.of_customer(event["customer"])
    endpoint = _speaks_of(event["body"]).endpoint
    if endpoint is not None:
        return places.of_endpoint(endpoint)
    return ids.shard_of(-(-source * ids.ROUTES // shards), places.shards)


class _Subject(Struct, frozen=True):
    endpoint: str | None = None


async def _add_lanes(target: asyncpg.Connection, shard: int, rows: list[LaneRow]) -> None:
    await target.execute(Sql.add_lanes, shard, *zip(*rows, strict=True))


_speaks_of = msgspec.json.Decoder(_Subject).decode
