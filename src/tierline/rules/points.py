"""Points: lots and their expiry, spending, pending points, what an order earns."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tierline.model.entries import EntryKind
from tierline.rules.earning_rule import EarningRule, Stacking
from tierline.rules.expiry import Expiry, NoExpiry
from tierline.rules.ladder import Earning

Lots = tuple[tuple[int | None, int], ...]
_NEVER = 2**62  # sorts lots that never expire last


class PerAmount(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`points` for every whole `every` minor units of an order; `expiry` replaces the program's
    for points of orders."""

    every: Annotated[int, Meta(ge=1)]
    points: Annotated[int, Meta(ge=0)]
    expiry: Expiry | None = None


class Points(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A program's rules for points.

    `pending_days`: earned points can be spent only so many days later. `crossing` says which
    tier's multiplier an order gets that itself reaches a new tier: the one held `before`, the one
    reached (`after`), or `split` at the threshold. Results are rounded half up.

    `rules` give points for orders and custom events that say none, and for what comes without an
    activity. `stacking`: of the rules that answer one activity, `orders` among them as the first,
    `all` give, the one that gives most (`best`), or the `first` that gives anything.
    """

    expiry: Expiry = NoExpiry()
    pending_days: Annotated[int, Meta(ge=0, le=366)] = 0
    orders: PerAmount | None = None
    crossing: Literal["before", "after", "split"] = "before"
    rules: tuple[EarningRule, ...] = ()
    stacking: Stacking = "all"

    def expiry_of(self, kind: EntryKind) -> Expiry:
        """The rule for points that such an entry brought."""
        own = self.orders.expiry if self.orders is not None and kind == "order" else None
        return self.expiry if own is None else own

    def earned_by_order(self, amount: int, earning: Earning | None) -> int:
        rule = self.orders
        if rule is None or amount <= 0:
            return 0
        return multiplied(amount // rule.every * rule.points, earning)


def multiplied(points: int, earning: Earning | None) -> int:
    """A tier's multiplier or fixed value, rounded half up."""
    if earning is None or points <= 0:
        return points
    if earning.fixed is not None:
        return earning.fixed
    return (points * earning.multiplier + 50) // 100


def in_ratio(points: int, part: int, whole: int) -> int:
    """How many points go with a part of an order's money: in its ratio, rounded half up."""
    return (2 * points * part + whole) // (2 * whole)


def added(lots: Lots, points: int, expires_at: int | None) -> Lots:
    """Lots with `points` more that expire at `expires_at`; equal expiries are one lot."""
    for i, (when, held) in enumerate(lots):
        if when == expires_at:
            return (*lots[:i], (when, held + points), *lots[i + 1 :])
    more = [*lots, (expires_at, points)]
    more.sort(key=lambda lot: _NEVER if lot[0] is None else lot[0])
    return tuple(more)


def spent(lots: Lots, points: int) -> tuple[Lots, int]:
    """Lots after spending the soonest to expire first; and what could not be covered."""
    left = points
    for i, (when, held) in enumerate(lots):
        if held > left:
            return ((when, held - left), *lots[i + 1 :]), 0
        left -= held
    return (), left


def taken_back(lots: Lots, points: int, expires_at: int | None) -> tuple[Lots, int]:
    """Lots after a reversal: from the lot that the points came in, then as in spending."""
    for i, (when, held) in enumerate(lots):
        if when == expires_at:
            taken = min(held, points)
            rest = ((when, held - taken),) if held > taken else ()
            return spent((*lots[:i], *rest, *lots[i + 1 :]), points - taken)
    return spent(lots, points)
