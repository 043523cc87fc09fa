"""Erasures as they are stored, and the fingerprints of names that they leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from tierline.model import ids
from tierline.store.catalog.queries import CatalogSql
from tierline.store.customers import shard_of_customer
from tierline.store.event_log_queries import EventLogSql
from tierline.store.named_queries import Queries
from tierline.store.notifications import CHANNEL, erased_message

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

BEGUN: Final = "begun"
CLEARED: Final = "cleared"  # all is done but a last look
ENDED: Final = "ended"


class ErasuresSql(Queries, file="erasures.sql"):
    """The statements of `sql/erasures.sql`."""

    begin: str
    note: str
    one: str
    due: str
    advance: str
    names_of: str
    drop_names: str
    add_fingerprints: str
    any_erased: str
    fingerprints: str
    lock_members: str
    newest_entries: str
    lock_member: str
    still_members: str
    empty_customer: str
    entries: str
    rewrite_entries: str
    drop_bookings: str
    events: str
    rewrite_events: str
    points_events: str
    rewrite_points_events: str
    entry: str
    holders_of: str
    rewrite_entry: str
    arrivals: str
    rewrite_arrival: str
    drop_arrivals: str
    pending_orders: str
    drop_orders: str
    endpoints_of: str
    first_event: str
    events_held: str
    intents_held: str
    attempts_held: str
    attempts: str
    rewrite_attempts: str
    owed: str
    drop_lane: str
    go_on_lane: str
    fence: str
    settle: str
    not_erased: str
    erased_since: str
    forget_orders: str
    forget_names: str


Sql = ErasuresSql


class StoredErasure(Struct, frozen=True):
    """How far a customer's erasure has come: `step` is the last one that is done. `names` are what
    others may call them, until all is cleared; `erased_at` is None before the text goes."""

    customer: int
    project: int
    step: str
    begun_at: int
    names: tuple[str, ...]
    erased_at: int | None


async def one(connection: Session, shards: int, customer: int) -> StoredErasure | None:
    row = await connection.fetchrow(Sql.one, shard_of_customer(shards, customer), customer)
    if row is None:
        return None
    names = () if row["names"] is None else msgspec.json.decode(row["names"], type=tuple[str, ...])
    place = row["customer"], row["project"]
    return StoredErasure(*place, row["step"], row["begun_at"], names, row["erased_at"])


async def advance(
    connection: Session, shards: int, erasure: StoredErasure, step: str, due_at: int | None
) -> None:
    """Notes that the next step is done, unless somebody has; when all is cleared, the names are
    forgotten."""
    place = (shard_of_customer(shards, erasure.customer), erasure.customer)
    keeps_names = step not in {CLEARED, ENDED}
    await connection.execute(Sql.advance, *place, erasure.step, step, due_at, keeps_names)


async def tell(connection: Session, customer: int) -> None:
    """Tells all processes that listen, this one too, that a customer was erased. Outside of any
    transaction."""
    await connection.execute(EventLogSql.notify, CHANNEL, erased_message(customer))


def shard_of_fingerprint(shards: int, fingerprint: str) -> int:
    """By its first digits: a copy into another number of shards knows no more of it."""
    return ids.shard_of(int(fingerprint[:4], 16), shards)


async def add_fingerprints(
    connection: Session, shards: int, project: int, customer: int, prints: Iterable[str]
) -> None:
    for shard, group in sorted(_by_shard(shards, prints).items()):  # in one order: no deadlock
        await connection.execute(Sql.add_fingerprints, shard, project, sorted(group), customer)


async def not_erased(
    connection: Session, shard: int, project: int, after: int, limit: int
) -> list[int]:
    """Returns a shard's next customers of a project who are not erased, or not to the end."""
    rows = await connection.fetch(Sql.not_erased, shard, project, after, limit)
    return [row["id"] for row in rows]


async def erasing_since(connection: Session, project: int) -> int | None:
    """Returns when erasing a project began; None where it is not being erased."""
    instant: int | None = await connection.fetchval(CatalogSql.erasing_since, project)
    return instant


async def erased_since(connection: Session, shards: int, project: int, instant: int) -> int:
    """Returns how many customers of a project were erased from an instant on."""
    counts = [
        await connection.fetchval(Sql.erased_since, shard, project, instant)
        for shard in range(shards)
    ]
    return sum(counts)


async def forget_project(connection: Session, shard: int, project: int) -> None:
    """Drops a shard's orders and fingerprints of a project that has no customers any more."""
    await connection.execute(Sql.forget_orders, shard, project)
    await connection.execute(Sql.forget_names, shard, project)


async def any_erased(connection: Session, shards: int, project: int) -> bool:
    """Returns whether anybody of a project was erased."""
    for shard in range(shards):
        if await connection.fetchval(Sql.any_erased, shard, project):
            return True
    return False


async def erased_among(
    connection: Session, shards: int, project: int, prints: Iterable[str]
) -> dict[str, int]:
    """Returns those fingerprints that are of somebody who was erased, and of whom."""
    erased: dict[str, int] = {}
    for shard, group in _by_shard(shards, prints).items():
        rows = await connection.fetch(Sql.fingerprints, shard, project, sorted(group))
        erased |= {row["fingerprint"]: row["customer"] for row in rows}
    return erased


def _by_shard(shards: int, prints: Iterable[str]) -> dict[int, set[str]]:
    groups: dict[int, set[str]] = defaultdict(set)
    for each in prints:
        groups[shard_of_fingerprint(shards, each)].add(each)
    return groups
