"""What follows for the tier: rising, keeping, falling, and the ends of terms.

Two layers: `held` is what the rules alone grant, `tier` what the world sees under overrides.
These functions change the held layer of a walk and then ask it to show the difference. What a
member qualifies for is in `qualify.py`, how a tier is held and renewed in `hold.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierline.engine.qualification import closed, qualified, qualified_lately
from tierline.engine.tier_terms import (
    drop,
    end_for,
    extended,
    grant,
    grant_now,
    renew,
    renewal,
    renewal_day,
    term_of,
)
from tierline.model import calendar
from tierline.model.events import Cause
from tierline.rules.program import Version
from tierline.rules.term import Duration, Term, WhileQualified, WindowEnd

if TYPE_CHECKING:
    from tierline.engine.member_state import MemberState


def judge(walk: MemberState, cause: Cause, *, turn: bool = False) -> None:
    """Judge the member now. `turn`: a window has just turned."""
    if walk.joined_at is None or walk.frozen or walk.unjudged:
        return
    assessment, held = walk.version.policy.assessment, walk.rank
    best = qualified(walk)
    rising = closed(walk) if turn and assessment.up == "at_window_end" else best
    if turn and assessment.down == "at_window_end":
        best = closed(walk)
    if rising > held and _may_rise(walk, turn=turn):
        _rise(walk, rising)
    if best >= held >= 0 and walk.rank == held:
        _keep(walk, held, cause, exactly=max(rising, best) == held)
    elif best < held and walk.rank == held:
        _sink(walk, best, cause, turn=turn)
    walk.show(cause)


def _may_rise(walk: MemberState, *, turn: bool) -> bool:
    match walk.version.policy.assessment.up:
        case "on_activity":
            return True
        case "at_window_end":
            return turn
        case "at_term_end":
            return walk.held is None


def _rise(walk: MemberState, best: int) -> None:
    policy = walk.version.policy
    if policy.start.when == "immediate":
        grant_now(walk, best)
        return
    _wait(walk, best)


def _wait(walk: MemberState, rank: int) -> None:
    """Note a tier that is earned and begins later; a better one replaces it."""
    policy = walk.version.policy
    span = policy.window.span(walk.today, walk.anchors())
    if policy.start.when == "next_window" and span is None:
        grant_now(walk, rank)  # no window is known that it could wait for
        return
    if walk.waiting is not None and walk.version.rank.get(walk.waiting[0], -1) >= rank:
        return
    if policy.start.when == "next_window" and span is not None:
        begins = span[1]
    else:
        begins = calendar.add_period(walk.today, policy.start.after or "P0D")
    walk.waiting = (policy.tiers[rank].id, walk.zone.start(begins))


def _keep(walk: MemberState, held: int, cause: Cause, *, exactly: bool) -> None:
    """Still earned: ends that may move later do, never earlier. Not `exactly`: a higher tier is
    earned, but may not begin yet; then the term is left to end."""
    term = term_of(walk)
    if isinstance(term, WhileQualified):
        walk.ends_at, walk.grace_until, walk.told = None, None, False
    elif walk.grace_until is not None:
        _renew_in_grace(walk, held, term)
    elif isinstance(term, Duration) and term.clock == "drop":
        walk.ends_at, walk.told = None, False
    elif exactly and _earned_anew(walk, term, cause):
        end = extended(walk)
        if end is not None and walk.ends_at is not None and end > walk.ends_at:
            walk.ends_at = end


def _renew_in_grace(walk: MemberState, held: int, term: Term) -> None:
    """Earned again during grace: renewed as it would have been at the term's end."""
    best, ends_at = renewal(walk)
    if best != held:
        day = walk.today if isinstance(term, WindowEnd) else renewal_day(walk)
        ends_at = end_for(walk, held, day)
    renew(walk, held, ends_at, "requalified")


def _earned_anew(walk: MemberState, term: Term, cause: Cause) -> bool:
    """Whether qualifying now moves a running term's end. Where terms follow windows, each window
    that qualifies does (under `next_window` when it begins: `dues.begin_waiting`); elsewhere only
    what the member does, not time."""
    policy = walk.version.policy
    if isinstance(term, WindowEnd):
        return policy.start.when != "next_window"
    acted = walk.cause_entry is not None or cause == "activation"
    return acted and cause != "override" and policy.renewal.restart == "requalified"


def _sink(walk: MemberState, best: int, cause: Cause, *, turn: bool) -> None:
    """No longer earned: fall, or say that the rules keep the tier."""
    policy = walk.version.policy
    term = term_of(walk)
    if walk.grace_until is not None:
        tell_grace(walk)  # where an override hid the tier when its grace began
        return
    if isinstance(term, WhileQualified):
        if policy.start.when == "next_window":
            # Earned by a window that closed: the one that has only begun does not take it back.
            best = max(best, qualified_lately(walk))
            if best >= walk.rank:
                return
        if policy.assessment.down == "on_activity" or (
            turn and policy.assessment.down == "at_window_end"
        ):
            _fall_at_once(walk, best, cause)
        return
    if qualified_lately(walk) >= walk.rank:
        return
    if isinstance(term, Duration) and term.clock == "drop" and walk.ends_at is None:
        end = term.end(walk.today, policy.window, walk.anchors())
        walk.ends_at = None if end is None else walk.zone.start(end)
    tell_grace(walk)


