"""What statements note in orders' rows. Those that wait at the same time share a transaction of the
shard, and are told when it is durable: of the decision before anything is booked, of the conclusion
after all of it is.

Rows are locked in the order of their names, so that no two transactions wait for each other. Where
one row is to blame for a failure, each is tried alone: nobody fails for a stranger's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from tierline.clock import Clock
from tierline.errors import NotFound, TierlineError
from tierline.ledger.orders.record import (
    KeyedState,
    OrderRecord,
    PendingStatement,
    Superseded,
    read_pending,
    read_record,
    stated,
)
from tierline.model.tenant import Project
from tierline.store import orders
from tierline.store.database import Database
from tierline.store.errors import blames_data
from tierline.store.orders import OrderPlace
from tierline.store.shared_reads import SharedRead

# Somebody else holds a row, for too long or while they wait for another one.
_IN_THE_WAY: Final = (asyncpg.DeadlockDetectedError, asyncpg.QueryCanceledError)
_text = msgspec.json.Encoder().encode


Decision = PendingStatement | Superseded


class Claim(Struct, frozen=True, eq=False):
    """A statement that wants its order's row. `former_digest`: how its digest was stored before
    digests were keyed."""

    project: Project
    place: OrderPlace
    statement: KeyedState
    former_digest: str


class Conclusion(Struct, frozen=True, eq=False):
    """What was pending of an order and is booked everywhere, and what the order is now."""

    place: OrderPlace
    pending: str
    record: OrderRecord
    at: int


OrderTimes = tuple[int, int]  # when an order was made, and when it last changed
Outcomes = dict[Any, Any]  # by claim or conclusion; an exception is raised to whom it belongs


class OrderRows:
    """The rows of one process's statements. No two of one order are under way together."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        shards = range(database.shards)
        self._claims = [SharedRead(partial(_in_order, self._decide)) for _ in shards]
        self._conclusions = [SharedRead(partial(_in_order, self._conclude)) for _ in shards]

    async def decide(self, claim: Claim) -> Decision:
        """Notes what a statement makes of its order; returns that, or what is pending before.
        Raises KeyReused, and NotFound where the project is deleted."""
        decision: Decision = _outcome(await self._claims[claim.place.shard].of(claim))
        return decision

    async def conclude(self, conclusion: Conclusion) -> OrderTimes | None:
        """Keeps the record. None: somebody else did it before, and nothing happened."""
        times: OrderTimes | None
        times = _outcome(await self._conclusions[conclusion.place.shard].of(conclusion))
        return times

    async def _decide(self, claims: Sequence[Claim]) -> Outcomes:
        wall, outcomes = self.clock(), Outcomes()
        anew: list[tuple[OrderPlace, str]] = []
        async with self.database.pool.acquire() as connection, connection.transaction():
            lines = [(each.place, each.statement.buyer.name, _now(each, wall)) for each in claims]
            rows = await orders.claim(connection, lines)
            for claim in claims:
                row = rows.get(claim.place)
                if row is not None and row["pending"] is not None:
                    outcomes[claim] = read_pending(row["pending"])
                    continue
                try:
                    decision = outcomes[claim] = _decision(claim, row, _now(claim, wall))
                except TierlineError as refused:
                    outcomes[claim] = refused.with_traceback(None)
                    continue
                if isinstance(decision, PendingStatement):
                    anew.append((claim.place, decision.text))
            await orders.decide(connection, anew, wall)
        return outcomes

    async def _conclude(self, conclusions: Sequence[Conclusion]) -> Outcomes:
        rows = []
        for each in conclusions:
            record, buyer = each.record, each.record.buyer
            facts = (_text(record).decode(), record.revision, buyer.number, buyer.name, each.at)
            rows.append((each.place, each.pending, facts))
        async with self.database.pool.acquire() as connection:
            times = await orders.conclude(connection, rows)
        return {each: times.get(each.place) for each in conclusions}


def _now(claim: Claim, wall: int) -> int:
    return wall if claim.project.clock is None else claim.project.clock


def _decision(claim: Claim, row: Any, at: int) -> Decision:
    if row is None:
        raise NotFound(what="order", name=claim.place.name, path="order")
    record = None if row["record"] is None else read_record(row["record"])
    after = stated(record, claim.statement, row["revision"] + 1, at, claim.former_digest)
    return after if isinstance(after, Superseded) else PendingStatement(claim.statement, after)


async def _in_order(
    work: Callable[[Sequence[Any]], Awaitable[Outcomes]], some: Sequence[Any]
) -> Outcomes:
    some = sorted(some, key=lambda each: each.place.key)
    try:
        return await work(some)
    except Exception as error:
        if len(some) == 1 or not (blames_data(error) or isinstance(error, _IN_THE_WAY)):
            raise
    outcomes = Outcomes()
    for each in some:
        try:
            outcomes |= await work([each])
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for this one
            outcomes[each] = error
    return outcomes


def _outcome(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
