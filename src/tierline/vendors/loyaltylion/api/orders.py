"""`/v2/orders`: orders that a shop tells whole and again and again, and the older calls that tell
one change of an order.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from tierline.errors import NotFound
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.orders.record import read_record
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.orders import OrderState
from tierline.store import customers as stored
from tierline.store import order_numbers, orders
from tierline.store.orders import OrderPlace
from tierline.vendors.loyaltylion.api import activities, lists, site
from tierline.vendors.loyaltylion.api.activities import LionBuyer, Name
from tierline.vendors.loyaltylion.api.money import Money, minor
from tierline.vendors.loyaltylion.api.order_states import (
    Json,
    OrderStateRequest,
    PaymentStatus,
    order_object,
    statement,
)
from tierline.web.routing import Call, Operation, Reply

ORDERS = "/v2/orders"
ORDER = "/v2/orders/{order}"
READ, WRITE = ("read_orders",), ("write_orders",)
_EVER = 2**62


class OrderRequest(OrderStateRequest, frozen=True, kw_only=True):
    """An order as it is first told, or told again."""

    customer_id: Name
    merchant_id: Name
    total: Money
    payment_status: PaymentStatus | None = None
    customer_email: str | None = None
    date: str | None = None
    guest: bool | None = None


class SiteQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A project is one site."""

    site_id: str | None = None


class AmountRequest(Struct, frozen=True):
    """A payment, or a refund."""

    amount: Money


class ChangeRequest(Struct, frozen=True):
    """Of a call whose path says it all."""


class LionOrdersQuery(lists.LionPageQuery, frozen=True, forbid_unknown_fields=True):
    """Which orders."""

    since_id: lists.SinceId | None = None
    created_at_min: str | None = None
    created_at_max: str | None = None
    updated_at_min: str | None = None
    updated_at_max: str | None = None


class StoredOrder(Struct, frozen=True):
    """An order as it was last told."""

    name: str
    state: OrderState
    customer: int
    times: Json
    number: int


# Telling ------------------------------------------------------------------------------------------


async def post_order(call: Call, body: OrderRequest) -> str:
    here = await site.need_site(call)
    name = validation.identifier(str(body.merchant_id), "merchant_id")
    at = activities.past(call, body.date, "date")
    before = await _stored(call, name)
    fields = statement(body, None if before is None else before.state)
    row = await activities.customer_of(
        call, LionBuyer(body.customer_id, body.customer_email, body.guest)
    )
    if at is None and before is not None:
        at = before.state.occurred_at
    fields |= {"customer": site.name_of(row), "occurred_at": at and format_instant(at)}
    await _tell(call, here, name, fields)
    return ""


async def put_order(call: Call, body: OrderStateRequest) -> None:
    before = await _of_path(call)
    await _change(call, before, body)


async def put_change(call: Call, _body: ChangeRequest) -> None:
    """The older calls: an order was cancelled, paid, or refunded whole."""
    before = await _of_path(call)
    match call.request.url.path.rpartition("/")[2]:
        case "cancelled":
            request = OrderStateRequest(cancellation_status="cancelled")
        case "paid":
            request = OrderStateRequest(payment_status="paid")
        case _:
            request = OrderStateRequest(refund_status="refunded")
    await _change(call, before, request)


async def post_amount(call: Call, body: AmountRequest) -> str:
    """The older calls that tell one payment, or one refund, more."""
    before = await _of_path(call)
    amount, state = minor(body.amount, "amount"), before.state
    if call.request.url.path.endswith("/payments"):
        request = OrderStateRequest(total_paid=_text(state.paid + amount))
    else:
        request = OrderStateRequest(total_refunded=_text(state.refunded + amount))
    await _change(call, before, request)
    return ""


def _text(minor_units: int) -> str:
    return f"{minor_units // 100}.{minor_units % 100:02}"


async def _change(call: Call, before: StoredOrder, request: OrderStateRequest) -> None:
    here = await site.need_site(call)
    at = before.state.occurred_at
    whose = {"customer": before.state.customer, "occurred_at": at and format_instant(at)}
    await _tell(call, here, before.name, statement(request, before.state) | whose)


async def _tell(call: Call, here: site.Site, name: str, fields: Json) -> None:
    """By the native statement of an order, which may be repeated in any order."""
    activity = {"kind": "order", "order": name, **fields}
    parser = CommandParser(call.project, here.number)
    command = parser.activity(msgspec.json.encode(activity), call.now)
    await call.parts.writer.record(command)


# Reading ------------------------------------------------------------------------------------------


async def get_order(call: Call) -> Json:
    order = await _of_path(call)
    if not order.number:
        await _number_all(call)
        order = await _of_path(call)
    (shape,) = await _objects(call, [order])
    return {"order": shape}


