"""An order in LoyaltyLion's words and in ours. Pure.

LoyaltyLion tells an order's whole state, without saying as of when: so of what was paid and
refunded the larger sum counts, and what was cancelled stays so, in whatever order the calls arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from tierline.model.calendar import format_instant
from tierline.model.orders import OrderState
from tierline.model.validation import free_json, invalid
from tierline.vendors.loyaltylion.api.money import Money, minor, text

Json = dict[str, Any]
MERCHANT_NUMBER = "merchant_number"
PaymentStatus = Literal["paid", "partially_paid", "not_paid", "unpaid", "pending"]
RefundStatus = Literal["refunded", "partially_refunded", "not_refunded"]
CancellationStatus = Literal["cancelled", "not_cancelled"]
FulfilmentStatus = Literal["fulfilled", "partially_fulfilled", "not_fulfilled"]
_FULFILMENT = {"fulfilled": "full", "partially_fulfilled": "partial", "not_fulfilled": "none"}


class OrderStateRequest(Struct, frozen=True):
    """What is not given stays as it was. Other fields are passed over."""

    payment_status: PaymentStatus | None = None
    refund_status: RefundStatus | None = None
    cancellation_status: CancellationStatus | None = None
    fulfillment_status: FulfilmentStatus | None = None
    total: Money | None = None
    total_paid: Money | None = None
    total_refunded: Money | None = None
    total_shipping: Money | None = None
    total_tax: Money | None = None
    total_discounts: Money | None = None
    discount_codes: Any = None
    merchant_number: str | int | None = None
    metadata: Json | None = None


def statement(request: OrderStateRequest, before: OrderState | None) -> Json:
    """Returns the fields of our own statement that follow from the request, laid over the order as
    it was. Raises Invalid, naming the vendor's field."""
    sums = _sums(request, before or OrderState(""))
    total = sums["total"]
    paid, refunded = _paid(request, before, total), 0 if before is None else before.refunded
    match request.refund_status:
        case "refunded" if request.total_refunded is None:
            refunded = paid
        case "partially_refunded" if request.total_refunded is None and before is None:
            raise invalid("total_refunded", "a part that was refunded says how much")
    if request.total_refunded is not None:
        refunded = minor(request.total_refunded, "total_refunded")
        if refunded > paid:
            raise invalid("total_refunded", "it is more than was paid")
    fulfilment = "none" if before is None else before.fulfilment
    if request.fulfillment_status is not None:
        fulfilment = _FULFILMENT[request.fulfillment_status]  # type: ignore[assignment]
    cancelled = before is not None and before.cancelled
    return {
        **sums,
        "paid": paid,
        "refunded": refunded,
        "cancelled": cancelled or request.cancellation_status == "cancelled",
        "fulfilment": fulfilment,
        "metadata": _metadata(request, before),
    }


def _sums(request: OrderStateRequest, before: OrderState) -> dict[str, int]:
    sums = {}
    for field in ("total", "shipping", "tax", "discounts"):
        name = field if field == "total" else f"total_{field}"
        money = getattr(request, name)
        sums[field] = getattr(before, field) if money is None else minor(money, name)
    if request.total_discounts is None and request.discount_codes:
        sums["discounts"] = _discounts(request.discount_codes)
    return sums


def _discounts(codes: Any) -> int:
    """The sum of an array of codes, or of an object that some shops send for it."""
    items = codes.values() if isinstance(codes, Mapping) else codes
    items = [codes] if isinstance(codes, Mapping) and "amount" in codes else items
    if not isinstance(items, Sequence) or isinstance(items, str):
        items = list(items) if isinstance(codes, Mapping) else []
    amounts = [item["amount"] for item in items if isinstance(item, Mapping) and "amount" in item]
    return sum(minor(amount, "discount_codes") for amount in amounts if amount is not None)


def _paid(request: OrderStateRequest, before: OrderState | None, total: int) -> int:
    stored = 0 if before is None else before.paid
    if request.total_paid is not None:
        return minor(request.total_paid, "total_paid")
    match request.payment_status:
        case "paid":
            return max(total, stored)
        case "partially_paid" if before is None:
            raise invalid("total_paid", "a part that was paid says how much")
    return stored


def _metadata(request: OrderStateRequest, before: OrderState | None) -> Json | None:
    """Without what shops' modules add about themselves (`$magento_payload`)."""
    metadata = dict(before.metadata or {}) if before is not None else {}
    given = {k: v for k, v in (request.metadata or {}).items() if not k.startswith("$")}
    metadata |= free_json(given, "metadata")
    if request.merchant_number is not None:
        metadata[MERCHANT_NUMBER] = str(request.merchant_number)
    return metadata or None


def order_object(
    name: str, id_: int, state: OrderState, customer: Json | None, times: Json
) -> Json:
    """Returns an order as LoyaltyLion shows it. `times`: `created_at` and `updated_at` as
    instants."""
    metadata = dict(state.metadata or {})
    paid = _of(state.paid, state.total, ("not_paid", "partially_paid", "paid"))
    refunded = _of(state.refunded, state.paid, ("not_refunded", "partially_refunded", "refunded"))
    fulfilment = {ours: theirs for theirs, ours in _FULFILMENT.items()}[state.fulfilment]
    return {
        "id": id_,
        "merchant_id": name,
        "merchant_number": metadata.pop(MERCHANT_NUMBER, None),
        "total": text(state.total),
        "total_tax": text(state.tax),
        "total_shipping": text(state.shipping),
        "total_discounts": text(state.discounts),
        "total_paid": text(state.paid),
        "total_refunded": text(state.refunded),
        "payment_status": paid,
        "fulfillment_status": fulfilment,
        "refund_status": refunded,
        "cancellation_status": "cancelled" if state.cancelled else "not_cancelled",
        "customer": customer,
        "metadata": metadata,
        "created_at": format_instant(times["created_at"]),
        "updated_at": format_instant(times["updated_at"]),
    }


def _of(part: int, whole: int, words: tuple[str, str, str]) -> str:
    if part <= 0:
        return words[0]
    return words[2] if part >= whole else words[1]
