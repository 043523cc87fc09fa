"""Notes of a decision: which entry brought how much of what, and when terms and tiers moved.

A tracer is handed to a state (`begin(…, tracer=Tracer())`). The state and the code that moves it
report to it where they change a total, a balance or a term, so that nothing is computed twice. A
state without one takes no notes and pays nothing for them.
"""

from __future__ import annotations

from collections import deque

import msgspec
from msgspec import Struct

from tierline.engine.lot_owners import LotOwners
from tierline.model.events import Event
from tierline.rules.points import Lots
from tierline.rules.window import FROM_TERM

DayTotals = dict[int, int]
TermDates = tuple[str | None, int | None, int | None]  # the held tier, its term's start and end


class Contribution(Struct, frozen=True):
    """`amount` came to a total, on the civil day where it counts. `buckets` is that total as it
    was then: once a term or a membership begins anew, another object takes its place."""

    key: str
    buckets: DayTotals
    bucket: int
    day: int
    amount: int
    entry: int | None
    rule: str | None = None  # of a bonus: the earning rule that gave it


class BalanceChange(Struct, frozen=True):
    """The points that can be spent changed, or those on their way. `entry` None: time did it."""

    day: int
    kind: str  # the entry's, else activation, expiry or bonus
    balance: int
    pending: int
    entry: int | None
    rule: str | None = None  # of a bonus: the earning rule that gave it


class TermChange(Struct, frozen=True):
    """The held tier's term was set or moved. `before`: its end until then."""

    at: int
    entry: int | None
    before: int | None
    ends_at: int | None


class MovedEnd(Struct, frozen=True):
    """The end of a held tier's term moved, to a later day or an earlier one, and the tier stayed.
    `entry` None: time did it."""

    at: int
    entry: int | None
    tier: str
    ends_at: int


class LotChange(Struct, frozen=True):
    """The lots were `before` and are `after`. `entry` None: time did it."""

    at: int
    entry: int | None
    before: Lots
    after: Lots


class MembershipChange(Struct, frozen=True):
    """A change of membership. `announced` false: it was brought along, and nobody heard of it; its
    event's `seq` is then no number of its own."""

    event: Event
    announced: bool


class CheckpointTotals(Struct):
    """What was counted at a checkpoint, for whoever plays history again from there: totals, tiers
    once held, the term's boundary, and whose points there were (None: nobody plays it again)."""

    sums: dict[str, dict[int, int]]
    reached: tuple[str, ...]
    term_boundary: tuple[int, ...] | None
    owners: LotOwners | None


class Station(Struct, frozen=True):
    """A member at an instant. `metric` is the policy's own, in its window of that day."""

    at: int
    tier: str | None
    expires_at: int | None
    balance: int
    metric: int


class Tracer(Struct):
    """What a state reports while it is moved; `balance`, `pending`, `dates` and `lots` are as they
    were when it reported last."""

    contributions: list[Contribution] = msgspec.field(default_factory=list)
    balance_changes: list[BalanceChange] = msgspec.field(default_factory=list)
    lot_changes: list[LotChange] = msgspec.field(default_factory=list)
    moves: list[MembershipChange] = msgspec.field(default_factory=list)
    moved_ends: list[MovedEnd] = msgspec.field(default_factory=list)
    term: TermChange | None = None
    balance: int = 0
    pending: int = 0
    dates: TermDates = (None, None, None)
    lots: Lots = ()
    owners: LotOwners = msgspec.field(default_factory=LotOwners)
    stops: deque[int] = msgspec.field(default_factory=deque)  # instants ahead to stop at
    stations: list[Station] = msgspec.field(default_factory=list)  # what was there

    def total_changed(self, note: Contribution) -> None:
        self.contributions.append(note)

    def points_activated(self, day: int, points: int, entry: int) -> None:
        """Time made pending points active."""
        self.balance_changes.append(BalanceChange(day, "activation", points, -points, entry))
        self.balance += points
        self.pending -= points

    def bonus_given(self, day: int, rule: str, points: tuple[int, int], entry: int | None) -> None:
        """An earning rule gave points without an activity. `points` are the balance and what is
        pending, after; `entry` brought the occasion."""
        change = points[0] - self.balance, points[1] - self.pending
        self.balance_changes.append(BalanceChange(day, "bonus", *change, entry, rule))
        self.balance, self.pending = points

    def tier_changed(self, event: Event, *, announced: bool) -> None:
        self.moves.append(MembershipChange(event, announced))

    def time_passed(self, at: int, day: int, balance: int, lots: Lots, dates: TermDates) -> None:
        """What was due at an instant has happened. What the balance lost then has expired."""
        if balance != self.balance:
            change = balance - self.balance
            self.balance_changes.append(BalanceChange(day, "expiry", change, 0, None))
        self.balance = balance
        self.note_lots(at, None, lots)
        self._date(at, None, dates)

    def entry_applied(
        self,
        at: int,
        day: int,
        entry: tuple[int, str],
        points: tuple[int, int],
        lots: Lots,
        dates: TermDates,
    ) -> None:
        """`entry` is its number and kind; `points` are the balance and what is pending, after."""
        number, kind = entry
        change = points[0] - self.balance, points[1] - self.pending
        if change != (0, 0):
            self.balance_changes.append(BalanceChange(day, kind, *change, number))
        self.balance, self.pending = points
        self.note_lots(at, number, lots)
        self._date(at, number, dates)

    def note_lots(self, at: int, entry: int | None, lots: Lots) -> None:
        """The lots are these now."""
        if lots != self.lots:
            self.lot_changes.append(LotChange(at, entry, self.lots, lots))
        self.lots = lots

    def terms_replayed(self, replay: Tracer) -> None:
        """History was played again: what counts from a term's start is what the replay counts."""
        self.contributions += [note for note in replay.contributions if FROM_TERM in note.key]

    def _date(self, at: int, entry: int | None, dates: TermDates) -> None:
        if dates != self.dates:
            before = self.dates[2] if self.dates[0] == dates[0] else None
            self.term = TermChange(at, entry, before, dates[2])
            tier, _, end = dates
            if tier is not None and end is not None and before not in (None, end):
                self.moved_ends.append(MovedEnd(at, entry, tier, end))
        self.dates = dates
