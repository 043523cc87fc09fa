"""A dry run: what one activity would do, without recording it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tierline.engine.forecast import Progress, follow, progress
from tierline.engine.model import Entry, Event, Standing
from tierline.engine.policy import Program


class DryRun(Struct, frozen=True):
    """What would be: the tier and points before and after, what would be announced, and what
    would lie ahead then."""

    tier_before: str | None
    tier_after: str | None
    balance_before: int
    balance_after: int
    pending_after: int
    events: tuple[Event, ...]
    after: Standing
    progress: Progress


def dry_run(
    program: Program,
    standing: Standing,
    entry: Entry,
    at: int,
    history: Sequence[Entry] | None = None,
) -> DryRun:
    """The outcome of one entry, recorded at `at` or before.

    `before` is the member at that moment: what time alone brings until then is no outcome of the
    entry. The entry is as the ledger would write it: numbered, its points computed, its original
    resolved. Raises HistoryNeeded where only all entries can answer: give them as `history`.
    """
    before = follow(program, standing, (), entry.recorded_at, history)
    known = (*history, entry) if history is not None else None
    after = follow(program, before.standing, (entry,), at, history)
    then = after.standing
    return DryRun(
        tier_before=before.standing.tier,
        tier_after=then.tier,
        balance_before=before.standing.balance,
        balance_after=then.balance,
        pending_after=then.points_pending,
        events=after.events,
        after=then,
        progress=progress(program, then, at, known),
    )
