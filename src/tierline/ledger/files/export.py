"""Exporting members and ledgers as JSON lines: members in the shape that `import` reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from tierline.model.calendar import format_instant
from tierline.model.encoding import decode_standing
from tierline.model.entries import Detail
from tierline.model.standing import Standing
from tierline.model.tenant import Customer, NameKind
from tierline.store.database import Database
from tierline.store.named_queries import Queries

PAGE: Final = 500
ENTRIES_MAX: Final = 5_000  # of one statement: a member's ledger may be long

_encode = msgspec.json.Encoder().encode
_customer = msgspec.json.Decoder(Customer).decode
_detail = msgspec.json.Decoder(Detail).decode


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


async def history(
    database: Database, program: int, *, most: int = ENTRIES_MAX
) -> AsyncIterator[bytes]:
    """Every ledger entry of a program as one JSON line; a member's entries in their order."""
    async for shard, page in _pages(database, program):
        names = {row["customer"]: _customer(row["profile"]).source_id for row in page}
        after, place = (0, 0), (shard, program, list(names))
        while entries := await database.pool.fetch(ExportSql.entries_out, *place, *after, most):
            for entry in entries:
                yield _encode(_entry(names[entry["customer"]], entry)) + b"\n"
            after = (entries[-1]["customer"], entries[-1]["n"])


async def _pages(
    database: Database, program: int
) -> AsyncIterator[tuple[int, list[asyncpg.Record]]]:
    for shard in range(database.shards):
        after = 0
        while page := await database.pool.fetch(ExportSql.members_out, shard, program, after, PAGE):
            yield shard, page
            after = page[-1]["customer"]


def _member(who: Customer, now: Standing, name_kinds: Sequence[NameKind]) -> dict[str, Any]:
    line = {
        "customer": who.source_id,
        "id": who.id,
        "number": who.number,
        "name": who.name,
        "email": who.email,
        **{
            name.column: who.presentations.get(name.vendor, {}).get(name.column)
            for name in name_kinds
            if name.vendor is not None
        },
        "metadata": who.metadata or None,
        "created_at": format_instant(who.created_at),
        "updated_at": format_instant(who.updated_at),
        "enrolled_at": _instant_text(now.joined_at),
        "tier": now.held,
        "tier_since": _instant_text(now.started_at),
        "tier_expires_at": _instant_text(now.ends_at),
        "points": now.balance if now.balance > 0 else None,
        "points_spent": now.spent or None,
        # Those that never expire too: what no lot tells of would live by the rules.
        "lots": [
            {"points": points, "expires_at": _instant_text(expires_at)}
            for expires_at, points in now.lots
        ]
        or None,
    }
    return {field: value for field, value in line.items() if value is not None}


def _entry(customer: str | None, entry: asyncpg.Record) -> dict[str, Any]:
    detail = Detail() if entry["detail"] is None else _detail(entry["detail"])
    line = {
        "key": entry["key"],
        "customer": customer,
        "kind": entry["kind"],
        "points": entry["points"],
        "amount": entry["amount"],
        "of": entry["of"],
        "name": detail.name,
        "occurred_at": format_instant(entry["occurred_at"]),
        "recorded_at": format_instant(entry["recorded_at"]),
        "metadata": detail.metadata,
    }
    return {field: value for field, value in line.items() if value is not None}


def _instant_text(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
