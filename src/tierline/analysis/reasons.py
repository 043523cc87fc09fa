"""Reasons in words: where a term's last day comes from, and why the tier is the one it is."""

from __future__ import annotations

from collections.abc import Iterator

from tierline.engine import qualification, tier_terms
from tierline.engine.member_state import MemberState
from tierline.engine.tracer import TermChange
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


def counted_from(state: MemberState, change: TermChange | None) -> int | None:
    """The civil day from which the running term is counted: the one whose term, by the rule, ends
    when this one ends. None: the end does not come from the rule alone (it was brought along, a
    hold moved it, a minimum stay reaches further), or there is none."""
    if state.held is None or state.ends_at is None or state.started_at is None:
        return None
    row = state.term_anchor
    if row is not None and row[2] == state.ends_at:
        return row[0]
    for day in _days(state, change):
        if tier_terms.end_for(state, state.rank, day) == state.ends_at:
            return day
    return None


def _days(state: MemberState, change: TermChange | None) -> Iterator[int]:
    """Days from which terms are counted, the likeliest first."""
    assert state.started_at is not None
    yield state.zone.day(state.started_at)
    if change is not None:
        yield state.zone.day(change.at)
        if change.before is not None:
            yield state.zone.day(change.before)
    window = state.version.policy.window
    if window.closes:
        span = window.span(state.today, state.anchors())
        if span is not None and state.version.policy.start.when == "next_window":
            yield span[1]  # the running window renewed it, from the next one on
        for _ in range(state.version.windows_back + 1):
            if span is None:
                return
            yield span[0]
            span = window.span(span[0] - 1, state.anchors())


def formula(state: MemberState, change: TermChange | None) -> str | None:
    """How the last valid day follows, as a line of arithmetic; None where there is no tier."""
    if state.held is None:
        return None
    term = tier_terms.term_of(state)
    if isinstance(term, Forever):
        return "held for good"
    if state.ends_at is None:
        return _endless(term)
    last = format_day(state.zone.day(state.ends_at - 1))
    day = counted_from(state, change)
    if day is not None:
        return f"{_arithmetic(state, term, day)} = {last}"
    if isinstance(term, Duration) and term.clock == "drop" and change is not None:
        return f"{_duration(term, state.zone.day(change.at))} = {last}"
    stay = state.version.policy.lapse.min_stay
    if stay is not None and state.started_at is not None:
        begun = state.zone.day(state.started_at)
        if state.zone.start(calendar.add_period(begun, stay)) == state.ends_at:
            return f"minimum stay: {format_day(begun)} + {stay}, that day excluded = {last}"
    by = f" by entry {change.entry}" if change and change.entry is not None else ""
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


def _arithmetic(state: MemberState, term: Term, day: int) -> str:
    match term:
        case Duration():
            row = state.term_anchor
            return _duration(term, day, 1 if row is None else row[1])
        case WindowEnd():
            return _window_end(state, term, day)
        case Dates():
            return f"next of {', '.join(term.days)} from {format_day(day)} on"
        case AttributeDate():
            return f"the day that attribute {term.name} names"
        case _:
            return f"{term.__struct_config__.tag} from {format_day(day)} on"


def _duration(term: Duration, day: int, terms: int = 1) -> str:
    length = term.length if terms == 1 else f"{terms} times {term.length}"
    text = f"{format_day(day)} + {length}"
    if not term.inclusive:
        text += ", that day excluded"
    return text + (f", {_rounded(term.rounding)}" if term.rounding is not None else "")


def _rounded(rounding: Rounding) -> str:
    if rounding.month is not None:
        return f"to the end of the next month {rounding.month}"
    return f"to the {rounding.edge} of its {rounding.unit}"


def _window_end(state: MemberState, term: WindowEnd, day: int) -> str:
    span = state.version.policy.window.span(day, state.anchors(day))
    if span is None:
        return "without an end"
    text = f"end of the window {format_day(span[0])} to {format_day(span[1] - 1)}"
    if term.windows:
        text += f", {term.windows} further"
    text += f", + {term.extend}" if term.extend else ""
    return text + (f", {_rounded(term.rounding)}" if term.rounding is not None else "")


def because(state: MemberState) -> str:
    """Why the tier is the one it is, in one sentence."""
    if state.joined_at is None:
        return "is not a member"
    tier, decider = state.overridden(state.held)
    if decider is not None:
        until = _until(decider.until)
        return f"override {decider.id} ({decider.kind}) decides{until}"
    best = qualification.qualified(state)
    if state.frozen and best != state.rank:
        return "a hold freezes the tier"
    if best == state.rank:
        return "no tier is earned" if best < 0 else "today's totals earn it"
    return _not_yet(state) if best > state.rank else _unearned(state, tier)


def _not_yet(state: MemberState) -> str:
    if state.waiting is not None:
        return f"tier {state.waiting[0]} is earned and begins {_instant(state.waiting[1])}"
    up = state.version.policy.assessment.up
    if up == "on_activity":
        return "a higher tier is earned, and given at the next assessment"
    when = "term" if up == "at_term_end" else "window"
    return f"a higher tier is earned, and given when the {when} ends"


def _unearned(state: MemberState, tier: str | None) -> str:
    if state.grace_until is not None:
        return f"{tier} is no longer earned; grace keeps it until {_instant(state.grace_until)}"
    if state.ends_at is not None:
        return f"{tier} is no longer earned; its term keeps it until {_instant(state.ends_at)}"
    term = tier_terms.term_of(state)
    if isinstance(term, WhileQualified):
        return f"{tier} is no longer earned, and taken at the next assessment"
    return f"{tier} is no longer earned; its term has no end"


def _until(instant: int | None) -> str:
    return " until it is released" if instant is None else f" until {_instant(instant)}"


def _instant(instant: int) -> str:
    return calendar.format_instant(instant)
