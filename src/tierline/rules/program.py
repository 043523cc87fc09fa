"""A program through time: the versions of its rules."""

from __future__ import annotations

from functools import cached_property
from itertools import chain, pairwise
from typing import Any, Final, Literal

from msgspec import Struct

from tierline.model.calendar import Zone, zone
from tierline.rules import formula
from tierline.rules.earning_rule import (
    ActivityTrigger,
    Birthday,
    EarningRule,
    Formula,
    HowMany,
    Limit,
    PointsPer,
)
from tierline.rules.ladder import Tier, ages
from tierline.rules.points import Points
from tierline.rules.policy import Measure, Policy
from tierline.rules.reminders import Reminders
from tierline.rules.term import Dates, Duration, WindowEnd
from tierline.rules.window import FROM_TERM, Anchors, Window

OnChange = Literal["next_assessment", "up_only", "rejudge"]
_ATTRIBUTE: Final = "attribute."


class Rules(Struct, frozen=True, omit_defaults=True):
    """One version's content. `presentations` is each vendor's own: ids, objects, timestamps.
    `sentences` are the program's own words, by language and name (`sentence_template`)."""

    name: str
    policy: Policy
    points: Points = Points()
    auto_join: bool = True
    presentations: dict[str, dict[str, Any]] = {}
    sentences: dict[str, dict[str, str]] = {}
    reminders: Reminders = Reminders()


class Version(Struct, frozen=True, dict=True):
    """Rules in force from `effective_at` until the next version's. Never changed."""

    number: int
    effective_at: int
    rules: Rules
    on_change: OnChange = "next_assessment"

    @cached_property
    def policy(self) -> Policy:
        return self.rules.policy

    @cached_property
    def reminders(self) -> Reminders | None:
        """What members are reminded of; None: of nothing."""
        reminders = self.rules.reminders
        return None if reminders == Reminders() else reminders

    @cached_property
    def rank(self) -> dict[str, int]:
        """Tier id -> 0 for the lowest. No tier is -1."""
        return {tier.id: i for i, tier in enumerate(self.policy.tiers)}

    @cached_property
    def base(self) -> int:
        """Rank of the lowest tier that anybody can be in; -1 for none."""
        return next((i for i, tier in enumerate(self.policy.tiers) if tier.open), -1)

    @cached_property
    def thresholds(self) -> tuple[int, ...] | None:
        """The tiers' lower bounds, where they alone decide: then a rank is a binary search.

        None where any tier has criteria or flags, or where bounds do not simply rise. A property
        test holds the search against asking every tier.
        """
        tiers = self.policy.tiers
        bounds = [tier.low for tier in tiers]
        bounded = [tier.to is not None for tier in tiers]
        rising = all(lower < upper for lower, upper in pairwise(bounds))
        if not rising or not all(tier.plain for tier in tiers):
            return None
        return tuple(bounds) if bounded == sorted(bounded, reverse=True) else None

    @cached_property
    def measures(self) -> dict[str | None, Measure]:
        """Every metric that criteria may ask for; None is the policy's own."""
        policy = self.policy
        named: dict[str | None, Measure] = {None: Measure(policy.metric, policy.window)}
        named.update(policy.measures)
        return named

    @cached_property
    def totals(self) -> dict[str, Measure]:
        """The totals that this version needs in a standing, by their key."""
        measures = self.measures.values()
        return {m.key: m for m in measures if m.metric.source != "balance"}

    @cached_property
    def turning(self) -> tuple[Measure, ...]:
        """The measures whose windows move with time."""
        return tuple(m for m in self.measures.values() if m.window.moves)

    @cached_property
    def periods(self) -> tuple[Window, ...]:
        """The windows that close, each one once."""
        windows = [m.window for m in self.turning if m.window.closes]
        return tuple(dict.fromkeys(windows))

    @cached_property
    def counts_days(self) -> tuple[Window, ...]:
        """The windows whose totals are kept by day: balances need none."""
        counted = (m.window for m in self.measures.values() if m.metric.source != "balance")
        return tuple(window for window in counted if window.by_day)

    @cached_property
    def counts_terms(self) -> bool:
        """Whether some total is counted from the start of a tier's term."""
        return any(FROM_TERM in key for key in self.totals)

    @cached_property
    def windows_back(self) -> int:
        """How many windows back the end of a term may still ask for."""
        waits = self.policy.start.when == "next_window"
        terms = (self.policy.term, *(tier.term for tier in self.policy.tiers))
        reach = [
            term.reach(self.policy.window)
            for term in terms
            if isinstance(term, WindowEnd) or (waits and isinstance(term, Duration | Dates))
        ]
        back = max(1, max(reach, default=0) + waits)
        # Between a day and the one before it may lie one that the zone skipped.
        return back + any(period.shortest == 1 for period in self.periods)

    def floor(self, day: int, anchors: Anchors, awaited: int) -> int | None:
        """The earliest day that any window may still ask for; None: any day.

        Windows that close are asked for as they were on the last day of an earlier one
        (`awaited`: of the one that a waiting tier waits for), and then every other window too.
        """
        first = min(day, awaited)
        for period in self.periods:
            floor = period.floor(day, anchors, self.windows_back)
            if floor is None:
                return None
            first = min(first, floor)
        floors = [window.floor(first, anchors, 0) for window in self.counts_days]
        return None if None in floors else min(floors)  # type: ignore[type-var]

    @cached_property
    def ages(self) -> frozenset[str]:
        """The lengths of membership that criteria ask for: time alone fulfils them."""
        tiers = self.policy.tiers
        given = (c for t in tiers for c in (t.entry, t.retain, t.reentry) if c is not None)
        return frozenset(length for criterion in given for length in ages(criterion))

    @cached_property
    def asks_birthdates(self) -> bool:
        """Whether a rule gives on birthdays, by the birthdate of the profile."""
        return any(rule.trigger == Birthday() for rule in self.bonuses)

    @cached_property
    def attribute_names(self) -> frozenset[str]:
        """The attributes with whose values earning rules compute."""
        names = chain.from_iterable(_names(rule.points) for rule in self.rules.points.rules)
        return frozenset(n.removeprefix(_ATTRIBUTE) for n in names if n.startswith(_ATTRIBUTE))

    @cached_property
    def bonuses(self) -> tuple[EarningRule, ...]:
        """The earning rules that give without an activity."""
        rules = self.rules.points.rules
        return tuple(r for r in rules if r.active and not isinstance(r.trigger, ActivityTrigger))

    @cached_property
    def bounds(self) -> dict[str, Limit]:
        """The limits of earning rules that are counted, by rule."""
        bounds = {rule.id: rule.bound for rule in self.rules.points.rules}
        return {id_: bound for id_, bound in bounds.items() if bound is not None}

    @cached_property
    def falls_into(self) -> bool:
        """Whether a falling total may enter a tier: some tier is bounded above, or has criteria."""
        return any(not tier.plain or tier.to is not None for tier in self.policy.tiers)

    @cached_property
    def carries(self) -> bool:
        """Whether some window brings something into the next: its turn alone may give a tier."""
        return any(period.carry_over is not None for period in self.periods)

    @cached_property
    def remembers(self) -> bool:
        """Whether tiers once held matter: some tier has a re-entry criterion."""
        return any(tier.reentry is not None for tier in self.policy.tiers)

    def counts_like(self, other: Version) -> bool:
        """Whether both count the same things over the same windows and terms: then what one of them
        keeps of a member is what the other asks for."""
        return self._counting == other._counting

    @cached_property
    def _counting(self) -> tuple[object, ...]:
        policy = self.policy
        terms = frozenset(tier.term for tier in policy.tiers) | {policy.term, None}
        counted = (policy.metric, policy.window, policy.measures)
        return *counted, policy.start.when, policy.start.after, terms, self.remembers

    def dates_unlike(self, former: Version, moved: dict[str, str], rank: int) -> bool:
        """Whether terms of this tier are counted in another way than the former rules did.
        `moved`: where the former rules' tiers went."""
        ours, theirs = self.policy, former.policy
        was = next((t for t in theirs.tiers if moved.get(t.id) == ours.tiers[rank].id), None)
        own = None if was is None else was.term
        return (ours.metric, ours.window, ours.start, ours.tiers[rank].term or ours.term) != (
            theirs.metric,
            theirs.window,
            theirs.start,
            own or theirs.term,
        )

    def tier(self, tier_id: str | None) -> Tier | None:
        rank = self.rank.get(tier_id, -1) if tier_id is not None else -1
        return self.policy.tiers[rank] if rank >= 0 else None


