"""Statements of orders as they arrive: an activity of kind `order` that names its `order`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct

from tierline.errors import Invalid
from tierline.ledger.commands import Command, ProgramRef
from tierline.ledger.orders.differences import OrderTarget
from tierline.model import json_text, validation
from tierline.model.orders import Fulfilment, OrderItem, OrderState

AMOUNT_MAX: Final = 10**14  # minor units of one activity
AHEAD_MS_MAX: Final = 5 * 60_000  # how far ahead a sender's clock may be
ITEMS_MAX: Final = 500
GROUPS_MAX: Final = 20  # of products, to which an item belongs
QUANTITY_MAX: Final = 10**9

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Quantity = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]


class OrderItemBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of an order. Money is of the whole line."""

    product: Name
    name: Name | None = None
    quantity: Quantity = 1
    amount: Amount = 0
    discounts: Amount = 0
    metadata: dict[str, Any] | None = None
    variant: Name | None = None
    groups: Annotated[list[Name], Meta(max_length=GROUPS_MAX)] = []


class OrderStatement(Struct, frozen=True, forbid_unknown_fields=True):
    """An order's whole state. What is not given is as if its default were."""

    kind: Literal["order"]
    order: Name
    customer: Name
    key: Name | None = None
    as_of: str | None = None
    occurred_at: str | None = None
    total: Amount = 0
    paid: Amount = 0
    refunded: Amount = 0
    cancelled: bool = False
    fulfilment: Fulfilment = "none"
    shipping: Amount = 0
    tax: Amount = 0
    discounts: Amount = 0
    items: Annotated[list[OrderItemBody], Meta(max_length=ITEMS_MAX)] = []
    currency: str | None = None
    metadata: dict[str, Any] | None = None


class _Named(Struct, frozen=True):
    """Only whether an activity names an order."""

    order: Any = UNSET


_canonical = msgspec.json.Encoder(order="deterministic").encode
_named = msgspec.json.Decoder(_Named).decode
_read = msgspec.json.Decoder(OrderStatement).decode


def names_order(raw: bytes) -> bool:
    """Whether an activity's JSON tells an order's whole state."""
    if b'"order"' not in raw:
        return False
    try:
        return _named(raw).order is not UNSET
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def statement(ref: ProgramRef, raw: bytes, now: int, where: str) -> Command:
    """Returns the command that a statement is. Raises Invalid, and what the decoder raises."""
    body = _read(raw)
    if body.currency is not None and body.currency != ref.project.currency:
        reason = f"this project keeps its books in {ref.project.currency}, send that"
        raise _refused(where, "currency", reason)
    if body.refunded > body.paid:
        raise _refused(where, "refunded", "it is more than was paid")
    state = OrderState(
        customer=validation.identifier(body.customer, _path(where, "customer")),
        as_of=_instant(body.as_of, now, where, "as_of"),
        occurred_at=_instant(body.occurred_at, now, where, "occurred_at"),
        total=body.total,
        paid=body.paid,
        refunded=body.refunded,
        cancelled=body.cancelled,
        fulfilment=body.fulfilment,
        shipping=body.shipping,
        tax=body.tax,
        discounts=body.discounts,
        items=tuple(_item(item, _path(where, f"items[{i}]")) for i, item in enumerate(body.items)),
        metadata=_metadata(body.metadata, where),
    )
    name = validation.identifier(body.order, _path(where, "order"))
    if body.key is not None:
        validation.name(body.key, _path(where, "key"))
    return stating(ref, name, state, key=body.key, size=len(raw) + 200)


def stating(
    ref: ProgramRef,
    name: str,
    state: OrderState,
    *,
    key: str | None = None,
    number: int = 0,
    size: int = 200,
) -> Command:
    """Returns the command that tells a program an order's state; with program 0 only the project
    hears of it, and the programs that were told of the order before. `number`: the id of the
    state's customer, where it is known."""
    digest = hashlib.blake2b(_canonical((name, state)), digest_size=16)
    return Command(
        project=ref.project.number,
        program=ref.program,
        route=0,
        customer="",  # the order's other statements say whose it is, too
        number=number,
        key=key or f"order:{digest.hexdigest()}",
        digest=digest.digest(),
        kind="order",
        of=name,
        size=size,
        order=OrderTarget(name, state),
    )


def _item(body: OrderItemBody, where: str) -> OrderItem:
    return OrderItem(
        product=validation.name(body.product, _path(where, "product")),
        name=None if body.name is None else validation.name(body.name, _path(where, "name")),
        quantity=body.quantity,
        amount=body.amount,
        discounts=body.discounts,
        metadata=_metadata(body.metadata, where),
        variant=None
        if body.variant is None
        else validation.name(body.variant, _path(where, "variant")),
        groups=tuple(
            validation.name(group, _path(where, f"groups[{i}]"))
            for i, group in enumerate(body.groups)
        ),
    )


def _metadata(metadata: dict[str, Any] | None, where: str) -> dict[str, Any] | None:
    if metadata is None:
        return None
    normal: dict[str, Any] = json_text.normalise(metadata, _path(where, "metadata"))
    return normal


def _instant(text: str | None, now: int, where: str, field: str) -> int | None:
    instant = validation.optional_instant(text, _path(where, field))
    if instant is not None and instant > now + AHEAD_MS_MAX:
        raise _refused(where, field, "it is more than 5 minutes ahead of now")
    return instant


def _path(where: str, field: str) -> str:
    return f"{where}.{field}" if where else field


def _refused(where: str, field: str, reason: str) -> Invalid:
    path = _path(where, field)
    return Invalid(path=path, reason=f"{path}: {reason}.")
