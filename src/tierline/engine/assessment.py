"""What follows for the tier: rising, keeping, falling, and the ends of terms.

Two layers: `held` is what the rules alone grant, `tier` what the world sees under overrides.
These functions change the held layer of a state and then ask it to show the difference. What a
member qualifies for is in `qualify.py`, how a tier is held and renewed in `hold.py`.
"""

from __future__ import annotations

from tierline.engine.member_state import MemberState
from tierline.engine.qualification import closed, qualified, qualified_lately
from tierline.engine.tier_terms import (
    drop,
    end_for,
    extend,
    following_end,
    grant,
    grant_now,
    renew,
    renewal,
    term_of,
)
from tierline.engine.transitions import emit, show
from tierline.model import calendar
from tierline.model.events import Cause
from tierline.rules.ladder import LapseRule
from tierline.rules.program import Version
from tierline.rules.term import Duration, Term, WhileQualified, WindowEnd


def judge(state: MemberState, cause: Cause, *, turn: bool = False) -> None:
    """Judges the member now, and tells what follows. `turn`: a window has just turned."""
    if state.joined_at is None or state.hold_since is not None or state.counts_only:
        return
    assess(state, cause, turn=turn)
    show(state, cause)


def assess(state: MemberState, cause: Cause, *, turn: bool = False) -> None:
    """Judges the member now; nobody sees it yet."""
    assessment, held = state.version.policy.assessment, state.rank
    best = qualified(state)
    rising = closed(state) if turn and assessment.up == "at_window_end" else best
    if turn and assessment.down == "at_window_end":
        best = closed(state)
    if rising > held and may_rise(state, turn=turn):
        _rise(state, rising)
        if state.rank != held:
            return
    if held < 0:
        return
    if state.version.policy.start.when == "next_window":
        best = _lasting(state, best)
    if best >= held:
        _keep(state, held, cause, exactly=max(rising, best) == held)
    else:
        _sink(state, best, cause, turn=turn)


def _lasting(state: MemberState, best: int) -> int:
    """What speaks for keeping the tier under `next_window`: the running window has given nothing
    yet, so the last full one speaks. Both do in grace, and where the term began inside the running
    window, which gave it then; and a tier without a term is kept by either."""
    if isinstance(term_of(state), WhileQualified):
        return best
    lately = qualified_lately(state)
    if state.grace_until is not None or _begun_inside(state):
        return max(best, lately)
    return lately


def _begun_inside(state: MemberState) -> bool:
    span = state.version.policy.window.span(state.today, state.anchors())
    return span is not None and (state.started_at or 0) > state.zone.start(span[0])


def may_rise(state: MemberState, *, turn: bool) -> bool:
    match state.version.policy.assessment.up:
        case "on_activity":
            return True
        case "at_window_end":
            return turn
        case "at_term_end":
            return state.held is None


def _rise(state: MemberState, best: int) -> None:
    policy = state.version.policy
    if policy.start.when == "immediate":
        grant_now(state, best)
        return
    _wait(state, best)


def _wait(state: MemberState, rank: int) -> None:
    """Note a tier that is earned and begins later; a better one replaces it."""
    policy = state.version.policy
    span = policy.window.span(state.today, state.anchors())
    if policy.start.when == "next_window" and span is None:
        grant_now(state, rank)  # no window is known that it could wait for
        return
    if state.waiting is not None and state.version.rank.get(state.waiting[0], -1) >= rank:
        return
    if policy.start.when == "next_window" and span is not None:
        begins = span[1]
    else:
        begins = calendar.add_period(state.today, policy.start.after or "P0D")
    state.waiting = (policy.tiers[rank].id, state.zone.start(begins))
    state.waiting_anew = state.version.reminders is not None


def _keep(state: MemberState, held: int, cause: Cause, *, exactly: bool) -> None:
    """Still earned: ends that may move later do, never earlier. Not `exactly`: a higher tier is
    earned, but may not begin yet; then the term is left to end."""
    term = term_of(state, held)
    if isinstance(term, WhileQualified):
        state.ends_at, state.grace_until, state.grace_announced = None, None, False
    elif state.grace_until is not None:
        _renew_in_grace(state, held, term)
    elif isinstance(term, Duration) and term.clock == "drop":
        state.ends_at, state.grace_announced = None, False
    elif exactly and _earned_anew(state, term, cause):
        extend(state)


def _renew_in_grace(state: MemberState, held: int, term: Term) -> None:
    """Earned again during grace: renewed as it would have been at the term's end."""
    best, ends_at = renewal(state)
    if best != held and isinstance(term, WindowEnd):
        ends_at = end_for(state, held, state.today)
    elif best != held:
        ends_at = following_end(state, held)
    renew(state, held, ends_at, "requalified")


def _earned_anew(state: MemberState, term: Term, cause: Cause) -> bool:
    """Whether qualifying now moves a running term's end, where the rules say `requalified`. Where
    terms follow windows, each window that qualifies does; elsewhere only what the member does, not
    time. Under `next_window` a window does when it has closed (`begin_waiting`)."""
    policy = state.version.policy
    if policy.start.when == "next_window" or policy.renewal.restart != "requalified":
        return False
    if isinstance(term, WindowEnd):
        return True
    acted = state.cause_entry is not None or cause == "activation"
    return acted and cause != "override"