def _fall_at_once(walk: MemberState, best: int, cause: Cause) -> None:
    stay = walk.version.policy.lapse.min_stay
    if walk.told and walk.ends_at is None and _kept_unearned(walk):
        return  # and that was told
    if stay is not None and walk.started_at is not None:
        over = walk.zone.start(calendar.add_period(walk.zone.day(walk.started_at), stay))
        if walk.at < over:
            walk.ends_at = over
            tell_grace(walk)
            return
    lapse(walk, best, None, cause)


def _kept_unearned(walk: MemberState) -> bool:
    """Whether the lapse rule keeps this tier although it is not earned."""
    policy, rank = walk.version.policy, walk.rank
    rule = policy.tiers[rank].lapse or policy.lapse.then
    return rule == "keep" or (rule == "to_base" and rank == 0)


def _keep_unearned(walk: MemberState) -> None:
    """A tier without a term stays; said once, until it is earned again and lost again."""
    walk.ends_at = walk.grace_until = None
    walk.told = True
    if walk.seen:
        walk.emit(walk.tier, walk.tier, "lapse_keep", renewed=True)


def tell_grace(walk: MemberState) -> None:
    """Once per term: the member no longer qualifies, but the rules keep the tier."""
    if walk.told or not walk.seen:
        return  # what the world does not see is told when it does
    walk.told = True
    if walk.version.policy.tell_grace:
        walk.emit(walk.tier, walk.tier, "grace", renewed=True)


def end_term(walk: MemberState) -> None:
    """The term, or the grace after it, ends: renew, rise or lapse."""
    end = walk.grace_until or walk.ends_at
    if walk.held is None or walk.frozen or end is None or end > walk.at:
        return
    held = walk.rank
    best, ends_at = renewal(walk)
    if best > held:
        grant(walk, best, ends_at)
        walk.show("term_end")
    elif best == held and isinstance(term_of(walk), WhileQualified):
        # Only a minimum stay or grace had an end; the tier itself has none.
        walk.ends_at, walk.grace_until, walk.told = None, None, False
    elif best == held:
        renew(walk, held, ends_at, "requalified")
    else:
        lapse(walk, best, ends_at, "term_end")


def lapse(walk: MemberState, best: int, ends_at: int | None, cause: Cause) -> None:
    """The tier is no longer earned and its time is over: grace first, then the lapse rule."""
    policy = walk.version.policy
    held, was = walk.rank, walk.held
    rule = policy.tiers[held].lapse or policy.lapse.then
    if policy.lapse.grace is not None and walk.grace_until is None:
        ended = walk.zone.day(walk.ends_at or walk.at)
        last = calendar.add_period(ended - 1, policy.lapse.grace)
        if policy.lapse.grace_rounding is not None:
            last = policy.lapse.grace_rounding.last_day(last, ended)
        until = walk.zone.start(last + 1)
        if until > walk.at:
            walk.grace_until = until
            tell_grace(walk)
            return
    if _kept_unearned(walk):
        if isinstance(term_of(walk), WhileQualified):
            _keep_unearned(walk)
            return
        renew(walk, held, end_for(walk, held, renewal_day(walk)), "lapse_keep")
        return
    target = {
        "keep": held,
        "one_step": max(best, _step_below(walk.version, held)),
        "to_qualifying": best,
        "to_base": 0,
        "leave": -1,
    }[rule]
    if target < 0:
        drop(walk)
    elif target == best and ends_at is not None:
        grant(walk, target, ends_at)
    else:
        grant_now(walk, target)
    if not walk.show(cause) and walk.tier == was:
        # An override keeps what the rules would take.
        walk.emit(walk.tier, walk.tier, "override", renewed=True)


def _step_below(version: Version, rank: int) -> int:
    """The next lower tier that anybody can be in."""
    tiers = version.policy.tiers
    steps = (r for r in range(rank - 1, -1, -1) if not (tiers[r].hidden or tiers[r].invitation))
    return next(steps, -1)


def settle(walk: MemberState, cause: Cause) -> None:
    """Judge as at an expiry, and show it."""
    hold_what_is_earned(walk)
    walk.show(cause)


def hold_what_is_earned(walk: MemberState) -> None:
    """As at an expiry, whatever term is running: the tier becomes what is earned."""
    if walk.joined_at is None or walk.frozen:
        return
    best, ends_at = renewal(walk, fresh=True)
    if best < 0:
        drop(walk)
    else:
        grant(walk, best, ends_at)
