"""`/v1/orders/import`: orders of the past, which are kept and give nothing, as Voucherify says."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from msgspec import Meta

from tierline.errors import Invalid
from tierline.model import validation
from tierline.vendors.voucherify.api import order_objects, orders
from tierline.vendors.voucherify.api.answers import AsyncActionName
from tierline.vendors.voucherify.api.order_objects import VoucherifyOrderRequest
from tierline.web.routing import Call, Operation, Reply

IMPORT: Final = f"{orders.ORDERS}/import"
IMPORTED_MAX: Final = 2_000  # orders of one request, as the vendor says
OrderImport = Annotated[list[VoucherifyOrderRequest], Meta(min_length=1, max_length=IMPORTED_MAX)]


async def post_import(call: Call, body: OrderImport) -> Reply:
    """Keeps orders that are not known yet. All are checked before the first is written."""
    names = set[str]()
    for i, request in enumerate(body):
        name = request.source_id
        if name is not None and name in names:
            raise validation.invalid(f"[{i}].source_id", "it stands in this import twice")
        names.add(name or "")
        try:
            await orders.check_buyer(call, request)
            orders.state_of(call, request, name or order_objects.new_name(), None)
        except Invalid as error:
            where = f"[{i}].{error.path}"
            raise Invalid(path=where, reason=f"[{i}].{error.sentence}") from None
    for request in body:
        name = request.source_id or order_objects.new_name()
        if await orders.find_or_none(call, name) is None:
            await orders.keep(call, request, name)
    return Reply(202, {"async_action_id": f"aa_{secrets.token_hex(9)}"})


OPERATIONS = (
    Operation(
        "POST", IMPORT, post_import, "Keeps orders of the past, which give nothing.",
        scopes=("read_customers", "write_customers"), body=OrderImport, answer=AsyncActionName,
        status=202,
    ),
)  # fmt: skip
