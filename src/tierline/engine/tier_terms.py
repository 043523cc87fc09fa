"""How a tier is held: its term and that term's end, granting, renewing and dropping it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tierline.engine.qualification import qualified
from tierline.engine.transitions import transition
from tierline.model import calendar
from tierline.model.events import Cause, EventKind
from tierline.rules.program import successors
from tierline.rules.term import Duration, Term, WhileQualified, WindowEnd
from tierline.rules.window import FROM_TERM, Window

if TYPE_CHECKING:
    from tierline.engine.member_state import MemberState


def term_of(walk: MemberState, rank: int | None = None) -> Term:
    policy = walk.version.policy
    at = walk.rank if rank is None else rank
    own = policy.tiers[at].term if at >= 0 else None
    return policy.term if own is None else own


def end_for(walk: MemberState, rank: int, day: int) -> int | None:
    """The end (exclusive instant) of a term of this tier that starts on a civil day."""
    policy = walk.version.policy
    term = term_of(walk, rank)
    if isinstance(term, Duration) and term.clock == "drop":
        return None
    end = term.end(day, policy.window, walk.anchors(day))
    return None if end is None else walk.zone.start(end)


def extended(walk: MemberState) -> int | None:
    """The end that the running term would have, were it earned by today's window."""
    term = term_of(walk)
    if isinstance(term, Duration) and term.clock == "drop":
        return None
    end = term.end(walk.today, walk.version.policy.window, walk.anchors())
    return None if end is None else walk.zone.start(end)


def grant(walk: MemberState, rank: int, ends_at: int | None, *, start: int | None = None) -> None:
    """Hold this tier from now (or `start`) on, in a fresh term."""
    policy = walk.version.policy
    tier = policy.tiers[rank]
    begins = walk.at if start is None else start
    if tier.id != walk.held and policy.lapse.min_stay is not None and ends_at is not None:
        stay = calendar.add_period(walk.zone.day(begins), policy.lapse.min_stay)
        ends_at = max(ends_at, walk.zone.start(stay))
    count_terms_anew(walk)
    walk.held = tier.id
    walk.started_at = begins
    walk.ends_at = ends_at
    walk.grace_until = None
    walk.told = False
    if walk.remembers and tier.id not in walk.reached:
        walk.reached = (*walk.reached, tier.id)
    if walk.waiting is not None and walk.version.rank.get(walk.waiting[0], -1) <= rank:
        walk.waiting = None


def count_terms_anew(walk: MemberState) -> None:
    """A term starts: what is counted from its start starts from nothing."""
    for key in walk.tracked:
        if FROM_TERM in key:
            walk.sums[key] = {}
            walk.term_counted_since = walk.entries, walk.at


def grant_now(walk: MemberState, rank: int) -> None:
    grant(walk, rank, end_for(walk, rank, walk.today))


def drop(walk: MemberState) -> None:
    """Hold no tier."""
    walk.held = walk.started_at = walk.ends_at = walk.grace_until = None
    walk.told = False


def renewal(walk: MemberState, *, fresh: bool = False) -> tuple[int, int | None]:
    """The best tier for a term from now on, and that term's end. `fresh`: no old term goes on.

    Where terms follow windows: the best of all windows whose own end reaches beyond now (settled:
    at expiry under POINTS_IN_PERIOD). Elsewhere: what the member qualifies for now.
    """
    window = walk.version.policy.window
    if isinstance(term_of(walk), WindowEnd) and window.closes:
        span = window.span(walk.today, walk.anchors())
        if span is not None:  # else its anchor is not known
            return _best_window(walk, window, span)
    best = qualified(walk)
    if best < 0:
        return best, None
    day = renewal_day(walk) if best == walk.rank and not fresh else walk.today
    return best, end_for(walk, best, day)


def _best_window(
    walk: MemberState, window: Window, span: tuple[int, int] | None
) -> tuple[int, int | None]:
    """A window speaks for the tier of its sum as long as the term that this tier would have from
    it still runs. For a tier whose own term does not follow windows, the newest one speaks."""
    waits = walk.version.policy.start.when == "next_window"
    anchors = walk.anchors()
    best: tuple[int, float, int | None] = (-1, 0, None)
    newest = True
    for _ in range(walk.version.windows_back + 1):
        if span is None or span[1] <= anchors.join:
            break
        counts = span[1] if waits else span[0]  # a day of the window in which the term counts
        if walk.zone.start(counts) <= walk.at:
            rank = qualified(walk, min(span[1] - 1, walk.today))
            follows = rank >= 0 and isinstance(term_of(walk, rank), WindowEnd)
            if rank >= 0 and (follows or newest):
                end = end_for(walk, rank, counts if follows else walk.today)
                reach = float("inf") if end is None else end
                if reach > walk.at and (rank, reach) > best[:2]:
                    best = (rank, reach, end)
            newest = False
        span = window.span(span[0] - 1, anchors)
    return best[0], best[2]


def renewal_day(walk: MemberState) -> int:
    """The day from which a renewed term is counted."""
    if walk.version.policy.renewal.basis == "now" or walk.ends_at is None:
        return walk.today
    return min(walk.zone.day(walk.ends_at), walk.today)


def renew(walk: MemberState, rank: int, ends_at: int | None, cause: Cause) -> None:
    """A new term of the same tier: news where the world sees it, and no override hides it now."""
    if ends_at is not None and ends_at <= walk.at:
        ends_at = end_for(walk, rank, walk.today)
    grant(walk, rank, ends_at)
    if walk.seen:
        walk.emit(walk.tier, walk.tier, cause, renewed=True)


def turn_matters(walk: MemberState) -> bool:
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
    if isinstance(term, WindowEnd) or (isinstance(term, Duration) and term.clock == "drop"):
        return True
    if policy.tell_grace and not walk.told:
        return True
    return qualified(walk) > walk.rank  # a higher tier was left behind by what judges nothing


def kind_of_move(
    walk: MemberState, was: str | None, now: str | None, *, renewed: bool
) -> EventKind | None:
    return transition(_place(walk, was), _place(walk, now), renewed=renewed)


def _place(walk: MemberState, tier: str | None) -> float | None:
    """A tier's rank; one that the rules no longer have lies just above what it used to top."""
    if tier is None:
        return None
    ranks = walk.version.rank
    if tier in ranks:
        return ranks[tier]
    known = [v for v in walk.program.versions if v.number <= walk.version.number]
    while known and tier not in known[-1].rank:
        known.pop()
    if not known:
        return -0.5
    below = [old.id for old in known[-1].policy.tiers[: known[-1].rank[tier]]]
    for former, new in pairwise(walk.program.versions[len(known) - 1 : walk.version.number]):
        moved = successors(former, new)
        below = [moved[old] for old in below if old in moved]
    return max((ranks[old] for old in below), default=-1) + 0.5
