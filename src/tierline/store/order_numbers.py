"""Orders of a project in one order, for lists that are walked by rising numbers.

As with points lines, an order gets its number when somebody asks for a list, by whoever holds the
project's list: so numbers become visible in rising order, and whoever walks from the last number
that they saw misses nothing and meets nothing twice. A number stays, whatever becomes of the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierline.store import orders, points_lines
from tierline.store.orders import OrderPlace
from tierline.store.points_lines import NUMBER_END, ListHead

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session

Sql = orders.OrdersSql
ROUND: Final = 1_000  # orders that one transaction numbers
ROUNDS_MAX: Final = 20  # of one call; the next one goes on


async def number_orders(connection: Session, shards: int, project: int) -> None:
    """Numbers what a project was told of until now, the oldest first."""
    for _ in range(ROUNDS_MAX):
        if not await _unnumbered(connection, shards, project, 1):
            return
        async with connection.transaction():
            # A list's key is a program; below zero it is a project's list of orders.
            head = await points_lines.hold(connection, shards, -project)
            rows = await _unnumbered(connection, shards, project, ROUND)
            for shard, names, numbers in _by_shard(shards, project, rows, head.last):
                await connection.execute(Sql.hold, shard, project, names)
                await connection.execute(Sql.give_numbers, shard, project, names, numbers)
            last = ListHead(head.last + len(rows), head.place)
            await points_lines.note(connection, shards, -project, last)


async def _unnumbered(connection: Session, shards: int, project: int, limit: int) -> list[str]:
    rows: list[Record] = []
    for shard in range(shards):
        rows += await connection.fetch(Sql.unnumbered, shard, project, limit)
    rows.sort(key=lambda row: (row["created_at"], row["name"].encode()))
    return [row["name"] for row in rows[:limit]]


def _by_shard(
    shards: int, project: int, names: list[str], last: int
) -> list[tuple[int, list[str], list[int]]]:
    groups: dict[int, tuple[list[str], list[int]]] = {}
    for number, name in enumerate(names, last + 1):
        shard = OrderPlace.of(shards, project, name).shard
        some, numbers = groups.setdefault(shard, ([], []))
        some.append(name)
        numbers.append(number)
    return [(shard, *groups[shard]) for shard in sorted(groups)]


async def page(
    connection: Session,
    shards: int,
    project: int,
    place: int | None,
    created: tuple[int, int],
    limit: int,
    *,
    downwards: bool,
) -> list[Record]:
    """Returns the next orders behind a number, upwards or downwards. `created`: half-open."""
    start = place if place is not None else NUMBER_END if downwards else 0
    statement = Sql.numbers_before if downwards else Sql.numbers_after
    rows: list[Any] = []
    for shard in range(shards):
        rows += await connection.fetch(statement, shard, project, start, *created, limit)
    rows.sort(key=lambda row: row["number"], reverse=downwards)
    return rows[:limit]
