"""A member's points at one place of their history: lots, debt, what is pending, what was counted.

A position is (instant, place in the instant's order, number of the entry); a bonus that an entry
brings stands a little behind that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

# The order of what one instant brings (Voucherify's nightly order first, then what arrives).
RULES, ACTIVATION, OVERRIDE, START, TERM, TURN, EXPIRY, AGE, DATE, BONUS, ARRIVAL = range(11)
Position = tuple[int, int, float]
FOREVER = 2**62

COUNTS_AS_EARNED = {"earn", "order", "custom", "adjust", "transfer_in", "opening"}


@dataclass(slots=True)
class Fact:
    """What something brought to metrics, on which day; a reversal brings negative amounts."""

    kind: str
    name: str | None
    metadata: dict[str, Any]
    day: date
    at: Position  # where what was brought (not: taken back) stands in the history
    points: int = 0
    points_at_once: int = 0  # for metrics that include pending points
    amount: int = 0
    times: int = 0
    entry: int = 0  # that brought it; none where something is taken back
    happened: int = 0  # when, or when it came, if somebody brought it along
    activated: bool = False  # by points that were pending
    approved: int = 0  # by this entry
    taken_by: int = 0  # the reversal that takes back what `takes` brought
    takes: int = 0
    parts: tuple[int, ...] = ()  # of the entry, whose points these are


@dataclass(slots=True)
class Waiting:
    """Pending points of an entry, or of a part of one; of entry 0 where a rule gave them."""

    entry: int
    kind: str
    name: str | None
    metadata: dict[str, Any]
    happened: int
    available_at: int
    points: int
    expires: int | None = None  # as was said, or FOREVER; None: by the rules, from then on
    part: int = 0  # of the entry


@dataclass
class Account:
    # (expiry or FOREVER, the entry that brought them, points), soonest and oldest first
    shares: list[tuple[int, int, int]] = field(default_factory=list)
    # By entry and expiry: what expired of its points.
    lost: dict[tuple[int, int], int] = field(default_factory=dict)
    ends: dict[tuple[int, int], int] = field(default_factory=dict)  # by entry and part: its expiry
    taken: dict[int, int] = field(default_factory=dict)  # by entry: what reversals took of it
    # By entry that spent: (entry that had brought them, points).
    spending: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    debt: int = 0
    pending: list[Waiting] = field(default_factory=list)
    earned: int = 0
    spent: int = 0
    expired: int = 0
    facts: list[Fact] = field(default_factory=list)
    left_at: int = -FOREVER  # when a membership ended last
    began_at: int = -FOREVER  # when another one began
    member: bool = False
    lines: dict[int, list[Any]] = field(default_factory=dict)  # what `measures` made of the facts

    def lost_of(self, entry: int) -> int:
        """What expired of an entry's points."""
        return sum(points for (owner, _), points in self.lost.items() if owner == entry)

    @property
    def lots(self) -> list[tuple[int, int]]:
        """(expiry or FOREVER, points), soonest first."""
        return [(expires, points) for expires, _, points in self.shares]

    @property
    def balance(self) -> int:
        return sum(points for _, points in self.lots) - self.debt

    def add(self, points: int, expires: int, now: int, owners: list[tuple[int, int]]) -> None:
        """Points arrive: a debt is paid first, the rest is a lot; one that is past is none. The
        rest belongs to `owners`, each so many at most."""
        paid = min(self.debt, points)
        self.debt -= paid
        rest = points - paid
        if expires <= now:
            self.expired += rest
        for owner, most in owners:
            part = min(rest, most)
            rest -= part
            if expires <= now:
                self.lost[owner, expires] = self.lost.get((owner, expires), 0) + part
            elif part:
                self.shares = sorted([*self.shares, (expires, owner, part)])

    def take(
        self, points: int, spender: int, preferred: int | None = None, first: int | None = None
    ) -> None:
        """From the preferred lot first, then soonest expiry first; of one lot those of the entry
        `first`, then the oldest. The shortfall is a debt."""
        order = sorted(self.shares, key=lambda s: (s[0] != preferred, s[0], s[1] != first, s[1]))
        rest = []
        for expires, owner, share in order:
            part = min(share, points)
            points -= part
            if share > part:
                rest.append((expires, owner, share - part))
            if part:
                self.spending.setdefault(spender, []).append((owner, part))
        self.shares = sorted(rest)
        self.debt += points

    def give_back(self, spender: int, points: int, expires: int, now: int) -> None:
        """What was spent comes back, to whom it belonged; the oldest first."""
        paid = min(self.debt, points)
        owners = sorted(self.spending.pop(spender, []))
        self.add(points, expires, now, [*owners, (0, points)])
        rest, left = points - paid, []
        for owner, part in owners:
            back = min(part, rest)
            rest -= back
            left.append((owner, part - back))
        self.spending[spender] = left

    def expire(self, at: int) -> None:
        for expires, owner, points in self.shares:
            if expires <= at:
                self.expired += points
                self.lost[owner, expires] = self.lost.get((owner, expires), 0) + points
        self.shares = [share for share in self.shares if share[0] > at]
