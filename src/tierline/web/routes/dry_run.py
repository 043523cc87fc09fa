"""`POST /api/programs/{id}/dry-run`: what one activity would do, without recording it.

The same aggregate that takes activities in a batch takes this one, and is then forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from tierline.engine.decide import HistoryNeeded
from tierline.ledger.batch import entry_of
from tierline.ledger.command_parsing import Activity, CommandParser
from tierline.ledger.commands import Command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.reversal import Original
from tierline.model.entries import Entry
from tierline.model.standing import Standing
from tierline.model.tenant import Customer
from tierline.rules.program import Program
from tierline.store import customers, members
from tierline.web import responses
from tierline.web.responses import ActivityAnswer, MemberAnswer
from tierline.web.routes.members import history
from tierline.web.routing import Call, Operation


class DryRunAnswer(Struct, frozen=True):
    """What would be answered, and the member as they would be then."""

    tier_before: str | None
    balance_before: int
    activity: ActivityAnswer
    member: MemberAnswer


class MemberSnapshot(Struct, frozen=True):
    """The customer of the activity and, of a member, their standing. An unknown one has id 0."""

    id: int
    customer: Customer
    standing: Standing
    originals: dict[str, Original]


async def dry_run(call: Call, _body: Activity) -> DryRunAnswer:
    project, catalog, now = call.project, call.parts.catalog, call.now
    number, program = await catalog.need_program(project.number, call.param("program"))
    command = CommandParser(project, number).activity(call.raw, now)
    if command.needs_customer:
        command = await call.parts.writer.originals.addressed(command)
    snapshot = await _find(call, number, command)
    at = max(now, snapshot.standing.at)
    try:
        return _dry_run_answer(snapshot, number, program, command, at)
    except HistoryNeeded:
        entries = await history(call, snapshot.id, number)
        return await asyncio.to_thread(
            _dry_run_answer, snapshot, number, program, command, at, entries
        )


def _dry_run_answer(
    snapshot: MemberSnapshot,
    number: int,
    program: Program,
    command: Command,
    at: int,
    entries: Sequence[Entry] | None = None,
) -> DryRunAnswer:
    """Raises HistoryNeeded where only the whole ledger, `entries`, can answer."""
    aggregate = MemberAggregate(snapshot.id, number, program, snapshot.standing, at)
    aggregate.originals = snapshot.originals
    aggregate.history = None if entries is None else list(entries)
    answer = aggregate.take(0, command)
    whole = None if entries is None else (*entries, *aggregate.entries)
    return DryRunAnswer(
        tier_before=snapshot.standing.tier,
        balance_before=snapshot.standing.balance,
        activity=responses.activity(answer),
        member=responses.member(program, snapshot.customer, aggregate.standing, at, whole),
    )


async def _find(call: Call, program: int, command: Command) -> MemberSnapshot:
    """Returns an unknown customer with an empty standing: a first activity may enrol them."""
    database, project, name = call.parts.database, call.project, command.customer
    async with database.pool.acquire() as connection:
        id_ = command.number or await customers.find_by_name(
            connection, database.shards, project, name
        )
        row = None if id_ is None else await customers.read(connection, database.shards, id_)
        if row is None:
            return MemberSnapshot(0, Customer(id="", source_id=name), Standing(), {})
        at = (connection, database.shards, row.id, program)
        standing = await members.standing(*at)
        originals = {}
        if command.of is not None:
            row_of_original = await members.original(*at, command.of)
            if row_of_original is not None:
                reversals = (
                    row_of_original["points_taken"],
                    row_of_original["amount_taken"],
                    row_of_original["times"],
                )
                originals[command.of] = Original(entry_of(tuple(row_of_original)[1:8]), *reversals)
        return MemberSnapshot(row.id, row.customer, standing or Standing(), originals)


OPERATIONS = (
    Operation(
        "POST", "/api/programs/{program}/dry-run", dry_run,
        "What one activity would do to a member, without recording it.",
        scopes=("read_customers",), body=Activity, answer=DryRunAnswer,
    ),
)  # fmt: skip
