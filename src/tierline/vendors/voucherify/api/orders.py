"""`/v1/orders`: purchases, told whole or in part and again and again. Paid ones earn points."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import NotFound
from tierline.ledger.commands import ProgramRef
from tierline.ledger.orders import statement_parsing
from tierline.ledger.orders.order_rows import OrderTimes
from tierline.ledger.orders.record import OrderRecord, read_record
from tierline.ledger.orders.statement_parsing import OrderStatement
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.orders import OrderState
from tierline.model.tenant import Customer
from tierline.store import orders as stored
from tierline.store.customers import CustomerRow
from tierline.store.orders import OrderPlace
from tierline.store.shared_reads import CustomerStandings
from tierline.vendors.voucherify import card_ids
from tierline.vendors.voucherify.api import (
    customers,
    lists,
    members,
    order_objects,
    participation,
)
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.api.errors import InvalidQuery
from tierline.vendors.voucherify.api.order_objects import OrderObject, VoucherifyOrderRequest
from tierline.vendors.voucherify.objects import NAME
from tierline.web.routing import Call, Operation

ORDERS = "/v1/orders"
ORDER = "/v1/orders/{order}"
REACH_MAX = 10_000  # orders behind which no page is counted out
Json = dict[str, Any]


class OrdersPageQuery(lists.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which page of orders; all orders of a list are by last change."""


class VoucherifyOrder(Struct, frozen=True):
    """An order as it was last told. `customer`: its number, 0 where nobody is known."""

    name: str
    state: OrderState
    customer: int
    times: tuple[int, int | None]


class OrderObjects(Struct, frozen=True):
    """A page of orders."""

    object: Literal["list"]
    data_ref: Literal["orders"]
    orders: list[OrderObject]
    total: Count


# Telling ----------------------------------------------------------------------------------------


async def post_order(call: Call, body: VoucherifyOrderRequest) -> Json:
    """Makes an order, or changes the one of this id or source id."""
    name, field = body.source_id or body.id, "source_id" if body.source_id else "id"
    name = name and validation.identifier(name, field)
    before = await find_or_none(call, name) if name else None
    if before is None and body.source_id is None and body.id is not None:
        raise NotFound(what="order", name=body.id, path="id")
    new = body.source_id or order_objects.new_name()
    return await _tell(call, body, new if before is None else before.name, before)


async def put_order(call: Call, body: VoucherifyOrderRequest) -> Json:
    before = await _find(call)
    if body.source_id is not None and body.source_id != before.name:
        raise validation.invalid("source_id", "an order keeps its name; send another order")
    return await _tell(call, body, before.name, before)


async def _tell(
    call: Call, body: VoucherifyOrderRequest, name: str, before: VoucherifyOrder | None
) -> Json:
    """By the native statement, in each program where the order counts; in none it is only kept."""
    state = state_of(call, body, name, before)  # checked whole before a customer is made
    holder = await _buyer(call, body, before)
    row = holder.row
    state = replace(state, customer=customers.source_id_of(row))
    places = await participation.participants(call, holder, "order", None)
    after: VoucherifyOrder | None = None
    for participant in places:
        after = await _state(call, participant.number, name, state, row)
        if participant.member is None:
            await participation.welcome(call, row, participant)
    if not places:
        after = await _state(call, 0, name, state, row)
    after = after or await find_or_none(call, name)
    assert after is not None  # told above
    return await _object(call, after, row)


def state_of(
    call: Call, body: VoucherifyOrderRequest, name: str, before: VoucherifyOrder | None
) -> OrderState:
    """Returns the order's whole state as a body has it, laid over what there was; whose it is
    stands nowhere yet. Raises Invalid, naming the field."""
    former = None if before is None else before.state
    fields = order_objects.fields_of(body, former)
    metadata = {**((former and former.metadata) or {}), **(body.metadata or {})}
    native: Json = {"kind": "order", "order": name, "customer": "-"}
    native |= order_objects.native_fields(fields, metadata or None)
    native |= _times(call, body, former, native["paid"])
    raw = msgspec.json.encode(native)
    try:
        command = statement_parsing.statement(ProgramRef(call.project, 0), raw, call.now, "")
    except msgspec.ValidationError as error:
        raise validation.complaint(error, OrderStatement) from None
    assert command.order is not None
    assert command.order.state is not None
    words = validation.free_json(fields, "order")
    return replace(command.order.state, presentations={NAME: words})


async def check_buyer(call: Call, body: VoucherifyOrderRequest) -> None:
    """Raises what `keep` would raise because of the customer; nobody is made."""
    named = body.customer
    if isinstance(named, CustomerRequest):
        customers.profile_of(named, None, max(call.now, call.wall))
        await customers.find_named(call, named)
    elif named is not None:
        validation.identifier(named, "customer")
        if named.startswith("cust_"):
            await customers.find(call, named)
    elif body.customer_id is not None:
        await customers.find(call, body.customer_id)
    else:
        raise validation.invalid("customer", "it is needed: points go to somebody")


async def keep(call: Call, body: VoucherifyOrderRequest, name: str) -> None:
    """Keeps an order that is told in no program, so that it gives nothing."""
    state = state_of(call, body, name, None)
    row = (await _buyer(call, body, None)).row
    await _state(call, 0, name, replace(state, customer=customers.source_id_of(row)), row)