def _sink(state: MemberState, best: int, cause: Cause, *, turn: bool) -> None:
    """No longer earned: fall, or say that the rules keep the tier."""
    policy = state.version.policy
    term = term_of(state)
    if state.grace_until is not None:
        announce_grace(state)  # where an override hid the tier when its grace began
        return
    if isinstance(term, WhileQualified):
        if policy.start.when == "next_window":
            # Earned by a window that closed: the one that has only begun does not take it back.
            best = max(best, qualified_lately(state))
            if best >= state.rank:
                return
        if policy.assessment.down == "on_activity" or (
            turn and policy.assessment.down == "at_window_end"
        ):
            _fall_at_once(state, best, cause)
        return
    if qualified_lately(state) >= state.rank:
        return
    if isinstance(term, Duration) and term.clock == "drop" and state.ends_at is None:
        end = term.end(state.today, policy.window, state.anchors())
        state.ends_at = None if end is None else state.zone.start(end)
    announce_grace(state)


def _fall_at_once(state: MemberState, best: int, cause: Cause) -> None:
    stay = state.version.policy.lapse.min_stay
    if state.grace_announced and state.ends_at is None and _kept_unearned(state):
        return  # and that was told
    if stay is not None and state.started_at is not None:
        over = state.zone.start(calendar.add_period(state.zone.day(state.started_at), stay))
        if state.at < over:
            state.ends_at = over
            announce_grace(state)
            return
    lapse(state, best, None, cause)


def _kept_unearned(state: MemberState) -> bool:
    """Whether the lapse rule keeps this tier although it is not earned."""
    policy, rank = state.version.policy, state.rank
    rule = policy.tiers[rank].lapse or policy.lapse.then
    return rule == "keep" or (rule == "to_base" and rank == state.version.base)


def _keep_unearned(state: MemberState) -> None:
    """A tier without a term stays; said once, until it is earned again and lost again."""
    state.ends_at = state.grace_until = None
    state.grace_announced = True
    if state.seen:
        emit(state, state.tier, state.tier, "lapse_keep", renewed=True)


def announce_grace(state: MemberState) -> None:
    """Once per term: the member no longer qualifies, but the rules keep the tier."""
    if state.grace_announced or not state.seen:
        return  # what the world does not see is told when it does
    state.grace_announced = True
    if state.version.policy.announces_grace:
        emit(state, state.tier, state.tier, "grace", renewed=True)


def end_term(state: MemberState) -> None:
    """The term, or the grace after it, ends: renew, rise or lapse."""
    end = state.grace_until or state.ends_at
    if state.held is None or state.frozen or end is None or end > state.at:
        return
    held = state.rank
    best, ends_at = renewal(state)
    if best > held:
        grant(state, best, ends_at)
        show(state, "term_end")
    elif best == held and isinstance(term_of(state), WhileQualified):
        # Only a minimum stay or grace had an end; the tier itself has none.
        state.ends_at, state.grace_until, state.grace_announced = None, None, False
    elif best == held:
        renew(state, held, ends_at, "requalified")
    else:
        lapse(state, best, ends_at, "term_end")


def catch_up(state: MemberState, since: int) -> None:
    """A hold has ended. Under `next_window` nothing is lost of what windows earned that closed
    while it lasted; a tier that was noted before begins by itself."""
    policy = state.version.policy
    span = policy.window.span(state.today, state.anchors())
    if policy.start.when != "next_window" or span is None or state.zone.start(span[0]) < since:
        return
    best, ends_at = renewal(state, fresh=True)
    due = state.waiting is not None and state.waiting[1] <= state.at
    if due and state.waiting and best <= state.version.rank.get(state.waiting[0], -1):
        return
    if best > state.rank and may_rise(state, turn=False):
        grant(state, best, ends_at)
        show(state, "start")


def lapse(state: MemberState, best: int, ends_at: int | None, cause: Cause) -> None:
    """The tier is no longer earned and its time is over: grace first, then the lapse rule."""
    policy = state.version.policy
    held, was = state.rank, state.held
    rule = policy.tiers[held].lapse or policy.lapse.then
    if policy.lapse.grace is not None and state.grace_until is None:
        ended = state.zone.day(state.ends_at or state.at)
        last = calendar.add_period(ended - 1, policy.lapse.grace)
        if policy.lapse.grace_rounding is not None:
            last = policy.lapse.grace_rounding.last_day(last, ended)
        until = state.zone.start(last + 1)
        if until > state.at:
            state.grace_until = until
            announce_grace(state)
            return
    if _kept_unearned(state):
        if isinstance(term_of(state), WhileQualified):
            _keep_unearned(state)
            return
        renew(state, held, following_end(state, held), "lapse_keep")
        return
    target = best if rule == "to_qualifying" else _below(state.version, rule, held, best)
    if target < 0:
        drop(state)
    elif target == best and ends_at is not None:
        grant(state, target, ends_at)
    else:
        grant_now(state, target)
    if not show(state, cause) and state.tier == was:
        # An override keeps what the rules would take.
        emit(state, state.tier, state.tier, "override", renewed=True)


def _below(version: Version, rule: LapseRule, held: int, best: int) -> int:
    """The tier that a lapse rule names, whatever is earned."""
    match rule:
        case "one_step":
            return max(best, _step_below(version, held))
        case "to_base":
            return version.base
        case "leave":
            return -1
        case _:
            return best


def _step_below(version: Version, rank: int) -> int:
    """The next lower tier that anybody can be in."""
    tiers = version.policy.tiers
    steps = (r for r in range(rank - 1, -1, -1) if not (tiers[r].hidden or tiers[r].invitation))
    return next(steps, -1)


def settle(state: MemberState, cause: Cause) -> None:
    """Judge as at an expiry, and show it."""
    hold_what_is_earned(state)
    show(state, cause)


def hold_what_is_earned(state: MemberState) -> None:
    """As at an expiry, whatever term is running: the tier becomes what is earned."""
    if state.joined_at is None or state.frozen:
        return
    best, ends_at = renewal(state, fresh=True)
    if best < 0:
        drop(state)
    else:
        grant(state, best, ends_at)
