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


def extend(state: MemberState) -> None:
    """Earned again today: the running term's end moves later, never earlier."""
    term = term_of(state)
    if state.ends_at is None or (isinstance(term, Duration) and term.clock == "drop"):
        return
    day = term.end(state.today, state.version.policy.window, state.anchors())
    end = None if day is None else state.zone.start(day)
    if end is not None and end > state.ends_at:
        state.ends_at = end
        state.term_anchor = anchor_from(state, state.rank, state.today, end)


Anchor = tuple[int, int, int]  # see `StandingFields.term_anchor`


def anchor_from(state: MemberState, rank: int, day: int, ends_at: int | None) -> Anchor | None:
    """Where a row of terms of this tier starts, if a term from that day is what ends so."""
    term = term_of(state, rank)
    if ends_at is None or not isinstance(term, Duration) or term.clock == "drop":
        return None
    return (day, 1, ends_at) if end_for(state, rank, day) == ends_at else None


def _following(state: MemberState, rank: int) -> Anchor | None:
    """The next term of the row that the held one is in. Where its end was moved or brought along,
    a new row starts on its last valid day. None: terms of this tier make no row."""
    term = term_of(state, rank)
    if not isinstance(term, Duration) or term.clock == "drop" or state.ends_at is None:
        return None
    if state.version.policy.renewal.basis == "now":
        return None
    first, terms, ends_at = state.term_anchor or (0, 0, None)
    if ends_at != state.ends_at:
        end = state.ends_at - 1 if term.inclusive else state.ends_at
        first, terms = state.zone.day(end), 0
    following = state.at
    while following <= state.at:  # a term that would be over already is passed over
        terms += 1
        following = state.zone.start(term.end_of(first, terms, renewal_day(state)))
    return first, terms, following


def following_end(state: MemberState, rank: int) -> int | None:
    """The end of a term of this tier that follows the held one."""
    anchor = _following(state, rank)
    return end_for(state, rank, renewal_day(state)) if anchor is None else anchor[2]


def grant(
    state: MemberState, rank: int, ends_at: int | None, *, anchor: Anchor | None = None
) -> None:
    """Hold this tier from now on, in a fresh term. `anchor`: the row of terms that it goes on."""
    policy = state.version.policy
    tier = policy.tiers[rank]
    if anchor is None and ends_at is not None:
        anchor = anchor_from(state, rank, state.today, ends_at)
    state.term_anchor = anchor
    if tier.id != state.held and policy.lapse.min_stay is not None and ends_at is not None:
        stay = calendar.add_period(state.today, policy.lapse.min_stay)
        ends_at = max(ends_at, state.zone.start(stay))
    count_terms_anew(state)
    state.held = tier.id
    state.started_at = state.at
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
    state.held = state.started_at = state.ends_at = state.grace_until = state.term_anchor = None
    state.grace_announced = False


def renewal(state: MemberState, *, fresh: bool = False) -> tuple[int, int | None]:
    """The best tier for a term from now on, and that term's end. `fresh`: no old term goes on.

    Where terms follow windows, or tiers wait for them: the best of all windows whose own end
    reaches beyond now (settled: at expiry under POINTS_IN_PERIOD). Elsewhere: what the member
    qualifies for now.
    """
    policy = state.version.policy
    waits = policy.start.when == "next_window"
    if policy.window.closes and (waits or isinstance(term_of(state), WindowEnd)):
        span = policy.window.span(state.today, state.anchors())
        if span is not None:  # else its anchor is not known
            return _best_window(state, policy.window, span, fresh=fresh)
    best = qualified(state)
    if best < 0:
        return best, None
    if best == state.rank and not fresh:
        return best, following_end(state, best)
    return best, end_for(state, best, state.today)


def _best_window(
    state: MemberState, window: Window, span: tuple[int, int] | None, *, fresh: bool
) -> tuple[int, int | None]:
    """A window speaks for the tier of its sum as long as the term that this tier would have from
    it still runs; where no such term can be told from it, the newest one speaks. Under
    `next_window` terms start when a window has closed, and the running window speaks for the held
    tier and lower ones, with the end that it will give them."""
    waits = state.version.policy.start.when == "next_window"
    anchors = state.anchors()
    best: tuple[int, float, int | None] = (-1, 0, None)
    newest = True
    for _ in range(state.version.windows_back + 1):
        if span is None or span[1] <= anchors.join:
            break
        counts = span[1] if waits else span[0]  # a day of the window in which the term counts
        rank = qualified(state, min(span[1] - 1, state.today))
        runs = state.zone.start(counts) > state.at
        if runs:
            rank = min(rank, state.rank)
        if rank >= 0:
            term = term_of(state, rank)
            if runs or isinstance(term, WindowEnd) or (waits and term.dated):
                end = end_for(state, rank, counts)
            elif not newest:
                end = state.at
            elif rank == state.rank and not fresh:
                end = following_end(state, rank)
            else:
                end = end_for(state, rank, state.today)
            reach = float("inf") if end is None else end
            if reach > state.at and (rank, reach) > best[:2]:
                best = (rank, reach, end)
        newest = newest and runs
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
    anchor = _following(state, rank)
    if anchor is not None and anchor[2] != ends_at:
        anchor = None
    grant(state, rank, ends_at, anchor=anchor)
    if state.seen:
        emit(state, state.tier, state.tier, cause, renewed=True)


def turn_matters(state: MemberState) -> bool:
    """Whether a window's turn can change anything for this member."""
    policy = state.version.policy
    if "at_window_end" in (policy.assessment.up, policy.assessment.down):
        return True
    version = state.version
    if version.falls_into or version.carries or state.waiting is not None:
        return True
    if state.held is None:
        lowest = policy.tiers[0].from_ if policy.tiers else 1
        return lowest is None or lowest <= 0 or qualified(state) >= 0
    term = term_of(state)
    if isinstance(term, WhileQualified) or state.grace_until is not None:
        return True
    if isinstance(term, WindowEnd) or (isinstance(term, Duration) and term.clock == "drop"):
        return True
    if policy.announces_grace and not state.grace_announced:
        return True
    best = qualified(state)
    if policy.start.when == "next_window" and policy.renewal.restart == "requalified":
        return best >= state.rank
    return best > state.rank  # a higher tier was left behind by what judges nothing
