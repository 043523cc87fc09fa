"""Earning rules: what gives points, how many, to whom and how often. Each value is one class.

Orders and custom events earn when they are recorded: the entry keeps the numbers. What comes
without an activity (joining, an attribute, a date, a change of tier) gives a bonus, which the
engine decides like everything that time makes due.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from tierline.model import calendar
from tierline.model.calendar import CivilDay, DayOfTheYear, Zone
from tierline.model.entries import Entry
from tierline.model.events import EventKind
from tierline.model.orders import OrderFacts, OrderItem
from tierline.rules import formula
from tierline.rules.expiry import Expiry
from tierline.rules.ladder import Earning
from tierline.rules.validity import Validity

A_NUMBER = "a number"
AttributeValue = str | int | bool
_LEAP_YEAR = 2000


class ItemFilter(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which items of an order that is told whole: those of one of the products (by the product's or
    the variant's id) or of one of the groups of products, whose metadata has these values."""

    products: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}

    def admits(self, item: OrderItem) -> bool:
        named = not self.products and not self.groups
        named = named or item.product in self.products or item.variant in self.products
        named = named or any(group in self.groups for group in item.groups)
        return named and _holds(self.metadata, item.metadata or {})


class EarningFacts(Struct, frozen=True):
    """What a rule may calculate with: an activity where there is one, and the person's attributes.

    Names: `amount` (minor units), `metadata.<key>`, `attribute.<name>`, `today`; of an order that
    is told whole `order.<name>` too (`model/orders.py` has the names). Of any other order
    `order.total` is its amount.
    """

    entry: Entry | None
    attributes: Mapping[str, AttributeValue]
    order: OrderFacts | None = None
    day: int | None = None  # civil

    def number(self, name: str) -> Fraction | None:
        """Returns the number of that name; None where there is none."""
        value = self.value(name)
        return value if isinstance(value, Fraction) else None

    def value(self, name: str) -> Fraction | str | None:
        """Returns the number or the text of that name; None where there is neither."""
        place, _, key = name.partition(".")
        match place:
            case "amount" if self.entry is not None:
                return Fraction(self.entry.amount)
            case "metadata":
                return _value(self.metadata.get(key))
            case "order" if self.order is not None:
                return _value(self.order.number(key))
            case "order" if self.entry is not None and (self.entry.kind, key) == ("order", "total"):
                return Fraction(self.entry.amount)
            case "attribute":
                return _value(self.attributes.get(key))
            case "today" if self.day is not None and not key:
                return calendar.format_day(self.day)
        return None

    @property
    def metadata(self) -> Mapping[str, Any]:
        detail = None if self.entry is None else self.entry.detail
        return (detail.metadata or {}) if detail is not None else {}


def _value(value: Any) -> Fraction | str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return Fraction(str(value))
    return value if isinstance(value, str | Fraction) else None


def sort_of(value: Any) -> str:
    """Returns what a value is, in words for whoever sent another."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return A_NUMBER
    return "text" if isinstance(value, str) else type(value).__name__


# -- triggers of activities ----------------------------------------------------------------------


class OrderPaid(Struct, frozen=True, tag="order", omit_defaults=True, forbid_unknown_fields=True):
    """An order of at least so many minor units, whose metadata has these values. `items`: it has
    such items, and `order.quantity` and `order.items_amount` are of these alone."""

    at_least: Annotated[int, Meta(ge=0)] = 0
    metadata: dict[str, Any] = {}
    items: ItemFilter | None = None

    def concerns(self, kind: str, name: str | None) -> bool:
        return kind == "order"

    def answers(self, facts: EarningFacts) -> bool:
        entry = facts.entry
        if entry is None or entry.kind != "order" or entry.amount < max(self.at_least, 1):
            return False
        if self.items is not None and not self.matching(facts.order):
            return False
        return _holds(self.metadata, facts.metadata)

    def matching(self, order: OrderFacts | None) -> tuple[OrderItem, ...]:
        """Returns the order's items that the trigger asks for."""
        items = () if order is None else order.items
        return items if self.items is None else tuple(i for i in items if self.items.admits(i))


class CustomEvent(Struct, frozen=True, tag="event", omit_defaults=True, forbid_unknown_fields=True):
    """A custom activity of this name, whose metadata has these values."""

    name: str
    metadata: dict[str, Any] = {}

    def concerns(self, kind: str, name: str | None) -> bool:
        return (kind, name) == ("custom", self.name)

    def answers(self, facts: EarningFacts) -> bool:
        entry = facts.entry
        if entry is None or entry.kind != "custom" or entry.detail is None:
            return False
        return entry.detail.name == self.name and _holds(self.metadata, facts.metadata)


