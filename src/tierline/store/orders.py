"""Orders as they are stored: the project's rows, and what members' ledgers hold of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tierline.model import ids
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session


class OrdersSql(Queries, file="orders.sql"):
    """The statements of `sql/orders.sql`."""

    claim: str
    decide: str
    conclude: str
    withdraw: str
    forget: str
    one: str
    several: str
    pending_of: str
    pending: str
    by_change: str
    of_customer: str
    newest: str
    oldest: str
    unnumbered: str
    hold: str
    give_numbers: str
    numbers_after: str
    numbers_before: str
    count: str
    restore: str
    out: str
    rewrite: str
    project_of: str
    bookings: str
    put_bookings: str


Sql = OrdersSql
BookingKey = tuple[int, int, str]  # a customer, a program, an order's name


def shard_of_order(shards: int, project: int, name: str) -> int:
    """Where an order's row lies, by its project's number and its name alone."""
    return ids.shard_of(ids.route(f"order\x1f{project}", name), shards)


class OrderPlace(Struct, frozen=True):
    """Where an order's row lies."""

    shard: int
    project: int
    name: str

    @classmethod
    def of(cls, shards: int, project: int, name: str) -> OrderPlace:
        """By the project's number."""
        return cls(shard_of_order(shards, project, name), project, name)

    @property
    def key(self) -> tuple[int, int, str]:
        return self.shard, self.project, self.name


async def claim(
    connection: Session, lines: Sequence[tuple[OrderPlace, str, int]]
) -> dict[OrderPlace, Record]:
    """Returns the rows of (place, buyer, instant), made or found in this order, locked until the
    transaction ends. Those whose project is deleted, which this process may not have heard of, have
    none."""
    rows = await connection.fetchmany(Sql.claim, [(*place.key, *rest) for place, *rest in lines])
    return {OrderPlace(row["shard"], row["project"], row["name"]): row for row in rows}


async def decide(connection: Session, pending: Sequence[tuple[OrderPlace, str]], at: int) -> None:
    """Notes of each place what is pending there."""
    if pending:
        rows = [(*place.key, text, at) for place, text in pending]
        await connection.executemany(Sql.decide, rows)


async def pending_of(connection: Session, place: OrderPlace) -> str | None:
    """What was decided and is not booked everywhere."""
    text: str | None = await connection.fetchval(Sql.pending_of, *place.key)
    return text


async def conclude(
    connection: Session, rows: Sequence[tuple[OrderPlace, str, tuple[str, int, int, str, int]]]
) -> dict[OrderPlace, tuple[int, int]]:
    """Keeps of each place (record, revision, customer, buyer, instant), all or none. Returns when
    each order was made and last changed. Where it is not pending any more, somebody else did it
    before, and nothing happens."""
    lines = [(*place.key, pending, *facts) for place, pending, facts in rows]
    changed = await connection.fetchmany(Sql.conclude, lines)
    return {OrderPlace(*place): (made_at, changed_at) for *place, made_at, changed_at in changed}


async def withdraw(connection: Session, place: OrderPlace, pending: str) -> None:
    """Takes back what was decided, and the claim where nothing else is left of it."""
    await connection.execute(Sql.withdraw, *place.key, pending)
    await connection.execute(Sql.forget, *place.key)


async def one(connection: Session, place: OrderPlace) -> Record | None:
    return await connection.fetchrow(Sql.one, *place.key)


async def pending(
    connection: Session, shard: int, before: int, after: tuple[int, str], limit: int
) -> list[Record]:
    """Orders that were decided until an instant (wall time) and not booked everywhere."""
    rows: list[Record] = await connection.fetch(Sql.pending, shard, before, *after, limit)
    return rows


async def page(
    connection: Session,
    shard: int,
    project: int,
    window: tuple[int, str, int],
    limit: int,
    customer: int | None,
) -> list[Record]:
    """Orders after (updated_at, name) and before an instant, in the order of their last change."""
    arguments: tuple[Any, ...] = (shard, project, *window, limit)
    if customer is None:
        rows: list[Record] = await connection.fetch(Sql.by_change, *arguments)
    else:
        rows = await connection.fetch(Sql.of_customer, *arguments, customer)
    return rows


async def numbered_page(
    connection: Session, shards: int, project: int, first: int, limit: int, *, newest: bool
) -> list[Record]:
    """Returns `limit` orders behind the first so many, by their last change, over all shards."""
    statement = Sql.newest if newest else Sql.oldest
    places: list[Record] = []
    for shard in range(shards):
        places += await connection.fetch(statement, shard, project, first + limit)
    places.sort(key=lambda row: (row["updated_at"], row["name"].encode()), reverse=newest)
    rows = []
    for place in places[first : first + limit]:
        row = await one(connection, OrderPlace.of(shards, project, place["name"]))
        if row is not None:
            rows.append(row)
    return rows


async def count(connection: Session, shards: int, project: int) -> int:
    return sum([await connection.fetchval(Sql.count, shard, project) for shard in range(shards)])


async def restore(
    connection: Session, place: OrderPlace, row: tuple[int, str, int, str, int, int]
) -> bool:
    """Makes an order from (customer, buyer, revision, record, created_at, updated_at); False where
    there is one of that name."""
    return await connection.fetchval(Sql.restore, *place.key, *row) is not None


async def rewrite(connection: Session, place: OrderPlace, record: str) -> None:
    await connection.execute(Sql.rewrite, *place.key, record)


async def out(
    connection: Session, shard: int, project: int, after: str, limit: int
) -> list[Record]:
    """A project's orders in a shard, by their names."""
    rows: list[Record] = await connection.fetch(Sql.out, shard, project, after, limit)
    return rows


async def project_of(connection: Session, program: int) -> int:
    number: int = await connection.fetchval(Sql.project_of, program)
    return number


async def bookings(
    connection: Session, shard: int, keys: Sequence[BookingKey]
) -> dict[BookingKey, str]:
    rows = await connection.fetch(Sql.bookings, shard, *_columns(keys))
    return {keys[row["i"] - 1]: row["body"] for row in rows}


async def put_bookings(
    connection: Session, shard: int, rows: Sequence[tuple[int, int, str, str]]
) -> None:
    await connection.execute(Sql.put_bookings, shard, *_columns(rows))


def _columns(rows: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
