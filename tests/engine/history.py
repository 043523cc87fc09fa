"""Makes ledger entries as intake would: numbered, with the origin of a reversal resolved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from tests.engine.driver import Driver
from tests.reference import civil
from tests.reference.account import ARRIVAL, FOREVER, Account
from tests.reference.evaluator import Evaluator
from tests.reference.ledger import Ledger
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.reversals import with_expired
from tierline.ledger.reversal import Original, with_parts
from tierline.model.entries import Detail, Entry, EntryKind, Origin, Override
from tierline.model.standing import Standing
from tierline.rules.earning import Earner, points_for
from tierline.rules.earning_rule import CustomEvent, OrderPaid
from tierline.rules.points import in_ratio
from tierline.rules.program import Program

BY_RULES = "by rules"  # the reason of activities whose sender named no points
MAY_WAIT = ("earn", "order", "custom")


class History:
    """A member's entries so far, and which of them were named, approved or taken back."""

    def __init__(self, program: Program) -> None:
        zone = civil.zone(program.time_zone)
        self.zone = zone
        self.program = program
        self.ledger = Ledger(zone, [(v.effective_at, v.rules.points) for v in program.versions])
        self.entries = self.ledger.entries
        self.taken: dict[int, tuple[int, int]] = {}
        self.approved: dict[int, int] = {}
        self._evaluator: Evaluator | None = None  # taken as far as anybody has asked
        self._driver = Driver(program, restart=False)  # likewise
        self.quiet = False  # entries are recorded as a quiet import records them

    def add(
        self,
        kind: EntryKind,
        at: int,
        *,
        points: int = 0,
        amount: int = 0,
        occurred: int | None = None,
        **detail: Any,
    ) -> Entry:
        n = len(self.entries) + 1
        if self.quiet:
            detail["quiet"] = True
        override = detail.get("override")
        if isinstance(override, Override):
            detail["override"] = replace(override, id=n)
        days = self.ledger.rules_at(at).pending_days
        if days and points > 0 and kind in MAY_WAIT and detail.get("available_at") is None:
            detail["available_at"] = self.days_after(at if occurred is None else occurred, days)
        entry = Entry(
            n=n,
            kind=kind,
            occurred_at=at if occurred is None else occurred,
            recorded_at=at,
            points=points,
            amount=amount,
            detail=Detail(**detail) if detail else None,
        )
        self.entries.append(entry)
        return entry

    def account(self, at: int) -> Account:
        """The member's points right after what happened at an instant."""
        upto = (at, ARRIVAL, 10**6)
        rules = [rule for v in self.program.versions for rule in v.rules.points.rules]
        if all(isinstance(rule.trigger, OrderPaid | CustomEvent) for rule in rules):
            return self.ledger.account(upto)
        return self.evaluated(at).ledger.account(upto)  # by an evaluator, which knows of bonuses

    def evaluated(self, at: int) -> Evaluator:
        """The slow evaluator after the entries so far and the time until an instant."""
        evaluator = self._evaluator
        if evaluator is None or evaluator.now > at:
            evaluator = self._evaluator = Evaluator(self.program)
        return evaluator.run(self.entries[len(evaluator.ledger.entries) :], at)

    def earn(
        self,
        kind: EntryKind,
        at: int,
        *,
        amount: int = 0,
        occurred: int | None = None,
        **detail: Any,
    ) -> Entry:
        """An order or an event whose sender named no points: the program's rules give them."""
        if self.quiet:
            detail["quiet"] = True
        draft = Entry(
            n=len(self.entries) + 1,
            kind=kind,
            occurred_at=at if occurred is None else occurred,
            recorded_at=at,
            amount=amount,
            detail=Detail(**detail, reason=BY_RULES),
        )
        entry = self.earned(draft)
        self.entries.append(entry)
        return entry

    def earned(self, draft: Entry) -> Entry:
        """The draft with what rules give for it after the entries so far."""
        at, driver = draft.recorded_at, self._driver

        def reached(trial: Entry) -> str | None:
            try:
                return decide(self.program, driver.standing, [trial], at).standing.tier
            except HistoryNeeded:
                return decide(self.program, Standing(), [*self.entries, trial], at).standing.tier

        driver.decide(self.entries[len(driver.history) :], at)
        standing = driver.standing
        last = self.entries[-1].detail if self.entries else None
        # Enrolled by this activity, as if a moment before it.
        tier = standing.held if last is not None and last.implied else standing.tier
        earner = Earner(tier, standing.attributes, standing.gains)
        return points_for(self.program, earner, draft, reached, points_given=False)

    def spend(self, kind: EntryKind, at: int, points: int) -> Entry:
        """Spends or gives away; the entry keeps the lots that it took from, as intake does."""
        lots, left = [], points
        for expires, held in self.account(at).lots:
            if left > 0:
                lots.append((None if expires == FOREVER else expires, min(held, left)))
                left -= held
        if not lots or lots[0][0] is None:
            return self.add(kind, at, points=-points)
        return self.add(kind, at, points=-points, lots=tuple(lots))

    def left(self, n: int) -> tuple[int, int]:
        """Points and money of an entry that were not yet taken back."""
        entry = self.entries[n - 1]
        points, amount = self.taken.get(n, (0, 0))
        return entry.points + points, entry.amount + amount

    def share(self, n: int, amount: int) -> int:
        """How many points go with so much of an order's money, in the ratio of the original."""
        points, money = self.taken.get(n, (0, 0))
        entry = self.entries[n - 1]
        if not entry.amount:
            return entry.points + points
        return in_ratio(entry.points, amount - money, entry.amount) + points

    def reverse(
        self,
        kind: EntryKind,
        at: int,
        n: int,
        *,
        points: int | None = None,
        amount: int | None = None,
        occurred: int | None = None,
        exchange: bool = False,
    ) -> Entry:
        """Takes back an entry: the rest of it, or so many of its points and so much money."""
        points_left, amount_left = self.left(n)
        points = points_left if points is None else points
        amount = amount_left if amount is None else amount
        last = kind == "void" or (amount == amount_left and points == points_left)
        before = self.taken.get(n, (0, 0))
        self.taken[n] = (before[0] - points, before[1] - amount)
        origin = self.origin(n, at, last=last)
        taken = Original(self.entries[n - 1], *before, approved_at=self.approved.get(n))
        origin = with_parts(self.program, taken, points, origin)
        if origin.parts:
            lost = self.account(at).lost
            origin = with_expired(
                origin, {end: p for (owner, end), p in lost.items() if owner == n}
            )
        detail: dict[str, Any] = {"origin": origin}
        if exchange:
            detail["exchange"] = True
        given = self.entries[n - 1]
        if given.kind == "transfer_out" and given.detail is not None and given.detail.lots:
            detail["lots"] = given.detail.lots  # they come back as they were
        return self.add(kind, at, points=-points, amount=-amount, occurred=occurred, **detail)

    def approve(self, at: int, n: int) -> Entry:
        origin = self.origin(n, at)
        self.approved[n] = at
        return self.add("approve", at, origin=origin)

    def origin(self, n: int, at: int, *, last: bool = False) -> Origin:
        """What an entry was, as the ledger knows it when something refers to it."""
        entry = self.entries[n - 1]
        detail = entry.detail
        waits = self.approved.get(n, self.ledger.waits_until(entry))
        active = waits if waits is not None and waits <= at else None
        expires = self.ledger.expiry_of(entry, active) if entry.points > 0 else FOREVER
        if entry.kind in ("redeem", "transfer_out"):
            ends = [FOREVER if end is None else end for end, _ in detail.lots] if detail else []
            expires = max(ends, default=FOREVER)
        account = self.account(at)
        return Origin(
            n=n,
            kind=entry.kind,
            occurred_at=entry.occurred_at,
            points=entry.points,
            amount=entry.amount,
            name=detail.name if detail else None,
            metadata=detail.metadata if detail else None,
            available_at=waits,
            expires_at=None if expires == FOREVER else expires,
            last=last,
            expired=account.lost_of(n) if entry.points > 0 else 0,
        )

    def days_after(self, instant: int, days: int) -> int:
        return self.zone.start(self.zone.day(instant) + timedelta(days=days))
