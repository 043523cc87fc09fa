"""A member's points, worked out from the raw entries each time anybody asks.

Nothing is carried over: the account at a position is made by walking through everything that
happened up to it. A position is (instant, place in the instant's order, number of the entry).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.reference import civil
from tierline.engine.model import Entry, Origin
from tierline.engine.points import AfterPeriod, DayOfYear, Points

# The order of what one instant brings (Voucherify's nightly order first, then what arrives).
RULES, ACTIVATION, OVERRIDE, START, TERM, TURN, EXPIRY, ARRIVAL = range(8)
Position = tuple[int, int, int]
FOREVER = 2**62

COUNTS_AS_EARNED = {"earn", "order", "custom", "adjust", "transfer_in", "opening"}


@dataclass(frozen=True)
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


@dataclass
class Waiting:
    """Pending points."""

    entry: Entry
    available_at: int
    points: int


@dataclass
class Account:
    lots: list[tuple[int, int]] = field(default_factory=list)  # (expiry or FOREVER, points)
    debt: int = 0
    pending: list[Waiting] = field(default_factory=list)
    earned: int = 0
    spent: int = 0
    expired: int = 0
    facts: list[Fact] = field(default_factory=list)

    @property
    def balance(self) -> int:
        return sum(points for _, points in self.lots) - self.debt

    def add(self, points: int, expires: int, now: int) -> None:
        """Points arrive: a debt is paid first, the rest is a lot; one that is past is none."""
        paid = min(self.debt, points)
        self.debt -= paid
        if expires <= now:
            self.expired += points - paid
        elif points > paid:
            self.lots = sorted([*self.lots, (expires, points - paid)])

    def take(self, points: int, preferred: int | None = None) -> None:
        """From the preferred lots first, then soonest expiry first; the shortfall is a debt."""
        order = sorted(self.lots, key=lambda lot: (lot[0] != preferred, lot[0]))
        kept = []
        for expires, held in order:
            taken = min(held, points)
            points -= taken
            if held > taken:
                kept.append((expires, held - taken))
        self.lots = sorted(kept)
        self.debt += points

    def expire(self, at: int) -> None:
        self.expired += sum(points for expires, points in self.lots if expires <= at)
        self.lots = [lot for lot in self.lots if lot[0] > at]


class Ledger:
    """The raw entries, and the rules for points that were in force at an instant."""

    def __init__(self, zone: civil.Zone, rules: list[tuple[int, Points]]) -> None:
        self.zone = zone
        self.rules = rules
        self.entries: list[Entry] = []
        self._asked: tuple[Position, int, Account] | None = None

    def account(self, upto: Position) -> Account:
        """Everything with a position before or at `upto`. Callers do not change it."""
        if self._asked is None or self._asked[:2] != (upto, len(self.entries)):
            self._asked = (upto, len(self.entries), self._account(upto))
        return self._asked[2]

    def _account(self, upto: Position) -> Account:
        account = Account()
        todo = [e for e in self.entries if (e.recorded_at, ARRIVAL, e.n) <= upto]
        reached: Position = (-FOREVER, 0, 0)
        while True:
            moves: list[tuple[Position, Entry | Waiting | None]] = [
                (max((w.available_at, ACTIVATION, w.entry.n), reached), w) for w in account.pending
            ]
            moves += [(max((x, EXPIRY, 0), reached), None) for x, _ in account.lots if x < FOREVER]
            if todo:
                moves.append(((todo[0].recorded_at, ARRIVAL, todo[0].n), todo[0]))
            moves = [m for m in moves if m[0] <= upto]
            if not moves:
                return account
            position, move = min(moves, key=lambda m: (m[0], isinstance(m[1], Entry)))
            reached = max(reached, position)
            if isinstance(move, Entry):
                todo.pop(0)
                self._record(account, move, position)
            elif isinstance(move, Waiting):
                account.pending.remove(move)
                self._activate(account, move, position)
            else:
                account.expire(position[0])

    def changes(self, after: Position, upto: Position) -> list[tuple[int, int]]:
        """(instant, ACTIVATION or EXPIRY) of what time does to points, while nothing arrives."""
        account = self.account(after)
        found = {(w.available_at, ACTIVATION) for w in account.pending}
        for waiting in account.pending:
            found.add((self.expiry_of(waiting.entry, waiting.available_at), EXPIRY))
        found |= {(expires, EXPIRY) for expires, _ in account.lots}
        return sorted(
            (at, place) for at, place in found if after < (at, place, 0) and at <= upto[0]
        )

    def rules_at(self, at: int) -> Points:
        return [points for since, points in self.rules if since <= at or since == self.rules[0][0]][
            -1
        ]

    def waits_until(self, entry: Entry) -> int | None:
        """When an entry's points become active; None: they are at once."""
        detail = entry.detail
        at = detail.available_at if detail else None
        return at if at is not None and at > entry.recorded_at else None

    def expiry_of(self, entry: Entry, activated: int | None = None) -> int:
        """When the points of an entry expire; `activated`: when they stopped being pending."""
        detail = entry.detail
        if detail and detail.expires_at is not None:
            return detail.expires_at
        if detail and detail.never_expires:
            return FOREVER
        at = activated if activated is not None else entry.recorded_at
        day = self.zone.day(activated if activated is not None else entry.occurred_at)
        last = last_day(self.rules_at(at).expiry, day)
        return FOREVER if last is None else self.zone.start(last + civil.ONE_DAY)

    def _record(self, account: Account, entry: Entry, at: Position) -> None:
        detail = entry.detail
        if entry.kind == "leave":
            account.facts = []
            return
        if detail and detail.origin and entry.kind in ("refund", "void"):
            self._reverse(account, entry, detail.origin, at)
            return
        if entry.kind == "approve":
            self._approve(account, entry, at)
            return
        fact = Fact(
            kind=entry.kind,
            name=detail.name if detail else None,
            metadata=(detail.metadata if detail else None) or {},
            day=self.zone.day(entry.occurred_at),
            at=at,
            amount=entry.amount,
            times=1,
        )
        if entry.kind in COUNTS_AS_EARNED and entry.points > 0:
            fact = self._collect(account, entry, fact)
        elif entry.points < 0:
            account.take(-entry.points)
            if entry.kind == "redeem":
                account.spent -= entry.points
        if entry.kind == "opening" and detail:
            account.spent += detail.spent
        account.facts.append(fact)

    def _collect(self, account: Account, entry: Entry, fact: Fact) -> Fact:
        until = self.waits_until(entry)
        if until is not None:
            account.pending.append(Waiting(entry, until, entry.points))
            return replace(fact, points_at_once=entry.points)
        account.earned += entry.points
        lots = entry.detail.lots if entry.detail else ()
        if lots:
            for expires, points in lots:
                account.add(points, FOREVER if expires is None else expires, entry.recorded_at)
        else:
            account.add(entry.points, self.expiry_of(entry), entry.recorded_at)
        return replace(fact, points=entry.points, points_at_once=entry.points)

    def _activate(self, account: Account, waiting: Waiting, at: Position) -> None:
        entry = waiting.entry
        account.earned += waiting.points
        account.add(waiting.points, self.expiry_of(entry, at[0]), at[0])
        detail = entry.detail
        account.facts.append(
            Fact(
                kind=entry.kind,
                name=detail.name if detail else None,
                metadata=(detail.metadata if detail else None) or {},
                day=self.zone.day(at[0]),
                at=at,
                points=waiting.points,
            )
        )

    def _approve(self, account: Account, entry: Entry, at: Position) -> None:
        origin = entry.detail.origin if entry.detail else None
        for waiting in [w for w in account.pending if origin and w.entry.n == origin.n]:
            account.pending.remove(waiting)
            self._activate(account, waiting, at)

    def _reverse(self, account: Account, entry: Entry, origin: Origin, at: Position) -> None:
        day = self.zone.day(origin.occurred_at)
        first = next((f.at for f in account.facts if f.at[2] == origin.n), None)
        fact = Fact(
            kind=origin.kind,
            name=origin.name,
            metadata=origin.metadata or {},
            day=day,
            at=first or at,
            amount=entry.amount,
            times=-1 if origin.last else 0,
        )
        if entry.points > 0:  # what was spent or taken away comes back
            lots = entry.detail.lots if entry.detail else ()
            for expires, part in lots or ((origin.expires_at, entry.points),):
                account.add(part, FOREVER if expires is None else expires, entry.recorded_at)
            if origin.kind == "redeem":
                account.spent -= entry.points
            points = active = 0
        else:
            points = -entry.points
            active = points
            for waiting in [w for w in account.pending if w.entry.n == origin.n]:
                still = min(active, waiting.points)
                active -= still
                waiting.points -= still
            account.pending = [w for w in account.pending if w.points]
            account.earned -= active
            account.take(active, FOREVER if origin.expires_at is None else origin.expires_at)
        if first is not None:
            account.facts.append(replace(fact, points_at_once=-points))
            when = self.zone.day(origin.available_at) if origin.available_at is not None else day
            account.facts.append(
                replace(
                    fact, day=when, points=-active, amount=0, times=0, at=self._came(origin, at)
                )
            )

    def _came(self, origin: Origin, at: Position) -> Position:
        if origin.available_at is not None and origin.available_at <= at[0]:
            return (origin.available_at, ACTIVATION, origin.n)
        entry = next(e for e in self.entries if e.n == origin.n)
        return (entry.recorded_at, ARRIVAL, origin.n)


def last_day(expiry: object, day: date) -> date | None:
    """The last day on which points that came on `day` can be spent."""
    if isinstance(expiry, AfterPeriod):
        last = civil.plus(day, expiry.length)
        if expiry.month is not None:
            while last.month != expiry.month:
                last = civil.plus_months(last.replace(day=1), 1)
            return last.replace(day=civil.month_length(last.year, last.month))
        return civil.span(last, expiry.round_to)[1] - civil.ONE_DAY if expiry.round_to else last
    if isinstance(expiry, DayOfYear):
        this = civil.yearly(expiry.day, day.year)
        return this if this >= day else civil.yearly(expiry.day, day.year + 1)
    return None
