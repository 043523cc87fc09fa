"""Time: what is due next, in which order, and everything that happens on the way to an instant.

`pass_time` carries out what falls due; `fold` applies a ledger entry. Both leave `due_at` right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tierline.engine.assessment import end_term
from tierline.engine.bonuses import give_bonuses, next_dates, yearly_dates
from tierline.engine.entry_handlers import apply
from tierline.engine.member_state import MemberState, begin
from tierline.engine.overrides import override_edges
from tierline.engine.qualification import note_values
from tierline.engine.reminders import next_reminder, remind
from tierline.engine.scheduled_changes import (
    activate_pending,
    begin_waiting,
    change_rules,
    come_of_age,
    expire_lots,
    turn_window,
)
from tierline.engine.tier_terms import turn_matters
from tierline.model import calendar
from tierline.model.entries import Entry
from tierline.model.standing import Standing
from tierline.rules.program import Program

# What happens first when several things are due at one instant. After the one
# night that a vendor documents (its `settings.py` says where): points become
# active, expiring tiers are judged, then new periods, then points expire and balance tiers are
# judged again. What is ours stands where it disturbs that order least.
ORDER: tuple[tuple[str, Callable[[MemberState], None]], ...] = (
    ("new rules come into force", change_rules),
    ("pending points become active, and the member is judged", activate_pending),
    ("overrides end, then begin", override_edges),
    ("a tier that was waiting begins", begin_waiting),
    ("a term, or the grace after it, ends", end_term),
    ("a window turns, and the member is judged", turn_window),
    ("points expire, and the member is judged", expire_lots),
    ("a length of membership is reached, and the member is judged", come_of_age),
    ("a yearly date of an earning rule comes", yearly_dates),
    ("earning rules give what all this brings", give_bonuses),
)


def pass_time(state: MemberState, at: int) -> None:
    """Lets time pass until `at`, that instant included."""
    if at <= state.at and (state.due_at is None or state.due_at > at):
        return  # rules that change lie ahead of the state
    while True:
        due = state.due_at
        change = state.program.next_change(state.at)
        if change is not None and (due is None or change < due):
            due = change
        if due is None or due > at:
            break
        # A tier that was brought along may have ended before it came: it ends after its entry.
        state.overdue = due <= state.at
        state.at = max(due, state.at)
        _tick(state)
        conclude(state)
    state.at = max(at, state.at)


def _tick(state: MemberState) -> None:
    for _, happen in ORDER:
        happen(state)
    if state.tracer is not None:
        state.tracer.time_passed(state.at, state.today, state.balance, state.lots, state.dates)


def fold(state: MemberState, entry: Entry) -> None:
    """Applies one entry; time up to its `recorded_at` has already passed."""
    reminded = state.version.reminders is not None
    if reminded:
        note_values(state)
    apply(state, entry)
    if state.occasions:
        give_bonuses(state, entry)
    if reminded:
        conclude(state, entry)
    else:
        state.due_at = _next_change(state)


def conclude(state: MemberState, entry: Entry | None = None) -> None:
    """Ends a step, an entry's or time's: tells what it makes due to be told, and says when time has
    work next."""
    due = _next_change(state)
    if state.version.reminders is not None and not state.foresees:
        due = remind(state, entry, due, pass_time)
    state.due_at = due


def due_again(program: Program, standing: Standing) -> int | None:
    """Returns when a standing would be due next under these rules."""
    return next_due(begin(program, standing))


def next_due(state: MemberState) -> int | None:
    """Returns the earliest instant at which time has work for the member; None: never."""
    due = _next_change(state)
    if state.version.reminders is not None and not state.foresees:
        due = next_reminder(state, due, pass_time)
    return due


def _next_change(state: MemberState) -> int | None:
    """When time changes something next."""
    instants = [p.available_at for p in state.pending if p.available_at is not None]
    if state.lots and state.lots[0][0] is not None:
        instants.append(state.lots[0][0])
    for override in state.overrides:
        if override.starts_at > state.at:
            instants.append(override.starts_at)
        elif override.until is not None:
            instants.append(override.until)
    change = state.program.next_change(state.at)
    if change is not None:
        instants.append(change)
    state.turn_at = None
    if state.joined_at is not None:
        if state.hold_since is None:
            instants.extend(_judgments(state))
        if state.version.bonuses:
            instants.extend(next_dates(state))
    return min(instants) if instants else None


def _judgments(state: MemberState) -> Iterator[int]:
    if state.waiting is not None:
        yield state.waiting[1]
    end = state.grace_until or state.ends_at
    if end is not None:
        yield end
    if state.version.turning and turn_matters(state):
        turns = (state.turn(measure) for measure in state.version.turning)
        first = min((turn for turn in turns if turn is not None), default=None)
        state.turn_at = None if first is None else state.zone.start(first)
        if state.turn_at is not None:
            yield state.turn_at
    if state.version.ages:
        yield from _ages(state)


def _ages(state: MemberState) -> list[int]:
    join = state.anchors().join
    starts = (state.zone.start(calendar.add_period(join, age)) for age in state.version.ages)
    return [start for start in starts if start > state.at]
