"""Statements of points: of one member, and of all members of a program, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from tierline.analysis.points_history import PointsMove, points_history
from tierline.errors import Invalid, TooLarge
from tierline.model.calendar import format_instant
from tierline.model.points_event import MoveKind
from tierline.rules.ladder import TierName
from tierline.rules.program import Program
from tierline.store import customers, last_changes, listing, members
from tierline.store.customers import CustomerRow
from tierline.store.listing import ListPlace, MemberFilter, Search
from tierline.web import limits, responses
from tierline.web.routes.history import member_of_path
from tierline.web.routes.members import MEMBER, history
from tierline.web.routing import Call, Operation

MET_MAX: Final = 1_000  # members whose ledgers one page of a program's statement reads
ROUND: Final = 50  # of them at once
SKEW_MS: Final = 10_000  # by which two servers' clocks may differ
_AT_MAX: Final = 2**63 - 1
PointsOrder = Literal["oldest", "newest"]
# When, whose, and which of theirs at that instant: what orders a program's statement.
MovePlace = tuple[int, int, int]


class StatementQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of a statement."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT
    order: PointsOrder = "oldest"


class ProgramStatementQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of a program's statement. It reads the ledgers of those who changed last: so its
    pages are small, and the newest come first."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.STATEMENT_PAGE_MAX)] = limits.STATEMENT_PAGE_MAX
    order: PointsOrder = "newest"


class StatementLine(Struct, frozen=True):
    """One change of a member's points; `balance`, `pending` and `total` are right after it."""

    customer: str
    at: str
    number: int
    kind: MoveKind
    points: int
    moved: int
    waits: int
    balance: int
    pending: int
    total: int
    tier: TierName | None
    entry: int | None
    key: str | None
    rule: str | None


class PointsStatement(Struct, frozen=True):
    """`next` goes on behind this page; null: there is nothing more."""

    points: list[StatementLine]
    next: str | None


class MemberMove(Struct, frozen=True):
    """A change of points, and whose."""

    row: CustomerRow
    move: PointsMove

    @property
    def place(self) -> MovePlace:
        return self.move.event.at, self.row.id, self.move.number


async def moves_of(
    call: Call, program: Program, member: members.Member, at: int
) -> tuple[PointsMove, ...]:
    """Every change of a member's points until an instant, oldest first."""
    entries = await history(call, *member)
    return await asyncio.to_thread(points_history, program, entries, at)


class MoveSearch(Struct, frozen=True):
    """The next changes of points behind a place that pass a test, at most so many; `among`: of
    these customers alone."""

    place: MovePlace | None
    limit: int
    order: PointsOrder
    among: Collection[int] | None = None
    test: Callable[[MemberMove], bool] = lambda _: True

    def finds(self, made: MemberMove) -> bool:
        behind = self.place is None or (
            made.place < self.place if self.order == "newest" else made.place > self.place
        )
        return behind and self.test(made)


async def program_moves(
    call: Call, program: tuple[int, Program], search: MoveSearch
) -> list[MemberMove]:
    """What a search finds in a program. It meets members in the order of their last changes and
    stops when no other can have anything newer. Raises TooLarge where that takes more than
    `MET_MAX` members."""
    newest = search.order == "newest"
    database, project = call.parts.database, call.project
    moves: list[MemberMove] = []

    async def meet(met: Collection[int]) -> int:
        async with database.pool.acquire() as connection:
            of_program = Search(members=MemberFilter(program[0]))
            lines = await listing.sieve(connection, database.shards, of_program, met)
        for line in lines.values():
            assert line.standing is not None  # members are listed
            member = (line.customer.id, program[0])
            theirs = await moves_of(call, program[1], member, line.standing.at)
            made = (MemberMove(line.customer, move) for move in theirs)
            moves.extend(m for m in made if search.finds(m))
        return len(lines)

    if search.among is not None:
        await meet(search.among)
    else:
        async with database.pool.acquire() as connection:
            await last_changes.mark(connection, database.shards, call.wall)
        met, last = 0, ListPlace(_AT_MAX, 0)
        while True:
            async with database.pool.acquire() as connection:
                after = (project.number, last, ROUND)
                places = await listing.changed_before(connection, database.shards, *after)
            met += await meet([each.customer for each in places])
            if len(places) < ROUND:
                break
            last = places[-1]
            # What others have is no newer than their last change. A sandbox's time is its own.
            final = int(last.key) + SKEW_MS
            if newest and project.clock is None and _count_after(moves, final) >= search.limit:
                break
            if met >= MET_MAX:
                limit_text = f"{MET_MAX} members; ask for one member, or take an export"
                raise TooLarge(what="statement", limit=limit_text)
    return sorted(moves, key=lambda m: m.place, reverse=newest)[: search.limit]


