"""How far a member is: what is counted today, what will be counted when the tier ends, and which
tier they are in then if nothing more happens.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tierline.analysis.forecast import follow, progress
from tierline.engine.member_state import MemberState, begin
from tierline.model.entries import Entry
from tierline.model.standing import Standing
from tierline.rules.ladder import Range
from tierline.rules.program import Program
from tierline.rules.term import WindowEnd


class TierProgress(Struct, frozen=True):
    """In the policy's own metric. `valid_until`: from then on the numbers are wrong, for time took
    something away; None where nothing leaves the window. `needed_for_renewal` None: the tier has no
    end, or no amount keeps it. `at_expiry`, `forecast` None: the tier has no end."""

    now: int
    valid_until: int | None
    needed_for_renewal: int | None
    next_tier: str | None  # that more of the metric reaches, nearest first
    needed_for_next: int | None
    at_expiry: int | None
    forecast: str | None


def tier_progress(
    program: Program, standing: Standing, at: int, history: Sequence[Entry] | None = None
) -> TierProgress:
    """Returns where a member is on the way, at an instant not before the standing's own. Raises
    HistoryNeeded as `progress` does."""
    whole = progress(program, standing, at, history)
    now = follow(program, standing, (), at, history).standing
    state = begin(program, now)
    end, following = whole.current.expires_at, whole.to_next
    at_expiry = count_at_expiry(program, now, end, history)
    return TierProgress(
        now=whole.current.metric,
        valid_until=next_turn(program, now),
        needed_for_renewal=None if at_expiry is None else _needed(state, at_expiry),
        next_tier=None if following is None else following.tier,
        needed_for_next=None if following is None else following.needed,
        at_expiry=at_expiry,
        forecast=None if end is None else whole.forecast_tier,
    )


def next_turn(program: Program, now: Standing) -> int | None:
    """Returns the instant from which on the policy's own metric is another without anybody's doing:
    its window turns, or something leaves it. None: there is none."""
    state = begin(program, now)
    measure = state.version.measures[None]
    if measure.metric.source == "balance" or not measure.window.moves:
        return None
    turn = state.turn(measure)
    return None if turn is None else state.zone.start(turn)


def _needed(state: MemberState, at_expiry: int) -> int | None:
    """How much more the tier asks for at its end; None where no amount keeps it."""
    tier = state.version.tier(state.tier)
    keep = None if tier is None else tier.retain if tier.retain is not None else tier.criterion
    if not isinstance(keep, Range) or keep.metric is not None:
        return None
    return max(keep.low - at_expiry, 0)


def count_at_expiry(
    program: Program, now: Standing, end: int | None, history: Sequence[Entry] | None
) -> int | None:
    """Returns what is judged when the tier ends, if nothing more happens: the window that has
    closed by then where the term is laid out in windows, else the window as of that day. None: the
    tier has no end. Raises HistoryNeeded as `progress` does."""
    if end is None:
        return None
    then = begin(program, follow(program, now, (), end - 1, history).standing)
    term, window = then.version.policy.term, then.version.policy.window
    tier = then.version.tier(then.held)
    if tier is not None and tier.term is not None:
        term = tier.term
    day = then.zone.day(end)
    if isinstance(term, WindowEnd) and term.windows and window.closes:
        day -= 1
    return then.value(None, day)
