"""What criteria ask for, counted anew from raw facts each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from tests.reference import NoOpinion, civil
from tests.reference.account import Account, Fact, Position
from tierline.rules import ladder
from tierline.rules.metric import Metric
from tierline.rules.policy import Measure
from tierline.rules.program import Version
from tierline.rules.window import Calendar, Cycle, Instant, Rolling, Since

Span = tuple[date, date]


@dataclass(slots=True)
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
    carried: list[Fact] = field(default_factory=list)  # from before, by a replay of history
    replayed: int | None = None  # the entry that had history replayed
    _values: dict[tuple[str | None, Span | None], int] = field(default_factory=dict)

    def on(self, day: date) -> Sight:
        """The same, seen from another day."""
        return self._other(day, self.began_day)

    def starting(self, day: date) -> Sight:
        """The same, as if the tier's term started on that day."""
        return self._other(self.day, day)

    def _other(self, day: date, began_day: date | None) -> Sight:
        return Sight(
            version=self.version,
            zone=self.zone,
            account=self.account,
            day=day,
            joined=self.joined,
            began=self.began,
            began_day=began_day,
            attributes=self.attributes,
            carried=self.carried,
            replayed=self.replayed,
        )

    def anchor(self, name: str) -> date | None:
        if name == "join":
            return self.joined
        if name == "tier_start":
            return self.began_day
        if name.startswith("attribute:"):
            value = self.attributes.get(name.removeprefix("attribute:"))
            try:
                named = date.fromisoformat(value) if isinstance(value, str) else None
            except ValueError:
                return None
            return named if named is not None and 1900 <= named.year < 2200 else None
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
        question = (name, within)
        if question not in self._values:
            measure = self.measure(name)
            if measure.metric.source == "balance":
                waiting = self.account.pending if measure.metric.include_pending else []
                self._values[question] = self.account.balance + sum(w.points for w in waiting)
            else:
                total = sum(self.counted(measure, within))
                self._values[question] = total + self.carried_over(measure, within)
        return self._values[question]

    def counted(self, measure: Measure, within: Span | None = None) -> list[int]:
        """What each fact brought that counts."""
        window, lines = measure.window, self.lines(measure)
        if within is not None:
            return [worth for day, worth in lines if within[0] <= day < within[1]]
        if isinstance(window, Since) and window.anchor not in ("join", "tier_start"):
            start = self.anchor(window.anchor)
            return [worth for day, worth in lines if start is not None and day >= start]
        if isinstance(window, Rolling):
            today, length = self.day, window.length
            return [w for day, w in lines if day <= today < civil.plus(day, length)]
        if isinstance(window, Calendar | Cycle):
            span = self.span(window, self.day)
            return [w for day, w in lines if span is not None and span[0] <= day < span[1]]
        if not isinstance(window, Instant | Since):
            raise NoOpinion(window)
        return [worth for _, worth in lines]

    def carried_over(self, measure: Measure, within: Span | None) -> int:
        """What the window right before brings: what was counted in that one alone, less the highest
        of the bounds that this reaches; nothing below them all."""
        window = measure.window
        if not isinstance(window, Calendar | Cycle) or window.carry_over is None:
            return 0
        this = self.span(window, self.day) if within is None else within
        before = None if this is None else self.span(window, this[0] - civil.ONE_DAY)
        if before is None:
            return 0
        own = sum(self.counted(measure, before))
        reached = [bound for bound in window.carry_over.above if own >= bound]
        if not reached:
            return 0
        over = own - max(reached)
        return over if window.carry_over.most is None else min(window.carry_over.most, over)

    def lines(self, measure: Measure) -> list[tuple[date, int]]:
        """(day, worth) of every fact that a metric counts."""
        metric, lines = measure.metric, self.account.lines
        if id(metric) not in lines:
            # What a former membership brought does not count, however late it is told.
            facts = [f for f in self.account.facts if f.happened >= self.account.left_at]
            lines[id(metric)] = [(f, w) for f in facts if (w := worth(metric, f))]
        counting = lines[id(metric)]
        if getattr(measure.window, "anchor", None) == "tier_start":
            carried = [f for f in self.carried if f.happened >= self.account.left_at]
            before = [(f, worth(metric, f)) for f in carried]
            counting = before + [(f, w) for f, w in counting if self.in_term(f)]
        opening = self.opening(measure.window)
        return [
            (f.day, w)
            for f, w in counting
            if opening is None or self.zone.day(f.happened) >= opening
        ]

    def opening(self, window: object) -> date | None:
        """The day before which nothing counts, of windows since the joining."""
        if isinstance(window, Instant) or (isinstance(window, Since) and window.anchor == "join"):
            return self.joined
        return None

    def in_term(self, fact: Fact) -> bool:
        """Whether a fact came after the term began; or, where history was replayed, after that: an
        approval at the same instant is not of the replay."""
        if self.replayed is not None and fact.taken_by > self.replayed:
            taken = (fact.takes, fact.activated)
            return any((f.entry, f.activated) == taken for f in self.carried) or self._after(fact)
        if self.replayed is not None and fact.approved > self.replayed:
            return True
        return self._after(fact)

    def _after(self, fact: Fact) -> bool:
        return self.began is not None and fact.at > self.began

    def next_turn(self, measure: Measure, after: date) -> date | None:
        """The first day after one on which a measure's window turns or lets something go."""
        window = measure.window
        if isinstance(window, Rolling):
            if measure.metric.source == "balance":
                return None
            by_day: dict[date, int] = {}
            for day, amount in self.lines(measure):
                by_day[day] = by_day.get(day, 0) + amount
            ends = (civil.plus(day, window.length) for day, total in by_day.items() if total)
            return min((end for end in ends if end > after), default=None)
        span = self.span(window, after)
        return None if span is None else span[1]

    def holds(self, criterion: object, value: Callable[[str | None], int]) -> bool:
        if isinstance(criterion, ladder.Range):
            total = value(criterion.metric)
            low = criterion.from_ is None or criterion.from_ <= total
            return low and (criterion.to is None or total <= criterion.to)
        if isinstance(criterion, ladder.Attribute):
            return self.attributes.get(criterion.name) == criterion.is_
        if isinstance(criterion, ladder.MemberFor):
            return self.day >= civil.plus(self.joined, criterion.length)
        if isinstance(criterion, ladder.All):
            return False not in [self.holds(c, value) for c in criterion.of]
        if isinstance(criterion, ladder.Any):
            return True in [self.holds(c, value) for c in criterion.of]
        if not isinstance(criterion, ladder.AtLeast):
            raise NoOpinion(criterion)
        return [self.holds(c, value) for c in criterion.of].count(True) >= criterion.k

    def qualified(self, held: str | None, reached: set[str], within: Span | None = None) -> int:
        """The rank of the highest tier that is earned; -1 for none.

        `within`: by the sum of that window of the policy's own, and by everything else as it stood
        on the window's last day (or stands today, where it still runs).
        """
        if within is not None and within[1] <= self.day:
            return self.on(within[1] - civil.ONE_DAY).qualified(held, reached, within)

        def value(name: str | None) -> int:
            return self.value(name, within if name is None else None)

        tiers = self.version.rules.policy.tiers
        ids = [tier.id for tier in tiers]
        standing = ids.index(held) if held in ids else -1
        best = -1
        for rank, tier in enumerate(tiers):
            given = tier.entry or ladder.Range(tier.from_, tier.to)
            closed = tier.hidden or tier.invitation
            if rank == standing:
                criterion: object = tier.retain or (None if closed else given)
            elif closed:
                criterion = None
            elif tier.reentry is not None and tier.id in reached and rank > standing:
                criterion = tier.reentry
            else:
                criterion = given
            if criterion is not None and self.holds(criterion, value):
                best = rank
        return best


def worth(metric: Metric, fact: Fact) -> int:
    """How much of a fact a metric counts."""
    filter_ = metric.filter
    if filter_ is not None:
        facts = fact.metadata
        if filter_.kinds and fact.kind not in filter_.kinds:
            return 0
        if filter_.names and fact.name not in filter_.names:
            return 0
        if any(facts.get(k) != v for k, v in filter_.metadata.items()):
            return 0
        if any(facts.get(k) == v for k, v in filter_.not_metadata.items()):
            return 0
    if metric.source == "earned":
        return fact.points_at_once if metric.include_pending else fact.points
    if metric.source == "spend":
        return fact.amount
    if metric.source == "count":
        named = filter_ is not None and (filter_.kinds or filter_.names)
        return fact.times if named or fact.kind == "order" else 0
    if metric.source == "sum":
        number = fact.metadata.get(metric.of or "")
        return fact.times * number if type(number) is int else 0
    raise NoOpinion(metric.source)
