"""Exporting members and ledgers as JSON lines: members in the shape that `import` reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from tierline.ledger.files.ledger_lines import ledger_line
from tierline.ledger.files.order_lines import order_lines
from tierline.ledger.files.person import membership_facts
from tierline.model.calendar import format_instant
from tierline.model.encoding import decode_standing
from tierline.model.standing import Standing, carry
from tierline.model.tenant import Customer, NameKind
from tierline.store.database import Database
from tierline.store.named_queries import Queries

PAGE: Final = 500
ENTRIES_MAX: Final = 5_000  # of one statement: a member's ledger may be long

_encode = msgspec.json.Encoder().encode
_customer = msgspec.json.Decoder(Customer).decode


class ExportSql(Queries, file="export.sql"):
    """The statements of `sql/export.sql`."""

    members_out: str
    entries_out: str


async def members(
    database: Database, program: int, name_kinds: Sequence[NameKind] = ()
) -> AsyncIterator[bytes]:
    """Every member of a program as one JSON line, in no particular order; with the names that a
    vendor's payloads show."""
    async for _, page in _pages(database, program):
        for row in page:
            customer, standing = _customer(row["profile"]), decode_standing(row["standing"])
            line = _member(customer, standing, name_kinds)
            yield _encode(line) + b"\n"


async def whole(
    database: Database, program: int, name_kinds: Sequence[NameKind] = ()
) -> AsyncIterator[bytes]:
    """Yields page by page the members' profiles, all their entries, and their standings, then the
    orders that are told whole: read in this order they make the same ledgers elsewhere."""
    async for shard, page in _pages(database, program):
        customers = [_customer(row["profile"]) for row in page]
        for customer in customers:
            yield _encode(_profile(customer, name_kinds)) + b"\n"
        async for line in _entries(database, shard, program, page, ENTRIES_MAX):
            yield line
        for customer, row in zip(customers, page, strict=True):
            standing = carry(decode_standing(row["standing"]))
            yield _encode({"customer": customer.source_id, "standing": standing}) + b"\n"
    async for line in order_lines(database, program):
        yield line


async def history(
    database: Database, program: int, *, most: int = ENTRIES_MAX
) -> AsyncIterator[bytes]:
    """Every ledger entry of a program as one JSON line; a member's entries in their order."""
    async for shard, page in _pages(database, program):
        async for line in _entries(database, shard, program, page, most):
            yield line


async def _entries(
    database: Database, shard: int, program: int, page: list[asyncpg.Record], most: int
) -> AsyncIterator[bytes]:
    names = {row["customer"]: _customer(row["profile"]).source_id for row in page}
    after, place = (0, 0), (shard, program, list(names))
    while entries := await database.pool.fetch(ExportSql.entries_out, *place, *after, most):
        for entry in entries:
            yield _encode(ledger_line(names[entry["customer"]], entry)) + b"\n"
        after = (entries[-1]["customer"], entries[-1]["n"])


async def _pages(
    database: Database, program: int
) -> AsyncIterator[tuple[int, list[asyncpg.Record]]]:
    for shard in range(database.shards):
        after = 0
        while page := await database.pool.fetch(ExportSql.members_out, shard, program, after, PAGE):
            yield shard, page
            after = page[-1]["customer"]


def _member(
    customer: Customer, standing: Standing, name_kinds: Sequence[NameKind]
) -> dict[str, Any]:
    line = {
        **_profile(customer, name_kinds),
        **membership_facts(standing),
        "standing": carry(standing),
    }
    return {field: value for field, value in line.items() if value not in (None, ())}


def _profile(customer: Customer, name_kinds: Sequence[NameKind]) -> dict[str, Any]:
    line = {
        "customer": customer.source_id,
        "id": customer.id,
        "number": customer.number,
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "birthdate": customer.birthdate,
        "address": customer.address,
        **{
            name.column: customer.presentations.get(name.vendor, {}).get(name.column)
            for name in name_kinds
            if name.vendor is not None
        },
        "metadata": customer.metadata or None,
        "created_at": format_instant(customer.created_at),
        "updated_at": format_instant(customer.updated_at),
    }
    return {field: value for field, value in line.items() if value is not None}
