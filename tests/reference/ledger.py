"""What became of a member's points, worked out from the raw entries each time anybody asks.

Nothing is carried over: the account at a position is made by walking through everything that
happened up to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.reference import NoOpinion, civil
from tests.reference.account import (
    ACTIVATION,
    ARRIVAL,
    COUNTS_AS_EARNED,
    EXPIRY,
    FOREVER,
    Account,
    Fact,
    Position,
    Waiting,
)
from tierline.model.entries import Detail, Entry, Origin, Part
from tierline.rules.expiry import AfterPeriod, DayOfYear, NoExpiry
from tierline.rules.points import Points


@dataclass(slots=True)
class Bonus:
    """Points that a rule gave without an entry."""

    at: Position
    rule: str
    points: int
    available_at: int | None
    expires: int


class Ledger:
    """The raw entries, and the rules for points that were in force at an instant."""

    def __init__(self, zone: civil.Zone, rules: list[tuple[int, Points]]) -> None:
        self.zone = zone
        self.rules = rules
        self.entries: list[Entry] = []
        self.bonuses: list[Bonus] = []  # in their order
        self._cache: tuple[int, Position, Position, Account] | None = None

    def account(self, upto: Position) -> Account:
        """Everything with a position before or at `upto`. Callers do not change it.

        Worked out from the first entry on, each time that something has happened since the
        last time anybody asked.
        """
        cache, there = self._cache, len(self.entries) + len(self.bonuses)
        if cache is None or cache[0] != there or not cache[1] <= upto < cache[2]:
            account, following = self._account(upto)
            cache = self._cache = (there, upto, following, account)
        return cache[3]

    def _account(self, upto: Position) -> tuple[Account, Position]:
        """The account, and the position of what happens next."""
        account = Account()
        entries, arrived = self.entries, 0
        bonuses, given = self.bonuses, 0
        reached: Position = (-FOREVER, 0, 0)
        while True:
            # Whatever happens first; what arrives goes last where positions are equal.
            position: Position = (FOREVER, 0, 0)
            at: Position
            move: Entry | Waiting | Bonus | None = None
            for waiting in account.pending:
                at = max((waiting.available_at, ACTIVATION, waiting.entry), reached)
                if at < position:
                    position, move = at, waiting
            if account.shares and account.shares[0][0] < FOREVER:
                at = max((account.shares[0][0], EXPIRY, 0), reached)
                if at < position:
                    position, move = at, None
            if given < len(bonuses) and bonuses[given].at < position:
                position = bonuses[given].at
                move = bonuses[given]
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
            elif isinstance(move, Bonus):
                given += 1
                self._give(account, move)
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
            instants.add((self._end_of(waiting, waiting.available_at), EXPIRY))
        instants |= {(expires, EXPIRY) for expires, _ in account.lots}
        return sorted(
            (at, place) for at, place in instants if after < (at, place, 0) and at <= upto[0]
        )

    def rules_at(self, at: int) -> Points:
        return [points for since, points in self.rules if since <= at or since == self.rules[0][0]][
            -1
        ]

    def waits_until(self, entry: Entry) -> int | None:
        """When the last of an entry's points become active; None: all are at once."""
        ends = [at for _, at, _ in self.shares(entry) if at is not None]
        return max(ends, default=None)

    @staticmethod
    def shares(entry: Entry) -> list[tuple[int, int | None, int | None]]:
        """(points, active from, end as was said or FOREVER): the parts of an entry, where they
        live differently, or all of it."""
        detail = entry.detail
        if detail is None:
            return [(entry.points, None, None)]
        lives: list[Part | Detail] = [detail]
        said = [(p.available_at, p.expires_at, p.never_expires) for p in detail.parts]
        if any(life != (None, None, False) for life in said):
            lives = list(detail.parts)
        shares = []
        for life in lives:
            at = life.available_at
            ends = FOREVER if life.never_expires else life.expires_at
            ends = life.expires_at if life.expires_at is not None else ends
            waits = at is not None and at > entry.recorded_at
            points = life.points if isinstance(life, Part) else entry.points
            shares.append((points, at if waits else None, ends))
        return shares

    def expiry_of(self, entry: Entry, activated: int | None = None) -> int:
        """When the points of an entry expire that live alike; `activated`: when they stopped being
        pending."""
        said = self.shares(entry)[0][2]
        return self._life(entry, said, activated)

    def _life(self, entry: Entry, said: int | None, activated: int | None = None) -> int:
        if said is not None:
            return said
        if activated is not None:
            return self.expiry_from(self.zone.day(activated), entry.kind, activated)
        happened = entry.recorded_at if entry.kind == "opening" else entry.occurred_at
        return self.expiry_from(self.zone.day(happened), entry.kind, entry.recorded_at)

    def _end_of(self, waiting: Waiting, activated: int) -> int:
        if waiting.expires is not None:
            return waiting.expires
        return self.expiry_from(self.zone.day(activated), waiting.kind, activated)

    def expiry_from(self, day: date, kind: str, at: int) -> int:
        """When points that came on a day expire, by the rules in force at an instant."""
        points = self.rules_at(at)
        rule: object = points.expiry
        if kind == "order" and points.orders and points.orders.expiry:
            rule = points.orders.expiry
        return self.after(last_day(rule, day))

    def after(self, last: date | None) -> int:
        """The instant at which a last day is over."""
        return FOREVER if last is None else self.zone.start(last + civil.ONE_DAY)

    def _give(self, account: Account, bonus: Bonus) -> None:
        """A bonus counts as earned, under the name of its rule."""
        waits = bonus.available_at is not None
        account.facts.append(
            Fact(
                kind="earn",
                name=bonus.rule,
                metadata={},
                day=self.zone.day(bonus.at[0]),
                at=bonus.at,
                points=0 if waits else bonus.points,
                points_at_once=bonus.points,
                happened=bonus.at[0],
            )
        )
        if bonus.available_at is not None:
            facts: tuple[str, str, dict[str, Any], int] = ("earn", bonus.rule, {}, bonus.at[0])
            waiting = Waiting(0, *facts, bonus.available_at, bonus.points, bonus.expires)
            account.pending.append(waiting)
            return
        account.earned += bonus.points
        account.add(bonus.points, bonus.expires, bonus.at[0], [(0, bonus.points)])

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
        facts = (fact.kind, fact.name, fact.metadata, entry.occurred_at)
        lots = entry.detail.lots if entry.detail else ()
        for expires, points in lots:
            until = FOREVER if expires is None else expires
            account.add(points, until, entry.recorded_at, [(entry.n, points)])
            fact.points += points
        brought = fact.points
        for part, (points, available_at, said) in enumerate(self.shares(entry)):
            rest = points - brought
            if available_at is not None:
                waiting = Waiting(entry.n, *facts, available_at, rest, said, part)
                account.pending.append(waiting)
                continue
            fact.points += rest
            fact.parts = (*fact.parts, part)
            ends = self._life(entry, said)
            account.ends[entry.n, part] = ends
            account.add(rest, ends, entry.recorded_at, [(entry.n, rest)])
        account.earned += fact.points

    def _activate(
        self, account: Account, waiting: Waiting, at: Position, approved: int = 0
    ) -> None:
        account.earned += waiting.points
        owners = [(waiting.entry, waiting.points)]
        ends = self._end_of(waiting, at[0])
        account.ends[waiting.entry, waiting.part] = ends
        account.add(waiting.points, ends, at[0], owners)
        if at[0] <= max(account.left_at, account.began_at):
            return
        account.facts.append(
            Fact(
                kind=waiting.kind,
                name=waiting.name,
                metadata=waiting.metadata,
                day=self.zone.day(at[0]),
                at=(at[0], ACTIVATION, waiting.entry),  # before what begins at that instant
                points=waiting.points,
                entry=waiting.entry,
                happened=waiting.happened,
                activated=True,
                approved=approved,
                parts=(waiting.part,),
            )
        )

    def _approve(self, account: Account, entry: Entry, at: Position) -> None:
        origin = entry.detail.origin if entry.detail else None
        for waiting in [w for w in account.pending if origin and w.entry == origin.n]:
            account.pending.remove(waiting)
            self._activate(account, waiting, at, entry.n)

    def _reverse(self, account: Account, entry: Entry, origin: Origin, at: Position) -> None:
        active: dict[int, int] = {}  # by part: what is taken of points that were not pending
        if entry.points > 0:  # what was spent or taken away comes back
            lots = entry.detail.lots if entry.detail else ()
            for expires, part in lots or ((origin.expires_at, entry.points),):
                until = FOREVER if expires is None else expires
                account.give_back(origin.n, part, until, entry.recorded_at)
            if origin.kind == "redeem":
                account.spent -= entry.points
            points = 0
        else:
            points = -entry.points
            takes = self._takes(account, origin, points)
            for part, (taken, ends) in enumerate(takes):
                active[part] = self._take_back(account, entry.n, origin.n, part, taken, ends)
            account.earned -= sum(active.values())
            account.taken[origin.n] = account.taken.get(origin.n, 0) + points
        self._unmake(account, entry, origin, points, active)

    def _takes(self, account: Account, origin: Origin, points: int) -> list[tuple[int, int | None]]:
        """How many points are taken of each part of an entry, in the order of the parts, and where
        those expire (None: no part lives otherwise than the entry)."""
        brought = next(e for e in self.entries if e.n == origin.n)
        shares, before = self.shares(brought), account.taken.get(origin.n, 0)
        takes: list[tuple[int, int | None]] = []
        for part, (share, _, _) in enumerate(shares):
            gone = min(share, before)
            taken = points if len(shares) == 1 else min(share - gone, points)
            before, points = before - gone, points - taken
            alone = len(shares) == 1 and not self._differs(brought)
            takes.append((taken, None if alone else account.ends.get((origin.n, part), FOREVER)))
        return takes

    @staticmethod
    def _differs(entry: Entry) -> bool:
        parts = entry.detail.parts if entry.detail else ()
        lives = {(part.available_at, part.expires_at, part.never_expires) for part in parts}
        return bool(lives - {(None, None, False)})

    @staticmethod
    def _take_back(
        account: Account, spender: int, owner: int, part: int, points: int, ends: int | None
    ) -> int:
        """Takes points of one part back; returns how many of them were not pending any more."""
        for waiting in account.pending:
            if (waiting.entry, waiting.part) == (owner, part):
                still = min(points, waiting.points)
                points -= still
                waiting.points -= still
        account.pending = [w for w in account.pending if w.points]
        # What has left by expiry is not there to be taken again.
        rest = points
        for lost in [key for key in account.lost if key[0] == owner and ends in (None, key[1])]:
            gone = min(rest, account.lost[lost])
            account.lost[lost] -= gone
            rest -= gone
        account.take(rest, spender, account.ends.get((owner, part), FOREVER), owner)
        return points

    @staticmethod
    def _unmake(
        account: Account, entry: Entry, origin: Origin, points: int, active: dict[int, int]
    ) -> None:
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
                    points=-sum(active.get(part, 0) for part in made.parts),
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
