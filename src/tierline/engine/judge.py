"""What follows for the tier: rising, keeping, falling, and the ends of terms.

Two layers: `held` is what the rules alone grant, `tier` what the world sees under overrides.
These functions change the held layer of a walk and then ask it to show the difference.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from tierline.engine import calendar
from tierline.engine.model import Cause, EventKind
from tierline.engine.policy import Version
from tierline.engine.term import Duration, Term, WhileQualified, WindowEnd
from tierline.engine.transitions import transition
from tierline.engine.window import Calendar, Cycle

if TYPE_CHECKING:
    from tierline.engine.walk import Walk


# -- qualification ------------------------------------------------------------------------------


def qualified(walk: Walk, day: int | None = None) -> int:
    """Rank of the highest tier that the member qualifies for; -1 for none.

    With `day`, judged on the totals of the windows that hold that day: the final sums of a window
    that has closed.
    """
    tiers = walk.version.policy.tiers
    thresholds = walk.version.thresholds
    if thresholds is not None:
        value = walk.value(None, day)
        found = bisect_right(thresholds, value) - 1
        upper = tiers[found].to if found >= 0 else None
        return found if upper is None or value <= upper else -1
    facts = walk.facts(day)
    held = walk.rank
    for rank in range(len(tiers) - 1, -1, -1):
        tier = tiers[rank]
        if rank == held:
            if tier.retained(facts):
                return rank
        elif tier.entered(facts, before=rank > held and tier.id in walk.reached):
            return rank
    return -1


def qualified_lately(walk: Walk) -> int:
    """As `qualified`, but a window that has only begun does not count against the member: in
    calendar and cycle windows the last full one speaks too (settled: grace)."""
    window = walk.version.policy.window
    now = qualified(walk)
    if not isinstance(window, Calendar | Cycle):
        return now
    span = window.span(walk.today, walk.anchors())
    if span is None or span[0] <= walk.anchors().join:
        return now
    return max(now, qualified(walk, span[0] - 1))


def turn_matters(walk: Walk) -> bool:
    """Whether a window's turn can change anything for this member."""
    policy = walk.version.policy
    if "at_window_end" in (policy.assessment.up, policy.assessment.down):
        return True
    if walk.held is None:
        return False
    term = term_of(walk)
    if isinstance(term, WhileQualified) or walk.grace_until is not None:
        return True
    if isinstance(term, Duration) and term.clock == "drop" and walk.ends_at is None:
        return True
    return policy.tell_grace and not walk.told


# -- terms --------------------------------------------------------------------------------------


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


# -- judging ------------------------------------------------------------------------------------


def judge(walk: Walk, cause: Cause, *, turn: bool = False) -> None:
    """Judge the member now. `turn`: a window has just turned."""
    if walk.joined_at is None or walk.frozen or walk.unjudged:
        return
    assessment, held = walk.version.policy.assessment, walk.rank
    best = qualified(walk)
    rising = _closed(walk) if turn and assessment.up == "at_window_end" else best
    if turn and assessment.down == "at_window_end":
        best = _closed(walk)
    if rising > held and _may_rise(walk, turn=turn):
        _rise(walk, rising)
    if best >= held >= 0 and walk.rank == held:
        _keep(walk, held, exactly=best == held)
    elif best < held and walk.rank == held:
        _sink(walk, best, cause, turn=turn)
    walk.show(cause)


def _closed(walk: Walk) -> int:
    """By the final sums of the window that closed (settled: the tier of a period is the tier of
    its final sum); windows that only slide have no closed one."""
    window = walk.version.policy.window
    return qualified(walk, walk.today - 1 if isinstance(window, Calendar | Cycle) else None)


def _may_rise(walk: Walk, *, turn: bool) -> bool:
    match walk.version.policy.assessment.up:
        case "on_activity":
            return True
        case "at_window_end":
            return turn
        case "at_term_end":
            return walk.held is None


def _rise(walk: Walk, best: int) -> None:
    policy = walk.version.policy
    if policy.start.when == "immediate":
        grant_now(walk, best)
        return
    _wait(walk, best)


def _wait(walk: Walk, rank: int) -> None:
    """Note a tier that is earned and begins later; a better one replaces it."""
    policy = walk.version.policy
    if walk.waiting is not None and walk.version.rank.get(walk.waiting[0], -1) >= rank:
        return
    if policy.start.when == "next_window":
        span = policy.window.span(walk.today, walk.anchors())
        if span is None:
            grant_now(walk, rank)
            return
        begins = span[1]
    else:
        begins = calendar.add_period(walk.today, policy.start.after or "P0D")
    walk.waiting = (policy.tiers[rank].id, walk.zone.start(begins))


def _keep(walk: Walk, held: int, *, exactly: bool) -> None:
    """Still earned: ends that may move later do, never earlier. Not `exactly`: a higher tier is
    earned, but may not begin yet; then the term is left to end."""
    policy = walk.version.policy
    term = term_of(walk)
    if isinstance(term, WhileQualified):
        walk.ends_at, walk.grace_until, walk.told = None, None, False
    elif walk.grace_until is not None:
        renew(walk, held, end_for(walk, held, _renewal_day(walk)), "requalified")
    elif isinstance(term, Duration) and term.clock == "drop":
        walk.ends_at, walk.told = None, False
    elif not exactly:
        return
    elif isinstance(term, WindowEnd) and policy.start.when == "next_window":
        _wait(walk, held)
    elif isinstance(term, WindowEnd) or policy.renewal.restart == "requalified":
        end = end_for(walk, held, walk.today)
        if end is not None and walk.ends_at is not None and end > walk.ends_at:
            walk.ends_at = end


