"""What earning rules with a limit gave to a member by activities, counted against the limit."""

from __future__ import annotations

from tierline.engine.member_state import MemberState
from tierline.model.entries import Detail, Entry


def count_gains(state: MemberState, entry: Entry, detail: Detail) -> None:
    """What rules with a limit gave."""
    day = state.zone.day(entry.recorded_at)
    for part in detail.parts:
        bound = state.version.bounds.get(part.rule)
        if bound is not None:
            gain = bound.after(part.points, state.gains.get(part.rule), day)
            state.gains = {**state.gains, part.rule: gain}


def free_gains(state: MemberState, entry: Entry, detail: Detail) -> None:
    """What an order gave that another one takes the place of: it may be given again."""
    day = state.zone.day(entry.occurred_at)
    for part in detail.parts:
        bound, gain = state.version.bounds.get(part.rule), state.gains.get(part.rule)
        if bound is not None and gain is not None:
            state.gains = {**state.gains, part.rule: bound.before(part.points, gain, day)}
