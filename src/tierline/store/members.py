"""Members as they are stored, read one at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, cast

from tierline.model.encoding import decode_standing
from tierline.model.standing import Standing
from tierline.store.customers import read_profile, shard_of_customer
from tierline.store.ledger_transaction import LedgerTx
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from tierline.store.catalog.queries import Session


ENTRY_MAX: Final = 2**31 - 1  # the number of an entry
KEY_SEPARATOR: Final = "\x1f"  # in keys of ours; callers cannot send it
Member = tuple[int, int]  # customer, program


class MembersSql(Queries, file="members.sql"):
    member: str
    owners: str
    standings: str
    standings_of: str
    entries_after: str
    entries_before: str
    keys_of: str
    all_keys: str


async def standing(
    connection: Session, shards: int, customer: int, program: int
) -> Standing | None:
    """What the engine knows of a member; None for somebody who never was one."""
    shard = shard_of_customer(shards, customer)
    row = await connection.fetchrow(MembersSql.member, shard, customer, program)
    return None if row is None else decode_standing(row["standing"])


async def standings(connection: Session, shards: int, customer: int) -> dict[int, Standing]:
    """What the engine knows of a customer in every program, by the programs' numbers."""
    shard = shard_of_customer(shards, customer)
    rows = await connection.fetch(MembersSql.standings, shard, customer)
    return {row["program"]: decode_standing(row["standing"]) for row in rows}


async def newest_change(connection: Session, shards: int, customer: int) -> int:
    """The instant of the newest change of points or tier, in any program; 0 if there is none."""
    by_program = await standings(connection, shards, customer)
    return max((standing.at for standing in by_program.values()), default=0)


async def history(connection: Session, shards: int, customer: int, program: int) -> list[Record]:
    """The whole ledger of a member, oldest first."""
    shard = shard_of_customer(shards, customer)
    return await _ledger(connection).history(shard, customer, program)


async def entries_after(
    connection: Session, shards: int, member: Member, place: int, limit: int
) -> list[Record]:
    """The entries behind a place, oldest first, with their keys and first answers."""
    shard = shard_of_customer(shards, member[0])
    return await connection.fetch(MembersSql.entries_after, shard, *member, place, limit)


async def entries_before(
    connection: Session, shards: int, member: Member, place: int, limit: int
) -> list[Record]:
    """The entries before a place, newest first, with their keys and first answers."""
    shard = shard_of_customer(shards, member[0])
    return await connection.fetch(MembersSql.entries_before, shard, *member, place, limit)


async def keys(
    connection: Session, shards: int, member: Member, numbers: Collection[int]
) -> dict[int, str]:
    """The callers' keys of some entries, by number; an entry that we made ourselves has none."""
    if not numbers:
        return {}
    shard = shard_of_customer(shards, member[0])
    rows = await connection.fetch(MembersSql.keys_of, shard, *member, sorted(numbers))
    return {row["n"]: key for row in rows if (key := caller_key(row["key"])) is not None}


async def all_keys(connection: Session, shards: int, member: Member) -> dict[int, str]:
    """As `keys`, of the whole ledger."""
    shard = shard_of_customer(shards, member[0])
    rows = await connection.fetch(MembersSql.all_keys, shard, *member)
    return {row["n"]: key for row in rows if (key := caller_key(row["key"])) is not None}


def caller_key(key: str) -> str | None:
    """A stored key as its caller sent it; None where an entry was made beside another one."""
    return None if KEY_SEPARATOR in key else key


async def original(
    connection: Session, shards: int, customer: int, program: int, key: str
) -> Record | None:
    """The activity with a key, and how much of it was taken back."""
    shard = shard_of_customer(shards, customer)
    rows = await _ledger(connection).originals(shard, [(customer, program, key)])
    return rows.get(0)


async def owners(
    connection: Session, shard: int, keys: Sequence[tuple[int, str]], most: int
) -> list[tuple[int, int, str]]:
    """Who in a shard has an activity of (program, key), so many of each at most: the key's
    position, the customer, and what to call them."""
    programs, names = [program for program, _ in keys], [key for _, key in keys]
    rows = await connection.fetch(MembersSql.owners, shard, programs, names, most)
    people = [(row["i"] - 1, row["customer"], read_profile(row["profile"])) for row in rows]
    return [(place, id_, person.source_id or person.id) for place, id_, person in people]


async def receipt(connection: Session, shards: int, key: tuple[int, int, str]) -> Record | None:
    """What was recorded under (customer, program, key)."""
    return (await receipts(connection, shards, [key])).get(0)


async def receipts(
    connection: Session, shards: int, keys: Sequence[tuple[int, int, str]]
) -> dict[int, Record]:
    """As `receipt`, of many keys of customers who live in one shard, by their positions."""
    return await _ledger(connection).receipts(shard_of_customer(shards, keys[0][0]), keys)


def _ledger(connection: Session) -> LedgerTx:
    """The batch path's own statements, here outside of any batch."""
    return LedgerTx(cast("Connection[Record]", connection))
