"""Erasing a customer, and handing over what is held of one."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import StreamingResponse

from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.erasure.holdings import Holdings
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.web.routes.customers import CUSTOMER, find_customer
from tierline.web.routing import JSON, Call, Operation


class ErasedAnswer(Struct, frozen=True):
    """A customer of whom only numbers are left."""

    customer_id: str
    erased_at: str


async def erase_customer(call: Call) -> ErasedAnswer:
    parts = call.parts
    erasures = Erasures(
        parts.database, parts.catalog, parts.writer, parts.writer.on_commit, parts.clock
    )
    erased = await erasures.erase(call.project, call.param("source_id"))
    return ErasedAnswer(ids.customer_id(erased.customer), format_instant(erased.erased_at))


class CustomerData(Struct, frozen=True):
    """All that is held of one person, in the shapes in which it is stored."""

    customer: dict[str, Any]
    names: list[dict[str, Any]]
    memberships: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    transfers_under_way: list[dict[str, Any]]
    events: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    changes: list[dict[str, Any]]


async def hand_over(call: Call) -> StreamingResponse:
    row = await find_customer(call, call.param("source_id"))
    parts = call.parts
    holdings = Holdings(parts.database, parts.catalog, call.project, row)
    headers = {"cache-control": "no-store"}
    return StreamingResponse(holdings.pieces(), media_type=JSON, headers=headers)


OPERATIONS = (
    Operation(
        "POST", f"{CUSTOMER}/erase", erase_customer,
        "Erases a customer: their text goes for good, their numbers stay.",
        scopes=("erase_customers",), answer=ErasedAnswer,
    ),
    Operation(
        "GET", f"{CUSTOMER}/data", hand_over,
        "All that is held of a customer, as one object, streamed.",
        scopes=("read_customers",), answer=CustomerData,
    ),
)  # fmt: skip
