"""What the world sees: the transition table, and the events that follow from it.

Every event of the engine is a difference of one step function, the tier that the world sees; the
table is its whole alphabet. A place is a rank (0 is the lowest tier) or None for no tier.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from tierline.engine.member_state import MemberState
from tierline.engine.skipped_tiers import tell_skipped
from tierline.model.events import Cause, Event, EventKind
from tierline.rules.program import successors

Relation = Literal["none", "same", "higher", "lower"]

# (was in a tier?, is now …) -> event. `renewed` marks a term that began anew or is being held
# although the tier is no longer earned: the only case in which perioding is news.
TRANSITIONS: dict[tuple[bool, Relation, bool], EventKind | None] = {
    (False, "none", False): None,
    (False, "none", True): None,
    (False, "higher", False): "joined",
    (False, "higher", True): "joined",
    (True, "higher", False): "upgraded",
    (True, "higher", True): "upgraded",
    (True, "lower", False): "downgraded",
    (True, "lower", True): "downgraded",
    (True, "none", False): "left",
    (True, "none", True): "left",
    (True, "same", False): None,
    (True, "same", True): "prolonged",
}


def transition(was: float | None, now: float | None, *, renewed: bool = False) -> EventKind | None:
    """The event for a move from rank `was` to rank `now`."""
    relation: Relation
    if now is None:
        relation = "none"
    elif was is None or now > was:
        relation = "higher"
    else:
        relation = "same" if now == was else "lower"
    return TRANSITIONS[was is not None, relation, renewed]


def show(state: MemberState, cause: Cause, *, since: int | None = None) -> bool:
    """Announces the difference between what the world saw and what it sees now; returns whether
    there is one. `since`: the tier was held from then on, elsewhere. Under a `hold` nothing changes
    until it ends."""
    if state.hold_since is not None:
        return False
    tier, _ = state.overridden(state.held)
    if tier == state.tier:
        return False
    before, state.tier = state.tier, tier
    state.since = None if tier is None else state.at if since is None else since
    emit(state, before, tier, cause)
    return True


def emit(
    state: MemberState,
    before: str | None,
    after: str | None,
    cause: Cause,
    *,
    renewed: bool = False,
) -> None:
    """Adds the event for a move, where there is one and the member is not imported quietly."""
    kind = transition(_place(state, before), _place(state, after), renewed=renewed)
    if kind is None:
        return
    state.occur(kind, before if kind == "left" else after)
    if not state.quiet or state.tracer is not None:
        _announce(state, kind, (before, after), cause)
    if state.version.reminders is not None and kind in ("joined", "upgraded"):
        tell_skipped(state, _place(state, before), after)


def _announce(
    state: MemberState, kind: EventKind, move: tuple[str | None, str | None], cause: Cause
) -> None:
    before, after = move
    event = Event(
        seq=state.seq + 1,
        kind=kind,
        tier_from=before if kind != "joined" else None,
        tier_to=after,
        at=state.at,
        cause=cause,
        version=state.version.number,
        entry=state.cause_entry,
        view=state.view(),
    )
    if state.tracer is not None:
        state.tracer.tier_changed(event, announced=not state.quiet)
    if state.quiet:
        return
    state.seq += 1
    state.events.append(event)


def _place(state: MemberState, tier: str | None) -> float | None:
    """A tier's rank; one that the rules no longer have lies just above what it used to top."""
    if tier is None:
        return None
    ranks = state.version.rank
    if tier in ranks:
        return ranks[tier]
    versions = [v for v in state.program.versions if v.number <= state.version.number]
    while versions and tier not in versions[-1].rank:
        versions.pop()
    if not versions:
        return -0.5
    below = [old.id for old in versions[-1].policy.tiers[: versions[-1].rank[tier]]]
    for former, new in pairwise(state.program.versions[len(versions) - 1 : state.version.number]):
        places = successors(former, new)
        below = [places[old] for old in below if old in places]
    return max((ranks[old] for old in below), default=-1) + 0.5
