"""Becoming the owner of endpoints: raise the generations, read cursors and lanes, open what has
no row yet. One statement per shard and step, however many endpoints come at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tierline.delivery.lanes import LaneRow
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.health import Health
from tierline.endpoints.operational_events import read
from tierline.store.event_log import CursorRow, EventLog

if TYPE_CHECKING:
    from tierline.delivery.endpoint_worker import EndpointWorker

TRIES_MAX = 5


class Holding(Struct, frozen=True):
    """One cursor with its lanes, now ours."""

    shard: int
    row: CursorRow
    lanes: tuple[LaneRow, ...]


class Taken(Struct, frozen=True):
    """All that was taken over of one endpoint."""

    live: CompiledEndpoint
    health: Health
    holdings: list[Holding]


async def take_over(log: EventLog, lives: Sequence[CompiledEndpoint]) -> list[Taken]:
    """Make these endpoints ours, in every shard."""
    by_number = {live.number: live for live in lives}
    healths = await read(log, {live.number: live.endpoint.id for live in lives})
    taken = {n: Taken(live, healths[n], []) for n, live in by_number.items()}
    for shard in range(log.shards):
        for row, lanes in await _take_shard(log, shard, by_number):
            if row.endpoint in taken:
                taken[row.endpoint].holdings.append(Holding(shard, row, lanes))
    return list(taken.values())


async def _take_shard(
    log: EventLog, shard: int, lives: dict[int, CompiledEndpoint]
) -> list[tuple[CursorRow, tuple[LaneRow, ...]]]:
    rows = await log.take_over(shard, list(lives))
    for _ in range(TRIES_MAX):
        missing = lives.keys() - {row.endpoint for row in rows if row.run == 0}
        if not missing:
            break
        starts = {number: lives[number].row.start_at for number in sorted(missing)}
        marks = {at: await log.before(shard, at) for at in set(starts.values())}
        fresh = [(number, 0, marks[at], None) for number, at in starts.items()]
        rows += await log.open_cursors(shard, fresh)
        again = missing - {row.endpoint for row in rows if row.run == 0}
        if again:  # another process made them in between: take them from it
            rows += await log.take_over(shard, sorted(again))
    else:
        raise RuntimeError(f"cursors of shard {shard} keep changing hands")
    lanes: dict[tuple[int, int], list[LaneRow]] = {}
    for found in await log.lanes_of(shard, list(lives)):
        lanes.setdefault((found["endpoint"], found["run"]), []).append(_lane(found))
    return [(row, tuple(lanes.get((row.endpoint, row.run), ()))) for row in rows]


async def still_ours(log: EventLog, couriers: Iterable[EndpointWorker]) -> set[int]:
    """Of which endpoints generations and runs are as we know them: nobody took them over, and
    nobody fenced them to change them."""
    known = {
        courier.number: {
            (f.cursor.shard, f.cursor.run, f.generation) for f in courier.followers.values()
        }
        for courier in couriers
    }
    found: dict[int, set[tuple[int, int, int]]] = {number: set() for number in known}
    for shard in range(log.shards):
        for endpoint, run, generation in await log.generations(shard, list(known)):
            found[endpoint].add((shard, run, generation))
    return {number for number in known if found[number] == known[number]}


def _lane(row: Any) -> LaneRow:
    return LaneRow(
        row["key"], row["head"], row["attempt"], row["due_at"], row["state"], row["format"],
        row["first_at"],
    )  # fmt: skip
