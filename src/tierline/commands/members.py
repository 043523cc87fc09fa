"""`member`: who is in a program, and what became of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from msgspec import Struct

from tierline.analysis.ledger_effects import tier_periods
from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.customers import print_listed
from tierline.commands.installation_options import (
    location_options,
    print_rows,
    project_of,
    with_installation,
)
from tierline.errors import NotAMember, NotFound
from tierline.ledger.stored_originals import entry_of
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Entry
from tierline.model.events import Event
from tierline.model.standing import effective_ledger
from tierline.rules.program import Program
from tierline.store import customers, members
from tierline.store.announcements import events_of
from tierline.store.event_log import EventLog
from tierline.store.listing import Listed, MemberFilter, Search

_project = click.option("--project", "owner", required=True, help="The project's id or name.")
_json = click.option("--json", "as_json", is_flag=True, help="A line of JSON each.")


@click.group()
def member() -> None:
    """List members, and what is in the ledger of one."""


@member.command("list")
@location_options
@click.argument("name", metavar="PROGRAM")
@_project
@click.option("--tier", help="The id of the tier that they are in.")
@click.option("--expires-before", metavar="ISO", help="Whose tier ends before this instant.")
@click.option("--limit", type=click.IntRange(1), help="So many lines at most; all if not given.")
@_json
def member_list(
    name: str, owner: str, tier: str | None, expires_before: str | None, limit: int | None,
    as_json: bool, **location: Any,
) -> None:  # fmt: skip
    """Print the members of PROGRAM, by the customers' numbers."""

    async def work(installation: Installation) -> None:
        project = project_of(installation, owner)
        number, _ = await installation.catalog.need_program(project.number, name)
        before = validation.optional_instant(expires_before, "--expires-before")
        search = Search(members=MemberFilter(number, tier=tier, expires_before=before))
        await print_listed(installation, owner, search, _line, limit, as_json=as_json)

    with_installation(location, work)


def _line(row: Listed) -> dict[str, Any]:
    customer, standing = row.customer.customer, row.standing
    assert standing is not None
    return {
        "customer": customer.source_id or customer.id,
        "number": customer.number,
        "name": customer.name,
        "tier": standing.tier,
        "since": _instant(standing.since),
        "expires_at": _instant(standing.expires_at),
        "balance": standing.balance,
    }


@member.command("entries")
@location_options
@click.argument("name", metavar="PROGRAM")
@click.argument("customer")
@_project
@_json
def member_entries(name: str, customer: str, owner: str, as_json: bool, **location: Any) -> None:
    """Print the ledger of CUSTOMER (any name of theirs, or our id) in PROGRAM, oldest first."""

    async def work(installation: Installation) -> None:
        ledger = await _ledger(installation, owner, name, customer)
        rows = [
            {
                "entry": entry.n,
                "key": ledger.keys.get(entry.n),
                "kind": entry.kind,
                "occurred_at": format_instant(entry.occurred_at),
                "recorded_at": format_instant(entry.recorded_at),
                "points": entry.points,
                "amount": entry.amount,
            }
            for entry in ledger.entries
        ]
        print_rows(rows, as_json=as_json)

    with_installation(location, work)


@member.command("history")
@location_options
@click.argument("name", metavar="PROGRAM")
@click.argument("customer")
@_project
@_json
def member_history(name: str, customer: str, owner: str, as_json: bool, **location: Any) -> None:
    """Print which tiers CUSTOMER held in PROGRAM, and why, oldest first."""

    async def work(installation: Installation) -> None:
        ledger = await _ledger(installation, owner, name, customer)
        former: Sequence[Event] = ()
        if any(entry.kind == "checkpoint" for entry in ledger.entries):
            former = await events_of(EventLog(installation.database), *ledger.member)
        periods = tier_periods(ledger.program, ledger.entries, ledger.now, former)
        rows = [
            {
                "at": format_instant(event.at),
                "kind": event.kind,
                "from": event.tier_from,
                "tier": event.tier_to,
                "until": _instant(until),
                "cause": event.cause,
                "version": event.version,
                "entry": event.entry,
                "key": ledger.keys.get(event.entry or 0),
            }
            for event, until in ((period.move.event, period.until) for period in periods)
        ]
        print_rows(rows, as_json=as_json)

    with_installation(location, work)


class RecordedMember(Struct, frozen=True):
    """All that is recorded of a member; `keys` are the callers', by entry."""

    program: Program
    member: members.Member
    entries: tuple[Entry, ...]
    keys: dict[int, str]
    now: int


async def _ledger(
    installation: Installation, owner: str, name: str, customer: str
) -> RecordedMember:
    """Raises NotFound and NotAMember."""
    database, project = installation.database, project_of(installation, owner)
    number, program = await installation.catalog.need_program(project.number, name)
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        shards = database.shards
        person = await customers.find_by_name(connection, shards, project, customer)
        if person is None:
            raise NotFound(what="customer", name=customer)
        rows = await members.history(connection, shards, person, number)
        standing = await members.standing(connection, shards, person, number)
        keys = await members.all_keys(connection, shards, (person, number))
    if not rows:
        raise NotAMember(customer=customer, program=name)
    entries = effective_ledger([entry_of(tuple(row)) for row in rows], standing)
    now = installation.catalog.now(project.number, wall())
    return RecordedMember(program, (person, number), entries, keys, now)


def _instant(at: int | None) -> str | None:
    return None if at is None else format_instant(at)
