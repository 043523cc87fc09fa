"""What a customer has in the project's programs at this moment, by the native queries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tierline.analysis.forecast import follow, is_due
from tierline.engine.decide import HistoryNeeded
from tierline.errors import TooLarge
from tierline.model.ids import NUMBER_MAX
from tierline.model.standing import Standing
from tierline.rules.program import Program
from tierline.store import listing, members
from tierline.store.customers import CustomerRow
from tierline.store.listing import ListPlace, MemberFilter, Search, Walk
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify.api import programs
from tierline.vendors.voucherify.card_ids import card_id
from tierline.web.routes.members import history
from tierline.web.routing import Call

MET_MAX: Final = 20_000  # customers whom one list looks at
ROUND: Final = 500  # of them at once


class Member(Struct, frozen=True):
    """A customer in a program, with its number: where they stand now, and when something last
    changed there."""

    row: CustomerRow
    number: int
    program: Program
    standing: Standing
    changed_at: int

    @property
    def joined(self) -> bool:
        return self.standing.joined_at is not None

    @property
    def card(self) -> str:
        return card_id(self.row.id, self.number)


async def of_customer(call: Call, holder: CustomerStandings) -> list[Member]:
    """Returns the customer as a member of each program that has not ended, oldest program first,
    those that they left among them."""
    stored = await standings_of(call, holder)
    memberships = []
    for number in sorted(stored):
        if programs.has_ended(call, number):
            continue
        program = await call.parts.catalog.program_numbered(number)
        memberships.append(await current(call, holder.row, number, program, stored[number]))
    return memberships


async def standings_of(call: Call, holder: CustomerStandings) -> Mapping[int, Standing]:
    """Returns where the customer stands as it is stored, by the programs' numbers."""
    if holder.standings is None:
        return await call.parts.reads.standings(holder.row.id)
    return holder.standings


async def in_program(call: Call, row: CustomerRow, number: int, program: Program) -> Member | None:
    """Returns the customer as a member of one program; None for one who never was."""
    database = call.parts.database
    async with database.pool.acquire() as connection:
        stored = await members.standing(connection, database.shards, row.id, number)
    if stored is None or not stored.entries:
        return None
    return await current(call, row, number, program, stored)


async def current(
    call: Call, row: CustomerRow, number: int, program: Program, stored: Standing
) -> Member:
    """Returns a member as they are now: what fell due since the last change has happened."""
    at = max(call.now, stored.at)
    if not is_due(program, stored, at):
        return Member(row, number, program, stored, stored.at)
    try:
        standing = follow(program, stored, (), at).standing
    except HistoryNeeded:
        entries = await history(call, row.id, number)
        decision = await asyncio.to_thread(follow, program, stored, (), at, entries)
        standing = decision.standing
    return Member(row, number, program, standing, stored.at)


async def of_program(
    call: Call, number: int, program: Program, enough: int, *, newest: bool
) -> tuple[list[Member], bool]:
    """Returns members of a program, whoever became a customer first standing first (or last, with
    `newest`): `enough` of them, or all; and whether these are all. Raises TooLarge where that
    takes more than `MET_MAX` customers."""
    database, project = call.parts.database, call.project.number
    of_number = Search(members=MemberFilter(number))
    place = ListPlace(NUMBER_MAX if newest else -1, NUMBER_MAX if newest else -1)
    members_: list[Member] = []
    met = 0
    while True:
        async with database.pool.acquire() as connection:
            where = (connection, database.shards)
            if newest:
                places = await listing.numbered_before(*where, project, place, ROUND)
            else:
                walk = Walk(*where, project, Search(), place)
                places = await walk.take(ROUND)
            lines = await listing.sieve(*where, of_number, [each.customer for each in places])
        for each in places:
            line = lines.get(each.customer)
            if line is not None and line.standing is not None:
                member = await current(call, line.customer, number, program, line.standing)
                members_.append(member)
        met += len(places)
        if len(places) < ROUND:
            return members_, True
        if len(members_) >= enough:
            return members_[:enough], False
        if met >= MET_MAX:
            limit = f"{MET_MAX:,} customers; use the native API, or an export"
            raise TooLarge(what="list", limit=limit)
        place = places[-1]
