"""What is left of an erased customer's text, page by page: each page may be done again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tierline.ledger.erasure.remains import detail_remains, event_remains
from tierline.model import ids
from tierline.model.attempt_text import SETTLED, attempt_remains
from tierline.store.customers import shard_of_customer
from tierline.store.erasures import ErasuresSql as Sql
from tierline.store.erasures import StoredErasure

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from tierline.store.catalog.queries import Session

PAGE: Final = 500  # rows of one statement
SHARED: Final = 0  # the key of a lane that holds everybody's events


async def names_of(connection: Session, shards: int, customer: int) -> set[str]:
    """Returns all that a customer is called, in whichever shards that stands."""
    names: set[str] = set()
    for shard in range(shards):
        rows = await connection.fetch(Sql.names_of, shard, customer)
        names |= {row["name"] for row in rows}
    return names


async def drop_names(connection: Connection[Record], shards: int, customer: int) -> None:
    for shard in range(shards):
        await connection.execute(Sql.drop_names, shard, customer)


def tells_of(pending: str, erasure: StoredErasure) -> bool:
    """Whether an order that is not booked everywhere is, or was, a customer's."""
    record = msgspec.json.decode(pending)["record"]
    buyers = (record["buyer"], *record.get("former", ()))
    return any(
        buyer.get("number") == erasure.customer or buyer["name"] in erasure.names
        for buyer in buyers
    )


async def drop_orders(connection: Connection[Record], shards: int, erasure: StoredErasure) -> None:
    facts = (erasure.project, erasure.customer, list(erasure.names))
    for shard in range(shards):
        await connection.execute(Sql.drop_orders, shard, *facts)


async def empty_ledger(connection: Connection[Record], shards: int, customer: int) -> None:
    """Entries in numbers, without keys, words and answers; no bookings of orders."""
    shard, after = shard_of_customer(shards, customer), (0, 0)
    while rows := await connection.fetch(Sql.entries, shard, customer, *after, PAGE):
        programs, numbers = [row["program"] for row in rows], [row["n"] for row in rows]
        details = [detail_remains(row["detail"]) or "" for row in rows]
        await connection.execute(Sql.rewrite_entries, shard, customer, programs, numbers, details)
        after = programs[-1], numbers[-1]
    await connection.execute(Sql.drop_bookings, shard, customer)


async def empty_events(connection: Connection[Record], shards: int, customer: int) -> None:
    """Lines of the log without profiles: they are never sent, and their places stay."""
    shard, after = shard_of_customer(shards, customer), 0
    while rows := await connection.fetch(Sql.events, shard, customer, after, PAGE):
        offsets = [row["offset"] for row in rows]
        bodies = [event_remains(row["class"], row["body"]) for row in rows]
        await connection.execute(Sql.rewrite_events, shard, offsets, bodies)
        after = offsets[-1]


async def first_event_at(connection: Session, shards: int, customer: int) -> int | None:
    """When the first event of a customer's was recorded: no attempt began before."""
    shard = shard_of_customer(shards, customer)
    instant: int | None = await connection.fetchval(Sql.first_event, shard, customer)
    return instant


async def empty_attempts(
    connection: Connection[Record], shards: int, erasure: StoredErasure
) -> None:
    """Attempts without what was sent and answered; of a batch that told of others too, whole."""
    shard, number = shard_of_customer(shards, erasure.customer), erasure.customer
    first = await first_event_at(connection, shards, number)
    if first is None:
        return
    event = f"evt_{number:014x}%"
    for endpoint in await connection.fetch(Sql.endpoints_of, erasure.project):
        place, after = (shard, endpoint["number"]), (first - 1, "", 0)
        like = (event, f"%{event}")
        while rows := await connection.fetch(Sql.attempts, *place, *after, *like, PAGE):
            keys = [list(column) for column in zip(*(tuple(row)[:3] for row in rows), strict=True)]
            details = [attempt_remains(row["detail"]) for row in rows]
            await connection.execute(Sql.rewrite_attempts, *place, *keys, details)
            after = tuple(rows[-1])[:3]


async def settle_lanes(
    connection: Connection[Record], shards: int, erasure: StoredErasure, now: int
) -> set[int]:
    """What was tried and not delivered is settled as erased. Returns the endpoints that it was
    owed to: their senders have lost these lanes, and read again."""
    shard, touched = shard_of_customer(shards, erasure.customer), set[int]()
    async with connection.transaction():
        for row in await connection.fetch(Sql.owed, shard, erasure.customer):
            endpoint, run, key, head = row["endpoint"], row["run"], row["key"], row["head"]
            place = (shard, endpoint, run)
            await connection.execute(Sql.fence, *place)
            if key == SHARED:
                await connection.execute(Sql.go_on_lane, *place, key, head, now)
            else:
                await connection.execute(Sql.drop_lane, *place, key, head)
            delivery = row["delivery"] or ids.derived("erased_", row["event"], str(endpoint))
            facts = (delivery, row["attempt"] + 1, head, row["event"], SETTLED)
            await connection.execute(Sql.settle, shard, endpoint, now, *facts)
            touched.add(endpoint)
    return touched