def _count_after(moves: Sequence[MemberMove], at: int) -> int:
    return sum(1 for each in moves if each.move.event.at > at)


async def list_member(call: Call) -> PointsStatement:
    query = call.query(StatementQuery)
    program, member = await member_of_path(call)
    moves = list(enumerate(await moves_of(call, program, member, call.now), 1))
    if query.order == "newest":
        moves.reverse()
    if query.after:
        place = _number(query.after)
        newest = query.order == "newest"
        moves = [each for each in moves if each[0] != place and (each[0] < place) is newest]
    page = moves[: query.limit]
    more = str(page[-1][0]) if len(moves) > query.limit else None
    database = call.parts.database
    async with database.pool.acquire() as connection:
        row = await customers.read(connection, database.shards, member[0])
    assert row is not None  # the path found them
    lines = [MemberMove(row, move) for _, move in page]
    return PointsStatement(await _lines(call, (member[1], program), lines), more)


async def list_program(call: Call) -> PointsStatement:
    query = call.query(ProgramStatementQuery)
    program = await call.parts.catalog.need_program(call.project.number, call.param("program"))
    place = _place(query.after)
    search = MoveSearch(place, query.limit + 1, query.order)
    moves = await program_moves(call, program, search)
    page = moves[: query.limit]
    more = _cursor(page[-1].place) if len(moves) > query.limit else None
    return PointsStatement(await _lines(call, program, page), more)


async def _lines(
    call: Call, program: tuple[int, Program], moves: Sequence[MemberMove]
) -> list[StatementLine]:
    database = call.parts.database
    numbers: dict[int, set[int]] = {}
    for each in moves:
        if each.move.entry is not None:
            numbers.setdefault(each.row.id, set()).add(each.move.entry.n)
    async with database.pool.acquire() as connection:
        keys = {
            customer: await members.keys(connection, database.shards, (customer, program[0]), them)
            for customer, them in numbers.items()
        }
    return [_line(program[1], each, keys.get(each.row.id, {})) for each in moves]


def _line(program: Program, made: MemberMove, keys: dict[int, str]) -> StatementLine:
    event, customer = made.move.event, made.row.customer
    entry = None if made.move.entry is None else made.move.entry.n
    return StatementLine(
        customer=customer.source_id or customer.id,
        at=format_instant(event.at),
        number=made.move.number,
        kind=made.move.kind,
        points=event.points,
        moved=made.move.moved,
        waits=event.waits,
        balance=event.balance,
        pending=event.pending,
        total=event.total,
        tier=responses.tier_name(program.version(event.at), event.tier),
        entry=entry,
        key=keys.get(entry or 0),
        rule=event.rule,
    )


def _number(after: str) -> int:
    if not (after.isascii() and after.isdigit() and len(after) < 10):
        raise _no_cursor()
    return int(after)


def _cursor(place: MovePlace) -> str:
    return ".".join(str(part) for part in place)


def _place(after: str | None) -> MovePlace | None:
    if not after:
        return None
    parts = after.split(".")
    if len(parts) != len(MovePlace.__args__) or not all(  # type: ignore[attr-defined]
        part.isascii() and part.isdigit() and len(part) < 20 for part in parts
    ):
        raise _no_cursor()
    return int(parts[0]), int(parts[1]), int(parts[2])


def _no_cursor() -> Invalid:
    reason = "after: expected the `next` of a page of the same list."
    return Invalid(path="after", reason=reason)


OPERATIONS = (
    Operation(
        "GET", f"{MEMBER}/points", list_member,
        "A member's points as a statement: every change of them, and what was left.",
        scopes=("read_customers",), query=StatementQuery, answer=PointsStatement,
    ),
    Operation(
        "GET", "/api/programs/{program}/points", list_program,
        "A program's points as a statement: the changes of all members, the newest first.",
        scopes=("read_customers",), query=ProgramStatementQuery, answer=PointsStatement,
        details=(
            "It reads the ledgers of those who changed last, so a page that would need more than"
            f" {MET_MAX:,} members is refused: ask for one member, or export."
        ),
    ),
)  # fmt: skip
