"""What was committed against what was received."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from tests.delivery.chaos.receiver import Acceptance, ChaosReceiver
from tests.delivery.chaos.witness import Takeover
from tierline.store.database import Database
from tierline.vendors.registry import FORMATS

EXAMPLES_MAX = 3


class Committed(Struct, frozen=True):
    """One event of the log."""

    shard: int
    offset: int
    customer: int
    id: str


class Place(NamedTuple):
    """An endpoint as the checker knows it."""

    path: str
    id: str
    number: int
    fifo: bool


Takeovers = dict[tuple[int, int], list[Takeover]]
Unheard = set[tuple[int, str, int]]  # endpoint, delivery id, and when the request left


class Verdict(Struct):
    """`repeated` requests were accepted although their id had been accepted before. Of them at most
    `exposed` + `unheard` may be: deliveries that were accepted, and in no committed write when
    their cursor changed hands; and those whose whole answer did not reach the sender, which had
    hung up, tried again, or wrote down that it failed. `reckless` ones have no such excuse."""

    committed: int = 0
    endpoints: int = 0
    requests: int = 0
    lost: int = 0
    disordered: int = 0
    changed: int = 0  # ids whose bytes differed between two requests
    unknown: int = 0  # ids that are not in the log
    broken: int = 0  # activities that were answered and are not in the ledger
    repeated: int = 0
    exposed: int = 0
    unheard: int = 0
    reckless: int = 0
    examples: list[str] = []  # of reckless ones, with all that is known of them

    @property
    def sound(self) -> bool:
        wrong = self.lost + self.disordered + self.changed + self.unknown + self.broken
        return wrong + self.reckless == 0 and self.repeated <= self.exposed + self.unheard


async def committed(database: Database) -> list[Committed]:
    """The truth: the log itself, after everything."""
    rows = await database.pool.fetch(
        'SELECT shard, "offset", customer, id FROM event WHERE class = $1 ORDER BY shard, "offset"',
        "tier",
    )
    return [Committed(*row) for row in rows]


async def broken(database: Database, answered: Sequence[str]) -> int:
    """How many keys that were answered have no entry."""
    results = await database.pool.fetchval(
        "SELECT count(DISTINCT key) FROM entry WHERE key = ANY($1::text[])", answered
    )
    return len(set(answered)) - int(results)


async def probes_failed(database: Database) -> Unheard:
    """Requests that by the sender's own log failed, though they use up no attempt: the number of
    the next one does not tell."""
    rows = await database.pool.fetch(
        "SELECT endpoint, delivery, at FROM attempt WHERE outcome = 'probe_failed'"
    )
    return {(row["endpoint"], row["delivery"], row["at"]) for row in rows}


class Owed:
    """Deliveries that nobody has accepted yet. Asked often, beside the receiver in one process, so
    what has arrived is not looked at again."""

    def __init__(self, log: Iterable[Committed], places: Iterable[Place]) -> None:
        log = list(log)
        self._ids = {
            place.path: {delivery_id(event.id, place.id) for event in log} for place in places
        }

    def left(self, receiver: ChaosReceiver) -> dict[str, int]:
        """How many by path; empty when all is there."""
        for path, ids in self._ids.items():
            seen = receiver.endpoints.get(path, {})
            ids -= {each for each in ids if each in seen and seen[each].accepted}
        return {path: len(ids) for path, ids in self._ids.items() if ids}


def check(
    log: Sequence[Committed],
    receiver: ChaosReceiver,
    places: Sequence[Place],
    takeovers: Takeovers,
    unheard: Unheard,
) -> Verdict:
    verdict = Verdict(committed=len(log), endpoints=len(places))
    verdict.lost = sum(Owed(log, places).left(receiver).values())
    for place in places:
        seen = receiver.endpoints.get(place.path, {})
        names = set()
        newest: dict[int, int] = {}
        for event in log:
            delivery = delivery_id(event.id, place.id)
            names.add(delivery)
            arrival = seen.get(delivery)
            if arrival is None or not arrival.accepted:
                continue
            if arrival.order < newest.get(event.customer, 0):
                verdict.disordered += 1
            newest[event.customer] = max(newest.get(event.customer, 0), arrival.order)
            changes = takeovers.get((event.shard, place.number), [])
            _count(verdict, event, place, arrival.accepted, changes, unheard)
        verdict.unknown += len(seen.keys() - names)
        verdict.changed += sum(len(arrival.bodies) > 1 for arrival in seen.values())
        verdict.requests += sum(arrival.requests for arrival in seen.values())
    return verdict


def _count(
    verdict: Verdict,
    event: Committed,
    place: Place,
    accepted: Sequence[Acceptance],
    changes: Sequence[Takeover],
    unheard: Unheard,
) -> None:
    """One delivery: what its changes of owner excuse, and what was repeated. Requests are sorted by
    the generation under which they left, for one that was on its way may arrive after others."""
    key = 0 if place.fifo else event.customer
    unsettled = {c.generation for c in changes if not c.settled(event.offset, key)}
    by_generation: dict[int, list[Acceptance]] = {}
    for each in accepted:
        by_generation.setdefault(each.generation, []).append(each)
    first, *later = sorted(by_generation)
    verdict.exposed += sum(generation > first for generation in unsettled)
    verdict.repeated += len(accepted) - 1
    # An owner sends what was unsettled when it began with the cursor, and each of it once.
    reckless = len(set(later) - unsettled)
    name = delivery_id(event.id, place.id)
    for of_one in by_generation.values():
        for before, again in pairwise(sorted(of_one, key=lambda each: each.left)):
            failed = (place.number, name, before.left) in unheard
            if failed or _unheard(before, again):
                verdict.unheard += 1
            else:
                reckless += 1
    verdict.reckless += reckless
    if reckless and len(verdict.examples) < EXAMPLES_MAX:
        verdict.examples.append(f"{place} {event}: {accepted}; {changes}")


def _unheard(before: Acceptance, again: Acceptance) -> bool:
    """Whether one of two requests of the same owner was answered in vain: it tried again, or had
    hung up."""
    tried_again = before.sender == again.sender and again.attempt > before.attempt
    return tried_again or not (before.heard and again.heard)


def delivery_id(event: str, endpoint: str) -> str:
    return FORMATS["standard"].delivery_id(event, endpoint)
