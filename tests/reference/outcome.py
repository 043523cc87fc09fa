"""What came of a history."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference.account import FOREVER, Account
from tests.reference.earning import Gift
from tests.reference.expected_event import ExpectedEvent
from tests.reference.ledger import Ledger
from tierline.model.entries import Override
from tierline.model.standing import Pending, Standing


@dataclass
class Outcome:
    """What came of a history."""

    events: list[ExpectedEvent]
    tier: str | None
    held: str | None
    since: int | None
    started_at: int | None
    ends_at: int | None
    grace_until: int | None
    waiting: tuple[str, int] | None
    joined_at: int | None
    account: Account
    ledger: Ledger
    overrides: tuple[Override, ...] = ()
    values: dict[str | None, int] = field(default_factory=dict)
    gifts: dict[int, list[Gift]] = field(default_factory=dict)  # by entry: what rules give for it

    def standing(self) -> Standing:
        """The same in the engine's type, as far as the evaluator knows it."""
        account = self.account
        lots = tuple((None if x == FOREVER else x, points) for x, points in account.lots)
        return Standing(
            joined_at=self.joined_at,
            tier=self.tier,
            since=self.since,
            held=self.held,
            started_at=self.started_at,
            ends_at=self.ends_at,
            grace_until=self.grace_until,
            waiting=self.waiting,
            overrides=self.overrides,
            lots=lots,
            debt=account.debt,
            pending=tuple(
                Pending(w.entry, w.available_at, w.points, None, w.kind)  # type: ignore[arg-type]
                for w in account.pending
            ),
            earned=account.earned,
            spent=account.spent,
            expired=account.expired,
        )
