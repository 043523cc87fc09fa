"""`/api/orders`: orders that are told whole, as they were last told."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tierline.errors import Invalid, NoSuchRecord, NotFound
from tierline.ledger.commands import ProgramRef
from tierline.ledger.orders.record import read_record
from tierline.ledger.orders.statement_parsing import OrderStatement, statement
from tierline.model import ids, validation
from tierline.model.calendar import format_instant
from tierline.model.orders import Fulfilment, OrderItem
from tierline.store import customers, orders
from tierline.store.orders import OrderPlace
from tierline.web import responses
from tierline.web.routing import Call, Operation

PAGE_DEFAULT = 100
PAGE_MAX = 500
_EVER = 2**62


class OrderAnswer(Struct, frozen=True):
    """An order as it was last told. `customer` is the name that the shop used."""

    order: str
    customer: str
    customer_id: str | None
    programs: tuple[str, ...]
    as_of: str | None
    occurred_at: str | None
    total: int
    paid: int
    refunded: int
    cancelled: bool
    fulfilment: Fulfilment
    shipping: int
    tax: int
    discounts: int
    items: tuple[OrderItem, ...]
    metadata: dict[str, Any] | None
    revision: int
    created_at: str
    updated_at: str


class OrdersAnswer(Struct, frozen=True):
    """A page, oldest change first. Keep `next` and send it as `after`; null: this is the end."""

    orders: tuple[OrderAnswer, ...]
    next: str | None


class OrdersQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which orders."""

    customer: str | None = None
    updated_since: str | None = None
    updated_until: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT


class _Cursor(Struct, frozen=True, array_like=True):
    """The last order of a page: when it changed, and its name."""

    updated_at: int
    name: str


async def get_order(call: Call) -> OrderAnswer:
    return await _order(call, call.param("order"))


async def _order(call: Call, name: str) -> OrderAnswer:
    place = OrderPlace.of(call.parts.database.shards, call.project.number, name)
    row = await call.parts.order_reads.one(place)
    if row is None:
        raise NoSuchRecord(what="order", name=name, path="order")
    return _answer(call, row)


async def post_order(call: Call, _body: OrderStatement) -> OrderAnswer:
    """The statement is booked in every program that was told of the order; where none was, the
    order is only kept."""
    command = statement(ProgramRef(call.project, 0), call.raw, call.now, "")
    await call.parts.writer.record(command)
    return await _order(call, command.of or "")


async def get_orders(call: Call) -> OrdersAnswer:
    """Every shard is asked for a page of its own, for an order lies by its name."""
    query = call.query(OrdersQuery)
    database, project = call.parts.database, call.project
    since = validation.optional_instant(query.updated_since, "updated_since")
    until = validation.optional_instant(query.updated_until, "updated_until")
    start = _Cursor(-1 if since is None else since - 1, "\U0010ffff")
    if query.after is not None:
        start = _cursor(query.after)
    window = (start.updated_at, start.name, _EVER if until is None else until)
    rows: list[Any] = []
    async with database.pool.acquire() as connection:
        customer = None
        if query.customer is not None:
            customer = await customers.find_by_name(
                connection, database.shards, project, query.customer
            )
            if customer is None:
                raise NotFound(what="customer", name=query.customer, path="customer")
        for shard in range(database.shards):
            place = (connection, shard, project.number, window, query.limit + 1)
            rows += await orders.page(*place, customer)
    rows.sort(key=lambda row: (row["updated_at"], row["name"].encode()))
    page, rest = rows[: query.limit], rows[query.limit :]
    last = _Cursor(page[-1]["updated_at"], page[-1]["name"]) if rest else None
    return OrdersAnswer(
        tuple(_answer(call, row) for row in page), None if last is None else _text(last)
    )


def _answer(call: Call, row: Any) -> OrderAnswer:
    record, catalog = read_record(row["record"]), call.parts.catalog
    state = record.state
    named = {program.number: program.id for program in catalog.programs(call.project.number)}
    return OrderAnswer(
        order=row["name"],
        customer=state.customer,
        customer_id=ids.customer_id(row["customer"]) if row["customer"] else None,
        programs=tuple(named[number] for number in record.programs if number in named),
        as_of=responses.instant(state.as_of),
        occurred_at=responses.instant(state.occurred_at),
        total=state.total,
        paid=state.paid,
        refunded=state.refunded,
        cancelled=state.cancelled,
        fulfilment=state.fulfilment,
        shipping=state.shipping,
        tax=state.tax,
        discounts=state.discounts,
        items=state.items,
        metadata=state.metadata,
        revision=record.revision,
        created_at=format_instant(row["created_at"]),
        updated_at=format_instant(row["updated_at"]),
    )


def _text(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def _cursor(text: str) -> _Cursor:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=_Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise Invalid(path="after", reason="after: it is no `next` of this list.") from None


OPERATIONS = (
    Operation(
        "POST", "/api/orders", post_order,
        "Tells an order's whole state to the project, whichever programs know it.",
        scopes=("read_customers", "write_customers"), body=OrderStatement, answer=OrderAnswer,
    ),
    Operation(
        "GET", "/api/orders", get_orders,
        "Orders as they were last told, by their last change; all, or a customer's.",
        scopes=("read_customers",), query=OrdersQuery, answer=OrdersAnswer,
    ),
    Operation(
        "GET", "/api/orders/{order}", get_order, "An order as it was last told.",
        scopes=("read_customers",), answer=OrderAnswer,
    ),
)  # fmt: skip
