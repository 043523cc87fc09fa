"""`POST /api/programs/{id}/dry-run`: what one activity would do, without recording it."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from tierline.ledger.closed_programs import refuse_closed
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.orders.statements import state_of
from tierline.web.dry_run import DryRunAnswer, dry_run_of, nothing_new, snapshot_of
from tierline.web.routes.activities import BODIES, ActivityBody
from tierline.web.routes.members import history
from tierline.web.routing import Call, Operation


async def dry_run(call: Call, _body: Any) -> DryRunAnswer:
    project, catalog, now = call.project, call.parts.catalog, call.now
    number, program = await catalog.need_program(project.number, call.param("program"))
    sent = CommandParser(project, number).activity(call.raw, now)
    command, writer = sent, call.parts.writer
    refuse_closed(catalog.closures, command, now)
    if sent.order is not None:
        proposed = await writer.orders.proposed(sent)
        if proposed is None:
            name = state_of(sent).customer
            snapshot = await snapshot_of(call, number, program, replace(sent, customer=name))
            return nothing_new(snapshot, sent.key, max(now, snapshot.aggregate.now))
        command = proposed
    elif sent.needs_customer:
        command = await writer.originals.addressed(sent)
    return await dry_run_of(call, number, program, command, partial(history, call))


OPERATIONS = (
    Operation(
        "POST", "/api/programs/{program}/dry-run", dry_run,
        "What one activity would do to a member, without recording it.",
        scopes=("read_customers",), body=ActivityBody, answer=DryRunAnswer,
        refers_to=BODIES,
    ),
)  # fmt: skip
