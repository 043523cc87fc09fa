"""Becoming the owner of endpoints: raise the generations, read cursors and lanes, open what has
no row yet. One statement per shard and step, however many endpoints come at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import asyncpg
from msgspec import Struct

from tierline.delivery.cursor import Cursor
from tierline.delivery.cursor_row import LaneRow
from tierline.delivery.endpoint_worker import EndpointWorker
from tierline.delivery.lanes import REMEMBERED
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.health import Health
from tierline.endpoints.health_records import home, read
from tierline.store.event_log import CursorRow, EventLog, LogEvent

TRIES_MAX = 5


class Holding(Struct, frozen=True):
    """One cursor with its lanes, now ours."""

    shard: int
    row: CursorRow
    lanes: tuple[LaneRow, ...]

    def cursor(self, compiled: CompiledEndpoint) -> Cursor[LogEvent]:
        row, batch = self.row, compiled.endpoint.batch
        remember = batch.events_max if batch is not None else REMEMBERED
        place = (self.shard, row.run, compiled.order, row.mark, row.done)
        return Cursor(*place, lanes=self.lanes, remember=remember)


class Taken(Struct, frozen=True):
    """All that was taken over of one endpoint."""

    compiled: CompiledEndpoint
    health: Health
    holdings: list[Holding]


async def take_over(log: EventLog, fresh: Sequence[CompiledEndpoint]) -> list[Taken]:
    """Make these endpoints ours, in every shard that is there (see `short_of`). One whose health
    lies in a shard that is away waits: it may be paused."""
    absent = log.database.absent
    by_number = {
        compiled.number: compiled
        for compiled in fresh
        if home(compiled.endpoint.id, log.shards) not in absent
    }
    if not by_number:
        return []
    healths = await read(log, {n: compiled.endpoint.id for n, compiled in by_number.items()})
    taken = {n: Taken(compiled, healths[n], []) for n, compiled in by_number.items()}
    for shard in absent.present(log.shards):
        for row, lanes in await _take_shard(log, shard, by_number):
            if row.endpoint in taken:
                taken[row.endpoint].holdings.append(Holding(shard, row, lanes))
    return list(taken.values())


async def _take_shard(
    log: EventLog, shard: int, endpoints: dict[int, CompiledEndpoint]
) -> list[tuple[CursorRow, tuple[LaneRow, ...]]]:
    rows = await log.take_over(shard, list(endpoints))
    for _ in range(TRIES_MAX):
        missing = endpoints.keys() - {row.endpoint for row in rows if row.run == 0}
        if not missing:
            break
        starts = {number: endpoints[number].start for number in sorted(missing)}
        marks = {start: await log.before(shard, *start) for start in set(starts.values())}
        fresh = [(number, 0, marks[start], None) for number, start in starts.items()]
        rows += await log.open_cursors(shard, fresh)
        again = missing - {row.endpoint for row in rows if row.run == 0}
        if again:  # another process made them in between: take them from it
            rows += await log.take_over(shard, sorted(again))
    else:
        raise RuntimeError(f"cursors of shard {shard} keep changing hands")
    lanes: dict[tuple[int, int], list[LaneRow]] = {}
    for lane in await log.lanes_of(shard, list(endpoints)):
        lanes.setdefault((lane["endpoint"], lane["run"]), []).append(_lane(lane))
    return [(row, tuple(lanes.get((row.endpoint, row.run), ()))) for row in rows]


def short_of(log: EventLog, workers: Iterable[EndpointWorker]) -> set[int]:
    """Which endpoints were taken over while a shard was away that is back: they are to be taken
    over again, in all of them."""
    if not log.database.distributed:
        return set()
    present = set(log.database.absent.present(log.shards))
    return {
        worker.number
        for worker in workers
        if present.difference(shard for _, shard in worker.subscriptions)
    }


async def still_ours(log: EventLog, workers: Iterable[EndpointWorker]) -> set[int]:
    """Of which endpoints generations and runs are as we know them: nobody took them over, and
    nobody fenced them to change them."""
    ours = {
        worker.number: {
            (f.cursor.shard, f.cursor.run, f.generation) for f in worker.subscriptions.values()
        }
        for worker in workers
    }
    current: dict[int, set[tuple[int, int, int]]] = {number: set() for number in ours}
    present = log.database.absent.present(log.shards)  # of others nothing can be sent, either
    for shard in present:
        for endpoint, run, generation in await log.generations(shard, list(ours)):
            current[endpoint].add((shard, run, generation))
    return {
        number
        for number in ours
        if current[number] == {each for each in ours[number] if each[0] in present}
    }


def _lane(row: asyncpg.Record) -> LaneRow:
    return LaneRow(
        row["key"], row["head"], row["attempt"], row["due_at"], row["state"], row["format"],
        row["first_at"],
    )  # fmt: skip
