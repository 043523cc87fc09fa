"""That customers are made, or their profiles change, as events of class `ops`.

They are written in the transaction that makes or changes, under the lock of the shard's head, and
only where an endpoint of the project asks for them (`Project.tells_of_customers`). They hold our
id and the names of fields, so that erasing has nothing to do here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tierline.clock import wall
from tierline.model import ids
from tierline.model.operational_event import (
    CUSTOMER_CHANGED,
    CUSTOMER_CREATED,
    OperationalEvent,
    encode_operational_event,
)
from tierline.model.tenant import Customer, Project
from tierline.store.event_log_queries import EventLogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

_NO_NEWS: Final = frozenset({"updated_at", "presentations", "erased"})


async def tell_created(
    connection: Session, shard: int, project: Project, customers: Iterable[int]
) -> None:
    """Tells of customers who are new. Does nothing where nobody asks."""
    if project.tells_of_customers:
        data: dict[int, dict[str, Any]] = {number: {} for number in customers}
        await _tell(connection, shard, project, CUSTOMER_CREATED, data)


async def tell_changed(
    connection: Session, shard: int, project: Project, number: int, sides: tuple[Customer, Customer]
) -> None:
    """Tells which fields of a profile are others than before. Does nothing where nobody asks."""
    before, after = sides
    fields = [
        field
        for field in Customer.__struct_fields__
        if field not in _NO_NEWS and getattr(before, field) != getattr(after, field)
    ]
    if project.tells_of_customers and fields:
        await _tell(connection, shard, project, CUSTOMER_CHANGED, {number: {"fields": fields}})


async def _tell(
    connection: Session, shard: int, project: Project, kind: str, data: Mapping[int, dict[str, Any]]
) -> None:
    now = wall()
    at = now if project.clock is None else project.clock
    head = await connection.fetchrow(Sql.raise_head, shard, len(data), now)
    assert head is not None  # every shard has its head row from the start
    first = head["head"] - len(data) + 1
    rows = []
    for offset, (number, facts) in enumerate(sorted(data.items()), first):
        event = OperationalEvent(kind, at, data={"customer_id": ids.customer_id(number), **facts})
        about = (project.number, 0, number, f"evt_{secrets.token_hex(16)}")
        body = encode_operational_event(event).decode()
        rows.append((shard, offset, *about, head["recorded_at"], body))
    await connection.executemany(Sql.add_ops_event, rows)
