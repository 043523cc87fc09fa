"""A program's rules in plain sentences, for people who read no JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tierline.rules.expiry import AfterPeriod, DayOfYear, Expiry
from tierline.rules.metric import Metric
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.term import (
    AttributeDate,
    Dates,
    Duration,
    Forever,
    Term,
    WhileQualified,
    WindowEnd,
)
from tierline.rules.window import Calendar, Cycle, Rolling, Since, Window

_UNITS: Final = {"Y": "year", "M": "month", "W": "week", "D": "day"}
_SOURCES: Final[Mapping[str, str]] = {
    "balance": "the balance of points",
    "earned": "points earned",
    "spent": "money spent",
    "activities": "the number of activities",
}
_UP: Final[Mapping[str, str]] = {
    "on_activity": "A member rises as soon as enough is there.",
    "at_term_end": "A member rises when the term of the tier ends.",
    "at_window_end": "A member rises when the period ends.",
}
_DOWN: Final[Mapping[str, str]] = {
    "on_activity": "A member falls as soon as it is not enough any more.",
    "at_term_end": "A member falls only when the term of the tier ends.",
    "at_window_end": "A member falls only when the period ends.",
}
_LAPSE: Final[Mapping[str, str]] = {
    "keep": "Whoever did not earn the tier again keeps it all the same.",
    "one_step": "Whoever did not earn the tier again falls by one step.",
    "to_qualifying": "Whoever did not earn the tier again falls to the one that was earned.",
    "to_base": "Whoever did not earn the tier again falls to the lowest.",
    "leave": "Whoever did not earn the tier again leaves the program.",
}
_CORRECTIONS: Final[Mapping[str, str]] = {
    "forward": "A refund counts from when it happens on.",
    "retroactive": "A refund counts as if the purchase had never been.",
    "protect": "A refund takes no tier away before its term ends.",
}


def sentences_of(rules: Rules) -> tuple[str, ...]:
    """What the rules say, part by part."""
    return tuple(_sentences(rules))


def _sentences(rules: Rules) -> Iterator[str]:
    policy = rules.policy
    yield f"Counted is {_metric(policy.metric)} {_window(policy.window)}."
    for name, measure in policy.measures.items():
        yield f"“{name}” counts {_metric(measure.metric)} {_window(measure.window)}."
    yield _UP[policy.assessment.up]
    if isinstance(policy.term, WhileQualified):
        yield _DOWN[policy.assessment.down]
    yield _term(policy.term)
    if not isinstance(policy.term, Forever | WhileQualified):
        yield from _lapse(policy)
    if policy.start.when == "next_window":
        yield "An earned tier begins with the next period."
    elif policy.start.when == "after":
        yield f"An earned tier begins {period_text(policy.start.after or 'P0D')} later."
    yield _CORRECTIONS[policy.corrections]
    yield _expiry(rules.points.expiry)
    if rules.points.pending_days:
        yield f"Points become active after {rules.points.pending_days} days."
    if rules.points.rules:
        count = len(rules.points.rules)
        yield f"Points are given by {count} earning rule{'' if count == 1 else 's'}."
    if not rules.auto_join:
        yield "Only who is enrolled is a member; an activity makes nobody one."


def period_text(period: str) -> str:
    """`P1Y6M` → `1 year and 6 months`."""
    parts = re.findall(r"(\d+)([YMWD])", period)
    texts = [f"{n} {_UNITS[unit]}{'' if n == '1' else 's'}" for n, unit in parts]
    return " and ".join(texts) or period


def _metric(metric: Metric) -> str:
    text = _SOURCES.get(metric.source, metric.source.replace("_", " "))
    if metric.filter is not None:
        text += " by some activities"
    return f"{text}, pending ones included," if metric.include_pending else text


def _window(window: Window) -> str:
    carry_over = window.carry_over
    if carry_over is None:
        return _period(window)
    bounds = " or ".join(str(bound) for bound in carry_over.above)
    most = "" if carry_over.most is None else f", at most {carry_over.most},"
    return f"{_period(window)}; what one holds above {bounds}{most} counts in the next, too"


def _period(window: Window) -> str:
    if isinstance(window, Calendar):
        shifted = window.offset_months or window.offset_days
        return f"in {'a shifted ' if shifted else 'the '}calendar {window.unit.replace('_', ' ')}"
    if isinstance(window, Rolling):
        return f"in the last {period_text(window.length)}"
    if isinstance(window, Cycle):
        anchor = window.anchor.replace("_", " ")
        return f"in periods of {period_text(window.length)} from {anchor}"
    if isinstance(window, Since):
        return f"since {window.anchor.replace('_', ' ')}"
    return "as it is now"


def _term(term: Term) -> str:
    if isinstance(term, WindowEnd):
        ends = ("the period that earned it", "the next period")
        text = ends[term.windows] if term.windows < 2 else f"the {term.windows}th period after it"
        more = "" if term.extend is None else f", and {period_text(term.extend)} longer"
        return f"A tier is kept to the end of {text}{more}."
    if isinstance(term, Duration):
        return f"A tier is kept for {period_text(term.length)}."
    if isinstance(term, Dates):
        return f"A tier is kept to the next of these days: {', '.join(term.days)}."
    if isinstance(term, AttributeDate):
        return f"A tier is kept to the day in the attribute “{term.name}”."
    if isinstance(term, Forever):
        return "A tier is kept for good."
    return "A tier has no term of its own."


def _lapse(policy: Policy) -> Iterator[str]:
    yield _LAPSE[policy.lapse.then]
    if policy.lapse.grace is not None:
        yield f"There are {period_text(policy.lapse.grace)} of grace before that."
    if policy.lapse.min_stay is not None:
        yield f"Nobody falls within {period_text(policy.lapse.min_stay)} of rising."


def _expiry(expiry: Expiry) -> str:
    if isinstance(expiry, AfterPeriod):
        return f"Points expire after {period_text(expiry.length)}."
    if isinstance(expiry, DayOfYear):
        return f"Points expire on the next {expiry.day}."
    return "Points never expire."
