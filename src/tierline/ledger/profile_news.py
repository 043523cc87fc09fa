"""A changed or new profile, as an event of the log: for endpoints that show customers whole.

It enters the log in the transaction that changes or makes the profile, with the member's points and
tier as they are stored: one event for each program that the customer is a member of; of a guest,
one for each program of the project.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from tierline.clock import Clock
from tierline.engine.member_state import begin
from tierline.model import ids
from tierline.model.points_event import PROFILE_CHANGED, PointsEvent
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store import members
from tierline.store.catalog.catalog import Catalog
from tierline.store.column_encoding import columns
from tierline.store.customers import CustomerRow
from tierline.store.database import Database
from tierline.store.ledger_transaction import LedgerSql as Sql
from tierline.store.profiles import News

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

_text = msgspec.json.Encoder().encode


def news_of(
    database: Database, catalog: Catalog, project: Project, now: int, clock: Clock
) -> News | None:
    """Returns what tells of a changed profile; None where nobody asks. `now`: the project's own
    time."""
    if not catalog.endpoint_rows.hears_profiles(project.number):
        return None

    async def tell(connection: Session, shard: int, row: CustomerRow) -> None:
        standings = await members.standings(connection, database.shards, row.id)
        numbers = sorted(standings) or [each.number for each in catalog.programs(project.number)]
        rows = []
        for number in numbers:
            program = await catalog.program_numbered(number)
            event = _event(program, standings.get(number, Standing()), now)
            nth = f"profile.{secrets.token_hex(8)}"
            fact = ids.event_fact(program.project, program.id, row.id, nth, event.kind)
            text = _text(event).decode()
            rows.append((number, row.id, "points", fact, text, row.customer.updated_at))
        if rows:  # under the last lock of the transaction
            await connection.execute(Sql.raise_head, shard, len(rows), clock())
            await connection.execute(Sql.add_events, shard, len(rows), *columns(rows, "iittti"))

    return tell


def _event(program: Program, standing: Standing, now: int) -> PointsEvent:
    state = begin(program, standing)
    view = state.view()
    return PointsEvent(
        kind=PROFILE_CHANGED,
        at=now,
        points=0,
        balance=view.balance,
        pending=view.pending,
        total=view.balance + state.spent + state.expired,
        tier=standing.tier,
        joined_at=view.joined_at,
        attributes=state.attributes,
        version=program.version(now).number,
        view=view,
    )
