"""What was committed against what was received."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from tests.sender.chaos.receiver import ChaosReceiver
from tierline.store.database import Database
from tierline.vendors import FORMATS


class Committed(Struct, frozen=True):
    """One event of the log, and its delivery id at each endpoint."""

    shard: int
    offset: int
    customer: int
    id: str


class Verdict(Struct):
    committed: int = 0
    endpoints: int = 0
    requests: int = 0
    lost: int = 0
    disordered: int = 0
    changed: int = 0  # ids whose bytes differed between two requests
    repeated: int = 0  # accepted more than once
    bound: int = 0  # accepted, and in no committed write, when something was killed
    unknown: int = 0  # ids that are not in the log

    @property
    def sound(self) -> bool:
        wrong = self.lost + self.disordered + self.changed + self.unknown
        return wrong == 0 and self.repeated <= self.bound


async def committed(database: Database) -> list[Committed]:
    """The truth: the log itself, after everything."""
    rows = await database.pool.fetch(
        'SELECT shard, "offset", customer, id FROM event WHERE class = $1 ORDER BY shard, "offset"',
        "tier",
    )
    return [Committed(*row) for row in rows]


def check(
    log: Iterable[Committed], receiver: ChaosReceiver, endpoints: dict[str, str], bound: int
) -> Verdict:
    """`endpoints` are path -> endpoint id."""
    log = list(log)
    verdict = Verdict(committed=len(log), endpoints=len(endpoints), bound=bound)
    for path, endpoint in endpoints.items():
        seen = receiver.endpoints.get(path, {})
        known = set()
        newest: dict[int, int] = {}
        for event in log:
            delivery = delivery_id(event.id, endpoint)
            known.add(delivery)
            arrival = seen.get(delivery)
            if arrival is None or not arrival.accepted:
                verdict.lost += 1
                continue
            if arrival.order < newest.get(event.customer, 0):
                verdict.disordered += 1
            newest[event.customer] = max(newest.get(event.customer, 0), arrival.order)
            verdict.repeated += arrival.accepted - 1
        verdict.unknown += len(seen.keys() - known)
        verdict.changed += sum(len(arrival.bodies) > 1 for arrival in seen.values())
        verdict.requests += sum(arrival.requests for arrival in seen.values())
    return verdict


async def exposed(database: Database, receiver: ChaosReceiver, endpoints: dict[str, str]) -> int:
    """How many accepted deliveries no committed write knows of, at this moment."""
    log = await committed(database)
    numbers = {
        row["id"]: row["number"] for row in await database.pool.fetch("SELECT * FROM endpoint")
    }
    cursors = await database.pool.fetch(
        "SELECT shard, endpoint, mark, done FROM cursor WHERE run = 0"
    )
    lanes = await database.pool.fetch("SELECT shard, endpoint, key, head FROM lane WHERE run = 0")
    marks = {(row["shard"], row["endpoint"]): row for row in cursors}
    heads = {(row["shard"], row["endpoint"], row["key"]): row["head"] for row in lanes}
    count = 0
    for path, endpoint in endpoints.items():
        seen, number = receiver.endpoints.get(path, {}), numbers[endpoint]
        for event in log:
            arrival = seen.get(delivery_id(event.id, endpoint))
            if arrival is None or not arrival.accepted:
                continue
            cursor = marks.get((event.shard, number))
            head = heads.get((event.shard, number, event.customer))
            count += not _settled(event, cursor, head)
    return count


def _settled(event: Committed, cursor: Any, head: int | None) -> bool:
    if head is not None and event.offset >= head:
        return False
    if cursor is None:
        return False
    bit = event.offset - cursor["mark"] - 1
    if bit < 0 or (head is not None and event.offset < head):
        return True
    done: bytes = cursor["done"]
    return bit < len(done) * 8 and bool(done[bit >> 3] >> (bit & 7) & 1)


def delivery_id(event: str, endpoint: str) -> str:
    return FORMATS["standard"].delivery_id(event, endpoint)
