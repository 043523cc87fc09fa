"""Erasing a customer, and handing over what is held of one."""

from __future__ import annotations

from msgspec import Struct

from tierline.ledger.erasure.erasures import Erasures
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.web.routes.customers import CUSTOMER
from tierline.web.routing import Call, Operation


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


OPERATIONS = (
    Operation(
        "POST", f"{CUSTOMER}/erase", erase_customer,
        "Erases a customer: their text goes for good, their numbers stay.",
        scopes=("erase_customers",), answer=ErasedAnswer,
    ),
)  # fmt: skip
