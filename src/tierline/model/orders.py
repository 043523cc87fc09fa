"""Orders as a shop tells them, whole and again and again; and what rules may read of one."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, Literal

from msgspec import Struct

NUMBERS: Final = (
    *("total", "shipping", "tax", "discounts", "lines", "quantity"),
    *("items_amount", "items_subtotal"),
    *("cheapest_price", "cheapest_amount", "cheapest_subtotal", "cheapest_quantity"),
    *("dearest_price", "dearest_amount", "dearest_subtotal", "dearest_quantity"),
)

Fulfilment = Literal["none", "partial", "full"]


class OrderItem(Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of an order. `amount` and `discounts` are of the whole line, in minor units."""

    product: str
    name: str | None = None
    quantity: int = 1
    amount: int = 0
    discounts: int = 0
    metadata: dict[str, Any] | None = None
    variant: str | None = None
    groups: tuple[str, ...] = ()  # of products, to which it belongs

    @property
    def subtotal(self) -> int:
        return self.amount - self.discounts

    @property
    def price(self) -> Fraction:
        """Of one piece."""
        return Fraction(self.amount, self.quantity or 1)


class OrderFacts(Struct, frozen=True, gc=False, omit_defaults=True):
    """What earning rules may read of an order. Money is in minor units: `amount` is what was paid,
    before anything was refunded. `attributes` are the customer's."""

    amount: int
    total: int = 0
    shipping: int = 0
    tax: int = 0
    discounts: int = 0
    occurred_at: int = 0
    items: tuple[OrderItem, ...] = ()
    metadata: dict[str, Any] | None = None
    attributes: dict[str, str | int | bool] = {}

    def number(self, name: str) -> int | Fraction | None:
        """Returns one of NUMBERS; None for any other name, and of an order without items."""
        match name:
            case "total" | "shipping" | "tax" | "discounts":
                number: int = getattr(self, name)
                return number
            case "lines":
                return len(self.items)
            case "quantity":
                return sum(item.quantity for item in self.items)
            case "items_amount":
                return sum(item.amount for item in self.items)
            case "items_subtotal":
                return sum(item.subtotal for item in self.items)
        which, _, part = name.partition("_")
        if name not in NUMBERS or not self.items:
            return None
        ratio: int | Fraction = getattr(_EXTREME[which](self.items), part)
        return ratio


def _cheapest(items: tuple[OrderItem, ...]) -> OrderItem:
    """By price, then by subtotal; of equals the first."""
    return min(items, key=lambda item: (item.price, item.subtotal))


def _dearest(items: tuple[OrderItem, ...]) -> OrderItem:
    """By price, then by the lowest subtotal; of equals the first."""
    return min(items, key=lambda item: (-item.price, item.subtotal))


_EXTREME: Final[dict[str, Callable[[tuple[OrderItem, ...]], OrderItem]]] = {
    "cheapest": _cheapest,
    "dearest": _dearest,
}


class OrderState(Struct, frozen=True, gc=False, omit_defaults=True):
    """An order's whole state, as it was as of an instant. `customer` is whom the caller named."""

    customer: str
    as_of: int | None = None
    occurred_at: int | None = None  # None: when it was first told
    total: int = 0
    paid: int = 0
    refunded: int = 0
    cancelled: bool = False
    fulfilment: Fulfilment = "none"
    shipping: int = 0
    tax: int = 0
    discounts: int = 0
    items: tuple[OrderItem, ...] = ()
    metadata: dict[str, Any] | None = None
    presentations: dict[str, Any] = {}  # by vendor, what only that one speaks of

    def facts(self, first_at: int) -> OrderFacts | None:
        """Returns what the ledger has to hold of the order; None: nothing. `first_at`: when it was
        first told."""
        if self.cancelled or self.paid <= 0:
            return None
        return OrderFacts(
            amount=self.paid,
            total=self.total,
            shipping=self.shipping,
            tax=self.tax,
            discounts=self.discounts,
            occurred_at=first_at if self.occurred_at is None else self.occurred_at,
            items=self.items,
            metadata=self.metadata,
        )
