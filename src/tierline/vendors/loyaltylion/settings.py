"""LoyaltyLion's tier settings, compiled to rules that the engine knows.

In: `{"boundary_mode", "membership": {"mode", …}, "tiers": [{"id"?, "name", "lower_bound",
"hidden"?, "condition"?}], "rules"?}`, the words of its configuration; bounds in minor units, points
or orders. The tier at 0 is the default one: everybody who is enrolled has it, and it never ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tierline.model import calendar, json_text
from tierline.model.validation import convert, invalid
from tierline.rules.ladder import Attribute, Tier
from tierline.rules.metric import Metric, Source
from tierline.rules.points import Points
from tierline.rules.policy import TIERS_MAX, Assessment, Policy, Renewal
from tierline.rules.program import Rules
from tierline.rules.term import Duration, Forever, Term, WhileQualified, WindowEnd
from tierline.rules.window import Cycle, Rolling, Since, Window
from tierline.vendors.loyaltylion.earning import LionRule, earning_rules
from tierline.vendors.loyaltylion.ladder import NAME, LionTier, plain_number, tier_number
from tierline.vendors.vendor import ProgramFacts

METRICS: dict[str, Source] = {"points": "earned", "spend": "spend", "orders": "count"}
Bound = Annotated[int, Meta(ge=0, le=json_text.SAFE - 1)]
RULES_MAX = 50
Months = Annotated[int, Meta(ge=1, le=1200)]


class Day(Struct, frozen=True, forbid_unknown_fields=True):
    month: Annotated[int, Meta(ge=1, le=12)]
    day: Annotated[int, Meta(ge=1, le=31)]


class InMonths(Struct, frozen=True, forbid_unknown_fields=True):
    months: Months


class InWindows(Struct, frozen=True, forbid_unknown_fields=True):
    """1: the rest of this window and all of the next; 0: only to the end of this one."""

    windows: Annotated[int, Meta(ge=0, le=12)]


class EvaluationPeriod(Struct, frozen=True, forbid_unknown_fields=True):
    starts_on: Day
    duration: InMonths


class RollingMembership(Struct, frozen=True, tag_field="mode", tag="rolling"):
    duration_months: Months


class CalendarMembership(Struct, frozen=True, tag_field="mode", tag="calendar"):
    evaluation_period: EvaluationPeriod
    duration: InWindows


class LifetimeMembership(Struct, frozen=True, tag_field="mode", tag="lifetime"):
    pass


class AnniversaryMembership(Struct, frozen=True, tag_field="mode", tag="enrollment_anniversary"):
    duration: InWindows


class LionTierSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A conditional tier has no bound of its own: it is held while the member's attribute of that
    name is true, and stands above all others."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    lower_bound: Bound | None = None
    id: int | str | None = None
    hidden: bool = False
    condition: Annotated[str, Meta(min_length=1, max_length=200)] | None = None

    @property
    def is_step(self) -> bool:
        """Whether its bound ends the tier below."""
        return not self.hidden and self.condition is None

    @property
    def bound(self) -> int:
        """Where it stands on the ladder."""
        return json_text.SAFE if self.lower_bound is None else self.lower_bound


class LionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    boundary_mode: Literal["points", "spend", "orders"]
    membership: RollingMembership | CalendarMembership | LifetimeMembership | AnniversaryMembership
    tiers: Annotated[tuple[LionTierSettings, ...], Meta(min_length=1, max_length=TIERS_MAX)]
    include_pending: bool = False  # points mode; the vendor's pages disagree
    rules: Annotated[tuple[LionRule, ...], Meta(max_length=RULES_MAX)] = ()

    @property
    def is_conditional(self) -> bool:
        return any(tier.condition is not None for tier in self.tiers)

    def named(self, name: str) -> LionTierSettings:
        """Returns the tier of a name; each has its own."""
        return next(tier for tier in self.tiers if tier.name == name)


def compile_settings(settings: Mapping[str, Any], facts: ProgramFacts) -> Rules:
    """LoyaltyLion's settings as rules; Invalid names the field."""
    fields = json_text.normalise(dict(settings), "settings")
    lion = convert(fields, LionSettings, "settings")
    if lion.include_pending and lion.boundary_mode != "points":
        raise invalid("settings.include_pending", "belongs to boundary_mode points alone")
    tiers = _tiers(lion, facts)
    window, term = _membership(lion.membership)
    default = next(tier.tier for tier in tiers if tier.default)
    ladder = tuple(_step(lion.named(tier.name), tier, default) for tier in tiers)
    earning = earning_rules(lion.rules, {str(t.id): t.tier for t in tiers}, "settings.rules")
    policy = Policy(
        tiers=ladder,
        metric=Metric(METRICS[lion.boundary_mode], include_pending=lion.include_pending),
        window=window,
        term=term,
        # A condition's end is seen at once; a tier with a term is kept to its end all the same.
        assessment=Assessment(down="on_activity" if lion.is_conditional else "at_term_end"),
        # A rolling membership starts on the day of its renewal, by the vendor's own formula.
        renewal=Renewal(basis="now" if isinstance(term, Duration) else "term_end"),
    )
    names = {"settings": fields, "tiers": msgspec.to_builtins(tiers)}
    name = facts.name or facts.id
    return Rules(name, policy, points=Points(rules=earning), presentations={NAME: names})


