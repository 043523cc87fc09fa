"""What earning rules give, as the docs say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from tests.reference import NoOpinion, civil
from tests.reference.account import FOREVER
from tests.reference.formulas import calculate
from tests.reference.ledger import Ledger, last_day
from tierline.model.entries import Entry
from tierline.model.orders import OrderFacts
from tierline.rules import earning_rule as rules
from tierline.rules.earning_rule import EarningRule, Limit
from tierline.rules.ladder import Earning, Tier
from tierline.rules.points import Points
from tierline.rules.validity import DailyHours, Validity

Attributes = Mapping[str, str | int | bool]
# Which rule gave how much, active from when, and until when (FOREVER: for good); None: as the
# program says.
Gift = tuple[str, int, int | None, int | None]
ONCE_A_YEAR = Limit(times=1, per="year")


@dataclass
class Earned:
    """What a rule with a limit gave, on which day, by which entry (0: a bonus)."""

    rule: str
    day: date
    points: int
    entry: int = 0


@dataclass
class Occasion:
    """What earning rules are asked with."""

    tier: Tier | None  # that the world sees
    attributes: Attributes
    day: date
    entry: Entry | None = None
    order: OrderFacts | None = None
    earned: list[Earned] = field(default_factory=list)

    @property
    def metadata(self) -> dict[str, Any]:
        detail = self.entry.detail if self.entry else None
        return (detail.metadata if detail else None) or {}

    def number(self, name: str, items: rules.ItemFilter | None) -> Fraction | None:
        """A number by its name; `items`: those of an order that count."""
        place, _, key = name.partition(".")
        if name == "amount":
            return Fraction(self.entry.amount) if self.entry else None
        if place == "order":
            return self.of_order(key, items)
        if place not in ("metadata", "attribute"):
            raise NoOpinion(name)
        value = {"metadata": self.metadata, "attribute": self.attributes}[place].get(key)
        if type(value) is int:
            return Fraction(value)
        return Fraction(repr(value)) if type(value) is float else None

    def of_order(self, key: str, items: rules.ItemFilter | None) -> Fraction | None:
        if self.order is None:
            total = self.entry is not None and (self.entry.kind, key) == ("order", "total")
            return Fraction(self.entry.amount) if total and self.entry else None
        chosen = [i for i in self.order.items if items is None or fits(items, i)]
        if key == "quantity":
            return Fraction(sum(i.quantity for i in chosen))
        if key == "items_amount":
            return Fraction(sum(i.amount for i in chosen))
        if key == "lines":
            return Fraction(len(chosen))
        if key not in ("total", "shipping", "tax", "discounts"):
            raise NoOpinion(key)
        return Fraction({
            "total": self.order.total, "shipping": self.order.shipping,
            "tax": self.order.tax, "discounts": self.order.discounts,
        }[key])  # fmt: skip


def fits(items: rules.ItemFilter, item: Any) -> bool:
    if items.products or items.groups:
        one = {item.product, item.variant} & {*items.products}
        if not one and not {*item.groups} & {*items.groups}:
            return False
    return agrees(items.metadata, item.metadata or {})


def agrees(needs: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    return [facts.get(key) for key in needs] == list(needs.values())


def runs(rule: EarningRule, at: int, zone: civil.Zone) -> bool:
    """Whether a rule gives anything at an instant."""
    day, validity = zone.day(at), rule.validity
    if validity is not None and not valid(validity, at, day, zone):
        return False
    first = date.fromisoformat(rule.starts_on) if rule.starts_on else date.min
    last = date.fromisoformat(rule.ends_on) if rule.ends_on else date.max
    return rule.active and first <= day <= last


def valid(validity: Validity, at: int, day: date, zone: civil.Zone) -> bool:
    start = None if validity.starts_at is None else zone.parse(validity.starts_at)
    if start is not None and at < start:
        return False
    if validity.ends_at is not None and at >= zone.parse(validity.ends_at):
        return False
    if validity.weekdays and day.isoweekday() not in validity.weekdays:
        return False
    into = timedelta(milliseconds=at - zone.start(day))
    if validity.hours and not any(within(hours, day, into) for hours in validity.hours):
        return False
    again = validity.recurrence
    if again is None or start is None:
        return True
    since = timedelta(milliseconds=at - start)
    return since % length(again.interval) < length(again.duration)


def within(hours: DailyHours, day: date, into: timedelta) -> bool:
    """Whether so far into a day it is between two hours that begin on some days of the week."""
    start, end = (timedelta(hours=int(h[:2]), minutes=int(h[3:])) for h in (hours.from_, hours.to))
    days = {*hours.weekdays} or {1, 2, 3, 4, 5, 6, 7}
    if start < end:
        return start <= into < end and day.isoweekday() in days
    late = into >= start and day.isoweekday() in days
    return late or (into < end and (day - civil.ONE_DAY).isoweekday() in days and into < start)


def length(text: str) -> timedelta:
    """`P1DT2H30M`, a day being 24 hours."""
    parts = dict[str, int]()
    for number, unit in re.findall(r"(\d+)([DHM])", text):
        parts[unit] = int(number)
    days, hours, minutes = (parts.get(unit, 0) for unit in "DHM")
    return timedelta(days=days, hours=hours, minutes=minutes)


def answers(rule: EarningRule, occasion: Occasion) -> bool:
    """Whether an activity brings a rule's points."""
    trigger, entry = rule.trigger, occasion.entry
    assert entry is not None
    if isinstance(trigger, rules.OrderPaid):
        if entry.kind != "order" or entry.amount < trigger.at_least or entry.amount <= 0:
            return False
        if trigger.items is not None:
            items = occasion.order.items if occasion.order else ()
            if not any(fits(trigger.items, item) for item in items):
                return False
        return agrees(trigger.metadata, occasion.metadata)
    if isinstance(trigger, rules.CustomEvent):
        name = entry.detail.name if entry.detail else None
        named = entry.kind == "custom" and name == trigger.name
        return named and agrees(trigger.metadata, occasion.metadata)
    return False


