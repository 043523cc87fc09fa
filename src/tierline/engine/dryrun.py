"""A dry run: what one activity would do, without recording it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.forecast import Progress, progress
from tierline.engine.model import Decision, Entry, Event, Standing
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
    before = _decided(program, standing, (), entry.recorded_at, history)
    known = (*history, entry) if history is not None else None
    after = _decided(program, before.standing, (entry,), at, known)
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


def _decided(
    program: Program,
    standing: Standing,
    entries: Sequence[Entry],
    at: int,
    history: Sequence[Entry] | None,
) -> Decision:
    try:
        return decide(program, standing, entries, at)
    except HistoryNeeded:
        if history is None:
            raise
    whole = decide(program, Standing(), history, at)
    later = tuple(event for event in whole.events if event.seq > standing.seq)
    return Decision(whole.standing, later)
