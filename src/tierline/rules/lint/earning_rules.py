"""Whether earning rules make sense."""

from __future__ import annotations

from collections.abc import Iterator

from tierline.model import calendar
from tierline.model.orders import NUMBERS
from tierline.rules import formula
from tierline.rules.earning import ORDERS
from tierline.rules.earning_rule import (
    ActivityTrigger,
    AttributeBecomes,
    Birthday,
    CustomEvent,
    EarningRule,
    Formula,
    OrderPaid,
    PointsPer,
    TierTrigger,
    YearlyDay,
)
from tierline.rules.lint.finding import Finding, warning
from tierline.rules.lint.values import day_of_year, expiry_findings, text_findings
from tierline.rules.program import Rules
from tierline.rules.validity import length_ms

RULES_MAX = 100


def earning_rules(rules: Rules) -> Iterator[Finding]:
    """Everything to say about `points.rules`."""
    ids: dict[str, int] = {}
    if len(rules.points.rules) > RULES_MAX:
        yield Finding("points.rules", f"has more than {RULES_MAX} rules")
        return
    for i, rule in enumerate(rules.points.rules):
        path = f"points.rules[{i}]"
        yield from text_findings(f"{path}.id", rule.id)
        if rule.id == ORDERS:
            yield Finding(f"{path}.id", f"{ORDERS!r} means points.orders; take another id")
        elif rule.id in ids:
            yield Finding(f"{path}.id", f"{rule.id!r} is also the id of rules[{ids[rule.id]}]")
        ids.setdefault(rule.id, i)
        for part in (_trigger, _points, _tiers, _dates, _validity, _feedback):
            yield from part(path, rule, rules)
        if rule.limit is not None and rule.limit.times is None and rule.limit.points is None:
            yield Finding(f"{path}.limit", "needs times or points")
        if rule.expiry is not None:
            yield from expiry_findings(f"{path}.expiry", rule.expiry)


def _trigger(path: str, rule: EarningRule, rules: Rules) -> Iterator[Finding]:
    path = f"{path}.trigger"
    match rule.trigger:
        case CustomEvent(name=name) | AttributeBecomes(name=name):
            yield from text_findings(f"{path}.name", name)
        case Birthday(attribute=name):
            yield from text_findings(f"{path}.attribute", name)
        case YearlyDay(day=day):
            yield from day_of_year(f"{path}.day", day)
        case TierTrigger(events=events, tier=tier):
            if not events:
                yield Finding(f"{path}.events", "must name at least one kind of event")
            if tier is not None:
                yield from _is_tier(f"{path}.tier", tier, rules)


def _is_tier(path: str, tier: str, rules: Rules) -> Iterator[Finding]:
    tiers = [tier.id for tier in rules.policy.tiers]
    if tier not in tiers:
        yield Finding(path, f"{tier!r} is no tier of this program ({', '.join(tiers) or 'none'})")


def _points(path: str, rule: EarningRule, _rules: Rules) -> Iterator[Finding]:
    path = f"{path}.points"
    match rule.points:
        case Formula(formula=text):
            try:
                needed = formula.names(text)
            except formula.FormulaError as wrong:
                yield Finding(f"{path}.formula", str(wrong))
                return
            for name in needed:
                yield from _number(f"{path}.formula", name, rule)
        case PointsPer(of=name):
            yield from _number(f"{path}.of", name, rule)


def _number(path: str, name: str, rule: EarningRule) -> Iterator[Finding]:
    """Whether a rule's occasion may carry a number of this name at all."""
    place, _, key = name.partition(".")
    if (place == "attribute" and key) or name == "today":
        return
    if (name == "amount" or (place == "metadata" and key)) and isinstance(
        rule.trigger, ActivityTrigger
    ):
        return
    if place == "order" and key in NUMBERS and isinstance(rule.trigger, OrderPaid):
        return
    names = "attribute.<name>"
    if isinstance(rule.trigger, ActivityTrigger):
        names = f"amount, metadata.<key> and {names}"
    if isinstance(rule.trigger, OrderPaid):
        names += f", and of orders that are told whole order.{', order.'.join(NUMBERS)}"
    yield Finding(path, f"{name!r} is no number that the rule can know; there are {names}")


def _tiers(path: str, rule: EarningRule, rules: Rules) -> Iterator[Finding]:
    for tier, earning in rule.tiers.items():
        yield from _is_tier(f"{path}.tiers.{tier}", tier, rules)
        if earning.fixed is not None and earning.multiplier != 100:
            reason = "replaces the multiplier; give one of the two"
            yield Finding(f"{path}.tiers.{tier}.fixed", reason)


def _dates(path: str, rule: EarningRule, _rules: Rules) -> Iterator[Finding]:
    days = []
    for part in ("starts_on", "ends_on"):
        text = getattr(rule, part)
        if text is None:
            continue
        try:
            days.append(calendar.parse_day(text))
        except ValueError:
            yield Finding(f"{path}.{part}", f"{text!r} is no day: expected one like 2026-12-31")
    if len(days) == 2 and days[1] < days[0]:
        yield Finding(f"{path}.ends_on", "lies before starts_on")


def _validity(path: str, rule: EarningRule, _rules: Rules) -> Iterator[Finding]:
    validity, path = rule.validity, f"{path}.validity"
    if validity is None:
        return
    instants = []
    for part in ("starts_at", "ends_at"):
        text = getattr(validity, part)
        if text is None:
            continue
        try:
            instants.append(calendar.parse_instant(text))
        except ValueError:
            reason = f"{text!r} is no instant: expected one like 2026-12-31T08:00:00Z"
            yield Finding(f"{path}.{part}", reason)
    if len(instants) == 2 and instants[1] <= instants[0]:
        yield Finding(f"{path}.ends_at", "lies before starts_at")
    recurrence = validity.recurrence
    if recurrence is None:
        return
    if validity.starts_at is None:
        yield Finding(f"{path}.starts_at", "a recurrence is counted from it; give it")
    if not 0 < length_ms(recurrence.duration) <= length_ms(recurrence.interval):
        yield Finding(f"{path}.recurrence.duration", "expected more than nothing, at most interval")


def _feedback(path: str, rule: EarningRule, rules: Rules) -> Iterator[Finding]:
    """Points for a change of tier that count towards tiers themselves."""
    if not isinstance(rule.trigger, TierTrigger):
        return
    counted = {measure.metric.source for measure in rules.policy.measures.values()}
    if {rules.policy.metric.source, *counted} & {"balance", "earned"}:
        reason = (
            "its points count towards tiers, so that one move may bring the next; "
            "at one instant the rule gives once"
        )
        yield warning(f"{path}.trigger", reason)