def _holds(metadata: dict[str, Any], given: Mapping[str, Any]) -> bool:
    return all(given.get(key) == value for key, value in metadata.items())


ActivityTrigger = OrderPaid | CustomEvent

# -- triggers of a bonus -------------------------------------------------------------------------


class Joining(Struct, frozen=True, tag="joining", forbid_unknown_fields=True):
    """Becoming a member. An import brings members along: that gives nothing."""


class AttributeBecomes(
    Struct,
    frozen=True,
    tag="attribute",
    omit_defaults=True,
    rename={"is_": "is"},
    forbid_unknown_fields=True,
):
    """An attribute gets this value, and had another one or none before."""

    name: str
    is_: AttributeValue = True


class TierTrigger(Struct, frozen=True, tag="tier", omit_defaults=True, forbid_unknown_fields=True):
    """A tier event of one of these kinds. `tier`: the one moved to (of `left`: the one left)."""

    events: tuple[EventKind, ...] = ("joined", "upgraded")
    tier: str | None = None


class YearlyDay(Struct, frozen=True, tag="yearly", forbid_unknown_fields=True):
    """A day of every year, `MM-DD`. 02-29 is 02-28 in other years."""

    day: DayOfTheYear

    def day_in(self, year: int, joined: int, attributes: Mapping[str, AttributeValue]) -> int:
        return _in_year(calendar.parse_day(f"{_LEAP_YEAR}-{self.day}"), year)


class Birthday(Struct, frozen=True, tag="birthday", omit_defaults=True, forbid_unknown_fields=True):
    """The day of the year of the profile's `birthdate`, or of an attribute like `1990-05-17` or
    `05-17` that is named."""

    attribute: str = "birthdate"

    def day_in(
        self, year: int, joined: int, attributes: Mapping[str, AttributeValue]
    ) -> int | None:
        text = attributes.get(self.attribute)
        if not isinstance(text, str):
            return None
        try:
            day = calendar.parse_day(text if len(text) > 5 else f"{_LEAP_YEAR}-{text}")
        except ValueError:
            return None
        return _in_year(day, year)


class Anniversary(Struct, frozen=True, tag="anniversary", forbid_unknown_fields=True):
    """Each year on the day of joining."""

    def day_in(
        self, year: int, joined: int, attributes: Mapping[str, AttributeValue]
    ) -> int | None:
        return _in_year(joined, year) if calendar.date_of(joined).year < year else None


def _in_year(day: int, year: int) -> int:
    return calendar.add_months(day, 12 * (year - calendar.date_of(day).year))


DateTrigger = YearlyDay | Birthday | Anniversary
BonusTrigger = Joining | AttributeBecomes | TierTrigger | YearlyDay | Birthday | Anniversary
Trigger = (
    OrderPaid
    | CustomEvent
    | Joining
    | AttributeBecomes
    | TierTrigger
    | YearlyDay
    | Birthday
    | Anniversary
)

# -- how many ------------------------------------------------------------------------------------


class FixedPoints(Struct, frozen=True, tag="fixed", forbid_unknown_fields=True):
    """So many points."""

    points: Annotated[int, Meta(ge=0, le=2**53 - 1)]

    @property
    def numbers(self) -> tuple[str, ...]:
        return ()

    def count(self, facts: EarningFacts) -> int:
        return self.points


