"""Orders as Voucherify's routes take and print them. Pure.

An order of ours keeps what Voucherify alone says of it (`presentations`), so that it is printed as
it was sent; what counts are its own amounts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.ledger.orders.statement_parsing import AMOUNT_MAX, ITEMS_MAX, QUANTITY_MAX
from tierline.model.calendar import format_instant
from tierline.model.orders import OrderState
from tierline.model.tenant import Customer
from tierline.model.validation import invalid
from tierline.vendors.voucherify.api import campaign_settings
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.customers import CustomerRequest
from tierline.vendors.voucherify.card_ids import order_id
from tierline.vendors.voucherify.objects import NAME

Json = dict[str, Any]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Quantity = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]
Status = Literal["CREATED", "PAID", "FULFILLED", "CANCELED"]
STATUSES: Final[tuple[Status, ...]] = ("CREATED", "PAID", "FULFILLED", "CANCELED")
SOURCE_ID_MAX: Final = 140  # characters; the id holds them


class OrderItemRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of an order; amounts are of the whole line. What the API calculates may be sent back
    with it, and says nothing."""

    sku_id: str | None = None
    product_id: str | None = None
    related_object: Literal["product", "sku"] | None = None
    source_id: str | None = None
    quantity: Quantity | None = None
    discount_quantity: Quantity | None = None
    initial_quantity: Quantity | None = None
    amount: Amount | None = None
    discount_amount: Amount | None = None
    initial_amount: Amount | None = None
    price: Amount | None = None
    product: Json | None = None
    sku: Json | None = None
    metadata: Json | None = None
    id: Any = None
    object: Any = None
    subtotal_amount: Any = None
    applied_discount_amount: Any = None
    applied_discount_quantity: Any = None
    applied_quantity: Any = None
    applied_quantity_amount: Any = None


class VoucherifyOrderRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """An order, whole or in part. Null means: not given, and what is not given stays as it is.
    What the API calculates may be sent back with it, and says nothing."""

    id: str | None = None
    source_id: Annotated[str, Meta(min_length=1, max_length=SOURCE_ID_MAX)] | None = None
    status: Status | None = None
    amount: Amount | None = None
    initial_amount: Amount | None = None
    discount_amount: Amount | None = None
    items: Annotated[list[OrderItemRequest], Meta(max_length=ITEMS_MAX)] | None = None
    metadata: Json | None = None
    created_at: str | None = None
    customer: str | CustomerRequest | None = None
    customer_id: str | None = None
    referrer_id: str | None = None
    referrer: Json | None = None
    object: Any = None
    updated_at: Any = None
    redemptions: Any = None
    total_amount: Any = None
    items_discount_amount: Any = None
    total_discount_amount: Any = None
    applied_discount_amount: Any = None
    items_applied_discount_amount: Any = None
    total_applied_discount_amount: Any = None


class OrderObject(Struct, frozen=True):
    """An order as it was told last, calculated."""

    id: str
    source_id: str | None
    created_at: str
    updated_at: str | None
    status: Literal["CREATED", "PAID", "FULFILLED", "CANCELED"]
    amount: Count
    initial_amount: Count
    discount_amount: Count
    items_discount_amount: Count
    total_discount_amount: Count
    total_amount: Count
    items: list[Json]
    metadata: Json
    customer_id: str | None
    referrer_id: str | None
    object: Literal["order"]
    redemptions: Json
    customer: Json | UnsetType = UNSET


# What is typed `Any` says nothing when it is sent back.
_CALCULATED: Final = frozenset(
    field.name for field in msgspec.structs.fields(OrderItemRequest) if field.type is Any
)
_KEPT: Final = ("status", "amount", "initial_amount", "discount_amount", "referrer_id")


# Names ------------------------------------------------------------------------------------------


def new_name() -> str:
    """The name of an order that the shop gave none."""
    return "ord_" + secrets.token_hex(12)


# What an order says -----------------------------------------------------------------------------


class OrderSums(Struct, frozen=True):
    """What an order costs, and what is taken off, in minor units."""

    amount: int
    items_discount: int
    order_discount: int

    @property
    def discount(self) -> int:
        return min(self.amount, self.items_discount + self.order_discount)

    @property
    def total(self) -> int:
        return self.amount - self.discount


def fields_of(request: VoucherifyOrderRequest, before: OrderState | None) -> Json:
    """Returns the order in Voucherify's words: what was given laid over what there was. The status
    only goes on, so that a late word changes nothing."""
    fields = {} if before is None else dict(words_of(before))
    given = msgspec.structs.asdict(request)
    fields |= {key: given[key] for key in _KEPT if given[key] is not None}
    if request.items is not None:
        fields["items"] = [_item_fields(item) for item in request.items]
        if request.amount is None:
            fields.pop("amount", None)
    if before is not None and _rank(status_of(before)) > _rank(fields.get("status", "CREATED")):
        fields["status"] = status_of(before)
    fields.setdefault("status", "CREATED")
    return fields


def _item_fields(item: OrderItemRequest) -> Json:
    fields = msgspec.structs.asdict(item).items()
    return {
        key: campaign_settings.without_nulls(value)
        for key, value in fields
        if value is not None and key not in _CALCULATED
    }


