"""Overrides: how they begin, how they end, and what each leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

from tierline.engine.assessment import catch_up, hold_what_is_earned, judge, settle
from tierline.engine.member_state import MemberState
from tierline.engine.tier_terms import drop, grant_now
from tierline.engine.transitions import show
from tierline.model.entries import Override


def override_edges(state: MemberState) -> None:
    """Overrides begin and end; what follows an end is said by the override itself."""
    if not state.overrides:
        return
    over = [o for o in state.overrides if o.until is not None and o.until <= state.at]
    if over:
        end_overrides(state, over)
    show(state, "override")
    # A hold freezes what the world sees after everything else that ends or begins with it.
    if not state.frozen and any(
        o.kind == "hold" and o.starts_at <= state.at for o in state.overrides
    ):
        state.hold_since = state.at


def end_overrides(state: MemberState, over: Sequence[Override]) -> None:
    """Take overrides away, all together, and do what each says should follow. Where a hold ends,
    the member is judged, unless another override that ends with it decides."""
    state.overrides = tuple(o for o in state.overrides if o not in over)
    since = state.hold_since
    thawed = _thaw(state)
    begun = [o for o in over if o.kind != "hold" and o.starts_at <= state.at]
    decided = [_follow(state, override) for override in begun]
    if not thawed or any(decided):
        return
    if state.held is not None and state.rank < 0:
        settle(state, "rules")  # meanwhile the rules took the tier away
    else:
        catch_up(state, state.at if since is None else since)
        judge(state, "override")


def _follow(state: MemberState, override: Override) -> bool:
    """What an override leaves behind; whether that decided about the tier. Nobody sees it before
    all that end together have followed."""
    ranks = state.version.rank
    in_force = override.tier is None or override.tier in ranks
    if override.then == "start_term" and in_force:
        rank = override.asserts(state.rank, ranks)
        if rank == state.rank and override.kind != "pin":
            return False
        drop(state) if rank < 0 else grant_now(state, rank)
    elif override.kind == "pin":
        hold_what_is_earned(state)
    else:
        return False
    return True


def _thaw(state: MemberState) -> bool:
    """The clock goes on if no hold is left: the term goes on where it stopped."""
    if state.hold_since is None or any(
        o.kind == "hold" and o.starts_at <= state.at for o in state.overrides
    ):
        return False
    since, state.hold_since = state.hold_since, None
    in_a_row = state.term_anchor is not None and state.term_anchor[2] == state.ends_at
    state.ends_at = _later(state, state.ends_at, since)
    state.grace_until = _later(state, state.grace_until, since)
    if in_a_row and state.term_anchor is not None and state.ends_at is not None:
        first, terms, _ = state.term_anchor
        shift = state.today - state.zone.day(since)
        state.term_anchor = first + shift, terms, state.ends_at
    return True


def _later(state: MemberState, end: int | None, since: int) -> int | None:
    """An end moved by the time since then: by civil days where it is the start of a day, so that
    it stays one over a change of the clocks."""
    if end is None:
        return None
    day = state.zone.day(end)
    if state.zone.start(day) == end:
        return state.zone.start(day + state.today - state.zone.day(since))
    return end + state.at - since
