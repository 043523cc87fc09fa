"""What an activity earns: the rules for orders and events, tier multipliers, pending days.

Computed once, when the entry is made; the ledger keeps the numbers, so that a fold of it never
depends on what multiplied them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from tierline.model.entries import Detail, Entry, Part
from tierline.model.orders import OrderFacts
from tierline.rules.earning_rule import (
    ActivityTrigger,
    AttributeValue,
    EarningFacts,
    EarningRule,
    Gain,
    earning_of,
)
from tierline.rules.points import Points, multiplied
from tierline.rules.program import Program

Reached = Callable[[Entry], str | None]  # the tier that the world sees right after an entry
Gains = dict[str, int]  # points by rule
ORDERS = "orders"  # stands for `points.orders` among the rules


class Earner(Struct, frozen=True):
    """Who earns: the tier that the world sees before the entry, and what rules ask of a member."""

    tier: str | None
    attributes: Mapping[str, AttributeValue] = {}
    gains: Mapping[str, Gain] = {}
    order: OrderFacts | None = None  # of an order that is told whole


def points_for(
    program: Program, earner: Earner, draft: Entry, reached: Reached, *, points_given: bool
) -> Entry:
    """The entry as the ledger keeps it: its points, who gave them, and when they become active.

    `points_given`: the caller said how many points. Where not, the rules give them. `reached`
    decides the entry on trial.
    """
    rules = program.version(draft.recorded_at).rules.points
    if not points_given and draft.kind in ("order", "custom"):
        activity = _Activity(program, earner, draft, reached)
        if activity.earns:
            return activity.entry()
    return _later(program, rules, draft)


def _later(program: Program, rules: Points, draft: Entry) -> Entry:
    """Points wait for so many days as the program says, where the caller said nothing."""
    if rules.pending_days and draft.points > 0 and draft.kind in ("earn", "order", "custom"):
        detail = draft.detail or Detail()
        if detail.available_at is None:
            available_at = _available_at(program, draft, rules.pending_days)
            draft = replace(draft, detail=replace(detail, available_at=available_at))
    return draft


def _available_at(program: Program, draft: Entry, days: int) -> int:
    return program.zone.start(program.zone.day(draft.occurred_at) + days)


def lot_expiry(program: Program, entry: Entry) -> int | None:
    """When the points that an entry brought expire; None: never."""
    detail = entry.detail
    if detail is not None and (detail.never_expires or detail.expires_at is not None):
        return detail.expires_at
    start, at = entry.occurred_at, entry.recorded_at
    if detail is not None and detail.available_at is not None and detail.available_at > at:
        start = at = detail.available_at  # by the rules of then
    expiry = program.version(at).rules.points.expiry_of(entry.kind)
    last = expiry.last_day(program.zone.day(start))
    return None if last is None else program.zone.start(last + 1)


class _Activity:
    """An order or a custom event, and the rules that answer it."""

    def __init__(self, program: Program, earner: Earner, draft: Entry, reached: Reached) -> None:
        self.program, self.earner, self.draft, self.reached = program, earner, draft, reached
        self.version = program.version(draft.recorded_at)
        self.points = self.version.rules.points
        self.orders = None
        if draft.kind == "order" and draft.amount > 0:
            self.orders = self.points.orders
        self.rules: dict[str, EarningRule] = {}
        if self.points.rules:
            day = program.zone.day(draft.occurred_at)
            facts = EarningFacts(draft, earner.attributes, earner.order, day)
            self.rules = {
                rule.id: rule
                for rule in self.points.rules
                if isinstance(rule.trigger, ActivityTrigger)
                and rule.runs_at(draft.occurred_at, program.zone)
                and rule.trigger.answers(facts)
            }

    @property
    def earns(self) -> bool:
        return bool(self.rules) or self.orders is not None

    def entry(self) -> Entry:
        gains = self._gains()
        draft = replace(self.draft, points=sum(gains.values()))
        if not self.rules:
            return _later(self.program, self.points, draft)
        parts = tuple(self._part(id_, points) for id_, points in gains.items() if points)
        detail = draft.detail or Detail()
        one = {(part.available_at, part.expires_at, part.never_expires) for part in parts}
        if len(one) == 1:
            # They live alike: the entry says how.
            available_at, expires_at, never_expires = one.pop()
            parts = tuple(Part(part.rule, part.points) for part in parts)
            detail = replace(
                detail,
                available_at=available_at,
                expires_at=expires_at,
                never_expires=never_expires,
            )
        return replace(draft, detail=replace(detail, parts=parts)) if parts else draft

    def _part(self, id_: str, points: int) -> Part:
        """What the caller said of the points holds for every part."""
        rule, detail = self.rules.get(id_), self.draft.detail or Detail()
        own_days = None if rule is None else rule.pending_days
        days = self.points.pending_days if own_days is None else own_days
        available_at = detail.available_at
        if available_at is None and days:
            available_at = _available_at(self.program, self.draft, days)
        expires_at, never_expires = detail.expires_at, detail.never_expires
        expiry = None if rule is None else rule.expiry
        if expiry is not None and expires_at is None and not never_expires:
            start = max(self.draft.occurred_at, available_at or self.draft.occurred_at)
            last = expiry.last_day(self.program.zone.day(start))
            never_expires = last is None
            expires_at = None if last is None else self.program.zone.start(last + 1)
        return Part(id_, points, available_at, expires_at, never_expires)

    # -- points by rule -----------------------------------------------------------------------

    def _gains(self) -> Gains:
        tier, crossing = self.earner.tier, self.points.crossing
        before = self._limited(self._worth(self._plain(self.draft.amount), tier))
        if crossing == "before" or not self._tiers_matter:
            return before
        after = self._reached(before, self.draft.amount)
        if self._rank(after) <= self._rank(tier):
            return before
        if crossing == "after":
            return self._limited(self._worth(self._plain(self.draft.amount), after))
        return self._limited(self._split())

    def _plain(self, amount: int) -> Gains:
        """What the rules give for so much of the money, whatever the tier."""
        gains: Gains = {}
        if self.orders is not None:
            gains[ORDERS] = self.points.earned_by_order(amount, None)
        if self.rules and (amount or not self.draft.amount):
            draft = replace(self.draft, amount=amount)
            day = self.program.zone.day(draft.occurred_at)
            facts = EarningFacts(draft, self.earner.attributes, self.earner.order, day)
            gains |= {id_: rule.count(facts) for id_, rule in self.rules.items()}
        return gains

    def _worth(self, gains: Gains, tier: str | None) -> Gains:
        """What a tier makes of it."""
        held = self.version.tier(tier)
        own = None if held is None else held.earning
        earnings = {id_: earning_of(rule, tier, own) for id_, rule in self.rules.items()}
        return {id_: multiplied(n, earnings.get(id_, own)) for id_, n in gains.items()}

    @property
    def _tiers_matter(self) -> bool:
        own = any(tier.earning is not None for tier in self.version.rules.policy.tiers)
        return own or any(rule.tiers for rule in self.rules.values())

    def _limited(self, gains: Gains) -> Gains:
        """Limits, then stacking."""
        day = self.program.zone.day(self.draft.recorded_at)
        for id_, rule in self.rules.items():
            if rule.bound is not None and id_ in gains:
                gains[id_] = rule.bound.room(gains[id_], self.earner.gains.get(id_), day)
        if self.points.stacking == "all" or not self.rules:
            return gains
        giving = [id_ for id_ in gains if gains[id_]]
        if not giving:
            return {}
        best = self.points.stacking == "best"
        chosen = max(giving, key=lambda id_: gains[id_]) if best else giving[0]
        return {chosen: gains[chosen]}

    def _split(self) -> Gains:
        """The part below each threshold at its own tier's rate.

        Where a threshold lies is asked of the engine: the smallest amount that reaches a higher
        tier.
        """
        tier, done = self.earner.tier, 0
        total: Gains = {}  # of the tiers already passed
        while True:
            rank = self._rank(tier)

            def trial(amount: int) -> tuple[Gains, str | None]:
                counted = self._plain(done) if done else {}  # noqa: B023
                plain = self._plain(amount)
                rest = {id_: n - counted.get(id_, 0) for id_, n in plain.items()}
                worth = self._worth(rest, tier)  # noqa: B023
                gains = {id_: total.get(id_, 0) + n for id_, n in worth.items()}  # noqa: B023
                return gains, self._reached(gains, amount)

            gains, above = trial(self.draft.amount)
            if self._rank(above) <= rank:
                return gains
            low, high = done, self.draft.amount
            while high - low > 1:
                middle = (low + high) // 2
                if self._rank(trial(middle)[1]) > rank:
                    high = middle
                else:
                    low = middle
            (total, tier), done = trial(high), high
            if done == self.draft.amount:
                return total

    def _reached(self, gains: Gains, amount: int) -> str | None:
        trial = replace(self.draft, amount=amount, points=sum(self._limited(dict(gains)).values()))
        return self.reached(trial)

    def _rank(self, tier: str | None) -> int:
        return -1 if tier is None else self.version.rank.get(tier, -1)
