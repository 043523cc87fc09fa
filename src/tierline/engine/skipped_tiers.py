"""Tiers that a move upward skips, and which of them the member has passed before."""

from __future__ import annotations

from msgspec.structs import replace

from tierline.engine.member_state import MemberState
from tierline.model.reminder import Reminder
from tierline.model.standing import ReminderMemory


def tell_skipped(state: MemberState, before: float | None, after: str | None) -> None:
    """Tells of each tier between the place `before` (None: no tier) and the tier `after`, where the
    rules ask for it. `first`: only of those above the highest that the member passed or had."""
    reminders = state.version.reminders
    occasion = None if reminders is None else reminders.tier_skipped
    if occasion is None or after is None or state.foresees:
        return
    tiers, ranks = state.version.policy.tiers, state.version.rank
    above, target = -1 if before is None else before, ranks[after]
    if occasion == "first":
        memory = state.reminder_memory or ReminderMemory()
        peak = ranks.get(memory.peak or "", -1)
        above = max(above, peak)
        if target > peak:
            state.reminder_memory = replace(memory, peak=after)
    if state.quiet:
        return
    for tier in tiers[:target]:
        if ranks[tier.id] > above and tier.open:
            state.reminders = (
                *state.reminders,
                Reminder(
                    "tier_skipped",
                    state.at,
                    state.seq,
                    state.version.number,
                    tier=after,
                    tier_then=tier.id,
                    entry=state.cause_entry,
                    view=state.view(),
                ),
            )
