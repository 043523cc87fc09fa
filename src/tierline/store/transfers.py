"""The statements of transfers: points in transit, and how second halves were decided."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tierline.store.customers import shard_of_customer
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session

IntentKey = tuple[int, int, str]  # the sender, the program, and the key of their entry
ArrivalKey = tuple[int, int, int, str]  # the recipient's route, then as `IntentKey`


class TransfersSql(Queries, file="transfers.sql"):
    """The statements of `sql/transfers.sql`."""

    add_intents: str
    drop_intents: str
    intent: str
    under_way: str
    open_intents: str
    in_transit: str
    claim: str
    settle: str
    unclaim: str
    receipt: str


Sql = TransfersSql


class Intent(Struct, frozen=True):
    """Points that left a customer under a key and did not arrive yet."""

    customer: int
    program: int
    key: str
    project: int
    points: int
    body: str  # the promise, as JSON

    @property
    def identity(self) -> IntentKey:
        return self.customer, self.program, self.key


class Settled(Struct, frozen=True):
    """How a second half was decided where it made no entry: it goes on to another customer of
    that name, or is refused. Neither: it is yet to be decided."""

    recipient: int | None = None
    refused: str | None = None


async def add_intents(
    connection: Session, shard: int, intents: Sequence[Intent], begun_at: int
) -> None:
    columns = _columns((*i.identity, i.project, i.points, i.body) for i in intents)
    await connection.execute(Sql.add_intents, shard, *columns, begun_at)


async def drop_intents(connection: Session, shard: int, keys: Sequence[IntentKey]) -> None:
    await connection.execute(Sql.drop_intents, shard, *_columns(keys))


async def drop_intent(connection: Session, shards: int, key: IntentKey) -> None:
    await drop_intents(connection, shard_of_customer(shards, key[0]), [key])


async def intent(connection: Session, shards: int, key: IntentKey) -> Intent | None:
    """A transfer that is not settled."""
    shard = shard_of_customer(shards, key[0])
    row = await connection.fetchrow(Sql.intent, shard, *key)
    return None if row is None else Intent(*row)


async def under_way(
    connection: Session, shards: int, keys: Collection[IntentKey]
) -> set[IntentKey]:
    """Which of some transfers are not settled."""
    by_shard: dict[int, list[IntentKey]] = {}
    for key in keys:
        by_shard.setdefault(shard_of_customer(shards, key[0]), []).append(key)
    left: set[IntentKey] = set()
    for shard, group in by_shard.items():
        rows = await connection.fetch(Sql.under_way, shard, *_columns(group))
        left.update(tuple(row) for row in rows)
    return left


async def open_intents(
    connection: Session, shard: int, before: int, after: IntentKey, limit: int
) -> list[Intent]:
    """Transfers of a shard that began until `before`, after a place, in the order of places."""
    rows = await connection.fetch(Sql.open_intents, shard, before, *after, limit)
    return [Intent(*row) for row in rows]


async def in_transit(connection: Session, shards: int, customer: int, program: int) -> int:
    shard = shard_of_customer(shards, customer)
    points: int = await connection.fetchval(Sql.in_transit, shard, customer, program)
    return points


async def claim(
    connection: Session, shard: int, arrivals: Sequence[ArrivalKey]
) -> dict[ArrivalKey, Settled]:
    """Locks second halves, sorted and each once; how they were decided before."""
    rows = await connection.fetch(Sql.claim, shard, *_columns(arrivals))
    return {tuple(row)[:4]: Settled(row["recipient"], row["refused"]) for row in rows}


async def settle(connection: Session, shard: int, settled: dict[ArrivalKey, Settled]) -> None:
    columns = _columns((*door, how.recipient, how.refused) for door, how in settled.items())
    await connection.execute(Sql.settle, shard, *columns)


async def unclaim(connection: Session, shard: int, arrivals: Sequence[ArrivalKey]) -> None:
    await connection.execute(Sql.unclaim, shard, *_columns(arrivals))


async def receipt(connection: Session, shards: int, place: IntentKey) -> Record | None:
    """A member's entry by its key."""
    return await connection.fetchrow(Sql.receipt, shard_of_customer(shards, place[0]), *place)


def _columns(rows: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
