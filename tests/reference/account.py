"""A member's points, worked out from the raw entries each time anybody asks.

Nothing is carried over: the account at a position is made by walking through everything that
happened up to it. A position is (instant, place in the instant's order, number of the entry).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.reference import NoOpinion, civil
from tierline.model.entries import Entry, Origin
from tierline.rules.expiry import AfterPeriod, DayOfYear, NoExpiry
from tierline.rules.points import Points

# The order of what one instant brings (Voucherify's nightly order first, then what arrives).
RULES, ACTIVATION, OVERRIDE, START, TERM, TURN, EXPIRY, AGE, ARRIVAL = range(9)
Position = tuple[int, int, int]
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


@dataclass(slots=True)
class Waiting:
    """Pending points."""

    entry: Entry
    available_at: int
    points: int


@dataclass
class Account:
    # (expiry or FOREVER, the entry that brought them, points), soonest and oldest first
    shares: list[tuple[int, int, int]] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)  # by entry: what expired of its points
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
                self.lost[owner] = self.lost.get(owner, 0) + part
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
                self.lost[owner] = self.lost.get(owner, 0) + points
        self.shares = [share for share in self.shares if share[0] > at]


class Ledger:
    """The raw entries, and the rules for points that were in force at an instant."""

    def __init__(self, zone: civil.Zone, rules: list[tuple[int, Points]]) -> None:
        self.zone = zone
        self.rules = rules
        self.entries: list[Entry] = []
        self._cache: tuple[int, Position, Position, Account] | None = None

    def account(self, upto: Position) -> Account:
        """Everything with a position before or at `upto`. Callers do not change it.

        Worked out from the first entry on, each time that something has happened since the
        last time anybody asked.
        """
        cache = self._cache
        if cache is None or cache[0] != len(self.entries) or not cache[1] <= upto < cache[2]:
            account, following = self._account(upto)
            cache = self._cache = (len(self.entries), upto, following, account)
        return cache[3]

    def _account(self, upto: Position) -> tuple[Account, Position]:
        """The account, and the position of what happens next."""
        account = Account()
        entries, arrived = self.entries, 0
        reached: Position = (-FOREVER, 0, 0)
        while True:
            # Whatever happens first; what arrives goes last where positions are equal.
            position: Position = (FOREVER, 0, 0)
            move: Entry | Waiting | None = None
            for waiting in account.pending:
                at = max((waiting.available_at, ACTIVATION, waiting.entry.n), reached)
                if at < position:
                    position, move = at, waiting
            if account.shares and account.shares[0][0] < FOREVER:
                at = max((account.shares[0][0], EXPIRY, 0), reached)
                if at < position:
                    position, move = at, None
            if arrived < len(entries):
                entry = entries[arrived]
                at = (entry.recorded_at, ARRIVAL, entry.n)
                if at < position:
                    position, move = at, entry
            if position > upto:
                return account, position
            reached = max(reached, position)
            if isinstance(move, Entry):
                arrived += 1
                self._record(account, move, position)
            elif isinstance(move, Waiting):
                account.pending.remove(move)
                self._activate(account, move, position)
            else:
                account.expire(position[0])

    def changes(self, after: Position, upto: Position) -> list[tuple[int, int]]:
        """(instant, ACTIVATION or EXPIRY) of what time does to points, while nothing arrives."""
        account = self.account(after)
        instants = {(w.available_at, ACTIVATION) for w in account.pending}
        for waiting in account.pending:
            instants.add((self.expiry_of(waiting.entry, waiting.available_at), EXPIRY))
        instants |= {(expires, EXPIRY) for expires, _ in account.lots}
        return sorted(
            (at, place) for at, place in instants if after < (at, place, 0) and at <= upto[0]
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
        happened = entry.recorded_at if entry.kind == "opening" else entry.occurred_at
        day = self.zone.day(activated if activated is not None else happened)
        points = self.rules_at(at)
        rule: object = points.expiry
        if entry.kind == "order" and points.orders and points.orders.expiry:
            rule = points.orders.expiry
        last = last_day(rule, day)
        return FOREVER if last is None else self.zone.start(last + civil.ONE_DAY)

    def _record(self, account: Account, entry: Entry, at: Position) -> None:
        detail = entry.detail
        if entry.kind == "checkpoint":
            return  # of points it says what the entries say
        if entry.kind == "leave":
            account.facts, account.left_at, account.member = [], at[0], False
            return
        if entry.kind == "enrol" and not account.member:
            account.member = True
            if account.left_at > -FOREVER:
                account.facts, account.began_at = [], at[0]
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
            entry=entry.n,
            happened=entry.recorded_at if entry.kind == "opening" else entry.occurred_at,
        )
        if entry.kind in COUNTS_AS_EARNED and entry.points > 0:
            self._collect(account, entry, fact)
        elif entry.points < 0:
            account.take(-entry.points, entry.n)
            if entry.kind == "redeem":
                account.spent -= entry.points
        if entry.kind == "opening" and detail:
            account.spent += detail.spent
        account.facts.append(fact)

    def _collect(self, account: Account, entry: Entry, fact: Fact) -> None:
        fact.points_at_once = entry.points
        until = self.waits_until(entry)
        if until is not None:
            account.pending.append(Waiting(entry, until, entry.points))
            return
        fact.points = entry.points
        account.earned += entry.points
        lots = entry.detail.lots if entry.detail else ()
        owners = [(entry.n, entry.points)]
        for expires, points in lots:
            until = FOREVER if expires is None else expires
            account.add(points, until, entry.recorded_at, owners)
        rest = entry.points - sum(points for _, points in lots)
        account.add(rest, self.expiry_of(entry), entry.recorded_at, owners)

    def _activate(
        self, account: Account, waiting: Waiting, at: Position, approved: int = 0
    ) -> None:
        entry = waiting.entry
        account.earned += waiting.points
        owners = [(entry.n, waiting.points)]
        account.add(waiting.points, self.expiry_of(entry, at[0]), at[0], owners)
        detail = entry.detail
        if at[0] <= max(account.left_at, account.began_at):
            return
        account.facts.append(
            Fact(
                kind=entry.kind,
                name=detail.name if detail else None,
                metadata=(detail.metadata if detail else None) or {},
                day=self.zone.day(at[0]),
                at=(at[0], ACTIVATION, entry.n),  # before what begins at that instant
                points=waiting.points,
                entry=entry.n,
                happened=entry.occurred_at,
                activated=True,
                approved=approved,
            )
        )

    def _approve(self, account: Account, entry: Entry, at: Position) -> None:
        origin = entry.detail.origin if entry.detail else None
        for waiting in [w for w in account.pending if origin and w.entry.n == origin.n]:
            account.pending.remove(waiting)
            self._activate(account, waiting, at, entry.n)

    def _reverse(self, account: Account, entry: Entry, origin: Origin, at: Position) -> None:
        if entry.points > 0:  # what was spent or taken away comes back
            lots = entry.detail.lots if entry.detail else ()
            for expires, part in lots or ((origin.expires_at, entry.points),):
                until = FOREVER if expires is None else expires
                account.give_back(origin.n, part, until, entry.recorded_at)
            if origin.kind == "redeem":
                account.spent -= entry.points
            points = active = 0
        else:
            points = active = -entry.points
            for waiting in [w for w in account.pending if w.entry.n == origin.n]:
                still = min(active, waiting.points)
                active -= still
                waiting.points -= still
            account.pending = [w for w in account.pending if w.points]
            account.earned -= active
            # What has left by expiry is not there to be taken again.
            gone = min(active, account.lost.get(origin.n, 0))
            account.lost[origin.n] = account.lost.get(origin.n, 0) - gone
            until = FOREVER if origin.expires_at is None else origin.expires_at
            account.take(active - gone, entry.n, until, origin.n)
        self._unmake(account, entry, origin, points, active)

    @staticmethod
    def _unmake(account: Account, entry: Entry, origin: Origin, points: int, active: int) -> None:
        """Metrics lose what is taken back where it came: on that day, and only if it still counts
        there (a membership that ended has taken its facts along)."""
        for made in [f for f in account.facts if f.entry == origin.n]:
            arrived = not made.activated
            account.facts.append(
                Fact(
                    kind=made.kind,
                    name=made.name,
                    metadata=made.metadata,
                    day=made.day,
                    at=made.at,
                    points=-active if made.points else 0,
                    points_at_once=-points if arrived else 0,
                    amount=entry.amount if arrived else 0,
                    times=-1 if arrived and origin.last else 0,
                    happened=made.happened,
                    activated=made.activated,
                    taken_by=entry.n,
                    takes=origin.n,
                )
            )


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
    if isinstance(expiry, NoExpiry):
        return None
    raise NoOpinion(expiry)
