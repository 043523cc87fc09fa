"""Which tier a member qualifies for, by metric, window and ladder: a pure reading of a walk."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from tierline.engine.window import Calendar, Cycle

if TYPE_CHECKING:
    from tierline.engine.walk import Walk


def qualified(walk: Walk, day: int | None = None) -> int:
    """Rank of the highest tier that the member qualifies for; -1 for none.

    With `day`, judged on the totals of the windows that hold that day: the final sums of a window
    that has closed.
    """
    tiers = walk.version.policy.tiers
    thresholds = walk.version.thresholds
    if thresholds is not None:
        value = walk.value(None, day)
        found = bisect_right(thresholds, value) - 1
        upper = tiers[found].to if found >= 0 else None
        return found if upper is None or value <= upper else -1
    facts = walk.facts(day)
    held = walk.rank
    for rank in range(len(tiers) - 1, -1, -1):
        tier = tiers[rank]
        if rank == held:
            if tier.retained(facts):
                return rank
        elif tier.entered(facts, before=rank > held and tier.id in walk.reached):
            return rank
    return -1


def qualified_lately(walk: Walk) -> int:
    """As `qualified`, but a window that has only begun does not count against the member: in
    calendar and cycle windows the last full one speaks too (settled: grace)."""
    window = walk.version.policy.window
    now = qualified(walk)
    if not isinstance(window, Calendar | Cycle):
        return now
    span = window.span(walk.today, walk.anchors())
    if span is None or span[0] <= walk.anchors().join:
        return now
    return max(now, qualified(walk, span[0] - 1))


def closed(walk: Walk) -> int:
    """By the final sums of the window that closed (settled: the tier of a period is the tier of
    its final sum); windows that only slide have no closed one."""
    window = walk.version.policy.window
    return qualified(walk, walk.today - 1 if isinstance(window, Calendar | Cycle) else None)
