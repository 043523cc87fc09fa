"""Bonuses: what earning rules give without an activity.

Joining, an attribute, a yearly date and a change of tier are occasions. A rule gives once at most
for what happens at one instant, so that none can trigger itself for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from tierline.engine.assessment import assess, judge
from tierline.engine.member_state import MemberState
from tierline.engine.points_notes import tell_points
from tierline.engine.qualification import note_values
from tierline.model import calendar
from tierline.model.entries import Entry
from tierline.model.standing import Pending
from tierline.rules.earning_rule import (
    AttributeBecomes,
    DateTrigger,
    EarningFacts,
    EarningRule,
    Joining,
    TierTrigger,
    earning_of,
)
from tierline.rules.points import multiplied


def give_bonuses(state: MemberState, entry: Entry | None = None) -> None:
    """Gives what the occasions since the last call bring. `entry`: the one that brought them."""
    if not state.occasions:
        return
    state.cause_entry = None if entry is None else entry.n
    implied = entry is not None and entry.detail is not None and entry.detail.implied
    given: set[str] = set()
    while state.occasions:
        occasion, state.occasions = state.occasions[0], state.occasions[1:]
        before = len(given)
        for rule in state.version.bonuses:
            if rule.id in given or not _answers(rule, occasion):
                continue
            if not rule.runs_at(state.at, state.zone):
                continue
            if _give(state, rule):
                given.add(rule.id)
        if len(given) == before:
            continue  # nothing was given, so nothing is judged
        if not implied:
            judge(state, "bonus")
        elif not state.frozen:
            assess(state, "bonus")  # the activity that follows shows where it leads
    state.cause_entry = None


def yearly_dates(state: MemberState) -> None:
    """The day of some rule has begun."""
    bonuses = state.version.bonuses
    if not bonuses or state.joined_at is None or state.overdue:
        return
    days, day = set[int](), state.today
    while state.zone.start(day) == state.at:
        days.add(day)
        day -= 1  # a day that the zone skipped starts where the next one does
    if not days:
        return
    for rule in bonuses:
        if isinstance(rule.trigger, DateTrigger) and _next_day(state, rule, min(days)) in days:
            state.occur("date", rule.id)


def next_dates(state: MemberState) -> Iterator[int]:
    """Yields when the day of each rule begins next."""
    for rule in state.version.bonuses:
        if isinstance(rule.trigger, DateTrigger):
            day = _next_day(state, rule, state.today + 1)
            if day is not None:
                yield state.zone.start(day)


def _next_day(state: MemberState, rule: EarningRule, first: int) -> int | None:
    """The first day from `first` on that a rule with a date names, while it runs."""
    assert isinstance(rule.trigger, DateTrigger)
    year = calendar.date_of(first).year
    for y in (year, year + 1):
        day = rule.trigger.day_in(y, state.anchors().join, state.attributes)
        if day is not None and day >= first:
            ends = rule.ends_on
            return None if ends is not None and day > calendar.parse_day(ends) else day
    return None


def _answers(rule: EarningRule, occasion: tuple[str, str | None, object]) -> bool:
    what, name, value = occasion
    match rule.trigger:
        case Joining():
            return what == "joining"
        case AttributeBecomes(name=attribute, is_=is_):
            return (what, name) == ("attribute", attribute) and value == is_
        case TierTrigger(events=events, tier=tier):
            return what in events and tier in (None, name)
    return (what, name) == ("date", rule.id)


def _give(state: MemberState, rule: EarningRule) -> bool:
    facts = EarningFacts(None, state.attributes, day=state.today)
    points = multiplied(rule.count(facts), earning_of(rule, state.tier, None))
    bound = rule.bound
    if bound is not None:
        gain = state.gains.get(rule.id)
        points = bound.room(points, gain, state.today)
        if points > 0:
            state.gains = {**state.gains, rule.id: bound.after(points, gain, state.today)}
    if points <= 0:
        return False
    note_values(state)
    days = state.version.rules.points.pending_days
    if rule.pending_days is not None:
        days = rule.pending_days
    start = state.today + days
    expiry = rule.expiry or state.version.rules.points.expiry
    last = expiry.last_day(start)
    expires_at = None if last is None else state.zone.start(last + 1)
    if days:
        pending = Pending(
            *(0, state.zone.start(start), points, expires_at, "earn", rule.id, None, last is None),
            occurred_at=state.at,
        )
        state.pending = (*state.pending, pending)
    else:
        state.accrue(points, expires_at, entry=0)  # they are no entry's
    waits = points if days > 0 else 0
    tell_points(state, "points.earned", points, state.cause_entry, rule.id, waits=waits)
    state.count_bonus(rule.id, points, waits=days > 0)
    if state.tracer is not None:
        after = state.balance, state.points_pending
        state.tracer.bonus_given(state.today, rule.id, after, state.cause_entry)
    return True
