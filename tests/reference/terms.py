"""When a granted tier's term ends, by the standard library's dates."""

from __future__ import annotations

from datetime import date

from tests.reference import NoOpinion, civil
from tests.reference.measures import Sight
from tierline.rules import term as terms
from tierline.rules.term import Rounding, Term


def rounded(rounding: Rounding | None, last: date, not_before: date) -> date:
    """A last valid day, moved to an edge of its calendar period."""
    if rounding is None:
        return last
    if rounding.month is not None:
        while last.month != rounding.month:
            last = civil.plus_months(last.replace(day=1), 1)
        return last.replace(day=civil.month_length(last.year, last.month))
    if rounding.unit is None:
        return last
    first, after = civil.span(last, rounding.unit)
    return after - civil.ONE_DAY if rounding.edge == "end" else max(first, not_before)


def end(term: Term, start: date, sight: Sight) -> date | None:
    """The first day on which the tier is no longer held; None: the term does not end by itself."""
    if isinstance(term, terms.WindowEnd):
        window = sight.version.rules.policy.window
        span = sight.span(window, start)
        for _ in range(term.windows):
            span = sight.span(window, span[1]) if span else None
        if span is None:
            return None
        last = span[1] - civil.ONE_DAY
        last = civil.plus(last, term.extend) if term.extend else last
        return rounded(term.rounding, last, start) + civil.ONE_DAY
    if isinstance(term, terms.Duration):
        last = civil.plus(start, term.length)
        if not term.inclusive:
            last -= civil.ONE_DAY
        return rounded(term.rounding, last, start) + civil.ONE_DAY
    if isinstance(term, terms.Dates):
        days = [civil.yearly(d, start.year + years) for d in term.days for years in (0, 1)]
        return min(d for d in days if d >= start) + civil.ONE_DAY
    if isinstance(term, terms.AttributeDate):
        named = sight.anchor(f"attribute:{term.name}")
        return None if named is None or named < start else named + civil.ONE_DAY
    if isinstance(term, terms.WhileQualified | terms.Forever):
        return None
    raise NoOpinion(term)
