"""What a command would do to a member, without recording it: the same aggregate that takes commands
in a batch takes this one, and is then forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from tierline.engine.decide import HistoryNeeded
from tierline.ledger.commands import Command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.orders.statements import unchanged
from tierline.ledger.stored_originals import load_originals
from tierline.model.entries import Entry
from tierline.model.standing import Standing
from tierline.model.tenant import Customer
from tierline.rules.program import Program
from tierline.store import customers, members
from tierline.store.customers import shard_of_customer
from tierline.web import responses
from tierline.web.responses import ActivityAnswer, MemberAnswer
from tierline.web.routing import Call

# A customer's and a program's number -> the member's whole ledger.
History = Callable[[int, int], Awaitable[Sequence[Entry]]]


class DryRunAnswer(Struct, frozen=True):
    """What would be answered, and the member as they would be then."""

    tier_before: str | None
    balance_before: int
    activity: ActivityAnswer
    member: MemberAnswer


class MemberSnapshot(Struct, frozen=True):
    """The customer of a command, and the member; an unknown customer has id 0."""

    customer: Customer
    aggregate: MemberAggregate


async def dry_run_of(
    call: Call, number: int, program: Program, command: Command, history: History
) -> DryRunAnswer:
    """What the command would be answered. Raises what it would be refused with."""
    snapshot = await snapshot_of(call, number, program, command)
    aggregate = snapshot.aggregate
    try:
        return _answer(snapshot, command)
    except HistoryNeeded:
        aggregate.reset()
        aggregate.history = list(await history(aggregate.customer, number))
        return await asyncio.to_thread(_answer, snapshot, command)


def _answer(snapshot: MemberSnapshot, command: Command) -> DryRunAnswer:
    """Raises HistoryNeeded where only the whole ledger can answer."""
    aggregate = snapshot.aggregate
    before, at = aggregate.standing, aggregate.now
    answer = aggregate.take(0, command)
    whole = None if aggregate.history is None else (*aggregate.history, *aggregate.entries)
    return DryRunAnswer(
        tier_before=before.tier,
        balance_before=before.balance,
        activity=responses.activity(answer),
        member=responses.member(
            aggregate.program, snapshot.customer, aggregate.standing, at, whole
        ),
    )


def nothing_new(snapshot: MemberSnapshot, key: str, at: int) -> DryRunAnswer:
    """Of a statement of an order that changes nothing."""
    standing, program = snapshot.aggregate.standing, snapshot.aggregate.program
    return DryRunAnswer(
        tier_before=standing.tier,
        balance_before=standing.balance,
        activity=responses.activity(unchanged(key, standing, repeated=True)),
        member=responses.member(program, snapshot.customer, standing, at),
    )


async def snapshot_of(
    call: Call, number: int, program: Program, command: Command
) -> MemberSnapshot:
    """Returns an unknown customer with an empty standing: a first activity may enrol them."""
    database, project, name = call.parts.database, call.project, command.customer
    shards = database.shards
    async with database.pool.acquire() as connection:
        id_ = command.number or await customers.find_by_name(connection, shards, project, name)
        row = None if id_ is None else await customers.read(connection, shards, id_)
        if row is None:
            nobody = MemberAggregate(0, number, program, Standing(), call.now)
            return MemberSnapshot(Customer(id="", source_id=name), nobody)
        standing = await members.standing(connection, shards, row.id, number) or Standing()
        now = max(call.now, standing.at)
        aggregate = MemberAggregate(row.id, number, program, standing, now)
        if command.of is not None:
            shard = shard_of_customer(shards, row.id)
            await load_originals(connection, shard, aggregate, command)
        return MemberSnapshot(row.customer, aggregate)
