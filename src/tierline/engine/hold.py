"""How a tier is held: its term and that term's end, granting, renewing and dropping it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierline.engine import calendar
from tierline.engine.model import Cause, EventKind
from tierline.engine.qualify import qualified
from tierline.engine.term import Duration, Term, WhileQualified, WindowEnd
from tierline.engine.transitions import transition
from tierline.engine.window import Calendar, Cycle

if TYPE_CHECKING:
    from tierline.engine.walk import Walk


def term_of(walk: Walk, rank: int | None = None) -> Term:
    policy = walk.version.policy
    at = walk.rank if rank is None else rank
    own = policy.tiers[at].term if at >= 0 else None
    return policy.term if own is None else own


def end_for(walk: Walk, rank: int, day: int) -> int | None:
    """The end (exclusive instant) of a term of this tier that starts on a civil day."""
    policy = walk.version.policy
    term = term_of(walk, rank)
    if isinstance(term, Duration) and term.clock == "drop":
        return None
    end = term.end(day, policy.window, walk.anchors(day))
    if end is None:
        return None
    return walk.zone.start(end)


def grant(walk: Walk, rank: int, ends_at: int | None, *, start: int | None = None) -> None:
    """Hold this tier from now (or `start`) on, in a fresh term."""
    policy = walk.version.policy
    tier = policy.tiers[rank]
    begins = walk.at if start is None else start
    if tier.id != walk.held and policy.lapse.min_stay is not None and ends_at is not None:
        stay = calendar.add_period(walk.zone.day(begins), policy.lapse.min_stay)
        ends_at = max(ends_at, walk.zone.start(stay))
    for key in walk.sums:
        if "@tier" in key:  # counted from the start of the tier's term
            walk.sums[key] = {}
    walk.held = tier.id
    walk.started_at = begins
    walk.ends_at = ends_at
    walk.grace_until = None
    walk.told = False
    if walk.version.remembers and tier.id not in walk.reached:
        walk.reached = (*walk.reached, tier.id)
    if walk.waiting is not None and walk.version.rank.get(walk.waiting[0], -1) <= rank:
        walk.waiting = None


def grant_now(walk: Walk, rank: int) -> None:
    grant(walk, rank, end_for(walk, rank, walk.today))


def drop(walk: Walk) -> None:
    """Hold no tier."""
    walk.held = walk.started_at = walk.ends_at = walk.grace_until = None
    walk.told = False


def renewal(walk: Walk) -> tuple[int, int | None]:
    """The best tier for a term from now on, and that term's end.

    Where terms follow windows: the best of all windows whose own end reaches beyond now (settled:
    at expiry under POINTS_IN_PERIOD). Elsewhere: what the member qualifies for now.
    """
    policy = walk.version.policy
    if not isinstance(term_of(walk), WindowEnd) or not isinstance(policy.window, Calendar | Cycle):
        best = qualified(walk)
        if best < 0:
            return best, None
        day = renewal_day(walk) if best == walk.rank else walk.today
        return best, end_for(walk, best, day)
    return _best_window(walk, policy.window)


def _best_window(walk: Walk, window: Calendar | Cycle) -> tuple[int, int | None]:
    waits = walk.version.policy.start.when == "next_window"
    anchors = walk.anchors()
    span = window.span(walk.today, anchors)
    if span is None:  # its anchor is not known
        rank = qualified(walk)
        return rank, end_for(walk, rank, walk.today) if rank >= 0 else None
    best: tuple[int, float, int | None] = (-1, 0, None)
    while span is not None and span[1] > anchors.join:
        counts = span[1] if waits else span[0]  # a day of the window in which the term counts
        if walk.zone.start(counts) <= walk.at:
            rank = qualified(walk, min(span[1] - 1, walk.today))
            ends_at = end_for(walk, max(rank, walk.rank), counts)
            if ends_at is not None and ends_at <= walk.at:
                break
            own = end_for(walk, rank, counts) if rank >= 0 else None
            reach = float("inf") if own is None else own
            if rank >= 0 and reach > walk.at and (rank, reach) > best[:2]:
                best = (rank, reach, own)
            if ends_at is None:
                break
        span = window.span(span[0] - 1, anchors)
    return best[0], best[2]


def renewal_day(walk: Walk) -> int:
    """The day from which a renewed term is counted."""
    if walk.version.policy.renewal.basis == "now" or walk.ends_at is None:
        return walk.today
    return min(walk.zone.day(walk.ends_at), walk.today)


def renew(walk: Walk, rank: int, ends_at: int | None, cause: Cause) -> None:
    """A new term of the same tier."""
    if ends_at is not None and ends_at <= walk.at:
        ends_at = end_for(walk, rank, walk.today)
    grant(walk, rank, ends_at)
    if walk.tier == walk.held:
        walk.emit(walk.tier, walk.tier, cause, renewed=True)


def turn_matters(walk: Walk) -> bool:
    """Whether a window's turn can change anything for this member."""
    policy = walk.version.policy
    if "at_window_end" in (policy.assessment.up, policy.assessment.down):
        return True
    if walk.version.falls_into or walk.waiting is not None:
        return True
    if walk.held is None:
        lowest = policy.tiers[0].from_ or 0 if policy.tiers else 1
        return lowest <= 0 or qualified(walk) >= 0
    term = term_of(walk)
    if isinstance(term, WhileQualified) or walk.grace_until is not None:
        return True
    if isinstance(term, Duration) and term.clock == "drop" and walk.ends_at is None:
        return True
    if isinstance(term, WindowEnd):
        return True
    return policy.tell_grace and not walk.told


def kind_of_move(
    walk: Walk, was: str | None, now: str | None, *, renewed: bool
) -> EventKind | None:
    return transition(_place(walk, was), _place(walk, now), renewed=renewed)


def _place(walk: Walk, tier: str | None) -> float | None:
    """A tier's rank; one that the rules no longer have lies just above what it used to top."""
    if tier is None:
        return None
    ranks = walk.version.rank
    if tier in ranks:
        return ranks[tier]
    if walk.former is None:
        return -0.5
    names = {kept.name: rank for rank, kept in enumerate(walk.version.policy.tiers)}
    own = walk.former.rank.get(tier, 0)
    below = [ranks.get(old.id, names.get(old.name, -1)) for old in walk.former.policy.tiers[:own]]
    return max(below, default=-1) + 0.5