async def _state(
    call: Call, program: int, name: str, state: OrderState, buyer: CustomerRow
) -> VoucherifyOrder | None:
    """Returns the order that the statement made; None where it is to be read."""
    ref = ProgramRef(call.project, program)
    command = statement_parsing.stating(ref, name, state, number=buyer.id)
    outcome = await call.parts.writer.orders.outcome(command)
    if outcome.record is None or outcome.times is None:
        return None
    return _order(name, outcome.record.buyer.number, outcome.record, outcome.times)


def _times(
    call: Call, body: VoucherifyOrderRequest, before: OrderState | None, paid: int
) -> dict[str, str | None]:
    """When it was ordered; and, where less is paid than before, that this is the newer word."""
    at = body.created_at
    if at is not None:
        created_at = validation.instant(at, "created_at")
        if created_at > max(call.now, call.wall) + statement_parsing.AHEAD_MS_MAX:
            raise validation.invalid("created_at", "it is more than 5 minutes ahead of now")
    if at is None and before is not None and before.occurred_at is not None:
        at = format_instant(before.occurred_at)
    is_less = before is not None and 0 < paid < before.paid
    return {"occurred_at": at, "as_of": format_instant(call.now) if is_less else None}


async def _buyer(
    call: Call, body: VoucherifyOrderRequest, before: VoucherifyOrder | None
) -> CustomerStandings:
    """Whose order it is: as the body says, or as before."""
    if body.customer is not None:
        return await members.holder_of(call, body.customer)
    if body.customer_id is not None:
        return await customers.with_standings(call, body.customer_id)
    if before is None:
        what = "it is needed: points go to somebody"
        raise validation.invalid("customer", what)
    row = await members.numbered_customer(call, before.customer) if before.customer else None
    if row is not None:
        return CustomerStandings(row)
    return await customers.with_standings(call, before.state.customer)


# Reading ----------------------------------------------------------------------------------------


async def get_order(call: Call) -> Json:
    return await _object(call, await _find(call))


async def list_orders(call: Call) -> Json:
    """By last change, whichever time the order names: by when they were made there is no index."""
    pages = lists.query(call, OrdersPageQuery)
    first, newest = (pages.page - 1) * pages.limit, pages.order.startswith("-")
    if first + pages.limit > REACH_MAX:
        reason = f"page: only the first {REACH_MAX} orders are counted out; page by /api/orders."
        raise InvalidQuery(path="page", reason=reason)
    database, project = call.parts.database, call.project.number
    async with database.pool.acquire() as connection:
        place = (connection, database.shards, project)
        rows = await stored.numbered_page(*place, first, pages.limit, newest=newest)
        total = await stored.count(*place)
    answers = [await _object(call, _of_row(row)) for row in rows]
    ref: Literal["orders"] = "orders"
    return lists.envelope(answers, ref, total)


async def _find(call: Call) -> VoucherifyOrder:
    name = call.param("order")
    order = await find_or_none(call, name)
    if order is None:
        raise NotFound(what="order", name=name, path="order")
    return order


async def find_or_none(call: Call, name: str) -> VoucherifyOrder | None:
    """By source id, or else by id."""
    database, project = call.parts.database, call.project.number
    names = [name, card_ids.name_of(name)]
    for each in names:
        if each is not None:
            place = OrderPlace.of(database.shards, project, each)
            row = await call.parts.order_reads.one(place)
            if row is not None:
                return _of_row(row)
    return None


def _of_row(row: Any) -> VoucherifyOrder:
    times = row["created_at"], row["updated_at"]
    return _order(row["name"], row["customer"], read_record(row["record"]), times)


def _order(name: str, customer: int, record: OrderRecord, times: OrderTimes) -> VoucherifyOrder:
    made_at, changed_at = times
    return VoucherifyOrder(
        name, record.state, customer, (made_at, changed_at if record.revision > 1 else None)
    )


async def _object(call: Call, order: VoucherifyOrder, buyer: CustomerRow | None = None) -> Json:
    """`buyer`: whose it is, where that was read already."""
    customer: Customer | None = None
    if buyer is not None and buyer.id == order.customer:
        customer = buyer.customer
    elif order.customer:
        row = await members.numbered_customer(call, order.customer)
        customer = None if row is None else row.customer
    return order_objects.order_object(order.name, order.state, order.times, customer)


_READ, _WRITE = ("read_customers",), ("read_customers", "write_customers")
OPERATIONS = (
    Operation(
        "POST", ORDERS, post_order, "Makes or changes an order.", direct=True,
        answer=OrderObject, scopes=_WRITE, body=VoucherifyOrderRequest,
    ),
    Operation(
        "GET", ORDERS, list_orders, "Orders, by last change.",
        answer=OrderObjects, scopes=_READ, query=OrdersPageQuery,
    ),
    Operation("GET", ORDER, get_order, "An order, by id or source id.",
              answer=OrderObject, scopes=_READ),
    Operation(
        "PUT", ORDER, put_order, "Changes an order.",
        answer=OrderObject, scopes=_WRITE, body=VoucherifyOrderRequest,
    ),
)  # fmt: skip
