"""`POST /api/programs/{id}/dry-run`: what one activity would do, without recording it.

The same seat that takes activities in a batch takes this one, and is then forgotten.
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


class Tried(Struct, frozen=True):
    """What would be answered, and the member as they would be then."""

    tier_before: str | None
    balance_before: int
    activity: ActivityAnswer
    member: MemberAnswer


class Somebody(Struct, frozen=True):
    """Whom the activity is about, as far as they are known."""

    id: int
    shown: Customer
    standing: Standing
    originals: dict[str, Original]


async def dry_run(call: Call, _body: Activity) -> Tried:
    project, catalog, now = call.project, call.parts.catalog, call.now
    number, program = await catalog.need_program(project.number, call.param("program"))
    command = CommandParser(project, number).activity(call.raw, now)
    somebody = await _find(call, number, command)
    at = max(now, somebody.standing.at)
    try:
        return _tried(somebody, number, program, command, at)
    except HistoryNeeded:
        entries = await history(call, somebody.id, number)
        return await asyncio.to_thread(_tried, somebody, number, program, command, at, entries)


def _tried(
    somebody: Somebody,
    number: int,
    program: Program,
    command: Command,
    at: int,
    entries: Sequence[Entry] | None = None,
) -> Tried:
    """Raises HistoryNeeded where only the whole ledger, `entries`, can answer."""
    seat = MemberAggregate(somebody.id, number, program, somebody.standing, at)
    seat.originals = somebody.originals
    seat.history = None if entries is None else list(entries)
    answer = seat.take(0, command)
    whole = None if entries is None else (*entries, *seat.entries)
    return Tried(
        tier_before=somebody.standing.tier,
        balance_before=somebody.standing.balance,
        activity=responses.activity(answer),
        member=responses.member(program, somebody.shown, seat.standing, at, whole),
    )


async def _find(call: Call, program: int, command: Command) -> Somebody:
    """A stranger is somebody with no standing: a first activity may enrol them."""
    database, project, name = call.parts.database, call.project, command.customer
    async with database.pool.acquire() as connection:
        id_ = await customers.find(connection, database.shards, project, name)
        row = None if id_ is None else await customers.read(connection, database.shards, id_)
        if row is None:
            return Somebody(0, Customer(id="", source_id=name), Standing(), {})
        at = (connection, database.shards, row.id, program)
        standing = await members.standing(*at)
        originals = {}
        if command.of is not None:
            found = await members.original(*at, command.of)
            if found is not None:
                taken = (found["points_taken"], found["amount_taken"], found["times"])
                originals[command.of] = Original(entry_of(tuple(found)[1:8]), *taken)
        return Somebody(row.id, row.shown, standing or Standing(), originals)


OPERATIONS = (
    Operation(
        "POST", "/api/programs/{program}/dry-run", dry_run,
        "What one activity would do to a member, without recording it.",
        scopes=("read_customers",), body=Activity, answer=Tried,
    ),
)  # fmt: skip
