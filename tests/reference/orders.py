"""An order told again and again, and what ledgers have to say of it, as the docs have it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from msgspec.structs import replace

from tierline.model.orders import OrderState


@dataclass
class ToldOrder:
    """What became of an order by all that was said of it."""

    state: OrderState | None = None
    first_at: int = 0  # when it was first told
    by_others: Counter[str] = field(default_factory=Counter)  # refunds by other activities

    def tell(self, state: OrderState, now: int) -> None:
        """A statement of the whole order."""
        before = self.state
        if before is None:
            self.state, self.first_at = state, now
            return
        dated = state.as_of is not None and before.as_of is not None
        if state.as_of is not None and (before.as_of is None or state.as_of > before.as_of):
            self.state = state
        elif not dated or state.as_of == before.as_of:
            self.state = replace(
                state,
                as_of=before.as_of,
                paid=max(before.paid, state.paid),
                refunded=max(before.refunded, state.refunded),
                cancelled=before.cancelled or state.cancelled,
            )

    def refund(self, amount: int | None) -> None:
        """Somebody else's refund, of so much or (None) of all that is left of it; more than that
        is refused."""
        if self.state is None:
            return
        left = self.paid - min(self.paid, self.by_others[self.state.customer])
        share = left if amount is None else amount
        if share <= left:
            self.by_others[self.state.customer] += share

    @property
    def paid(self) -> int:
        """What counts of it, before refunds."""
        return 0 if self.state is None or self.state.cancelled else self.state.paid

    def net(self, customer: str) -> int:
        """How much money a customer's ledger holds of it, net."""
        if self.state is None or customer != self.state.customer:
            return 0
        back = max(self.state.refunded, self.by_others[customer])
        return max(0, self.paid - back)

    def day_told(self, customer: str) -> int | None:
        """When a customer's order happened; None: they have none."""
        if self.state is None or customer != self.state.customer or not self.paid:
            return None
        return self.first_at if self.state.occurred_at is None else self.state.occurred_at
