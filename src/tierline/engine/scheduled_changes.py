"""What time brings to a member: each kind of due, carried out at its instant."""

from __future__ import annotations

from msgspec.structs import replace

from tierline.engine.assessment import judge, may_rise, settle
from tierline.engine.member_state import MemberState
from tierline.engine.points_notes import tell_points
from tierline.engine.qualification import note_values, qualified
from tierline.engine.tier_terms import extend, grant, grant_now, renewal, term_of, turn_matters
from tierline.engine.transitions import show
from tierline.model import calendar
from tierline.model.standing import ReminderMemory
from tierline.rules.program import Version, successors
from tierline.rules.term import WhileQualified


def change_rules(state: MemberState) -> None:
    """A new version comes into force; what happens to members is the version's stated choice."""
    new = state.program.version(state.at)
    if new is state.version:
        return
    state.need_totals_of(new)
    former = state.version
    held, term = state.rank, term_of(state)
    places = successors(former, new)
    state.version, state.foreseen = new, None

    def successor(tier_id: str | None) -> str | None:
        return None if tier_id is None else places.get(tier_id, tier_id)

    state.held, state.tier = successor(state.held), successor(state.tier)
    if state.waiting is not None:
        waits = places.get(state.waiting[0])
        state.waiting = None if waits is None else (waits, state.waiting[1])
    state.overrides = tuple(replace(o, tier=successor(o.tier)) for o in state.overrides)
    state.reached = tuple(places[tier] for tier in state.reached if tier in places)
    if state.reminder_memory is not None:
        state.reminder_memory = _known_to(new, state.reminder_memory, places)
    if held >= 0 and term_of(state) != term:
        state.term_anchor = None  # another length: a row of terms of its own
    if not (former.policy.announces_grace or isinstance(term, WhileQualified)) and (
        new.policy.announces_grace or isinstance(term_of(state), WhileQualified)
    ):
        state.grace_announced = False  # the world was told nothing, and these rules would tell it
    lost = state.held is not None and state.held not in new.rank
    if state.joined_at is not None and not state.frozen:
        if lost or new.on_change == "rejudge":
            settle(state, "rules")
        elif new.on_change == "up_only":
            _refresh(state, former, places)
    if state.term_boundary is not None and state.term_boundary[1] == state.at:
        # Rules come first in an instant: what becomes active in it counts for a term they began.
        state.term_boundary = (state.term_boundary[0], state.at - 1, *state.term_boundary[2:])
    show(state, "rules")


def _known_to(
    new: Version, memory: ReminderMemory, places: dict[str, str]
) -> ReminderMemory | None:
    """What was told to a member, as far as new rules ask for it."""
    reminders = new.rules.reminders
    near_at = None if reminders.tier_near is None else memory.near_at
    peak = places.get(memory.peak or "") if reminders.tier_skipped == "first" else None
    return None if near_at is None and peak is None else ReminderMemory(near_at, peak)


def _refresh(state: MemberState, former: Version, places: dict[str, str]) -> None:
    """Upward only: who qualifies for a higher tier rises. Who still qualifies for the held one
    gets, from now, the end that the new rules give, where these count terms in another way (V 3.8:
    it may come earlier or later). Who qualifies for less keeps tier and end."""
    best = qualified(state)
    if best > state.rank:
        grant_now(state, best)
    elif best == state.rank >= 0 and state.version.dates_unlike(former, places, best):
        best, ends_at = renewal(state, fresh=True)
        if best == state.rank:
            grant(state, best, ends_at)


def activate_pending(state: MemberState) -> None:
    """Pending points whose day has come can be spent, and count as earned, from now on."""
    if not state.pending:
        return
    due = [p for p in state.pending if p.available_at is not None and p.available_at <= state.at]
    if not due:
        return
    note_values(state)
    due.sort(key=lambda p: p.entry)  # a bonus is no entry's: it comes first, and pays a debt first
    rest = tuple(p for p in state.pending if p not in due)
    state.pending = rest
    for i, pending in enumerate(due, 1):
        if state.points_events is not None:
            state.pending = (*due[i:], *rest)  # each event says what still waits after it
        state.accrue(pending.points, state.lot_expiry(pending), pending.entry)
        state.count_activation(pending)
        waits, entry = -pending.points, pending.entry or None
        tell_points(state, "points.activated", pending.points, entry, waits=waits)
        if state.tracer is not None:
            state.tracer.points_activated(state.today, pending.points, pending.entry)
    judge(state, "activation")


def begin_waiting(state: MemberState) -> None:
    """A tier that was waiting begins, if it is still earned. Under `next_window` the window that
    closed decides, whether or not a tier was noted: what a period earned is never lost."""
    policy = state.version.policy
    next_window = policy.start.when == "next_window"
    due = state.waiting is not None and state.waiting[1] <= state.at
    turns = next_window and state.turns(own=True)
    if not (due or turns) or not _judged(state):
        return
    waiting, begins = -1, state.at
    if due and state.waiting is not None:
        # After a hold the instant lies back: the window that it waited for decides.
        waiting = state.version.rank.get(state.waiting[0], -1)
        begins = state.waiting[1]
        state.waiting = None
    if next_window:
        best = qualified(state, state.zone.day(begins - 1))
    else:
        best = min(waiting, qualified(state))
    if due and policy.corrections == "protect" and next_window:
        best = max(best, waiting)
    if best > state.rank:
        if due or may_rise(state, turn=False):
            grant_now(state, best)
            show(state, "start")
    elif (
        turns
        and best == state.rank >= 0
        and policy.renewal.restart == "requalified"
        and (state.ends_at or 0) > state.at
    ):
        extend(state)


def come_of_age(state: MemberState) -> None:
    """A length of membership was reached that some criterion asks for."""
    if not state.version.ages or state.overdue or not _judged(state):
        return
    if state.zone.start(state.today) == state.at:
        join = state.anchors().join
        days = (calendar.add_period(join, age) for age in state.version.ages)
        if any(state.zone.start(day) == state.at for day in days):  # a day that never was: the next
            judge(state, "window_turn")


def expire_lots(state: MemberState) -> None:
    """Lots whose last day is over are gone; then balance tiers are judged again."""
    gone = count = 0
    for when, points in state.lots:  # soonest first
        if when is None or when > state.at:
            break
        gone += points
        count += 1
    if not count:
        return
    state.lots = state.lots[count:]
    state.expired += gone
    tell_points(state, "points.expired", -gone)
    if state.tracer is not None:
        state.tracer.owners.expire(state.at)
    judge(state, "expiry")


def turn_window(state: MemberState) -> None:
    """A qualification window closed, or an amount left it."""
    turning = state.version.turning
    if turning and _judged(state) and turn_matters(state) and state.turns():
        judge(state, "window_turn", turn=state.turns(own=True))


def _judged(state: MemberState) -> bool:
    """Whether judgments happen at all: members only, and not while a hold freezes the clock."""
    return state.joined_at is not None and not state.frozen
