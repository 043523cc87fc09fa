"""`…/qualifications`: how many points an order would earn, by the native dry run."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from tierline.errors import TierlineError
from tierline.ledger.commands import ProgramRef
from tierline.ledger.orders import statement_parsing
from tierline.ledger.orders.statement_parsing import OrderStatement
from tierline.model import validation
from tierline.model.calendar import parse_instant
from tierline.model.orders import OrderState
from tierline.vendors.voucherify.api import (
    customers,
    memberships,
    order_objects,
    orders,
    programs,
)
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.api.order_objects import VoucherifyOrderRequest
from tierline.web.dry_run import dry_run_of
from tierline.web.routes.members import history
from tierline.web.routing import Call, Operation

OF_CAMPAIGN = "/v1/loyalties/{campaign}/qualifications"
ANY = "/v1/qualifications"
Json = dict[str, Any]


class CampaignNotActive(TierlineError):
    """The campaign {campaign} gives no points now; it is off, or outside of its dates."""

    code = "campaign_not_active"
    status = 400


class NoAutoJoin(TierlineError):
    """The campaign {campaign} takes nobody in by an order; make the customer a member first."""

    code = "campaign_not_allow_auto_join"
    status = 400


class EstimationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """An order, whole or by the name of one that is known, and whose it would be."""

    customer: CustomerRequest
    order: VoucherifyOrderRequest


class QualificationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What could be redeemed: there is nothing to redeem here."""

    customer: CustomerRequest | None = None
    order: VoucherifyOrderRequest | None = None
    tracking_id: str | None = None
    scenario: str | None = None
    options: Json | None = None
    metadata: Json | None = None


class EstimationObject(Struct, frozen=True):
    """How many points an order would earn in a campaign."""

    campaign: Json
    points_estimation: Count


class QualificationObject(Struct, frozen=True):
    """What a customer qualifies for."""

    redeemables: Json
    tracking_id: str | UnsetType = UNSET


async def post_estimation(call: Call, body: EstimationRequest) -> Json:
    """Points as if the order were paid now; nothing is recorded, and nobody is made."""
    number, program = await programs.find(call, call.param("campaign"))
    campaign = programs.campaign_of(call, program)
    if not _is_active(campaign, call.now):
        raise CampaignNotActive(campaign=campaign["id"])
    holder = await customers.find_named(call, body.customer)
    row = None if holder is None else holder.row
    member = None
    if row is not None:
        member = await memberships.in_program(call, row, number, program)
    if member is None and not program.version(call.now).rules.auto_join:
        raise NoAutoJoin(campaign=campaign["id"])
    name = body.customer.source_id or body.customer.id or customers.new_id()
    state = await _state(call, body.order, name if row is None else customers.source_id_of(row))
    command = statement_parsing.stating(
        ProgramRef(call.project, number), order_objects.new_name(), state
    )
    proposed = await call.parts.writer.orders.proposed(command)
    points = 0
    if proposed is not None:
        trial = await dry_run_of(call, number, program, proposed, partial(history, call))
        points = trial.activity.points
    names = {"id": campaign["id"], "name": campaign["name"], "object": "campaign"}
    return {"campaign": names, "points_estimation": points}


async def _state(call: Call, order: VoucherifyOrderRequest, customer: str) -> OrderState:
    name = order.source_id or order.id
    before = None if name is None else await orders.find_or_none(call, name)
    fields = order_objects.fields_of(order, None if before is None else before.state)
    fields["status"] = "PAID"
    metadata = {**((before and before.state.metadata) or {}), **(order.metadata or {})}
    native: Json = {"kind": "order", "order": "-", "customer": "-"}
    native |= order_objects.native_fields(fields, metadata or None)
    ref = ProgramRef(call.project, 0)
    raw = msgspec.json.encode(native)
    try:
        target = statement_parsing.statement(ref, raw, call.now, "order").order
    except msgspec.ValidationError as error:
        raise validation.complaint(error, OrderStatement) from None
    assert target is not None
    assert target.state is not None
    return replace(target.state, customer=customer)


def _is_active(campaign: Json, now: int) -> bool:
    start, end = campaign["start_date"], campaign["expiration_date"]
    runs = start is None or now >= parse_instant(start)
    return bool(campaign["active"]) and runs and (end is None or now < parse_instant(end))


async def post_qualification(_call: Call, body: QualificationRequest) -> Json:
    """There are no rewards, discounts or promotions here: nothing qualifies."""
    redeemables = {"object": "list", "data_ref": "data", "data": [], "total": 0, "has_more": False}
    answer: Json = {"redeemables": redeemables}
    if body.tracking_id is not None:
        answer["tracking_id"] = body.tracking_id
    return answer


OPERATIONS = (
    Operation(
        "POST", OF_CAMPAIGN, post_estimation, "How many points an order would earn.",
        answer=EstimationObject, scopes=("read_customers", "read_programs"), body=EstimationRequest,
    ),
    Operation(
        "POST", ANY, post_qualification, "What could be redeemed: nothing.",
        answer=QualificationObject, scopes=("read_customers",), body=QualificationRequest,
    ),
)  # fmt: skip
