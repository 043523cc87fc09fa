"""`/v1/events`: what a customer did, as custom activities."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from tierline.errors import NotFound
from tierline.ledger import commands
from tierline.ledger.commands import Assertion, ProgramRef
from tierline.model.entries import Detail
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify.api import customer_attributes, customers, members, participation
from tierline.vendors.voucherify.api.answers import EventObject
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.api.participation import Participant
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
    """A custom activity in every program of which the customer is a member, and in those that enrol
    by themselves and have a rule for it. With the header `Idempotency-Key` a repetition changes
    nothing."""
    name = request_body.name(body.event, "event")
    metadata = None
    if body.metadata is not None:
        metadata = request_body.free_json(body.metadata, "metadata")
    code = None if body.loyalty is None else body.loyalty.code
    if code is not None:
        await _check_card(call, code, body.customer)
    holder = await members.holder_of(call, body.customer)
    row = holder.row
    assertion = Assertion(detail=Detail(name=name, metadata=metadata))
    key = call.headers.get("idempotency-key")
    key = None if key is None else request_body.name(key, "Idempotency-Key")
    for participant in await _participants(call, holder, name, code):
        ref = ProgramRef(call.project, participant.number)
        source = customers.source_id_of(row)
        command = commands.command(ref, "custom", source, assertion, key=key, number=row.id)
        await call.parts.writer.submit(command)
        if participant.member is None:
            await participation.welcome(call, row, participant)
    return {
        "object": "event",
        "type": name,
        "customer": customers.simple_customer(row.customer),
        "referral": None,
        "loyalty": None,
        "metadata": metadata or {},
    }


async def _check_card(call: Call, code: str, named: str | CustomerRequest) -> None:
    """Before anything is made: the card is this customer's. Raises NotFound."""
    holder = await customers.find_named(call, named)
    cards = [] if holder is None else await members.by_card(call, code)
    if len(cards) != 1 or holder is None or cards[0].row.id != holder.row.id:
        raise NotFound(what="voucher", name=code, path="loyalty.code")


async def _participants(
    call: Call, holder: CustomerStandings, name: str, code: str | None
) -> list[Participant]:
    if code is None:
        return await participation.participants(call, holder, "custom", name)
    cards = await members.by_card(call, code)
    for member in cards:
        await customer_attributes.note(call, member)
    return [Participant(member.number, member.program, member) for member in cards]


OPERATIONS = (
    Operation(
        "POST", EVENTS, post_event, "Records what a customer did.",
        scopes=("read_customers", "write_customers"), body=EventRequest,
        answer=EventObject, direct=True,
    ),
)  # fmt: skip
