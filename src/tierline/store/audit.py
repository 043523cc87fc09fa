"""The audit log as it is read: one list, newest first, out of the small tables' lines and those of
every shard."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from tierline.model import ids
from tierline.model.actor import ActorKind
from tierline.store.catalog.audit import first_id
from tierline.store.database import Database
from tierline.store.named_queries import Queries

_LAST = "aud_g"  # above every id, for hexadecimal digits end with f


class AuditSql(Queries, file="audit.sql"):
    """The statements of `sql/audit.sql`."""

    page: str
    member_page: str


class AuditLine(Struct, frozen=True):
    """What somebody changed. `project` None: of the installation. Of a change of a member, the
    object is our id of the customer, and `entry` the number of the ledger's entry."""

    id: str
    project: int | None
    at: int
    actor_kind: ActorKind
    actor: str
    kind: str
    object: str
    program: str | None = None
    entry: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class AuditFilter(Struct, frozen=True):
    """Which lines: None is any. `kind` may be the part before the dot; `since` is inclusive,
    `until` exclusive; `below` an id of an earlier page's last line."""

    project: int | None = None
    actor: str | None = None
    kind: str | None = None
    object: str | None = None
    since: int | None = None
    until: int | None = None
    below: str | None = None


async def page(database: Database, only: AuditFilter, limit: int) -> list[AuditLine]:
    """Returns the newest lines, at most so many."""
    below = only.below or _LAST
    if only.until is not None:
        below = min(below, first_id(only.until))
    bounds = (below, first_id(only.since or 0))
    whose = (only.project, only.actor, only.kind)
    customer = None if only.object is None else ids.number_of_customer(only.object)
    lines: list[AuditLine] = []
    async with database.pool.acquire() as connection:
        rows = await connection.fetch(AuditSql.page, *bounds, *whose, only.object, limit)
        lines += [_line(row) for row in rows]
        if only.object is None or customer is not None:
            for shard in range(database.shards):
                facts = (*bounds, *whose, customer, limit)
                rows = await connection.fetch(AuditSql.member_page, shard, *facts)
                lines += [_line(row) for row in rows]
    return sorted(lines, key=lambda line: line.id, reverse=True)[:limit]


def _line(row: Any) -> AuditLine:
    facts = dict(row)
    if "customer" in facts:
        facts["object"] = ids.customer_id(facts.pop("customer"))
    for side in ("before", "after"):
        text = facts[side]
        facts[side] = None if text is None else msgspec.json.decode(text)
    return AuditLine(**facts)