def _step(settings: LionTierSettings, tier: LionTier, default: str) -> Tier:
    if settings.condition is not None:
        entry = Attribute(settings.condition)
        return Tier(tier.tier, tier.name, entry=entry, term=WhileQualified())
    return Tier(
        id=tier.tier,
        name=tier.name,
        from_=tier.lower_bound,
        to=None if tier.hidden else tier.upper_bound,
        hidden=tier.hidden,
        term=Forever() if tier.tier == default else None,
    )


def _membership(
    membership: RollingMembership | CalendarMembership | LifetimeMembership | AnniversaryMembership,
) -> tuple[Window, Term]:
    """What counts, and how long a tier lasts. Renewal looks at the window just closed."""
    match membership:
        case RollingMembership(duration_months=months):
            length = f"P{months}M"
            return Rolling(length), Duration(length, inclusive=False)
        case CalendarMembership():
            period = membership.evaluation_period
            anchor = f"2000-{period.starts_on.month:02d}-{period.starts_on.day:02d}"
            try:
                calendar.parse_day(anchor)
            except ValueError:
                path = "settings.membership.evaluation_period.starts_on.day"
                raise invalid(path, f"no year has the day {anchor[5:]}") from None
            window = Cycle(f"P{period.duration.months}M", anchor)
            return window, WindowEnd(membership.duration.windows)
        case AnniversaryMembership():
            return Cycle("P12M", "join"), WindowEnd(membership.duration.windows)
        case LifetimeMembership():
            return Since("join"), Forever()


def _tiers(lion: LionSettings, facts: ProgramFacts) -> list[LionTier]:
    """Numbered from 1 by rising bound; a hidden tier bounds nobody but itself."""
    order = sorted(range(len(lion.tiers)), key=lambda i: (lion.tiers[i].bound, i))
    _check(lion, order)
    named = _ids(lion, facts)
    bounds = sorted(tier.bound for tier in lion.tiers if tier.is_step)
    tiers = []
    for number, i in enumerate(order, 1):
        tier = lion.tiers[i]
        above = next((b for b in bounds if b > tier.bound), None)
        tiers.append(
            LionTier(
                id=named[i][1],
                tier=named[i][0],
                name=tier.name,
                number=number,
                default=tier.lower_bound == 0 and not tier.hidden,
                hidden=tier.hidden,
                lower_bound=tier.lower_bound or 0,
                upper_bound=None if above is None else above - 1,
            )
        )
    return tiers


def _check(lion: LionSettings, order: list[int]) -> None:
    for i, tier in enumerate(lion.tiers):
        if (tier.lower_bound is None) is (tier.condition is None):
            what = "a tier has a lower bound, or a condition, and not both"
            raise invalid(f"settings.tiers[{i}].lower_bound", what)
        if tier.hidden and tier.condition is not None:
            raise invalid(f"settings.tiers[{i}].hidden", "a conditional tier is never hidden")
    visible = [i for i in order if lion.tiers[i].is_step]
    if not visible or lion.tiers[visible[0]].lower_bound != 0:
        what = "one tier that is not hidden needs lower_bound 0: it is the default tier"
        raise invalid("settings.tiers", what)
    for low, high in itertools.pairwise(visible):
        if lion.tiers[low].lower_bound == lion.tiers[high].lower_bound:
            what = f"tier {lion.tiers[low].name!r} starts there already"
            raise invalid(f"settings.tiers[{max(low, high)}].lower_bound", what)
    names: set[str] = set()
    for i, tier in enumerate(lion.tiers):
        if tier.name in names:
            raise invalid(f"settings.tiers[{i}].name", f"two tiers are named {tier.name!r}")
        names.add(tier.name)


def _ids(lion: LionSettings, facts: ProgramFacts) -> list[tuple[str, int]]:
    """Our id and LoyaltyLion's integer, per tier as given. Without an id a tier keeps those that a
    tier of its name had before."""
    before = _before(facts)
    pairs: list[tuple[str, int]] = []
    for i, tier in enumerate(lion.tiers):
        previous = before.get(tier.name)
        if tier.id is None and previous is not None:
            pair = previous.tier, previous.id
        elif tier.id is None:
            number = tier_number(facts.project, facts.id, tier.name)
            pair = str(number), number
        elif plain_number(str(tier.id)):
            pair = str(tier.id), int(tier.id)
        elif isinstance(tier.id, int) or not tier.id:
            raise invalid(f"settings.tiers[{i}].id", "expected a positive integer or a name")
        else:
            pair = tier.id, tier_number(facts.project, facts.id, tier.id)
        if any(pair[0] == ours or pair[1] == number for ours, number in pairs):
            raise invalid(f"settings.tiers[{i}].id", f"two tiers have the id {pair[0]!r}")
        pairs.append(pair)
    return pairs


def _before(facts: ProgramFacts) -> dict[str, LionTier]:
    names = facts.previous.presentations.get(NAME) if facts.previous else None
    if not names:
        return {}
    return {tier.name: tier for tier in msgspec.convert(names["tiers"], list[LionTier])}
