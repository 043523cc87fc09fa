"""What criteria ask for, counted anew from raw facts each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from tests.reference import civil
from tests.reference.account import Account, Fact, Position
from tierline.engine import ladder
from tierline.engine.metric import Metric
from tierline.engine.policy import Measure, Version
from tierline.engine.window import Calendar, Cycle, Rolling, Since

Span = tuple[date, date]


@dataclass
class Sight:
    """A member at a moment, as criteria and windows see it."""

    version: Version
    zone: civil.Zone
    account: Account
    day: date
    joined: date
    began: Position | None  # where in the history the held tier's term began
    began_day: date | None
    attributes: dict[str, str | int | bool] = field(default_factory=dict)

    def anchor(self, name: str) -> date | None:
        if name == "join":
            return self.joined
        if name == "tier_start":
            return self.began_day
        if name.startswith("attribute:"):
            value = self.attributes.get(name.removeprefix("attribute:"))
            try:
                return date.fromisoformat(value) if isinstance(value, str) else None
            except ValueError:
                return None
        return date.fromisoformat(name)

    def span(self, window: object, day: date) -> Span | None:
        """The window that holds a day, for windows that turn."""
        if isinstance(window, Calendar):
            return civil.span(day, window.unit, window.offset_months, window.offset_days)
        if isinstance(window, Cycle):
            anchor = self.anchor(window.anchor)
            return None if anchor is None else civil.cycle(day, anchor, window.length)
        return None

    def measure(self, name: str | None) -> Measure:
        policy = self.version.rules.policy
        return Measure(policy.metric, policy.window) if name is None else policy.measures[name]

    def value(self, name: str | None, within: Span | None = None) -> int:
        """A metric's total today; or, given a window that closed, that window's."""
        measure = self.measure(name)
        if measure.metric.source == "balance":
            return self.account.balance
        return sum(worth(measure.metric, f) for f in self.counted(measure, within))

    def counted(self, measure: Measure, within: Span | None = None) -> list[Fact]:
        window, facts = measure.window, self.account.facts
        if getattr(window, "anchor", None) == "tier_start":
            facts = [f for f in facts if self.began is not None and f.at > self.began]
        if within is not None:
            return [f for f in facts if within[0] <= f.day < within[1]]
        if isinstance(window, Since):
            if window.anchor in ("join", "tier_start"):
                return list(facts)
            start = self.anchor(window.anchor)
            return [f for f in facts if start is not None and f.day >= start]
        if isinstance(window, Rolling):
            return [f for f in facts if f.day <= self.day < civil.plus(f.day, window.length)]
        if isinstance(window, Calendar | Cycle):
            today = self.span(window, self.day)
            return [f for f in facts if today is not None and today[0] <= f.day < today[1]]
        return list(facts)

    def turns(self, measure: Measure, until: date) -> set[date]:
        """The days after today on which a measure's window turns or lets something go."""
        if measure.metric.source == "balance" and isinstance(measure.window, Rolling):
            return set()
        found: set[date] = set()
        if isinstance(measure.window, Rolling):
            by_day: dict[date, int] = {}
            for fact in self.account.facts:
                by_day[fact.day] = by_day.get(fact.day, 0) + worth(measure.metric, fact)
            ends = (civil.plus(day, measure.window.length) for day, sum_ in by_day.items() if sum_)
            return {end for end in ends if self.day < end <= until}
        span = self.span(measure.window, self.day)
        while span is not None and span[1] <= until:
            found.add(span[1])
            span = self.span(measure.window, span[1])
        return found

    def holds(self, criterion: object, value: Callable[[str | None], int]) -> bool:
        if isinstance(criterion, ladder.Range):
            total = value(criterion.metric)
            return criterion.from_ <= total and (criterion.to is None or total <= criterion.to)
        if isinstance(criterion, ladder.Attribute):
            return self.attributes.get(criterion.name) == criterion.is_
        if isinstance(criterion, ladder.MemberFor):
            return self.day >= civil.plus(self.joined, criterion.length)
        if isinstance(criterion, ladder.All):
            return False not in [self.holds(c, value) for c in criterion.of]
        if isinstance(criterion, ladder.Any):
            return True in [self.holds(c, value) for c in criterion.of]
        assert isinstance(criterion, ladder.AtLeast)
        return [self.holds(c, value) for c in criterion.of].count(True) >= criterion.k

    def qualified(self, held: str | None, reached: set[str], within: Span | None = None) -> int:
        """The rank of the highest tier that is earned; -1 for none.

        `within`: by the sum of that window of the policy's own, and by everything else as it stood
        on the window's last day (or stands today, where it still runs).
        """
        if within is not None and within[1] <= self.day:
            return replace(self, day=within[1] - civil.ONE_DAY).qualified(held, reached, within)

        def value(name: str | None) -> int:
            return self.value(name, within if name is None else None)

        tiers = self.version.rules.policy.tiers
        ids = [tier.id for tier in tiers]
        standing = ids.index(held) if held in ids else -1
        best = -1
        for rank, tier in enumerate(tiers):
            given = tier.entry or ladder.Range(tier.from_ or 0, tier.to)
            closed = tier.hidden or tier.invitation
            if rank == standing:
                wanted: object = tier.retain or (None if closed else given)
            elif closed:
                wanted = None
            elif tier.reentry is not None and tier.id in reached and rank > standing:
                wanted = tier.reentry
            else:
                wanted = given
            if wanted is not None and self.holds(wanted, value):
                best = rank
        return best


def worth(metric: Metric, fact: Fact) -> int:
    """How much of a fact a metric counts."""
    wanted = metric.filter
    if wanted is not None:
        facts = fact.metadata
        if wanted.kinds and fact.kind not in wanted.kinds:
            return 0
        if wanted.names and fact.name not in wanted.names:
            return 0
        if any(facts.get(k) != v for k, v in wanted.metadata.items()):
            return 0
        if any(facts.get(k) == v for k, v in wanted.not_metadata.items()):
            return 0
    if metric.source == "earned":
        return fact.points_at_once if metric.include_pending else fact.points
    if metric.source == "spend":
        return fact.amount
    if metric.source == "count":
        named = wanted is not None and (wanted.kinds or wanted.names)
        return fact.times if named or fact.kind == "order" else 0
    if metric.source == "sum":
        number = fact.metadata.get(metric.of or "")
        return fact.times * number if type(number) is int else 0
    return 0