async def list_orders(call: Call) -> Reply:
    """By their ids, the newest first, or upwards with `since_id`; a window of `updated_at` by the
    last change, the oldest first."""
    query, paging = lists.paging(call, LionOrdersQuery)
    created = lists.window(query.created_at_min, query.created_at_max, "created_at")
    updated = lists.window(query.updated_at_min, query.updated_at_max, "updated_at")
    await _number_all(call)
    if updated != (None, None):
        if created != (None, None) or query.since_id is not None:
            raise validation.invalid("updated_at_min", "it goes with no other filter")
        return await _by_change(call, paging, updated)
    span = (created[0] or 0, _EVER if created[1] is None else created[1])
    place = query.since_id if paging.place is None else lists.number(paging.place)
    downwards = (query.since_id is None) is not paging.backwards
    async with call.parts.database.pool.acquire() as connection:
        shards, project = call.parts.database.shards, call.project.number
        rows = await order_numbers.page(
            connection, shards, project, place, span, paging.limit + 1, downwards=downwards
        )
    page = [_order(row) for row in rows[: paging.limit]]
    numbers = [order.number for order in page]
    cursors = lists.numbered_cursors(paging, numbers, more=len(rows) > len(page))
    if paging.backwards:
        page.reverse()
    return lists.answer(call, "orders", await _objects(call, page), paging, cursors)


async def _by_change(
    call: Call, paging: lists.Paging, updated: tuple[int | None, int | None]
) -> Reply:
    """An order that changes meanwhile is met again at the end."""
    first, before = updated
    start: tuple[Any, ...] = (-1 if first is None else first - 1, "\U0010ffff")
    if paging.place is not None:
        start = paging.place
        if [type(part) for part in start] != [int, str]:
            raise lists.bad_cursor()
    window = (start[0], start[1], _EVER if before is None else before)
    database, rows = call.parts.database, list[Any]()
    async with database.pool.acquire() as connection:
        for shard in range(database.shards):
            place = (connection, shard, call.project.number, window, paging.limit + 1)
            rows += await orders.page(*place, None)
    rows.sort(key=lambda row: (row["updated_at"], row["name"].encode()))
    page = [_order(row) for row in rows[: paging.limit]]
    place_after = (page[-1].times["updated_at"], page[-1].name) if len(rows) > len(page) else None
    cursors = {"next": paging.cursor(place_after)}
    return lists.answer(call, "orders", await _objects(call, page), paging, cursors)


async def _number_all(call: Call) -> None:
    """Every order that is there gets its id."""
    async with call.parts.database.pool.acquire() as connection:
        shards = call.parts.database.shards
        await order_numbers.number_orders(connection, shards, call.project.number)


async def _of_path(call: Call) -> StoredOrder:
    name = validation.identifier(unquote(call.param("order")), "merchant_id")
    order = await _stored(call, name)
    if order is None:
        raise NotFound(what="order", name=name, path="merchant_id")
    return order


async def _stored(call: Call, name: str) -> StoredOrder | None:
    database = call.parts.database
    place = OrderPlace.of(database.shards, call.project.number, name)
    async with database.pool.acquire() as connection:
        row = await orders.one(connection, place)
    return None if row is None else _order(row)


def _order(row: Any) -> StoredOrder:
    times = {"created_at": row["created_at"], "updated_at": row["updated_at"]}
    state = read_record(row["record"]).state
    return StoredOrder(row["name"], state, row["customer"], times, row["number"] or 0)


async def _objects(call: Call, page: list[StoredOrder]) -> list[Json]:
    database, people = call.parts.database, dict[int, Json]()
    async with database.pool.acquire() as connection:
        for number in {order.customer for order in page if order.customer}:
            row = await stored.read(connection, database.shards, number)
            if row is not None and row.erased_at is None:
                customer = row.customer
                people[number] = {
                    "id": customer.number,
                    "merchant_id": site.name_of(row),
                    "email": customer.email,
                }
    return [
        order_object(
            order.name,
            order.number,
            order.state,
            people.get(order.customer),
            order.times,
        )
        for order in page
    ]


OPERATIONS = (
    Operation("GET", ORDERS, list_orders, "Orders, newest first.", scopes=READ,
              query=LionOrdersQuery),
    Operation("POST", ORDERS, post_order, "Tells an order.", scopes=WRITE, body=OrderRequest,
              query=SiteQuery, status=201, direct=True),
    Operation("GET", ORDER, get_order, "An order as it was last told.", scopes=READ),
    Operation("PUT", ORDER, put_order, "Tells an order's state.", scopes=WRITE,
              body=OrderStateRequest, status=204),
    *(Operation("PUT", f"{ORDER}/{change}", put_change, f"Tells that an order was {change}.",
                scopes=WRITE, body=ChangeRequest, optional=True, status=204)
      for change in ("cancelled", "paid", "refunded")),
    *(Operation("POST", f"{ORDER}/{what}", post_amount, f"Tells of one more of an order's {what}.",
                scopes=WRITE, body=AmountRequest, status=201)
      for what in ("payments", "refunds")),
)  # fmt: skip