class PointsPer(Struct, frozen=True, tag="per", omit_defaults=True, forbid_unknown_fields=True):
    """`points` for every whole `every` of a number: `amount` (minor units), `metadata.<key>` or
    `attribute.<name>`."""

    every: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    points: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    of: str = "amount"

    @property
    def numbers(self) -> tuple[str, ...]:
        return (self.of,)

    def count(self, facts: EarningFacts) -> int:
        number = facts.number(self.of)
        return 0 if number is None else max(0, int(number // self.every) * self.points)


class Formula(Struct, frozen=True, tag="formula", forbid_unknown_fields=True):
    """What a formula gives, rounded half up; nothing where it is negative, where a number that it
    needs is lacking, or where it divides by zero."""

    formula: str

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that it needs. Raises FormulaError."""
        return formula.number_names(self.formula)

    def count(self, facts: EarningFacts) -> int:
        number = formula.calculated(self.formula, facts.value)
        return 0 if number is None else min(max(0, formula.half_up(number)), 2**53 - 1)


HowMany = FixedPoints | PointsPer | Formula

# -- a rule --------------------------------------------------------------------------------------

Gain = tuple[int, int, int]  # of a rule and a member: first day of the period, times, points


class Limit(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How often a rule gives to one member, and how many points at most, in a calendar period
    (without `per`: ever). Counted by the day on which it gives; what is taken back later frees
    nothing."""

    times: Annotated[int, Meta(ge=1)] | None = None
    points: Annotated[int, Meta(ge=1)] | None = None
    per: calendar.Unit | None = None

    def room(self, points: int, gain: Gain | None, day: int) -> int:
        """Returns how many of so many points the rule may still give on that day."""
        times, so_far = self._in_period(gain, day)
        if self.times is not None and times >= self.times:
            return 0
        return points if self.points is None else max(0, min(points, self.points - so_far))

    def after(self, points: int, gain: Gain | None, day: int) -> Gain:
        """Returns what was given once these points were."""
        times, so_far = self._in_period(gain, day)
        return self._first(day), times + 1, so_far + points

    def before(self, points: int, gain: Gain, day: int) -> Gain:
        """Returns what was given without these points of a day."""
        first, times, so_far = gain
        return gain if first != self._first(day) else (first, times - 1, so_far - points)

    def _first(self, day: int) -> int:
        return 0 if self.per is None else calendar.span(day, self.per)[0]

    def _in_period(self, gain: Gain | None, day: int) -> tuple[int, int]:
        return (0, 0) if gain is None or gain[0] != self._first(day) else gain[1:]


ONCE_A_YEAR = Limit(times=1, per="year")


class EarningRule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What gives points to a member.

    `tiers` says what holding a tier makes of it, instead of the tier's own `earning`.
    `starts_on` and `ends_on` are the first and the last day, in the project's time zone; `validity`
    says more exactly when it gives.
    `pending_days` and `expiry` are instead of the program's.
    """

    id: str
    trigger: Trigger
    points: HowMany
    name: str | None = None
    tiers: dict[str, Earning] = {}
    starts_on: CivilDay | None = None
    ends_on: CivilDay | None = None
    limit: Limit | None = None
    pending_days: Annotated[int, Meta(ge=0, le=366)] | None = None
    expiry: Expiry | None = None
    active: bool = True
    validity: Validity | None = None

    def count(self, facts: EarningFacts) -> int:
        """Returns how many points the rule gives, whatever the tier."""
        trigger, order = self.trigger, facts.order
        if order is not None and isinstance(trigger, OrderPaid) and trigger.items is not None:
            facts = replace(facts, order=replace(order, items=trigger.matching(order)))
        return self.points.count(facts)

    def runs_at(self, at: int, zone: Zone) -> bool:
        """Whether the rule gives anything at an instant."""
        if not self.active or (self.validity is not None and not self.validity.holds(at, zone)):
            return False
        day, starts, ends = zone.day(at), self.starts_on, self.ends_on
        return (starts is None or day >= calendar.parse_day(starts)) and (
            ends is None or day <= calendar.parse_day(ends)
        )

    def needs(self, kind: str | None = None, name: str | None = None) -> dict[str, str]:
        """Returns by metadata key what the rule needs of it: of any activity, or of one of a kind
        and name."""
        trigger = self.trigger
        if not isinstance(trigger, ActivityTrigger) or not self.active:
            return {}
        if kind is not None and not trigger.concerns(kind, name):
            return {}
        needs = {key: sort_of(value) for key, value in trigger.metadata.items()}
        for number in self.points.numbers:
            place, _, key = number.partition(".")
            if place == "metadata":
                needs[key] = A_NUMBER
        return needs

    @property
    def bound(self) -> Limit | None:
        """The limit that is counted. A date gives once in a calendar year, wherever somebody moves
        their birthday."""
        if self.limit is None and isinstance(self.trigger, DateTrigger):
            return ONCE_A_YEAR
        return self.limit


def earning_of(rule: EarningRule, tier: str | None, held: Earning | None) -> Earning | None:
    """What a tier makes of a rule's points: by the rule's own table, else by the tier's."""
    own = rule.tiers.get(tier) if tier is not None else None
    return held if own is None else own


Stacking = Literal["all", "best", "first"]
