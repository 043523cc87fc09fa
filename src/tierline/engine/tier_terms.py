"""How a tier is held: its term and that term's end, granting, renewing and dropping it."""

from __future__ import annotations

from tierline.engine.member_state import MemberState
from tierline.engine.qualification import qualified
from tierline.engine.transitions import emit
from tierline.model import calendar
from tierline.model.events import Cause
from tierline.rules.term import Duration, Term, WhileQualified, WindowEnd
from tierline.rules.window import FROM_TERM, Window


def term_of(state: MemberState, rank: int | None = None) -> Term:
    policy = state.version.policy
    at = state.rank if rank is None else rank
    own = policy.tiers[at].term if at >= 0 else None
    return policy.term if own is None else own


def end_for(state: MemberState, rank: int, day: int) -> int | None:
    """The end (exclusive instant) of a term of this tier that starts on a civil day."""
    policy = state.version.policy
    term = term_of(state, rank)
    if isinstance(term, Duration) and term.clock == "drop":
        return None
    end = term.end(day, policy.window, state.anchors(day))
    return None if end is None else state.zone.start(end)


def extended(state: MemberState) -> int | None:
    """The end that the running term would have, were it earned by today's window."""
    term = term_of(state)
    if isinstance(term, Duration) and term.clock == "drop":
        return None
    end = term.end(state.today, state.version.policy.window, state.anchors())
    return None if end is None else state.zone.start(end)


def grant(state: MemberState, rank: int, ends_at: int | None, *, start: int | None = None) -> None:
    """Hold this tier from now (or `start`) on, in a fresh term."""
    policy = state.version.policy
    tier = policy.tiers[rank]
    begins = state.at if start is None else start
    if tier.id != state.held and policy.lapse.min_stay is not None and ends_at is not None:
        stay = calendar.add_period(state.zone.day(begins), policy.lapse.min_stay)
        ends_at = max(ends_at, state.zone.start(stay))
    count_terms_anew(state)
    state.held = tier.id
    state.started_at = begins
    state.ends_at = ends_at
    state.grace_until = None
    state.grace_announced = False
    if state.remembers and tier.id not in state.reached:
        state.reached = (*state.reached, tier.id)
    if state.waiting is not None and state.version.rank.get(state.waiting[0], -1) <= rank:
        state.waiting = None


def count_terms_anew(state: MemberState) -> None:
    """A term starts: what is counted from its start starts from nothing."""
    for key in state.counters:
        if FROM_TERM in key:
            state.sums[key] = {}
            state.term_boundary = state.entries, state.at


def grant_now(state: MemberState, rank: int) -> None:
    grant(state, rank, end_for(state, rank, state.today))


def drop(state: MemberState) -> None:
    """Hold no tier."""
    state.held = state.started_at = state.ends_at = state.grace_until = None
    state.grace_announced = False


def renewal(state: MemberState, *, fresh: bool = False) -> tuple[int, int | None]:
    """The best tier for a term from now on, and that term's end. `fresh`: no old term goes on.

    Where terms follow windows: the best of all windows whose own end reaches beyond now (settled:
    at expiry under POINTS_IN_PERIOD). Elsewhere: what the member qualifies for now.
    """
    window = state.version.policy.window
    if isinstance(term_of(state), WindowEnd) and window.closes:
        span = window.span(state.today, state.anchors())
        if span is not None:  # else its anchor is not known
            return _best_window(state, window, span)
    best = qualified(state)
    if best < 0:
        return best, None
    day = renewal_day(state) if best == state.rank and not fresh else state.today
    return best, end_for(state, best, day)


def _best_window(
    state: MemberState, window: Window, span: tuple[int, int] | None
) -> tuple[int, int | None]:
    """A window speaks for the tier of its sum as long as the term that this tier would have from
    it still runs. For a tier whose own term does not follow windows, the newest one speaks."""
    waits = state.version.policy.start.when == "next_window"
    anchors = state.anchors()
    best: tuple[int, float, int | None] = (-1, 0, None)
    newest = True
    for _ in range(state.version.windows_back + 1):
        if span is None or span[1] <= anchors.join:
            break
        counts = span[1] if waits else span[0]  # a day of the window in which the term counts
        if state.zone.start(counts) <= state.at:
            rank = qualified(state, min(span[1] - 1, state.today))
            follows = rank >= 0 and isinstance(term_of(state, rank), WindowEnd)
            if rank >= 0 and (follows or newest):
                end = end_for(state, rank, counts if follows else state.today)
                reach = float("inf") if end is None else end
                if reach > state.at and (rank, reach) > best[:2]:
                    best = (rank, reach, end)
            newest = False
        span = window.span(span[0] - 1, anchors)
    return best[0], best[2]


def renewal_day(state: MemberState) -> int:
    """The day from which a renewed term is counted."""
    if state.version.policy.renewal.basis == "now" or state.ends_at is None:
        return state.today
    return min(state.zone.day(state.ends_at), state.today)


def renew(state: MemberState, rank: int, ends_at: int | None, cause: Cause) -> None:
    """A new term of the same tier: news where the world sees it, and no override hides it now."""
    if ends_at is not None and ends_at <= state.at:
        ends_at = end_for(state, rank, state.today)
    grant(state, rank, ends_at)
    if state.seen:
        emit(state, state.tier, state.tier, cause, renewed=True)


def turn_matters(state: MemberState) -> bool:
    """Whether a window's turn can change anything for this member."""
    policy = state.version.policy
    if "at_window_end" in (policy.assessment.up, policy.assessment.down):
        return True
    if state.version.falls_into or state.waiting is not None:
        return True
    if state.held is None:
        lowest = policy.tiers[0].from_ or 0 if policy.tiers else 1
        return lowest <= 0 or qualified(state) >= 0
    term = term_of(state)
    if isinstance(term, WhileQualified) or state.grace_until is not None:
        return True
    if isinstance(term, WindowEnd) or (isinstance(term, Duration) and term.clock == "drop"):
        return True
    if policy.tell_grace and not state.grace_announced:
        return True
    return qualified(state) > state.rank  # a higher tier was left behind by what judges nothing