def _sink(walk: Walk, best: int, cause: Cause, *, turn: bool) -> None:
    """No longer earned: fall, or say that the rules keep the tier."""
    policy = walk.version.policy
    term = term_of(walk)
    if isinstance(term, WhileQualified):
        if policy.assessment.down == "on_activity" or (
            turn and policy.assessment.down == "at_window_end"
        ):
            _fall_at_once(walk, best, cause)
        return
    if isinstance(term, Duration) and term.clock == "drop" and walk.ends_at is None:
        end = term.end(walk.today, policy.window, walk.anchors())
        walk.ends_at = None if end is None else walk.zone.start(end)
    if qualified_lately(walk) < walk.rank:
        tell_grace(walk)


def _fall_at_once(walk: Walk, best: int, cause: Cause) -> None:
    stay = walk.version.policy.lapse.min_stay
    if walk.grace_until is not None or walk.started_at is None:
        return
    if stay is not None:
        over = walk.zone.start(calendar.add_period(walk.zone.day(walk.started_at), stay))
        if walk.at < over:
            walk.ends_at = over
            tell_grace(walk)
            return
    if not (walk.told and _kept_unearned(walk)):
        lapse(walk, best, None, cause)


def _kept_unearned(walk: Walk) -> bool:
    """Whether the lapse rule keeps this tier although it is not earned."""
    policy, rank = walk.version.policy, walk.rank
    rule = policy.tiers[rank].lapse or policy.lapse.then
    return rule == "keep" or (rule == "to_base" and rank == 0)


def _keep_unearned(walk: Walk) -> None:
    """A tier without a term stays; said once, until it is earned again and lost again."""
    walk.ends_at = walk.grace_until = None
    walk.told = True
    if walk.tier == walk.held:
        walk.emit(walk.tier, walk.tier, "lapse_keep", renewed=True)


def tell_grace(walk: Walk) -> None:
    """Once per term: the member no longer qualifies, but the rules keep the tier."""
    if walk.told:
        return
    walk.told = True
    if walk.version.policy.tell_grace and walk.tier == walk.held:
        walk.emit(walk.tier, walk.tier, "grace", renewed=True)


# -- ends ---------------------------------------------------------------------------------------


def end_term(walk: Walk) -> None:
    """The term, or the grace after it, ends: renew, rise or lapse."""
    end = walk.grace_until or walk.ends_at
    if walk.held is None or walk.frozen or end is None or end > walk.at:
        return
    held = walk.rank
    best, ends_at = renewal(walk)
    if isinstance(term_of(walk), WhileQualified) and best >= held:
        # Only a minimum stay or grace had an end; the tier itself has none.
        walk.ends_at, walk.grace_until, walk.told = None, None, False
        judge(walk, "term_end")
    elif best == held:
        renew(walk, held, ends_at, "requalified")
    elif best > held:
        grant(walk, best, ends_at)
        walk.show("term_end")
    else:
        lapse(walk, best, ends_at, "term_end")


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
        day = _renewal_day(walk) if best == walk.rank else walk.today
        return best, end_for(walk, best, day)
    return _best_window(walk, policy.window)


def _best_window(walk: Walk, window: Calendar | Cycle) -> tuple[int, int | None]:
    waits = walk.version.policy.start.when == "next_window"
    anchors = walk.anchors()
    span = window.span(walk.today, anchors)
    best: tuple[int, float, int | None] = (-1, 0, None)
    while span is not None and span[1] > anchors.join:
        counts = span[1] if waits else span[0]  # a day of the window in which the term counts
        if walk.zone.start(counts) <= walk.at:
            rank = qualified(walk, span[1] - 1)
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


def _renewal_day(walk: Walk) -> int:
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


def lapse(walk: Walk, best: int, ends_at: int | None, cause: Cause) -> None:
    """The tier is no longer earned and its time is over: grace first, then the lapse rule."""
    policy = walk.version.policy
    held, was = walk.rank, walk.held
    rule = policy.tiers[held].lapse or policy.lapse.then
    if policy.lapse.grace is not None and walk.grace_until is None:
        last = calendar.add_period(walk.zone.day(walk.ends_at or walk.at) - 1, policy.lapse.grace)
        if policy.lapse.grace_rounding is not None:
            last = policy.lapse.grace_rounding.last_day(last, walk.today)
        until = walk.zone.start(last + 1)
        if until > walk.at:
            walk.grace_until = until
            tell_grace(walk)
            return
    if _kept_unearned(walk):
        if isinstance(term_of(walk), WhileQualified):
            _keep_unearned(walk)
            return
        renew(walk, held, end_for(walk, held, _renewal_day(walk)), "lapse_keep")
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


def settle(walk: Walk, cause: Cause) -> None:
    """Judge as at an expiry, whatever term is running: the tier becomes what is earned."""
    if walk.joined_at is None or walk.frozen:
        return
    best, ends_at = renewal(walk)
    if best < 0:
        drop(walk)
    else:
        grant(walk, best, ends_at)
    walk.show(cause)


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
    former = walk.former.rank if walk.former is not None else {}
    below = [ranks[t] for t, rank in former.items() if t in ranks and rank < former.get(tier, 0)]
    return max(below, default=-1) + 0.5