class Program(Struct, frozen=True, dict=True):
    """A program through time: its versions, oldest first, in the project's zone and currency."""

    id: str
    project: str
    time_zone: str
    currency: str
    versions: tuple[Version, ...]

    @cached_property
    def zone(self) -> Zone:
        return zone(self.time_zone)

    @cached_property
    def remembers(self) -> bool:
        """Whether any version asks which tiers were once held."""
        return any(version.remembers for version in self.versions)

    def version(self, at: int) -> Version:
        """The version in force at an instant; before the first one, the first."""
        versions = self.versions
        if versions[-1].effective_at <= at:  # nearly always
            return versions[-1]
        for version in reversed(versions):
            if version.effective_at <= at:
                return version
        return versions[0]

    def asks_birthdates(self, at: int) -> bool:
        """Whether the rules in force at an instant, or any that follow, give on birthdays."""
        return any(v.asks_birthdates for v in self.versions[self.version(at).number - 1 :])

    def supersedes(self, version: Version) -> bool:
        """Whether a later version came into force no later than this one, which then never does."""
        later = self.versions[version.number :]
        return any(other.effective_at <= version.effective_at for other in later)

    def next_change(self, after: int) -> int | None:
        """When the rules change next, after an instant."""
        if self.versions[-1].effective_at <= after:
            return None
        ahead = (v.effective_at for v in self.versions[1:] if v.effective_at > after)
        return min(ahead, default=None)


def _names(points: HowMany) -> tuple[str, ...]:
    """The names of what an amount is computed from."""
    match points:
        case Formula(formula=text):
            return formula.names(text)
        case PointsPer(of=name):
            return (name,)
    return ()


def successors(former: Version, new: Version) -> dict[str, str]:
    """Where the former version's tiers went: by id, else by an unchanged name. Without: gone."""
    names = {tier.name: tier.id for tier in new.policy.tiers}
    places = {
        tier.id: tier.id if tier.id in new.rank else names.get(tier.name)
        for tier in former.policy.tiers
    }
    return {old: tier for old, tier in places.items() if tier is not None}
