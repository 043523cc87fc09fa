"""What earning rules give without an activity: on joining, by attribute, date or change of tier."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from tests.reference import civil, earning
from tests.reference.account import BONUS, DATE, Position
from tests.reference.earning import Earned, Gift, Occasion
from tests.reference.ledger import Bonus, Ledger, last_day
from tests.reference.overrides import Overrides
from tierline.model.entries import Entry
from tierline.model.orders import OrderFacts
from tierline.rules import earning_rule as rules
from tierline.rules.earning_rule import EarningRule
from tierline.rules.program import Program

A_LITTLE = 1e-6  # behind the entry that brings it


class Bonuses(Overrides):
    """A membership that rules give something to."""

    def __init__(self, program: Program, zone: civil.Zone, ledger: Ledger) -> None:
        super().__init__(program, zone, ledger)
        self.orders: Mapping[int, OrderFacts] = {}  # by entry: what an order was
        self.occasions: list[tuple[str, str | None, Any]] = []
        self.earned: list[Earned] = []
        self.gifts: dict[int, list[Gift]] = {}  # by entry: what rules give for it

    # -- activities --------------------------------------------------------------------------

    def note_activity(self, entry: Entry) -> None:
        """What rules give for an entry that is about to come; what it says that they gave counts
        against limits, and what it takes the place of does no more."""
        detail = entry.detail
        before = self.ledger.entries[-1] if self.ledger.entries else None
        implied = before is not None and before.detail is not None and before.detail.implied
        if entry.kind in ("order", "custom"):
            tier = self.held if implied else self.visible
            occasion = self.occasion(tier, entry)
            self.gifts[entry.n] = earning.of_activity(self.ledger, occasion)
        if detail and detail.origin and detail.exchange:
            gone = {part.rule: part.points for part in detail.parts}
            of = [e for e in self.earned if e.entry == detail.origin.n and e.rule in gone]
            self.earned = [e for e in self.earned if e not in of]
        elif detail and detail.parts:
            limited = {r.id for r in self.version.rules.points.rules if earning.limit_of(r)}
            day = self.zone.day(entry.recorded_at)
            self.earned += [
                Earned(part.rule, day, part.points, entry.n)
                for part in detail.parts
                if part.rule in limited
            ]

    def occasion(self, tier: str | None, entry: Entry | None = None) -> Occasion:
        rank = self.rank(tier)
        return Occasion(
            tier=self.tiers[rank] if rank >= 0 else None,
            attributes=self.attributes,
            day=self.zone.day(self.now if entry is None else entry.recorded_at),
            entry=entry,
            order=None if entry is None else self.orders.get(entry.n),
            earned=self.earned,
        )

    # -- dates -------------------------------------------------------------------------------

    def dated(self) -> list[EarningRule]:
        kinds = rules.YearlyDay | rules.Birthday | rules.Anniversary
        points = self.version.rules.points
        return [r for r in points.rules if r.active and isinstance(r.trigger, kinds)]

    def dates(self) -> list[Position]:
        """When rules with a date are due next."""
        if self.joined is None:
            return []
        days = [day for rule in self.dated() for day in self.days_of(rule)]
        instants = {self.zone.start(day) for day in days}
        dues: list[Position] = [(at, DATE, 0) for at in instants]
        return sorted(due for due in dues if due[:2] > self.position[:2])[:1]

    def days_of(self, rule: EarningRule) -> list[date]:
        """The days of a rule around now."""
        assert self.joined is not None
        this = self.zone.day(self.now).year
        trigger, joined = rule.trigger, self.zone.day(self.joined)
        text: object = None
        if isinstance(trigger, rules.YearlyDay):
            text = trigger.day
        elif isinstance(trigger, rules.Birthday):
            text = self.attributes.get(trigger.attribute)
        elif isinstance(trigger, rules.Anniversary):
            text = joined.isoformat()
        try:
            assert isinstance(text, str)
            date.fromisoformat(text if len(text) > 5 else f"2000-{text}")
            days = [civil.yearly(text[-5:], year) for year in range(this - 1, this + 3)]
        except (ValueError, AssertionError):
            return []
        if isinstance(trigger, rules.Anniversary):
            days = [day for day in days if day.year > joined.year]
        return [d for d in days if rule.ends_on is None or d <= date.fromisoformat(rule.ends_on)]

    def dates_come(self) -> None:
        for rule in self.dated():
            if self.now in {self.zone.start(day) for day in self.days_of(rule)}:
                self.occur("date", rule.id, None)

    # -- giving ------------------------------------------------------------------------------

    def occur(self, what: str, name: str | None, value: object) -> None:
        if not self.quiet:
            self.occasions.append((what, name, value))

    def _tell(
        self, kind: str, was: str | None, now: str | None, cause: str, entry: int | None
    ) -> None:
        self.occur(kind, was if kind == "left" else now, None)
        super()._tell(kind, was, now, cause, entry)

    def give_bonuses(self, entry: Entry | None = None) -> None:
        """What came up is answered, and what that brings too; a rule gives once at most."""
        given: set[str] = set()
        n = None if entry is None else entry.n
        while self.occasions:
            occasion = self.occasions.pop(0)
            gave = False
            for rule in self.version.rules.points.rules:
                if rule.id in given or not earning.runs(rule, self.now, self.zone):
                    continue
                if self.answers(rule, *occasion) and self.give(rule, entry):
                    given.add(rule.id)
                    gave = True
            if not gave:
                continue
            self.unshown = bool(entry and entry.detail and entry.detail.implied)
            self.judge("bonus", "on_activity", n)
            self.show("bonus", n)
            self.unshown = False

    @staticmethod
    def answers(rule: EarningRule, what: str, name: str | None, value: object) -> bool:
        trigger = rule.trigger
        if isinstance(trigger, rules.Joining):
            return what == "joining"
        if isinstance(trigger, rules.AttributeBecomes):
            return what == "attribute" and (name, value) == (trigger.name, trigger.is_)
        if isinstance(trigger, rules.TierTrigger):
            return what in trigger.events and trigger.tier in (None, name)
        return what == "date" and name == rule.id

    def give(self, rule: EarningRule, entry: Entry | None) -> bool:
        """Whether a rule had something to give."""
        occasion = self.occasion(self.visible)
        table = rule.tiers.get(occasion.tier.id) if occasion.tier else None
        points = earning.multiplied(earning.count(rule, occasion), table)
        points = earning.limited(rule, points, occasion)
        if points <= 0:
            return False
        at, place, number = self.position
        step = 1.0 if place == BONUS else A_LITTLE
        self.position = (at, place, number + step)
        if earning.limit_of(rule):
            self.earned.append(Earned(rule.id, occasion.day, points))
        program = self.version.rules.points
        days = program.pending_days if rule.pending_days is None else rule.pending_days
        active = civil.plus(occasion.day, f"P{days}D")
        ends = self.ledger.after(last_day(rule.expiry or program.expiry, active))
        available = self.zone.start(active) if days else None
        bonus = Bonus(self.position, rule.id, points, available, ends)
        self.ledger.bonuses.append(bonus)
        return True
