"""`/v1/events`: what a customer did, as custom activities."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from tierline.errors import NotFound
from tierline.ledger import commands
from tierline.ledger.commands import Assertion, ProgramRef
from tierline.model.entries import Detail
from tierline.store.customers import CustomerRow
from tierline.vendors.voucherify.api import customers, members, memberships
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.api.memberships import Member
from tierline.web import limits, request_body
from tierline.web.routing import Call, Operation

EVENTS = "/v1/events"


class CardRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The card that an event is for: with it, it counts in that card's program alone."""

    code: str | None = None


class ReferralRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Known from Voucherify; there are no referrals here."""

    code: str | None = None
    referrer_id: str | None = None


class EventRequest(Struct, frozen=True, forbid_unknown_fields=True):
    event: Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARACTERS_MAX)]
    customer: str | CustomerRequest
    metadata: dict[str, Any] | None = None
    loyalty: CardRequest | None = None
    referral: ReferralRequest | None = None


async def post_event(call: Call, body: EventRequest) -> dict[str, Any]:
    """A custom activity in every program of which the customer is a member; nobody is enrolled by
    it. With the header `Idempotency-Key` a repetition changes nothing."""
    name = request_body.name(body.event, "event")
    metadata = None
    if body.metadata is not None:
        metadata = request_body.free_json(body.metadata, "metadata")
    row = await members.holder_of(call, body.customer)
    assertion = Assertion(detail=Detail(name=name, metadata=metadata))
    key = call.request.headers.get("idempotency-key")
    key = None if key is None else request_body.name(key, "Idempotency-Key")
    for member in await _members(call, row, body):
        ref = ProgramRef(call.project, member.number)
        source = row.customer.source_id or row.customer.id
        command = commands.command(ref, "custom", source, assertion, key=key, number=row.id)
        await call.parts.writer.submit(command)
    return {
        "object": "event",
        "type": name,
        "customer": customers.simple_customer(row.customer),
        "referral": None,
        "loyalty": None,
        "metadata": metadata or {},
    }


async def _members(call: Call, row: CustomerRow, body: EventRequest) -> list[Member]:
    """Raises NotFound for a card that is not this customer's."""
    code = None if body.loyalty is None else body.loyalty.code
    if code is None:
        return [each for each in await memberships.of_customer(call, row) if each.joined]
    matches = [each for each in await members.by_card(call, code) if each.row.id == row.id]
    if len(matches) != 1:
        raise NotFound(what="voucher", name=code, path="loyalty.code")
    return matches


OPERATIONS = (
    Operation(
        "POST", EVENTS, post_event, "Records what a customer did.",
        scopes=("read_customers", "write_customers"), body=EventRequest,
    ),
)  # fmt: skip
