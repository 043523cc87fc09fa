"""Reasons in words: where a term's last day comes from, and why the tier is the one it is."""

from __future__ import annotations

from collections.abc import Iterator

from tierline.engine import qualification, tier_terms
from tierline.engine.tracer import Trace
from tierline.model import calendar
from tierline.model.calendar import format_day
from tierline.rules.term import (
    AttributeDate,
    Dates,
    Duration,
    Forever,
    Rounding,
    Term,
    WhileQualified,
    WindowEnd,
)


def counted_from(walk: Trace) -> int | None:
    """The civil day from which the running term is counted: the one whose term, by the rule, ends
    when this one ends. None: the end does not come from the rule alone (it was brought along, a
    hold moved it, a minimum stay reaches further), or there is none."""
    if walk.held is None or walk.ends_at is None or walk.started_at is None:
        return None
    for day in _days(walk):
        if tier_terms.end_for(walk, walk.rank, day) == walk.ends_at:
            return day
    return None


def _days(walk: Trace) -> Iterator[int]:
    """Days from which terms are counted, the likeliest first."""
    assert walk.started_at is not None
    yield walk.zone.day(walk.started_at)
    if walk.term is not None:
        yield walk.zone.day(walk.term.at)
        if walk.term.before is not None:
            yield walk.zone.day(walk.term.before)
    window = walk.version.policy.window
    if window.closes:
        span = window.span(walk.today, walk.anchors())
        for _ in range(walk.version.windows_back + 1):
            if span is None:
                return
            yield span[0]
            span = window.span(span[0] - 1, walk.anchors())


def formula(walk: Trace) -> str | None:
    """How the last valid day follows, as a line of arithmetic; None where there is no tier."""
    if walk.held is None:
        return None
    term = tier_terms.term_of(walk)
    if isinstance(term, Forever):
        return "held for good"
    if walk.ends_at is None:
        return _endless(term)
    last = format_day(walk.zone.day(walk.ends_at - 1))
    day = counted_from(walk)
    if day is not None:
        return f"{_arithmetic(walk, term, day)} = {last}"
    if _drop_clock(term) and walk.term is not None:
        return f"{_duration(term, walk.zone.day(walk.term.at))} = {last}"  # type: ignore[arg-type]
    stay = walk.version.policy.lapse.min_stay
    if stay is not None and walk.started_at is not None:
        begun = walk.zone.day(walk.started_at)
        if walk.zone.start(calendar.add_period(begun, stay)) == walk.ends_at:
            return f"minimum stay: {format_day(begun)} + {stay}, that day excluded = {last}"
    by = f" by entry {walk.term.entry}" if walk.term and walk.term.entry is not None else ""
    return f"set{by} to {last}"


def _endless(term: Term) -> str:
    match term:
        case Duration(clock="drop"):
            return f"{term.length} from the day on which it is no longer earned"
        case AttributeDate():
            return f"the day that attribute {term.name} names: none is known"
        case WhileQualified():
            return "held as long as it is earned"
        case _:
            return "without an end"


def _drop_clock(term: Term) -> bool:
    return isinstance(term, Duration) and term.clock == "drop"


def _arithmetic(walk: Trace, term: Term, day: int) -> str:
    match term:
        case Duration():
            return _duration(term, day)
        case WindowEnd():
            return _window_end(walk, term, day)
        case Dates():
            return f"next of {', '.join(term.days)} from {format_day(day)} on"
        case AttributeDate():
            return f"the day that attribute {term.name} names"
        case _:
            return f"{term.__struct_config__.tag} from {format_day(day)} on"


def _duration(term: Duration, day: int) -> str:
    told = f"{format_day(day)} + {term.length}"
    if not term.inclusive:
        told += ", that day excluded"
    return told + (f", {_rounded(term.rounding)}" if term.rounding is not None else "")


def _rounded(rounding: Rounding) -> str:
    if rounding.month is not None:
        return f"to the end of the next month {rounding.month}"
    return f"to the {rounding.edge} of its {rounding.unit}"


def _window_end(walk: Trace, term: WindowEnd, day: int) -> str:
    span = walk.version.policy.window.span(day, walk.anchors(day))
    if span is None:
        return "without an end"
    told = f"end of the window {format_day(span[0])} to {format_day(span[1] - 1)}"
    if term.windows:
        told += f", {term.windows} further"
    told += f", + {term.extend}" if term.extend else ""
    return told + (f", {_rounded(term.rounding)}" if term.rounding is not None else "")


def because(walk: Trace) -> str:
    """Why the tier is the one it is, in one sentence."""
    if walk.joined_at is None:
        return "is not a member"
    shown, decided_by = walk.overridden(walk.held)
    if decided_by is not None:
        until = _until(decided_by.until)
        return f"override {decided_by.id} ({decided_by.kind}) decides{until}"
    best = qualification.qualified(walk)
    if walk.frozen and best != walk.rank:
        return "a hold freezes the tier"
    if best == walk.rank:
        return "no tier is earned" if best < 0 else "today's totals earn it"
    return _not_yet(walk) if best > walk.rank else _kept(walk, shown)


def _not_yet(walk: Trace) -> str:
    if walk.waiting is not None:
        return f"tier {walk.waiting[0]} is earned and begins {_instant(walk.waiting[1])}"
    up = walk.version.policy.assessment.up
    if up == "on_activity":
        return "a higher tier is earned, and given at the next assessment"
    when = "term" if up == "at_term_end" else "window"
    return f"a higher tier is earned, and given when the {when} ends"


def _kept(walk: Trace, shown: str | None) -> str:
    if walk.grace_until is not None:
        return f"{shown} is no longer earned; grace keeps it until {_instant(walk.grace_until)}"
    if walk.ends_at is not None:
        return f"{shown} is no longer earned; its term keeps it until {_instant(walk.ends_at)}"
    term = tier_terms.term_of(walk)
    if isinstance(term, WhileQualified):
        return f"{shown} is no longer earned, and taken at the next assessment"
    return f"{shown} is no longer earned; its term has no end"


def _until(instant: int | None) -> str:
    return " until it is released" if instant is None else f" until {_instant(instant)}"


def _instant(instant: int) -> str:
    return calendar.format_instant(instant)
