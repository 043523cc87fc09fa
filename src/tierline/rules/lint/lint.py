"""Whether rules make sense: what cannot work is refused; what is probably a trap is warned about
(those are in `traps.py`).

Findings are values, collected whole: one wrong tier does not hide the next. Types, unknown fields
and single numbers were already checked when the rules were read; here is what fields say together.
Each rule is one small generator; `_RULES` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import get_args

from tierline.model import calendar
from tierline.model.entries import EntryKind
from tierline.rules.ladder import All, Any, AtLeast, Attribute, Criterion, MemberFor, Range, Tier
from tierline.rules.lint.earning_rules import earning_rules
from tierline.rules.lint.finding import Finding, warning
from tierline.rules.lint.reminders import reminders
from tierline.rules.lint.sentences import sentences
from tierline.rules.lint.traps import traps
from tierline.rules.lint.values import (
    day_of_year,
    expiry_findings,
    length_findings,
    text_findings,
)
from tierline.rules.metric import Filter, Metric
from tierline.rules.program import Rules
from tierline.rules.term import Dates, Duration, Rounding, Term, WindowEnd
from tierline.rules.window import Calendar, CarryOver, Cycle, Rolling, Since, Window
from tierline.rules.window import Instant as NoWindow

CRITERION_DEPTH_MAX = 8
MEASURES_MAX = 20
_KINDS = frozenset(get_args(EntryKind))


def lint(rules: Rules) -> tuple[Finding, ...]:
    """Everything to say about these rules, errors first."""
    findings = [finding for rule in (*_RULES, traps) for finding in rule(rules)]
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))


def _names(rules: Rules) -> Iterator[Finding]:
    yield from text_findings("name", rules.name)
    ids: dict[str, int] = {}
    names: dict[str, int] = {}
    for i, tier in enumerate(rules.policy.tiers):
        path = f"policy.tiers[{i}]"
        yield from text_findings(f"{path}.id", tier.id)
        yield from text_findings(f"{path}.name", tier.name)
        if tier.id in ids:
            yield Finding(f"{path}.id", f"{tier.id!r} is also the id of tiers[{ids[tier.id]}]")
        elif tier.name in names:
            other = f"tiers[{names[tier.name]}]"
            yield warning(f"{path}.name", f"{tier.name!r} is also the name of {other}")
        ids.setdefault(tier.id, i)
        names.setdefault(tier.name, i)


def _ladder(rules: Rules) -> Iterator[Finding]:
    """Tiers bounded by the policy's own metric rise and do not overlap; gaps are allowed. Tiers
    that only an override reaches stand anywhere: their bounds bound nobody."""
    if not rules.policy.tiers:
        yield warning("policy.tiers", "is empty: the program keeps points and has no tiers")
    below: tuple[int, Tier] | None = None
    for i, tier in enumerate(rules.policy.tiers):
        path = f"policy.tiers[{i}]"
        yield from _bounds(path, tier)
        if tier.entry is not None or not tier.open:
            continue
        start = tier.low
        if below is not None:
            j, lower = below
            if tier.from_ is None:
                yield Finding(f"{path}.from", "is needed: only the lowest tier has no lower bound")
            elif start <= lower.low:
                reason = f"is {start}, but tiers rise: more than tiers[{j}].from ({lower.low})"
                yield Finding(f"{path}.from", reason)
            elif lower.to is not None and start <= lower.to:
                reason = f"overlaps tiers[{j}], which reaches to {lower.to} (inclusive)"
                yield Finding(f"{path}.from", reason)
        below = i, tier


def _bounds(path: str, tier: Tier) -> Iterator[Finding]:
    if tier.to is not None and tier.to < tier.low:
        yield Finding(f"{path}.to", f"is below from ({tier.from_}); `to` is inclusive")
    if tier.entry is not None and (tier.from_ is not None or tier.to is not None):
        yield Finding(f"{path}.entry", "replaces from and to; give one or the other")


def _criteria(rules: Rules) -> Iterator[Finding]:
    measures = frozenset(rules.policy.measures)
    for i, tier in enumerate(rules.policy.tiers):
        for part in ("entry", "retain", "reentry"):
            criterion = getattr(tier, part)
            if criterion is not None:
                yield from _criterion(f"policy.tiers[{i}].{part}", criterion, measures, 1)


def _criterion(
    path: str, criterion: Criterion, measures: frozenset[str], depth: int
) -> Iterator[Finding]:
    if depth > CRITERION_DEPTH_MAX:
        yield Finding(path, f"is nested deeper than {CRITERION_DEPTH_MAX}")
        return
    match criterion:
        case Range(from_=start, to=end, metric=metric):
            if metric is not None and metric not in measures:
                names = ", ".join(sorted(measures)) or "none is defined"
                yield Finding(f"{path}.metric", f"{metric!r} is not in policy.measures ({names})")
            if end is not None and start is not None and end < start:
                yield Finding(f"{path}.to", f"is below from ({start})")
        case Attribute(name=name):
            yield from text_findings(f"{path}.name", name)
        case MemberFor(length=length):
            yield from length_findings(f"{path}.length", length)
        case All(of=parts) | Any(of=parts) | AtLeast(of=parts):
            if not parts:
                yield Finding(f"{path}.of", "must hold at least one criterion")
            if isinstance(criterion, AtLeast) and criterion.k > len(parts):
                reason = f"is {criterion.k}, but there are only {len(parts)} criteria"
                yield Finding(f"{path}.k", reason)
            for i, part in enumerate(parts):
                yield from _criterion(f"{path}.of[{i}]", part, measures, depth + 1)


def _measures(rules: Rules) -> Iterator[Finding]:
    policy = rules.policy
    yield from _measure("policy", policy.metric, policy.window)
    if len(policy.measures) > MEASURES_MAX:
        yield Finding("policy.measures", f"has more than {MEASURES_MAX} measures")
    for name, measure in policy.measures.items():
        path = f"policy.measures.{name}"
        yield from text_findings(path, name)
        yield from _measure(path, measure.metric, measure.window)


def _measure(path: str, metric: Metric, window: Window) -> Iterator[Finding]:
    if metric.source == "sum" and not metric.of:
        yield Finding(f"{path}.metric.of", "names the metadata number to add up; `sum` needs it")
    if metric.source != "sum" and metric.of is not None:
        yield Finding(f"{path}.metric.of", f"only `sum` has it, not {metric.source!r}")
    if metric.source == "balance":
        # The policy's own window may say when members are judged, or when terms end.
        turns = path == "policy" and window.closes
        if not (turns or isinstance(window, NoWindow)):
            reason = "a balance is counted as it is now; use `earned` for points in a window"
            yield Finding(f"{path}.window", reason)
        if metric.filter is not None:
            yield Finding(f"{path}.metric.filter", "a balance cannot be filtered; use `earned`")
    if metric.include_pending and metric.source not in ("balance", "earned"):
        yield Finding(f"{path}.metric.include_pending", f"{metric.source!r} has no pending points")
    if metric.filter is not None:
        yield from _filter(f"{path}.metric.filter", metric.filter)
    yield from _window(f"{path}.window", window)
    if window.carry_over is not None:
        yield from _carry_over(f"{path}.window.carry_over", metric, window.carry_over)


def _carry_over(path: str, metric: Metric, carry_over: CarryOver) -> Iterator[Finding]:
    if metric.source == "balance":
        yield Finding(
            path, "a balance is counted as it is now; use `earned` for points in a window"
        )
    if any(lower >= upper for lower, upper in pairwise(carry_over.above)):
        yield Finding(f"{path}.above", "must rise")


def _filter(path: str, parts: Filter) -> Iterator[Finding]:
    for i, kind in enumerate(parts.kinds):
        if kind not in _KINDS:
            yield Finding(f"{path}.kinds[{i}]", f"{kind!r} is no kind of entry")
    if parts == Filter():
        yield warning(path, "is empty: everything matches")


def _window(path: str, window: Window) -> Iterator[Finding]:
    match window:
        case Since(anchor=anchor):
            yield from _anchor(f"{path}.anchor", anchor)
        case Rolling(length=length):
            yield from length_findings(f"{path}.length", length)
        case Cycle(length=length, anchor=anchor):
            yield from length_findings(f"{path}.length", length)
            yield from _anchor(f"{path}.anchor", anchor)
        case Calendar(unit=unit, offset_months=months, offset_days=days):
            if unit in ("day", "week") and months:
                yield Finding(f"{path}.offset_months", f"a {unit} cannot be moved by months")
            elif not 0 <= months < calendar.MONTHS.get(unit, 12):
                size = calendar.MONTHS[unit]
                yield Finding(f"{path}.offset_months", f"must be 0 to {size - 1} for a {unit}")
            if not 0 <= days <= 27:
                yield Finding(f"{path}.offset_days", "must be 0 to 27")


def _anchor(path: str, anchor: str) -> Iterator[Finding]:
    if anchor in ("join", "tier_start") or (anchor.startswith("attribute:") and anchor[10:]):
        return
    try:
        calendar.parse_day(anchor)
    except ValueError:
        expected = "`join`, `tier_start`, `attribute:NAME` or a date like 2024-02-29"
        yield Finding(path, f"{anchor!r} is no anchor: expected {expected}")


def _terms(rules: Rules) -> Iterator[Finding]:
    policy = rules.policy
    yield from _term("policy.term", policy.term)
    for i, tier in enumerate(policy.tiers):
        if tier.term is not None:
            yield from _term(f"policy.tiers[{i}].term", tier.term)


def _term(path: str, term: Term) -> Iterator[Finding]:
    match term:
        case WindowEnd(extend=extend, rounding=rounding):
            if extend is not None:
                yield from length_findings(f"{path}.extend", extend, nothing=True)
            yield from _rounding(f"{path}.rounding", rounding)
        case Duration(length=length, inclusive=inclusive, rounding=rounding):
            yield from length_findings(f"{path}.length", length, nothing=inclusive)
            yield from _rounding(f"{path}.rounding", rounding)
        case Dates(days=days):
            for i, day in enumerate(days):
                yield from day_of_year(f"{path}.days[{i}]", day)


def _rounding(path: str, rounding: Rounding | None) -> Iterator[Finding]:
    if rounding is None:
        return
    if (rounding.unit is None) == (rounding.month is None):
        yield Finding(path, "gives either a unit or a month")
    if rounding.edge == "start":
        reason = "rounding back to the start of a period shortens the term, down to nothing"
        yield warning(f"{path}.edge", reason)


def _occasions(rules: Rules) -> Iterator[Finding]:
    policy = rules.policy
    turning = policy.window.closes
    for part in ("up", "down"):
        occasion = getattr(policy.assessment, part)
        if occasion == "at_window_end" and not turning:
            reason = "the window never ends: use a calendar or cycle window, or `on_activity`"
            yield Finding(f"policy.assessment.{part}", reason)
    if policy.start.when == "next_window" and not turning:
        reason = "there is no next window: use a calendar or cycle window, or `immediate`"
        yield Finding("policy.start.when", reason)
    if (policy.start.when == "after") != (policy.start.after is not None):
        yield Finding("policy.start.after", "goes with when: `after`, and only with it")
    elif policy.start.after is not None:
        yield from length_findings("policy.start.after", policy.start.after)


def _lapse(rules: Rules) -> Iterator[Finding]:
    lapse = rules.policy.lapse
    yield from _rounding("policy.lapse.grace_rounding", lapse.grace_rounding)
    for part in ("grace", "min_stay"):
        length = getattr(lapse, part)
        if length is not None:
            yield from length_findings(f"policy.lapse.{part}", length, nothing=True)


def _points(rules: Rules) -> Iterator[Finding]:
    points = rules.points
    yield from expiry_findings("points.expiry", points.expiry)
    if points.orders is not None and points.orders.expiry is not None:
        yield from expiry_findings("points.orders.expiry", points.orders.expiry)
    for i, tier in enumerate(rules.policy.tiers):
        earning = tier.earning
        if earning is not None and earning.fixed is not None and earning.multiplier != 100:
            reason = "replaces the multiplier; give one of the two"
            yield Finding(f"policy.tiers[{i}].earning.fixed", reason)


_RULES: tuple[Callable[[Rules], Iterator[Finding]], ...] = (
    _names,
    _ladder,
    _criteria,
    _measures,
    _terms,
    _occasions,
    _lapse,
    _points,
    earning_rules,
    sentences,
    reminders,
)