def words_of(state: OrderState) -> Json:
    """Returns what Voucherify says of an order; of one that was told otherwise what is the same."""
    own = state.presentations.get(NAME)
    if isinstance(own, dict):
        return own
    items = []
    for item in state.items:
        words: Json = {"product_id": item.product, "quantity": item.quantity, "amount": item.amount}
        if item.discounts:
            words["discount_amount"] = item.discounts
        if item.variant is not None:
            words["sku_id"] = item.variant
        if item.name is not None:
            words["product"] = {"name": item.name}
        items.append(words | ({} if item.metadata is None else {"metadata": item.metadata}))
    items_discount = sum(item.discounts for item in state.items)
    return {
        "status": status_of(state),
        "amount": max(state.total, state.paid),
        "discount_amount": max(0, state.discounts - items_discount),
        "items": items,
    }


def _rank(status: str) -> int:
    return STATUSES.index(status)


def status_of(state: OrderState) -> Status:
    """What has come of an order: what counts is said by its amounts."""
    own = state.presentations.get(NAME)
    named = own.get("status", "CREATED") if isinstance(own, dict) else "CREATED"
    rank = max(_rank(named), 1 if state.paid else 0, 2 if state.fulfilment == "full" else 0)
    return "CANCELED" if state.cancelled else STATUSES[min(rank, 2)]


def sums_of(fields: Mapping[str, Any]) -> OrderSums:
    """The amount of an order is that of its items, where they have any."""
    items = fields.get("items", ())
    amount = sum(_amount(item) for item in items) or fields.get("amount", 0)
    discount = sum(item.get("discount_amount", 0) for item in items)
    return OrderSums(amount, discount, fields.get("discount_amount", 0))


def _amount(item: Mapping[str, Any]) -> int:
    amount = item.get("amount")
    if amount is None:
        amount = item.get("price", 0) * item.get("quantity", 1)
    return int(amount)


def native_fields(fields: Json, metadata: Json | None) -> Json:
    """Returns the order as a statement of ours has it, but for its name, customer and times."""
    sums, status = sums_of(fields), fields["status"]
    paid = sums.total if status in ("PAID", "FULFILLED") else 0
    return {
        "total": sums.amount,
        "paid": paid,
        "cancelled": status == "CANCELED",
        "fulfilment": "full" if status == "FULFILLED" else "none",
        "discounts": sums.discount,
        "items": [_native_item(item, i) for i, item in enumerate(fields.get("items", ()))],
        "metadata": metadata,
    }


def _native_item(item: Json, i: int) -> Json:
    product, sku, source = item.get("product", {}), item.get("sku", {}), item.get("source_id")
    of_sku = item.get("related_object") == "sku"
    name = item.get("product_id") or product.get("id") or product.get("source_id")
    name = name or (None if of_sku else source)
    variant = item.get("sku_id") or sku.get("id") or sku.get("source_id") or source
    name = name or variant or product.get("name")
    if not isinstance(name, str):
        raise invalid(f"items[{i}].product_id", "expected one of product_id, sku_id and source_id")
    facts: Json = {"product": name, "amount": _amount(item), "quantity": item.get("quantity", 1)}
    facts["discounts"] = item.get("discount_amount", 0)
    if isinstance(variant, str) and variant != name:
        facts["variant"] = variant
    label = sku.get("sku") or product.get("name")
    if isinstance(label, str) and label:
        facts["name"] = label[:200]
    metadata = item.get("metadata")
    if metadata is not None:
        facts["metadata"] = metadata
    groups = [*_collections(metadata), *_collections(product.get("metadata"))]
    if groups:
        facts["groups"] = groups[:20]
    return facts


def _collections(metadata: Any) -> list[str]:
    """There is no catalogue here: an item says in its metadata of which collections it is."""
    names = metadata.get("collections") if isinstance(metadata, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


# Printing ---------------------------------------------------------------------------------------


def order_object(
    name: str, state: OrderState, times: tuple[int, int | None], customer: Customer | None
) -> Json:
    """Returns the order. `times`: when it was made and, where it was, last changed."""
    fields = words_of(state)
    sums = sums_of(fields)
    created_at = times[0] if state.occurred_at is None else state.occurred_at
    whose = None if customer is None else customer.id
    answer: Json = {
        "id": order_id(name),
        "source_id": None if order_id(name) == name else name,
        "created_at": format_instant(created_at),
        "updated_at": None if times[1] is None else format_instant(times[1]),
        "status": status_of(state),
        "amount": sums.amount,
        "initial_amount": fields.get("initial_amount", sums.amount),
        "discount_amount": sums.order_discount,
        "items_discount_amount": sums.items_discount,
        "total_discount_amount": sums.discount,
        "total_amount": sums.total,
        "items": [_item_object(item) for item in fields.get("items", ())],
        "metadata": state.metadata or {},
        "customer_id": whose,
        "referrer_id": fields.get("referrer_id"),
        "object": "order",
        "redemptions": {},
    }
    if whose is not None:
        answer["customer"] = {"id": whose, "object": "customer"}
    return answer


def _item_object(item: Json) -> Json:
    amount = _amount(item)
    subtotal = max(0, amount - item.get("discount_amount", 0))
    return {"object": "order_item", **item, "amount": amount, "subtotal_amount": subtotal}
