"""Giving numbers to changes of points, when somebody asks for a program's list of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tierline.analysis.points_history import PointsMove, points_history
from tierline.ledger.stored_originals import entry_of
from tierline.model.entries import Entry
from tierline.model.standing import effective_ledger
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store import last_changes, listing, members, points_lines
from tierline.store.database import Database
from tierline.store.listing import ListPlace, MemberFilter, Search, Walk
from tierline.store.points_lines import ListHead, NewLine

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

MET_MAX: Final = 2_000  # members whose ledgers one call reads
ROUND: Final = 100  # of them in one transaction


async def number_lines(
    database: Database, project: Project, program: tuple[int, Program], now: int
) -> bool:
    """Numbers what changed in a program until now (wall time). Returns whether all of it has a
    number: a call reads so many ledgers, and the next one goes on."""
    async with database.pool.acquire() as connection:
        mark = await last_changes.mark(connection, database.shards, now)
        for _ in range(MET_MAX // ROUND):
            async with connection.transaction():
                if await _round(connection, database.shards, project.number, program, mark):
                    return True
    return False


async def _round(
    connection: Session, shards: int, project: int, program: tuple[int, Program], mark: int
) -> bool:
    """Numbers the lines of the next members who changed up to a mark; whether those were all."""
    head = await points_lines.hold(connection, shards, program[0])
    search = Search(order="updated_at", updated_before=mark + 1, members=MemberFilter(program[0]))
    places = await Walk(connection, shards, project, search, head.place).take(ROUND)
    met = await listing.sieve(connection, shards, search, [place.customer for place in places])
    last = head.last
    for place in places:
        line = met.get(place.customer)
        if line is not None and line.standing is not None:
            member = (place.customer, program[0])
            last += await _number_member(connection, shards, program[1], member, last)
    if places:
        after = ListHead(last, ListPlace(places[-1].key, places[-1].customer))
        await points_lines.note(connection, shards, program[0], after)
    return len(places) < ROUND


async def _number_member(
    connection: Session, shards: int, program: Program, member: tuple[int, int], last: int
) -> int:
    """Numbers a member's newest changes above `last`; returns how many there are."""
    rows = await members.history(connection, shards, *member)
    standing = await members.standing(connection, shards, *member)
    if standing is None:
        return 0
    entries = effective_ledger([entry_of(tuple(row)) for row in rows], standing)
    moves = await asyncio.to_thread(points_history, program, entries, standing.at)
    after = await points_lines.last_place(connection, shards, *member)
    lines = [_line(move) for move in moves if (move.at, move.number) > after]
    if lines:
        await points_lines.add(connection, shards, member, last + 1, lines)
    return len(lines)


def _line(move: PointsMove) -> NewLine:
    entry = move.entry
    return NewLine(
        at=move.at,
        nth=move.number,
        kind=move.kind,
        moved=move.moved,
        waits=move.waits,
        entry=None if entry is None else entry.n,
        of_entry=None if entry is None else _original(entry),
    )


def _original(entry: Entry) -> int | None:
    origin = None if entry.detail is None else entry.detail.origin
    return None if origin is None else origin.n
