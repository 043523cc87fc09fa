"""`DELETE /v1/customers/{customer}` and `…/permanent-deletion`: both erase for good."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from msgspec import Struct

from tierline.ledger.erasure.erasures import Erased, Erasures
from tierline.model.calendar import format_instant
from tierline.vendors.voucherify.api import customers, memberships
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.customers import CUSTOMER
from tierline.web.routing import Call, Operation

Json = dict[str, Any]


class DeletedCounts(Struct, frozen=True):
    """How many of each are gone."""

    events: Count
    customer_events: Count
    daily_events: Count
    segments: Count
    orders: Count
    order_events: Count
    customer: Count


class DeletionObject(Struct, frozen=True):
    """A customer's deletion for good; the vendor writes the object's name so."""

    id: str
    created_at: str
    related_object_id: str
    related_object: Literal["customer"]
    status: Literal["DONE"]
    data_json: DeletedCounts
    object: Literal["pernament_deletion"]


async def delete_customer(call: Call) -> None:
    """Voucherify keeps nothing of a customer that was deleted, so nor do we."""
    row = await customers.find(call, call.param("customer"))
    await _erase(call, row.customer.id)


async def post_permanent_deletion(call: Call) -> Json:
    """Answered when nobody finds the customer any more."""
    holder = await customers.with_standings(call, call.param("customer"))
    row = holder.row
    members = await memberships.of_customer(call, holder)
    erased = await _erase(call, row.customer.id)
    return {
        "id": f"del_{secrets.token_hex(12)}",
        "created_at": format_instant(erased.erased_at),
        "related_object_id": row.customer.id,
        "related_object": "customer",
        "status": "DONE",
        "data_json": {
            "events": sum(member.standing.entries for member in members),
            "customer_events": 0,
            "daily_events": 0,
            "segments": 0,
            "orders": 0,
            "order_events": 0,
            "customer": 1,
        },
        "object": "pernament_deletion",  # Voucherify's spelling
    }


async def _erase(call: Call, customer: str) -> Erased:
    parts = call.parts
    erasures = Erasures(
        parts.database, parts.catalog, parts.writer, parts.writer.on_commit, parts.clock
    )
    return await erasures.erase(call.project, customer)


_SCOPES = ("read_customers", "erase_customers")
OPERATIONS = (
    Operation(
        "DELETE", CUSTOMER, delete_customer, "Erases a customer for good.",
        scopes=("erase_customers",), status=204,
    ),
    Operation(
        "POST", f"{CUSTOMER}/permanent-deletion", post_permanent_deletion,
        "Erases a customer for good, and says what went.", answer=DeletionObject, scopes=_SCOPES,
    ),
)  # fmt: skip