def count(rule: EarningRule, occasion: Occasion) -> int:
    """So many points, before tiers and limits."""
    trigger, how = rule.trigger, rule.points
    items = trigger.items if isinstance(trigger, rules.OrderPaid) else None
    if isinstance(how, rules.FixedPoints):
        return how.points
    if isinstance(how, rules.PointsPer):
        number = occasion.number(how.of, items)
        return 0 if number is None or number < 0 else int(number / how.every) * how.points
    if isinstance(how, rules.Formula):
        return calculate(how.formula, lambda name: occasion.number(name, items))
    raise NoOpinion(how)


def multiplied(points: int, earning: Earning | None) -> int:
    """A tier's number instead, or so many percent of it, half up."""
    if earning is None or points == 0:
        return points
    if earning.fixed is not None:
        return earning.fixed
    return int(Fraction(points * earning.multiplier, 100) + Fraction(1, 2))


def limited(rule: EarningRule, points: int, occasion: Occasion) -> int:
    """What a rule may still give on a day."""
    limit = limit_of(rule)
    if limit is None:
        return points
    so_far = [e for e in occasion.earned if e.rule == rule.id]
    if limit.per is not None:
        first, after = civil.span(occasion.day, limit.per)
        so_far = [e for e in so_far if first <= e.day < after]
    if limit.times is not None and len(so_far) >= limit.times:
        return 0
    if limit.points is None:
        return points
    return min(points, max(0, limit.points - sum(e.points for e in so_far)))


def limit_of(rule: EarningRule) -> Limit | None:
    """Its own; a date gives once a year anyway."""
    dated = isinstance(rule.trigger, rules.YearlyDay | rules.Birthday | rules.Anniversary)
    return ONCE_A_YEAR if rule.limit is None and dated else rule.limit


def of_activity(ledger: Ledger, occasion: Occasion) -> list[Gift]:
    """Which rules give how much for an activity whose sender named no points."""
    entry = occasion.entry
    assert entry is not None
    points = ledger.rules_at(entry.recorded_at)
    gives: list[tuple[EarningRule | None, int]] = []
    own = occasion.tier.earning if occasion.tier else None
    if points.orders is not None and entry.kind == "order":
        plain = entry.amount // points.orders.every * points.orders.points
        gives.append((None, multiplied(plain, own)))
    for rule in points.rules:
        if runs(rule, entry.occurred_at, ledger.zone) and answers(rule, occasion):
            table = rule.tiers.get(occasion.tier.id) if occasion.tier else None
            number = multiplied(count(rule, occasion), table or own)
            gives.append((rule, limited(rule, number, occasion)))
    gives = [(rule, number) for rule, number in gives if number]
    if points.stacking == "best" and gives:
        gives = [max(gives, key=lambda give: give[1])]
    if points.stacking == "first":
        gives = gives[:1]
    return [life(ledger, points, rule, number, entry) for rule, number in gives]


def life(
    ledger: Ledger, points: Points, rule: EarningRule | None, number: int, entry: Entry
) -> Gift:
    """When a part of an activity's points is active, and until when."""
    detail = entry.detail
    days = rule.pending_days if rule else None
    days = points.pending_days if days is None else days
    happened = ledger.zone.day(entry.occurred_at)
    available = detail.available_at if detail else None
    if available is None and days:
        available = ledger.zone.start(civil.plus(happened, f"P{days}D"))
    said = detail.expires_at if detail else None
    if said is None and detail and detail.never_expires:
        said = FOREVER
    if said is None and rule and rule.expiry:
        from_ = happened if available is None else max(happened, ledger.zone.day(available))
        said = ledger.after(last_day(rule.expiry, from_))
    return (rule.id if rule else "orders", number, available, said)
