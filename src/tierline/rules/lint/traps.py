"""Traps: rules that work, but probably not as meant. Each one is warned of with its field.

Some are of our own making (parts of a policy that cancel each other), some are named by the
vendors. A program with traps is saved all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from types import UnionType

from tierline.model import calendar
from tierline.rules.ladder import All, Any, AtLeast, Attribute, Criterion, Range
from tierline.rules.lint.finding import Finding, warning
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.term import Duration, Forever, Term, WhileQualified, WindowEnd
from tierline.rules.window import Cycle, Since, Window

_NEVER_NEGATIVE = ("earned", "spend", "count")


def traps(rules: Rules) -> Iterator[Finding]:
    """Every trap in these rules."""
    for rule in _RULES:
        yield from rule(rules)


def _terms(policy: Policy) -> Iterator[tuple[str, Term]]:
    """The policy's term, where a tier uses it, and the tiers' own."""
    own = [(f"policy.tiers[{i}].term", t.term) for i, t in enumerate(policy.tiers) if t.term]
    if len(own) < len(policy.tiers):
        yield "policy.term", policy.term
    yield from own


def _all_terms(policy: Policy, kind: type | UnionType) -> bool:
    return bool(policy.tiers) and all(isinstance(term, kind) for _, term in _terms(policy))


# -- the ladder ----------------------------------------------------------------------------------


def _gaps(rules: Rules) -> Iterator[Finding]:
    """Between and above bounded tiers there is no tier: who earns more falls out."""
    tiers = rules.policy.tiers
    plain = [(i, t) for i, t in enumerate(tiers) if t.entry is None and t.open]
    for (i, low), (_, high) in pairwise(plain):
        start = high.low
        if low.to is not None and low.to + 1 < start:
            reason = f"leaves a gap: who has more than {low.to} and less than {start} is in no tier"
            yield warning(f"policy.tiers[{i}].to", reason)
    if plain and plain[-1][1].to is not None and all(t.entry is None for t in tiers):
        i, top = plain[-1]
        yield warning(f"policy.tiers[{i}].to", f"who has more than {top.to} is in no tier")


def _unreachable(rules: Rules) -> Iterator[Finding]:
    """Tiers that nobody can be in: their criterion cannot hold, or a higher tier always takes."""
    policy = rules.policy
    for i, tier in enumerate(policy.tiers):
        if not tier.open:
            continue
        if _impossible(tier.criterion, policy):
            part = "to" if tier.entry is None else "entry"
            yield warning(f"policy.tiers[{i}].{part}", "cannot be fulfilled: nobody gets here")
        for j, higher in enumerate(policy.tiers[i + 1 :], i + 1):
            if higher.open and higher.entry is not None and _covers(higher.entry, tier.criterion):
                reason = f"whoever qualifies also qualifies for tiers[{j}], which is higher"
                yield warning(f"policy.tiers[{i}]", reason)
                break


def _impossible(criterion: Criterion, policy: Policy) -> bool:
    match criterion:
        case Range(to=to, metric=name):
            metric = policy.metric if name is None else None
            if name is not None and name in policy.measures:
                metric = policy.measures[name].metric
            below = to is not None and to < 0
            return below and metric is not None and metric.source in _NEVER_NEGATIVE
        case All(of=parts):
            clash = any(_exclude(one, other) for one, other in combinations(parts, 2))
            return clash or any(_impossible(part, policy) for part in parts)
        case Any(of=parts):
            return bool(parts) and all(_impossible(part, policy) for part in parts)
        case AtLeast(k=k, of=parts):
            return len(parts) >= k > sum(not _impossible(part, policy) for part in parts)
        case _:
            return False


def _exclude(one: Criterion, other: Criterion) -> bool:
    """Whether two criteria can never hold together."""
    if isinstance(one, Range) and isinstance(other, Range):
        low = max(one.low, other.low)
        tops = [r.to for r in (one, other) if r.to is not None]
        return one.metric == other.metric and bool(tops) and min(tops) < low
    both = isinstance(one, Attribute) and isinstance(other, Attribute)
    return both and one.name == other.name and one.is_ != other.is_  # type: ignore[union-attr]


def _covers(wide: Criterion, narrow: Criterion) -> bool:
    if not (isinstance(wide, Range) and isinstance(narrow, Range)):
        return wide == narrow
    if wide.metric != narrow.metric or wide.low > narrow.low:
        return False
    return wide.to is None or (narrow.to is not None and narrow.to <= wide.to)


def _closed(rules: Rules) -> Iterator[Finding]:
    """Hidden and invitation tiers are reached by an override alone."""
    for i, tier in enumerate(rules.policy.tiers):
        how = "hidden" if tier.hidden else "by invitation"
        for part in ("entry", "reentry"):
            if not tier.open and getattr(tier, part) is not None:
                reason = f"is not used: the tier is {how}, and reached by an override alone"
                yield warning(f"policy.tiers[{i}].{part}", reason)


def _retained(rules: Rules) -> Iterator[Finding]:
    for i, tier in enumerate(rules.policy.tiers):
        retain, entry = tier.retain, tier.criterion
        if not isinstance(retain, Range) or not isinstance(entry, Range):
            continue
        if retain.metric == entry.metric and retain.low > entry.low:
            reason = "asks for more than entering the tier: who enters may fall at once"
            yield warning(f"policy.tiers[{i}].retain", reason)


def _debts(rules: Rules) -> Iterator[Finding]:
    """A refund of points that were spent leaves less than nothing, and so the tier from 0."""
    metrics = {name: measure.metric for name, measure in rules.policy.measures.items()}
    sources = {None: rules.policy.metric.source} | {n: m.source for n, m in metrics.items()}
    for i, tier in enumerate(rules.policy.tiers):
        if tier.entry is None and tier.open and tier.from_ == 0:
            yield from _from_zero(f"policy.tiers[{i}].from", sources[None], "`from` left out")
        for part, criterion in (("entry", tier.entry), ("retain", tier.retain)):
            for path, bounds in _ranges(f"policy.tiers[{i}].{part}", criterion):
                if bounds.from_ == 0:
                    source = sources.get(bounds.metric, "")
                    yield from _from_zero(f"{path}.from", source, "`from` null")


def _from_zero(path: str, source: str, instead: str) -> Iterator[Finding]:
    causes = {"balance": "points taken back after they were spent", "sum": "values below it"}
    if source in causes:
        # A vendor's settings have no word for it: there it takes a policy of one's own.
        reason = f"a {source} below zero ({causes[source]}) leaves this tier; only a `policy` "
        yield warning(path, reason + f"can keep such a member in it, with {instead}")


def _ranges(path: str, criterion: Criterion | None) -> Iterator[tuple[str, Range]]:
    """Every range in a criterion, with its path."""
    if isinstance(criterion, Range):
        yield path, criterion
    elif isinstance(criterion, All | Any | AtLeast):
        for i, part in enumerate(criterion.of):
            yield from _ranges(f"{path}.of[{i}]", part)


# -- windows, occasions, terms -------------------------------------------------------------------


def _balances(rules: Rules) -> Iterator[Finding]:
    """A balance is counted as it is now; its window only says when things happen."""
    policy = rules.policy
    if policy.metric.source != "balance" or not policy.window.closes:
        return
    follows = any(isinstance(term, WindowEnd) for _, term in _terms(policy))
    judged = "at_window_end" in (policy.assessment.up, policy.assessment.down)
    if not (follows or judged or policy.start.when == "next_window"):
        reason = "is not used: a balance is counted as it is now, and no term or assessment asks"
        yield warning("policy.window", reason)


def _carried(rules: Rules) -> Iterator[Finding]:
    """A surplus is over what a tier took; a bound where none begins was probably forgotten."""
    policy = rules.policy
    criteria = [criterion for tier in policy.tiers for criterion in (tier.criterion, tier.retain)]
    ranges = [bounds for criterion in criteria for _, bounds in _ranges("", criterion)]
    windows: dict[str | None, Window] = {name: m.window for name, m in policy.measures.items()}
    for name, window in ({None: policy.window} | windows).items():
        if window.carry_over is None:
            continue
        path = "policy.window" if name is None else f"policy.measures.{name}.window"
        begins = {bounds.from_ for bounds in ranges if bounds.metric == name}
        for bound in window.carry_over.above:
            if bound not in begins:
                yield warning(f"{path}.carry_over.above", f"no tier begins at {bound}")


def _from_the_term(rules: Rules) -> Iterator[Finding]:
    """What is counted from a tier's start is nothing without a tier, and when a term starts."""
    policy = rules.policy
    window = policy.window
    if not isinstance(window, Since | Cycle) or window.anchor != "tier_start":
        return
    if policy.metric.source == "balance":
        return
    asking = [tier.entry is None and tier.low > 0 for tier in policy.tiers if tier.open]
    if isinstance(window, Cycle) and asking and all(asking):
        reason = "nothing counts before a first tier, and every tier asks for something"
        yield warning("policy.window.anchor", reason)
    if policy.assessment.down == "on_activity":
        for path, term in _terms(policy):
            if isinstance(term, WhileQualified):
                reason = "a new term counts from nothing, so the tier is lost at the next occasion"
                yield warning(path, reason)


