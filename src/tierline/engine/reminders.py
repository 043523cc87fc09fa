"""Reminders: what is told before it happens, and when time has something to tell next.

A reminder ahead of a date is told at the start of the civil day that lies so many days before it,
if the state right then still says so. So nothing is kept of it: what takes the occasion away before
takes the reminder away, and another date is another occasion. Whether a tier is about to be lost is
no second rule: it is the first move that the engine itself makes when it is let go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy

from msgspec.structs import replace

from tierline.engine.member_state import MemberState
from tierline.engine.retention import Loss, entry_range, retention, valid_until
from tierline.model.calendar import DAY_MS
from tierline.model.entries import Entry
from tierline.model.events import Event
from tierline.model.reminder import Reminder, ReminderKind
from tierline.model.standing import ReminderMemory
from tierline.rules.ladder import Range
from tierline.rules.reminders import Reminders, TierNearReminder

PassTime = Callable[[MemberState, int], None]  # `timeline.pass_time`, which stands above
Foresight = Callable[[int], MemberState]  # the member at a later instant, if nothing else happens


def remind(
    state: MemberState, entry: Entry | None, due: int | None, pass_time: PassTime
) -> int | None:
    """Ends a step: tells what it makes due to be told, and returns when time has work next. `due`:
    when time changes something next; `entry`: the one that was applied, None: time passed."""
    reminders = state.version.reminders
    assert reminders is not None
    quiet = state.quiet or (entry is not None and entry.detail is not None and entry.detail.quiet)
    if entry is not None:
        state.foreseen = None  # another future
    loss, look = None, None
    if entry is None or due is None or due > _lead(state, state.at, -1):
        # Else time wakes before the next day begins, and until then there is nothing to tell.
        loss, look = _first_loss(state, reminders, due, pass_time)
    made: list[Reminder] = []

    def later(until: int) -> MemberState:
        ahead = _foresight(state, due)
        pass_time(ahead, until)
        return ahead

    if entry is None and not state.overdue and not quiet:
        made.extend(_of_this_day(state, reminders, loss, later))
    if state.waiting_anew and not quiet and reminders.tier_waiting is not None:
        made.extend(_waiting(state, entry, None, later))
    if reminders.tier_near is not None:
        made.extend([r for r in _near(state, reminders.tier_near, entry) if not quiet])
    state.waiting_anew, state.values_before = False, None
    if made:
        state.reminders = (*state.reminders, *made)
    return _earliest(state, reminders, due, loss, look)


def next_reminder(state: MemberState, due: int | None, pass_time: PassTime) -> int | None:
    """Returns when time has work next, something to tell included."""
    reminders = state.version.reminders
    assert reminders is not None
    state.foreseen = None
    loss, look = _first_loss(state, reminders, due, pass_time)
    return _earliest(state, reminders, due, loss, look)


# -- dates that lie ahead --------------------------------------------------------------------------


def _earliest(
    state: MemberState,
    reminders: Reminders,
    due: int | None,
    loss: Event | None,
    look: int | None,
) -> int | None:
    dates = [date for date in (due, look) if date is not None]
    if loss is not None:
        dates += _days_before(state, loss.at, reminders.ending_days)
    if state.waiting is not None:
        dates += _days_before(state, state.waiting[1], reminders.waiting_days)
    for days in reminders.expiring_days:
        ahead = (
            date
            for when, _ in state.lots
            if when is not None
            for date in _days_before(state, when, (days,))
        )
        dates += [date for date in (next(ahead, None),) if date is not None]
    return min(dates, default=None)


def _days_before(state: MemberState, when: int, leads: tuple[int, ...]) -> Iterator[int]:
    """The instants that lie so many days before one, as far as they are still ahead."""
    for days in leads:
        date = _lead(state, when, days)
        if date > state.at:
            yield date


def _lead(state: MemberState, when: int, days: int) -> int:
    return state.zone.start(state.zone.day(when) - days)


def _first_loss(
    state: MemberState, reminders: Reminders, due: int | None, pass_time: PassTime
) -> tuple[Event | None, int | None]:
    """The member's next move if nothing else happens, where it is a loss near enough to be told of,
    or of which all was told; and when to look again, where the next move is farther away.

    The longest lead before time changes anything at all, there is nothing to look for yet. From
    then on the member is let go on until the end of the day that the longest lead reaches. As long
    as only time passes, that future stays the same: it is kept, and gone on with.
    """
    leads = reminders.ending_days
    if not leads or state.tier is None or state.joined_at is None:
        return None, None
    reach = leads[0]
    horizon = state.zone.start(state.today + reach + 1)
    ahead = _kept_foresight(state)
    if ahead is not None:
        due = ahead.due_at
        if (move := _next_move(ahead)) is not None:
            return _as_loss(move), None
    while due is not None and due < horizon:
        if ahead is None:
            ahead = state.foreseen = _foresight(state, due)
        change = ahead.program.next_change(ahead.at)
        if change == due and not ahead.version.counts_like(ahead.program.version(change)):
            return None, None  # what it will count is not kept yet
        pass_time(ahead, due)
        if (move := _next_move(ahead)) is not None:
            return _as_loss(move), None
        due = ahead.due_at
    return None, None if due is None else _lead(state, due, reach)


def _kept_foresight(state: MemberState) -> MemberState | None:
    """What was foreseen by the same rules, unless something of it has happened already."""
    ahead = state.foreseen
    if ahead is None:
        return None
    move, due = _next_move(ahead), ahead.due_at
    if (move is not None and move.at <= state.at) or (due is not None and due <= state.at):
        state.foreseen = None
    return state.foreseen


def _next_move(ahead: MemberState) -> Event | None:
    return next((event for event in ahead.events if event.kind != "prolonged"), None)


def _as_loss(move: Event) -> Event | None:
    return move if move.kind in ("downgraded", "left") and move.cause != "rules" else None


def _foresight(state: MemberState, due: int | None) -> MemberState:
    """The same member, to be let go on: nothing of it comes back."""
    ahead = copy(state)
    ahead.sums = {key: dict(buckets) for key, buckets in state.sums.items()}
    ahead.events, ahead.reminders, ahead.points_events, ahead.tracer = [], (), None, None
    ahead.quiet = ahead.silent = ahead.overdue = False
    ahead.foresees, ahead.due_at, ahead.foreseen = True, due, None
    return ahead


# -- what is told ----------------------------------------------------------------------------------


def _of_this_day(
    state: MemberState, reminders: Reminders, loss: Event | None, later: Foresight
) -> Iterator[Reminder]:
    """What is told at the start of a day, ahead of later ones."""
    for days in reversed(reminders.ending_days if loss is not None else ()):
        if loss is not None and _lead(state, loss.at, days) == state.at:
            yield _ending(state, loss, days, later)
    for days in reversed(reminders.expiring_days):
        yield from _expiring(state, days)
    for days in reversed(reminders.waiting_days):
        if state.waiting is not None and _lead(state, state.waiting[1], days) == state.at:
            yield from _waiting(state, None, days, later)


def _ending(state: MemberState, loss: Event, days: int, later: Foresight) -> Reminder:
    keeps = retention(state, later(loss.at - 1), Loss(loss.at, loss.cause))
    if keeps is not None and (keeps.needed is None or keeps.counts_from >= loss.at):
        keeps = None  # nothing that can still be done
    return replace(
        _reminder(state, "tier_ending", loss.at),
        lead_days=days,
        tier_then=loss.tier_to,
        needed=keeps and keeps.needed,
        metric=keeps and keeps.metric,
        counts_from=keeps and keeps.counts_from,
    )


def _expiring(state: MemberState, days: int) -> Iterator[Reminder]:
    lots = [(when, points) for when, points in state.lots if when is not None]
    due = [lot for lot in lots if _lead(state, lot[0], days) == state.at]
    if due:
        last = due[-1][0]
        yield replace(
            _reminder(state, "points_expiring", due[0][0]),
            lead_days=days,
            points=sum(points for _, points in due),
            amounts=tuple(lot for lot in lots if lot[0] <= last),
        )


def _waiting(
    state: MemberState, entry: Entry | None, days: int | None, later: Foresight
) -> Iterator[Reminder]:
    """Of a tier that waits, if it begins when nothing else happens."""
    if state.waiting is None or state.waiting[1] <= state.at:
        return
    tier, begins = state.waiting
    moves = later(begins).events
    if any(e.at == begins and e.kind in ("joined", "upgraded") for e in moves):
        made = replace(_reminder(state, "tier_waiting", begins, entry), lead_days=days)
        yield replace(made, tier_then=tier)


def _reminder(
    state: MemberState, kind: ReminderKind, when: int | None, entry: Entry | None = None
) -> Reminder:
    n = None if entry is None else entry.n
    number, view = state.version.number, state.view()
    return Reminder(
        kind, state.at, state.seq, number, tier=state.tier, when=when, entry=n, view=view
    )


# -- near the next tier ----------------------------------------------------------------------------


def _near(state: MemberState, near: TierNearReminder, entry: Entry | None) -> Iterator[Reminder]:
    """Tells a member whom this step brought near their next tier, and remembers when."""
    before, memory = state.values_before, state.reminder_memory or ReminderMemory()
    exchanged = entry is not None and entry.detail is not None and entry.detail.exchange
    if before is None or exchanged:
        return  # an order that is told anew is taken away and comes back
    cool_down = near.cool_down_days * DAY_MS
    # What is over by these rules is kept all the same: later ones may have a longer cool-down.
    cools = memory.near_at is not None and state.at < memory.near_at + cool_down
    nearest = _next_tier(state)
    if nearest is not None and not cools:
        tier, bounds = nearest
        needed = bounds.low - state.value(bounds.metric)
        needed_before = bounds.low - before[bounds.metric]
        if near.reaches(needed, bounds.low) and not near.reaches(needed_before, bounds.low):
            yield replace(
                _reminder(state, "tier_near", valid_until(state, bounds.metric), entry),
                tier_then=tier,
                needed=needed,
                metric=bounds.metric,
                unique_until=state.at + cool_down if cool_down else None,
            )
            state.reminder_memory = replace(memory, near_at=state.at)


def _next_tier(state: MemberState) -> tuple[str, Range] | None:
    """The next tier that the member does not earn yet, and its bounds; None: there is none, or no
    single metric decides about it."""
    if state.joined_at is None or state.frozen:
        return None
    rank = -1 if state.tier is None else state.version.rank.get(state.tier, -1)
    for tier in state.version.policy.tiers[rank + 1 :]:
        bounds = entry_range(tier, before=tier.id in state.reached)
        if not tier.open:
            continue
        if bounds is None:
            return None
        if state.value(bounds.metric) < bounds.low:
            return tier.id, bounds
    return None
