"""What deleted programs held, as it goes from one shard, and what a program holds before."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

ENTRIES_MAX: Final = 20_000  # of one transaction, unless one member alone has more


class RemovalsSql(Queries, file="removals.sql"):
    """The statements of `sql/removals.sql`."""

    due: str
    note: str
    lock_page: str
    drop_entries: str
    drop_lines: str
    drop_bookings: str
    drop_intents: str
    drop_members: str
    drop_left_lines: str
    drop_counts: str
    drop_moves: str
    drop_rollout: str
    drop_list: str
    drop_arrivals: str
    drop_left_names: str
    drop_cursors: str
    drop_lanes: str
    endpoints_of: str
    held: str


Sql = RemovalsSql
_OF_MEMBERS: Final = (
    *(Sql.drop_entries, Sql.drop_lines, Sql.drop_bookings, Sql.drop_intents),
    Sql.drop_members,
)
_OF_PROGRAM: Final = (
    *(Sql.drop_left_lines, Sql.drop_counts, Sql.drop_moves, Sql.drop_rollout, Sql.drop_list),
    Sql.drop_arrivals,
)


class ProgramHoldings(Struct, frozen=True):
    """What goes with a program, and what stays: the events of its tiers in the log."""

    members: int = 0
    entries: int = 0
    transfers: int = 0
    events: int = 0


async def holdings(connection: Session, shards: int, program: int) -> ProgramHoldings:
    """Returns what a program holds. It costs a walk over the members of all programs."""
    members = entries = under_way = events = 0
    for shard in range(shards):
        row = await connection.fetchrow(Sql.held, shard, program)
        assert row is not None  # it is an aggregate
        members += row["members"]
        entries += row["entries"]
        under_way += row["transfers"]
        events += row["events"]
    return ProgramHoldings(members, entries, under_way, events)


async def due(
    connection: Session, shard: int, programs: Collection[int], passes: int, now: int
) -> dict[int, int]:
    """Returns the passes that are done, by those programs that are due in a shard by now (wall
    time) and have had fewer than `passes`."""
    rows = await connection.fetch(Sql.due, shard, sorted(programs), passes, now)
    return {row["program"]: row["pass"] for row in rows}


async def begin(connection: Session, shard: int, number: int) -> None:
    """Notes that a program is being removed from a shard, or a project (its number with a minus):
    nothing new of it comes in from now on, whoever has not heard of its deletion."""
    await note(connection, shard, number, done=0, due_at=0)


async def note(connection: Session, shard: int, program: int, done: int, due_at: int) -> None:
    await connection.execute(Sql.note, shard, program, done, due_at)


async def drop_page(
    connection: Session, shard: int, program: int, after: int, limit: int
) -> tuple[int, int | None]:
    """The next members behind a customer go with all that is theirs, in one transaction. Returns
    how many there were, and the last of them; None: there was nobody."""
    async with connection.transaction():
        rows = await connection.fetch(Sql.lock_page, shard, program, after, limit)
        gone, entries = list[int](), 0
        for row in rows:
            entries += row["entries"]
            if gone and entries > ENTRIES_MAX:
                break
            gone.append(row["customer"])
        for statement in _OF_MEMBERS if gone else ():
            await connection.execute(statement, shard, program, gone)
    return len(gone), gone[-1] if gone else None


async def drop_rest(connection: Session, shard: int, program: int) -> None:
    """What a program holds beside its members: counts, and how far this and that has come."""
    for statement in _OF_PROGRAM:
        await connection.execute(statement, shard, program)


async def drop_rest_of_project(connection: Session, shard: int, project: int) -> None:
    """What a deleted project holds beside its customers and orders, when nobody is left: names that
    came in while their customers were erased, and how far its orders were numbered."""
    await connection.execute(Sql.drop_left_names, shard, project)
    await connection.execute(Sql.drop_list, shard, -project)


async def drop_deliveries(connection: Session, shard: int, project: int) -> None:
    """What the endpoints of a deleted project were owed is owed no more."""
    numbers = [row["number"] for row in await connection.fetch(Sql.endpoints_of, project)]
    await connection.execute(Sql.drop_cursors, shard, numbers)
    await connection.execute(Sql.drop_lanes, shard, numbers)
