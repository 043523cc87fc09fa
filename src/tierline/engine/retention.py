"""What keeps a tier beyond the instant at which it would be lost, and how long a total holds.

Read off a state at the very instant at which it will be judged: no second rule.
"""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

from tierline.engine import scheduled_changes, tier_terms
from tierline.engine.member_state import HistoryNeeded, MemberState
from tierline.model import calendar
from tierline.model.events import Cause
from tierline.rules.ladder import Range, Tier
from tierline.rules.policy import Measure
from tierline.rules.program import successors
from tierline.rules.term import WhileQualified, WindowEnd
from tierline.rules.window import Rolling, Since, Window

_AHEAD = 16  # windows: terms reach over at most twelve of them, and an extension


class Loss(Struct, frozen=True):
    """When a tier would be lost if nothing else happened, and why."""

    at: int
    cause: Cause


class TierRetention(Struct, frozen=True):
    """`needed` more of the metric, counted from `counts_from` on, keeps the held tier beyond
    `until`, when it is judged next. None needed: no amount does, or by other criteria."""

    needed: int | None
    counts_from: int
    until: int
    metric: str | None = None


def retention(state: MemberState, then: MemberState, loss: Loss) -> TierRetention | None:
    """Returns what keeps the held tier; None: an override decides. `then` is the same member right
    before the loss, if nothing happens meanwhile; it is moved on."""
    if state.held is None or state.tier != state.held:
        return None
    lost = TierRetention(None, state.at, loss.at)
    if loss.cause in ("rules", "override"):
        return lost
    # By then other rules may be in force, under which the tier asks for more or less.
    try:
        _come_to_rules(then, loss.at)
    except HistoryNeeded:
        return lost  # they count what is not kept yet
    tier = then.version.tier(then.held)
    if tier is None or then.held != _successor(state, then):
        return lost
    keep = tier.retain if tier.retain is not None else tier.criterion
    invited = not tier.open and tier.retain is None
    if invited or not isinstance(keep, Range):
        return lost
    _come_to_judgment(then, loss)
    term, window = tier_terms.term_of(then), then.version.policy.window
    if isinstance(term, WindowEnd) and window.closes:
        return _by_windows(state, then, keep, window, loss) or lost
    return _by_value(state, then, keep, loss)


def _come_to_rules(then: MemberState, at: int) -> None:
    """Put the rules that are in force at an instant in place; they move nobody here."""
    new = then.program.version(at)
    if new is not then.version:
        then.at = at
        then.need_totals_of(new)
        then.held = successors(then.version, new).get(then.held or "", then.held)
        then.version = new


def _successor(state: MemberState, then: MemberState) -> str | None:
    """What the held tier is called under the rules that are in force later."""
    held, versions = state.held, state.program.versions
    for former, new in pairwise(versions[state.version.number - 1 : then.version.number]):
        held = successors(former, new).get(held or "", held)
    return held


def _come_to_judgment(then: MemberState, loss: Loss) -> None:
    """Move a state to the moment of its loss, with what happens before the judgment, and no
    judgment."""
    then.at, then.counts_only = loss.at, True
    scheduled_changes.activate_pending(then)
    if loss.cause == "expiry":
        scheduled_changes.expire_lots(then)


def _by_value(state: MemberState, then: MemberState, keep: Range, loss: Loss) -> TierRetention:
    """The tier is judged by the metric as it will be."""
    measure, day = then.version.measures[keep.metric], then.today
    closed = then.version.policy.assessment.down == "at_window_end"
    if closed and isinstance(tier_terms.term_of(then), WhileQualified):
        day -= then.version.policy.window.closes
    start, _ = window_days(then, measure, day)
    begins = state.at if start is None else max(state.at, then.zone.start(start))
    # A window that has not begun by then, or is laid out from nothing known, counts nothing.
    counted = counts_today(then, keep.metric)
    needed = _needed(keep, then.value(keep.metric, day)) if counted else None
    return TierRetention(needed, begins, loss.at, keep.metric)


def _by_windows(
    state: MemberState, then: MemberState, keep: Range, window: Window, loss: Loss
) -> TierRetention | None:
    """The tier is judged by every window whose own term reaches beyond the loss: the one that
    needs least, and of those the first."""
    waits = then.version.policy.start.when == "next_window"
    options: list[TierRetention] = []
    span = window.span(state.today, then.anchors())
    for _ in range(_AHEAD):
        # Under `next_window` the window that runs at the loss speaks as well.
        if span is None or then.zone.start(span[0]) > loss.at:
            break
        end = tier_terms.end_for(then, then.rank, span[1] if waits else span[0])
        if end is None or end > loss.at:
            needed = _needed(keep, then.value(keep.metric, span[1] - 1))
            begins = max(state.at, then.zone.start(span[0]))
            options.append(TierRetention(needed, begins, loss.at, keep.metric))
        span = window.span(span[1], then.anchors())
    possible = [option for option in options if option.needed is not None]
    return min(possible, key=lambda option: option.needed or 0, default=None)


def _needed(keep: Range, value: int) -> int | None:
    """What is missing at the judgment; None where more of it would not help."""
    return keep.low - value if value < keep.low else None


# -- what totals say today -----------------------------------------------------------------------


def entry_range(tier: Tier, *, before: bool) -> Range | None:
    """Returns the single range that decides about entering a tier, if it is that simple."""
    criterion = tier.reentry if before and tier.reentry is not None else tier.criterion
    return criterion if isinstance(criterion, Range) else None


def counts_today(state: MemberState, metric: str | None) -> bool:
    """Whether what happens today counts: not where a window begins at a later date, or is laid out
    from something not known yet."""
    measure, today = state.version.measures[metric], state.today
    bucket = measure.window.bucket(today)
    return measure.metric.source == "balance" or (
        bucket is not None and bool(measure.window.total(((bucket, 1),), today, state.anchors()))
    )


def valid_until(state: MemberState, metric: str | None) -> int | None:
    """Returns from when today's value of a metric is wrong, because time took something away."""
    measure = state.version.measures[metric]
    if measure.metric.source == "balance":
        return state.lots[0][0] if state.lots else None
    if measure.window.moves:
        turn = state.turn(measure)
        return None if turn is None else state.zone.start(turn)
    return None


def window_days(state: MemberState, measure: Measure, day: int) -> tuple[int | None, int | None]:
    """Returns the first civil day that counts in a measure's window on a day, and the first that
    does not any more; None: unbounded."""
    window, anchors = measure.window, state.anchors()
    span = window.span(day, anchors)
    if span is not None:
        return span
    if isinstance(window, Since):
        return anchors.day(window.anchor), None
    if isinstance(window, Rolling):
        # Clamped months make "length before today" a few days too early or too late.
        first = calendar.add_period(day, window.length, -1) - 4
        while calendar.add_period(first, window.length) <= day:
            first += 1
        return first, day + 1
    joining = window.since_join and measure.metric.source != "balance"
    return (anchors.join if joining else None), None
