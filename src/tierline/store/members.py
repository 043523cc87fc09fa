"""Members as they are stored, read one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierline.engine.codec import decode_standing
from tierline.engine.model import Standing
from tierline.store.customers import shard_of_customer
from tierline.store.ledger import LedgerSql
from tierline.store.named import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog_sql import Session


class MembersSql(Queries, file="members.sql"):
    member: str
    standings: str


async def standing(
    connection: Session, shards: int, customer: int, program: int
) -> Standing | None:
    """What the engine knows of a member; None for somebody who never was one."""
    shard = shard_of_customer(shards, customer)
    row = await connection.fetchrow(MembersSql.member, shard, customer, program)
    return None if row is None else decode_standing(row["standing"])


async def newest_change(connection: Session, shards: int, customer: int) -> int:
    """The instant of the newest change of points or tier, in any program; 0 if there is none."""
    shard = shard_of_customer(shards, customer)
    rows = await connection.fetch(MembersSql.standings, shard, customer)
    return max((decode_standing(row["standing"]).at for row in rows), default=0)


async def history(connection: Session, shards: int, customer: int, program: int) -> list[Record]:
    """The whole ledger of a member, oldest first."""
    shard = shard_of_customer(shards, customer)
    return await connection.fetch(LedgerSql.history, shard, customer, program)
