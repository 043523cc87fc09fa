"""Which tier a member qualifies for, by metric, window and ladder: a pure reading of a state."""

from __future__ import annotations

from bisect import bisect_right

from tierline.engine.member_state import MemberState


def qualified(state: MemberState, day: int | None = None) -> int:
    """Rank of the highest tier that the member qualifies for; -1 for none.

    With `day`, judged on the totals of the windows that hold that day: the final sums of a window
    that has closed.
    """
    tiers = state.version.policy.tiers
    thresholds = state.version.thresholds
    if thresholds is not None:
        value = state.value(None, day)
        rank = bisect_right(thresholds, value) - 1
        upper = tiers[rank].to if rank >= 0 else None
        return rank if upper is None or value <= upper else -1
    facts = state.facts(day)
    held = state.rank
    for rank in range(len(tiers) - 1, -1, -1):
        tier = tiers[rank]
        if rank == held:
            if tier.retained(facts):
                return rank
        elif tier.entered(facts, before=rank > held and tier.id in state.reached):
            return rank
    return -1


def qualified_lately(state: MemberState) -> int:
    """As `qualified`, but a window that has only begun does not count against the member: the
    last day of each measure's last full window speaks too (settled: grace). Under `next_window` it
    does not count for them either, where there is a full one."""
    ranks = []
    anchors = state.anchors()
    for window in state.version.periods:
        span = window.span(state.today, anchors)
        if span is not None and span[0] > anchors.join:
            eve = state.zone.day(state.zone.start(span[0]) - 1)  # not a day that the zone skipped
            ranks.append(qualified(state, eve))
    if not ranks or state.version.policy.start.when != "next_window":
        ranks.append(qualified(state))
    return max(ranks)


def note_values(state: MemberState) -> None:
    """Notes a member's metrics before a step brings anything, where the rules remind of a tier that
    is near."""
    reminders = state.version.reminders
    if reminders is None or reminders.tier_near is None or state.values_before is not None:
        return
    if state.joined_at is not None:
        state.values_before = {name: state.value(name) for name in state.version.measures}


def closed(state: MemberState) -> int:
    """By the final sums of the window that closed (settled: the tier of a period is the tier of
    its final sum); windows that only slide have no closed one."""
    closes = state.version.policy.window.closes
    return qualified(state, state.zone.day(state.at - 1) if closes else None)
