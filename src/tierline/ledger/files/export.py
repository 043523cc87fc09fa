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
from tierline.model.tenant import CARD, Customer, NameKind
from tierline.store.database import Database
from tierline.store.named_queries import Queries

PAGE: Final = 500
ENTRIES_MAX: Final = 5_000  # of one statement: a member's ledger may be long

Names = dict[str, list[str]]  # of one customer, by kind
_encode = msgspec.json.Encoder().encode
_customer = msgspec.json.Decoder(Customer).decode


class ExportSql(Queries, file="export.sql"):
    """The statements of `sql/export.sql`."""

    members_out: str
    entries_out: str
    names_out: str


async def members(
    database: Database, program: int, name_kinds: Sequence[NameKind] = ()
) -> AsyncIterator[bytes]:
    """Every member of a program as one JSON line, in no particular order; with the names that a
    vendor's payloads show."""
    async for _, page in _pages(database, program):
        names = await _names(database, page)
        for row in page:
            customer, standing = _customer(row["profile"]), decode_standing(row["standing"])
            line = _member(_profile(customer, names[row["customer"]], name_kinds), standing)
            yield _encode(line) + b"\n"


async def whole(
    database: Database, program: int, name_kinds: Sequence[NameKind] = ()
) -> AsyncIterator[bytes]:
    """Yields page by page the members' profiles, all their entries, and their standings, then the
    orders that are told whole: read in this order they make the same ledgers elsewhere."""
    async for shard, page in _pages(database, program):
        customers = [_customer(row["profile"]) for row in page]
        names = await _names(database, page)
        for customer, row in zip(customers, page, strict=True):
            yield _encode(_profile(customer, names[row["customer"]], name_kinds)) + b"\n"
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


async def _names(database: Database, page: list[asyncpg.Record]) -> dict[int, Names]:
    """The customers' names by kind, which lie in all shards."""
    names: dict[int, Names] = {row["customer"]: {} for row in page}
    for shard in range(database.shards):
        for row in await database.pool.fetch(ExportSql.names_out, shard, list(names)):
            names[row["customer"]].setdefault(row["kind"], []).append(row["name"])
    return names


def _member(profile: dict[str, Any], standing: Standing) -> dict[str, Any]:
    line = {**profile, **membership_facts(standing), "standing": carry(standing)}
    return {field: value for field, value in line.items() if value not in (None, ())}


def _profile(customer: Customer, names: Names, name_kinds: Sequence[NameKind]) -> dict[str, Any]:
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
    further = {**names}
    further["source"] = [name for name in names.get("source", ()) if name != customer.source_id]
    for name in (CARD, *name_kinds):
        own = further.get(name.kind, [])
        if len(own) == 1 and line.get(name.column) in (None, own[0]):
            (line[name.column],) = further.pop(name.kind)
    line["names"] = {kind: texts for kind, texts in further.items() if texts} or None
    return {field: value for field, value in line.items() if value is not None}
