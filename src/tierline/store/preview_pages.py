"""Pages of members and their ledgers, for previews: read by key, never locked.

A `PreviewReader` has one connection of its own; each statement is a short transaction, so writers
are never kept waiting and no snapshot holds up the cleaning of tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from tierline.model.tenant import Customer
from tierline.store.database import PLANNER, Database
from tierline.store.named_queries import Queries

PAGE_MEMBERS: Final = 4_000  # about 15 ms to read
HISTORY_ENTRIES_MAX: Final = 40_000  # of one statement
LAST: Final = 2**63 - 1

_read_customer = msgspec.json.Decoder(Customer).decode


class PreviewSql(Queries, file="preview.sql"):
    """The statements of `sql/preview.sql`."""

    page_end: str
    longest: str
    page: str
    histories: str
    profiles: str


class MemberPage(Struct, frozen=True):
    """Members of one shard with `after` < customer <= `upto`."""

    shard: int
    after: int
    upto: int
    members: int  # when the page was laid out


class PreviewReader:
    """One program's members and ledgers, on one connection."""

    def __init__(self, connection: asyncpg.Connection, program: int) -> None:
        self.connection = connection
        self.program = program

    @classmethod
    async def open(cls, url: str, program: int) -> PreviewReader:
        """A connection of its own; raises what opening a database raises."""
        async with await Database.open(url, migrate=False, pool_max=1) as database:
            return cls(await database.connect(**PLANNER), program)

    async def close(self) -> None:
        await self.connection.close(timeout=5)

    async def pages(self, shards: int, size: int = PAGE_MEMBERS) -> list[MemberPage]:
        """All members, cut into pages. The last page of each shard is open: it takes in who joins
        later, so that none is missed."""
        pages: list[MemberPage] = []
        end = await self.connection.prepare(PreviewSql.page_end)
        for shard in range(shards):
            after = -1
            while True:
                row = await end.fetchrow(shard, self.program, after, size)
                assert row is not None  # an aggregate always answers
                whole = row["members"] == size
                if row["members"] or after >= 0:
                    upto = row["upto"] if whole else LAST
                    pages.append(MemberPage(shard, after, upto, row["members"]))
                if not whole:
                    break
                after = row["upto"]
        return pages

    async def standings(self, page: MemberPage) -> list[asyncpg.Record]:
        """(customer, standing) of a page."""
        bounds = (page.shard, self.program, page.after, page.upto)
        rows: list[asyncpg.Record] = await self.connection.fetch(PreviewSql.page, *bounds)
        return rows

    async def histories(self, shard: int, customers: Sequence[int]) -> list[asyncpg.Record]:
        """(customer, n, kind, occurred_at, recorded_at, points, amount, detail), in order."""
        keys = (shard, customers, self.program)
        rows: list[asyncpg.Record] = await self.connection.fetch(PreviewSql.histories, *keys)
        return rows

    async def profiles(self, shard: int, customers: Sequence[int]) -> dict[int, Customer]:
        """Who samples are; an erased customer has a profile too, an empty one."""
        rows = await self.connection.fetch(PreviewSql.profiles, shard, customers)
        return {row["id"]: _read_customer(row["profile"]) for row in rows}


def in_portions(sizes: Sequence[tuple[int, int]]) -> Iterator[list[Any]]:
    """(customer, entries) pairs in portions whose entries are about one statement's worth."""
    portion: list[Any] = []
    size = 0
    for customer, entries in sizes:
        portion.append(customer)
        size += entries
        if size >= HISTORY_ENTRIES_MAX:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
