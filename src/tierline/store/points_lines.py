"""Changes of points in one order for a whole program, for lists that are walked by rising numbers.

Members' ledgers are numbered each for itself, so nobody's numbers say what came first in a
program. Here every change gets a number of the whole program, when somebody asks for the list, and
these rules hold:

- Who numbers holds the program's list, so numbers become visible in rising order: whoever walks
  from the last number that they saw misses nothing and meets nothing twice.
- Members are taken in the order of their last changes, up to a place at which these are final.
- A line says nothing but numbers; texts stay in the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from tierline.errors import NotFound
from tierline.model import ids
from tierline.store.customers import shard_of_customer
from tierline.store.listing import ListPlace
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session

NUMBER_END: Final = 2**62
EVER: Final = (0, NUMBER_END)


class PointsLinesSql(Queries, file="points_lines.sql"):
    """The statements of `sql/points_lines.sql`."""

    hold_list: str
    note_list: str
    last_place: str
    add_lines: str
    lines_after: str
    lines_before: str
    entries_among: str


Sql = PointsLinesSql


class PointsLine(Struct, frozen=True):
    """One change of a member's points. `of_entry`: the entry that `entry` speaks of."""

    number: int
    customer: int
    at: int
    kind: str
    moved: int
    waits: int
    entry: int | None
    of_entry: int | None


class NewLine(Struct, frozen=True):
    """A change that has no number yet."""

    at: int
    nth: int
    kind: str
    moved: int
    waits: int
    entry: int | None
    of_entry: int | None


class ListHead(Struct, frozen=True):
    """How far a program's lines are numbered: the highest number, and the last change."""

    last: int
    place: ListPlace


class LineFilter(Struct, frozen=True):
    """Which lines. `at` is half-open; None lets everything through."""

    at: tuple[int, int] = EVER
    customer: int | None = None
    kinds: tuple[str, ...] | None = None


def home_of_list(shards: int, program: int) -> int:
    """Where a list lies: a program's, or below zero a project's of orders."""
    return ids.shard_of(ids.route("points_list", str(program)), shards)


async def hold(connection: Session, shards: int, program: int) -> ListHead:
    """Returns how far the program's list is, held until the transaction ends. Raises NotFound where
    it is deleted, which this process may not have heard of."""
    row = await connection.fetchrow(Sql.hold_list, home_of_list(shards, program), program)
    if row is None:
        raise NotFound(what="program", name=str(program), path="program")
    return ListHead(row["last"], ListPlace(row["upto"], row["customer"]))


async def note(connection: Session, shards: int, program: int, head: ListHead) -> None:
    facts = (head.last, head.place.key, head.place.customer)
    await connection.execute(Sql.note_list, home_of_list(shards, program), program, *facts)


async def last_place(
    connection: Session, shards: int, customer: int, program: int
) -> tuple[int, int]:
    """Returns the newest change of a member that has a number; what lies before every one if there
    is none."""
    shard = shard_of_customer(shards, customer)
    row = await connection.fetchrow(Sql.last_place, shard, customer, program)
    return (-1, 0) if row is None else (row["at"], row["nth"])


async def add(
    connection: Session,
    shards: int,
    member: tuple[int, int],
    first: int,
    lines: Sequence[NewLine],
) -> None:
    """Numbers a member's lines from `first` on."""
    customer, program = member
    fields = NewLine.__struct_fields__
    columns = [list(range(first, first + len(lines)))]
    columns += [[getattr(line, field) for line in lines] for field in fields]
    shard = shard_of_customer(shards, customer)
    await connection.execute(Sql.add_lines, shard, program, customer, *columns)


async def page(
    connection: Session,
    shards: int,
    program: int,
    only: LineFilter,
    place: int | None,
    limit: int,
    *,
    downwards: bool,
) -> list[PointsLine]:
    """Returns the next lines behind a number, upwards or downwards."""
    start = place if place is not None else NUMBER_END if downwards else 0
    statement = Sql.lines_before if downwards else Sql.lines_after
    kinds = None if only.kinds is None else list(only.kinds)
    homes: Collection[int] = range(shards)
    if only.customer is not None:
        homes = (shard_of_customer(shards, only.customer),)
    rows: list[Record] = []
    for shard in homes:
        facts = (program, start, limit, *only.at, only.customer, kinds)
        rows += await connection.fetch(statement, shard, *facts)
    lines = [PointsLine(*row) for row in rows]
    lines.sort(key=lambda line: line.number, reverse=downwards)
    return lines[:limit]


async def entries_among(
    connection: Session, shards: int, program: int, places: Collection[tuple[int, int]]
) -> Mapping[tuple[int, int], Any]:
    """Returns the entries (customer, number) of a program, with `line` and `taken`."""
    by_shard: dict[int, list[tuple[int, int]]] = {}
    for place in places:
        by_shard.setdefault(shard_of_customer(shards, place[0]), []).append(place)
    entries = {}
    for shard, group in by_shard.items():
        columns = [list(column) for column in zip(*group, strict=True)]
        for row in await connection.fetch(Sql.entries_among, shard, program, *columns):
            entries[row["customer"], row["n"]] = row
    return entries
