"""What a ledger has to book so that it says of an order what the shop says. Pure.

A member's ledger holds an order as one entry of kind `order`, and what was taken back of it. Where
the facts that points depend on are others now, that entry is replaced: taken back, and booked anew
in the same moment, so that nothing is judged in between. What others refunded counts as booked: the
shop's sum includes it, and the larger of both is what is gone.
"""

from __future__ import annotations

from msgspec import Struct

from tierline.model.orders import OrderFacts, OrderState


class OrderTarget(Struct, frozen=True, gc=False):
    """What a member's ledger shall say of an order. `state` None: nothing, for it is somebody
    else's. A higher revision wins; 0 is a statement that was not compared with others yet."""

    name: str
    state: OrderState | None
    revision: int = 0
    first_at: int = 0  # when the order was first told

    @property
    def facts(self) -> OrderFacts | None:
        return None if self.state is None else self.state.facts(self.first_at)


class OrderBooking(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a member's ledger says of an order: the newest entry of it by its key, the facts that
    it stands for (None: it was taken back), and how much others' refunds took of the order."""

    revision: int = 0
    entry_key: str | None = None
    facts: OrderFacts | None = None
    refunded_by_others: int = 0


class Replace(Struct, frozen=True):
    """Take the entry back. `anew`: another one takes its place at once."""

    anew: bool


class Book(Struct, frozen=True):
    """An entry of kind `order`."""

    facts: OrderFacts


class Refund(Struct, frozen=True):
    """Take a part of the entry back, in minor units."""

    amount: int


Difference = Replace | Book | Refund


def differences(
    target: OrderTarget, booking: OrderBooking, taken: int, *, is_left: bool
) -> tuple[Difference, ...]:
    """Returns what to book, in this order. `taken`: what was taken back of the entry so far, in
    minor units; `is_left`: whether anything of it, money or points, is still there."""
    if booking.revision >= target.revision:
        return ()
    facts, steps = target.facts, list[Difference]()
    refunded = 0
    if facts is not None and target.state is not None:
        stated = max(target.state.refunded, booking.refunded_by_others)
        refunded = min(facts.amount, stated)
    if booking.facts is not None and (booking.facts != facts or refunded < taken):
        if is_left:
            steps.append(Replace(anew=facts is not None))
        booking, taken = OrderBooking(), 0
    if facts is not None and booking.facts is None:
        steps.append(Book(facts))
        taken = 0
    if refunded > taken:
        steps.append(Refund(refunded - taken))
    return tuple(steps)


class OthersRefund(Struct, frozen=True):
    """A refund or void that names an order's entry: `booked` of it is still to be taken back, the
    rest the shop has said before; `refunded_by_others` is what all of these say then."""

    booked: int
    refunded_by_others: int


def refund_by_others(booking: OrderBooking, taken: int, amount: int | None) -> OthersRefund | None:
    """Returns what somebody's refund takes of an order of which `taken` is gone; None where so
    much is not left. `amount` None: all that is left."""
    whole = 0 if booking.facts is None else booking.facts.amount
    before = min(booking.refunded_by_others, whole)
    asserted = whole - before if amount is None else amount
    if asserted > whole - before:
        return None
    after = max(before + asserted, booking.refunded_by_others)  # of a larger order it was more
    return OthersRefund(max(taken, after) - taken, after)
