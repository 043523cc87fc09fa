"""The rows of an export of orders, and what a caller may ask of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tierline.ledger.orders.record import read_record
from tierline.model import ids
from tierline.store import orders as stored
from tierline.vendors.voucherify.api.order_objects import order_object
from tierline.vendors.voucherify.filters import METADATA
from tierline.web.routing import Call

FIELDS: Final = (
    *("id", "source_id", "created_at", "updated_at", "status", "amount", "discount_amount"),
    *("items_discount_amount", "total_discount_amount", "total_amount", "customer_id"),
    *("referrer_id", "metadata"),
)
DEFAULT_FIELDS: Final = ("id", "source_id", "status")
FILTERS: Final = (
    *("created_at", "updated_at", "status", "source_id", "amount", "total_amount"),
    *("discount_amount", "total_discount_amount", "items_discount_amount", METADATA),
)
ORDERS: Final = ("created_at", "updated_at", "status")
PAGE_ROWS: Final = 500
Json = dict[str, Any]


async def rows(call: Call, rows_max: int) -> list[Json]:
    """Returns the project's orders, each field by its name and `metadata.NAME` besides; one more
    than `rows_max` where there are more."""
    database, project = call.parts.database, call.project.number
    lines: list[Json] = []
    async with database.pool.acquire() as connection:
        for shard in range(database.shards):
            after = ""
            while len(lines) <= rows_max:
                page = await stored.out(connection, shard, project, after, PAGE_ROWS)
                lines += [_row(each) for each in page]
                if len(page) < PAGE_ROWS:
                    break
                after = page[-1]["name"]
    return lines


def _row(stored_order: Any) -> Json:
    record = read_record(stored_order["record"])
    changed_at = stored_order["updated_at"] if record.revision > 1 else None
    times = (stored_order["created_at"], changed_at)
    whole = order_object(stored_order["name"], record.state, times, None)
    number = stored_order["customer"]
    whole["customer_id"] = ids.customer_id(number) if number else None
    facts = whole["metadata"]
    own = {f"{METADATA}{name}": _text(value) for name, value in facts.items()}
    return {**whole, **own, "metadata": _text(facts) if facts else None}


def _text(value: Any) -> Any:
    """What a cell holds: texts and numbers as they are, the rest as JSON."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return msgspec.json.encode(value).decode()