def _occasions(rules: Rules) -> Iterator[Finding]:
    policy = rules.policy
    up, down = policy.assessment.up, policy.assessment.down
    if up == "at_term_end" and _all_terms(policy, WhileQualified | Forever):
        reason = "no term has an end, so nobody who is in a tier ever rises"
        yield warning("policy.assessment.up", reason)
    if down == "at_term_end" and _all_terms(policy, WhileQualified):
        reason = "`while_qualified` has no end, so nobody is ever assessed then"
        yield warning("policy.assessment.down", reason)
    if policy.start.when != "next_window":
        return
    if up == "at_window_end":
        reason = "with start `next_window` a tier waits for one window to end, then for another"
        yield warning("policy.assessment.up", reason)
    for path, term in _terms(policy):
        if isinstance(term, WhileQualified):
            reason = (
                "a tier that starts with the next window is not earned by that window yet, so "
                "`while_qualified` keeps it by the window before: `window_end` says so"
            )
            yield warning(path, reason)


def _window_ends(rules: Rules) -> Iterator[Finding]:
    for path, term in _terms(rules.policy):
        if isinstance(term, WindowEnd) and not rules.policy.window.closes:
            reason = "only a calendar or cycle window has an end, so this term never ends"
            yield warning(path, reason)


def _drifting(rules: Rules) -> Iterator[Finding]:
    """A term that is renewed from the day of its renewal moves through the calendar."""
    if rules.policy.renewal.basis != "now":
        return
    for path, term in _terms(rules.policy):
        if not isinstance(term, Duration) or term.clock == "drop" or term.rounding is not None:
            continue
        months, _ = calendar.parse_period(term.length)
        if term.inclusive:
            reason = "a renewal starts a day after the last valid day, so the end drifts by a day"
        elif months:
            reason = "a term from the 31st is clamped once and stays there in later months"
        else:
            continue
        yield warning(path, f"{reason}; with renewal.basis `term_end` it does not")


