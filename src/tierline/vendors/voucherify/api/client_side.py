"""`/client/v1`: what pages in browsers may do, by a key that everybody can read there. It tells no
more of a person than their ids and points, and changes nobody's profile.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import TierlineError
from tierline.vendors.voucherify.api import customers, events
from tierline.vendors.voucherify.api.answers import CustomerLoyalty, EventObject
from tierline.vendors.voucherify.api.events import EventRequest
from tierline.vendors.voucherify.objects import NAME
from tierline.web.routing import Call, Operation

EVENTS: Final = "/client/v1/events"
CUSTOMER: Final = "/client/v1/customers/{customer}"
Json = dict[str, Any]
_SETTING: Final = "client_events"  # of a project's `presentations.voucherify`


class ClientEventsOff(TierlineError):
    """Pages in browsers may record no events here, for events may give points; if they shall, set
    `client_events` to true."""

    code = "client_events_off"
    status = 403


class ClientCustomerObject(Struct, frozen=True):
    """Of a customer what everybody may read: ids, points and tiers."""

    id: str
    source_id: str | None
    loyalty: CustomerLoyalty
    object: Literal["customer"]


async def post_client_event(call: Call, body: EventRequest) -> Json:
    """As the application's event; of a customer who is known the ids alone are read."""
    if call.project.presentations.get(NAME, {}).get(_SETTING) is not True:
        raise ClientEventsOff
    holder = await customers.find_named(call, body.customer)
    if holder is not None:
        body = replace(body, customer=holder.row.customer.id)
    answer = await events.post_event(call, body)
    answer["customer"] |= {"name": None, "email": None, "metadata": {}}
    return answer


async def get_client_customer(call: Call) -> Json:
    holder = await customers.with_standings(call, call.param("customer"))
    whole = await customers.answer(call, holder)
    return {key: whole[key] for key in ("id", "source_id", "loyalty", "object")}


OPERATIONS = (
    Operation(
        "POST", EVENTS, post_client_event, "Records what a customer did, from a page.",
        scopes=("read_customers", "write_customers"), body=EventRequest, answer=EventObject,
    ),
    Operation(
        "GET", CUSTOMER, get_client_customer, "A customer's points and tiers, for a page.",
        scopes=("read_customers",), answer=ClientCustomerObject,
    ),
)  # fmt: skip