def _grace(rules: Rules) -> Iterator[Finding]:
    policy = rules.policy
    if policy.tell_grace and policy.rolls and not _all_terms(policy, WhileQualified | Forever):
        reason = (
            "amounts leave a rolling window on days that mean nothing to members, and `prolonged` "
            "tells each of them; leave it out, or set it to false"
        )
        yield warning("policy.tell_grace", reason)


def _lapse(rules: Rules) -> Iterator[Finding]:
    lapse = rules.policy.lapse
    if lapse.grace_rounding is not None and lapse.grace is None:
        yield warning("policy.lapse.grace_rounding", "is not used: there is no grace")
    if _all_terms(rules.policy, Forever):
        for part in ("grace", "min_stay"):
            if getattr(lapse, part) is not None:
                yield warning(f"policy.lapse.{part}", "is not used: no tier ever ends")


def _corrections(rules: Rules) -> Iterator[Finding]:
    policy = rules.policy
    keeps = policy.lapse.then == "keep" and all(t.lapse in (None, "keep") for t in policy.tiers)
    if policy.corrections == "retroactive" and keeps:
        reason = "`keep` holds every tier once reached, retroactive corrections too"
        yield warning("policy.corrections", reason)
    waits = policy.start.when == "next_window"
    if policy.corrections == "protect" and _all_terms(policy, WhileQualified) and not waits:
        reason = "protects nothing: `while_qualified` always follows the metric"
        yield warning("policy.corrections", reason)


def _earning(rules: Rules) -> Iterator[Finding]:
    for i, tier in enumerate(rules.policy.tiers):
        if tier.earning is not None and rules.points.orders is None:
            reason = "is not used: without points.orders whoever sends an order says its points"
            yield warning(f"policy.tiers[{i}].earning", reason)


_RULES: tuple[Callable[[Rules], Iterator[Finding]], ...] = (
    _gaps,
    _unreachable,
    _closed,
    _retained,
    _debts,
    _balances,
    _carried,
    _from_the_term,
    _occasions,
    _window_ends,
    _drifting,
    _grace,
    _lapse,
    _corrections,
    _earning,
)
