"""What time brings to a member: each kind of due, carried out at its instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tierline.engine.assessment import end_term, hold_what_is_earned, judge, settle
from tierline.engine.qualification import qualified
from tierline.engine.tier_terms import (
    drop,
    extended,
    grant,
    grant_now,
    renewal,
    term_of,
    turn_matters,
)
from tierline.model import calendar
from tierline.model.entries import Override
from tierline.rules.program import Version, successors
from tierline.rules.term import WindowEnd

if TYPE_CHECKING:
    from tierline.engine.member_state import MemberState


def change_rules(walk: MemberState) -> None:
    """A new version comes into force; what happens to members is the version's stated choice."""
    new = walk.program.version(walk.at)
    if new is walk.version:
        return
    walk.need_totals_of(new)
    former = walk.version
    moved = successors(former, new)
    walk.version = new

    def kept(tier_id: str | None) -> str | None:
        return None if tier_id is None else moved.get(tier_id, tier_id)

    walk.held, walk.tier = kept(walk.held), kept(walk.tier)
    if walk.waiting is not None:
        waits = moved.get(walk.waiting[0])
        walk.waiting = None if waits is None else (waits, walk.waiting[1])
    walk.overrides = tuple(replace(o, tier=kept(o.tier)) for o in walk.overrides)
    walk.reached = tuple(moved[tier] for tier in walk.reached if tier in moved)
    lost = walk.held is not None and walk.held not in new.rank
    if walk.joined_at is not None and not walk.frozen:
        if lost or new.on_change == "rejudge":
            settle(walk, "rules")
        elif new.on_change == "up_only":
            _refresh(walk, former, moved)
    walk.show("rules")


def _refresh(walk: MemberState, former: Version, moved: dict[str, str]) -> None:
    """Upward only: who qualifies for a higher tier rises. Who still qualifies for the held one
    gets, from now, the end that the new rules give, where these count terms in another way (V 3.8:
    it may come earlier or later). Who qualifies for less keeps tier and end."""
    best = qualified(walk)
    if best > walk.rank:
        grant_now(walk, best)
    elif best == walk.rank >= 0 and walk.version.dates_unlike(former, moved, best):
        best, ends_at = renewal(walk, fresh=True)
        if best == walk.rank:
            grant(walk, best, ends_at)


def activate_pending(walk: MemberState) -> None:
    """Pending points whose day has come can be spent, and count as earned, from now on."""
    due = [p for p in walk.pending if p.available_at is not None and p.available_at <= walk.at]
    if not due:
        return
    walk.pending = tuple(p for p in walk.pending if p not in due)
    for pending in due:
        walk.accrue(pending.points, walk.lot_expiry(pending))
        walk.count_activation(pending)
    judge(walk, "activation")


def override_edges(walk: MemberState) -> None:
    """Overrides begin and end; what follows an end is said by the override itself."""
    if not walk.overrides:
        return
    over = [o for o in walk.overrides if o.until is not None and o.until <= walk.at]
    if over:
        end_overrides(walk, over)
    walk.show("override")
    # A hold freezes what the world sees after everything else that ends or begins with it.
    if not walk.frozen and any(o.kind == "hold" and o.starts_at <= walk.at for o in walk.overrides):
        walk.hold_since = walk.at


def end_overrides(walk: MemberState, over: Sequence[Override]) -> None:
    """Take overrides away, all together, and do what each says should follow. Where a hold ends,
    the member is judged, unless another override that ends with it decides."""
    walk.overrides = tuple(o for o in walk.overrides if o not in over)
    thawed = _thaw(walk)
    begun = [o for o in over if o.kind != "hold" and o.starts_at <= walk.at]
    decided = [_follow(walk, override) for override in begun]
    if not thawed or any(decided):
        return
    if walk.held is not None and walk.rank < 0:
        settle(walk, "rules")  # meanwhile the rules took the tier away
    else:
        judge(walk, "override")


def _follow(walk: MemberState, override: Override) -> bool:
    """What an override leaves behind; whether that decided about the tier. Nobody sees it before
    all that end together have followed."""
    ranks = walk.version.rank
    known = override.tier is None or override.tier in ranks
    if override.then == "start_term" and known:
        rank = override.asserts(walk.rank, ranks)
        if rank == walk.rank and override.kind != "pin":
            return False
        drop(walk) if rank < 0 else grant_now(walk, rank)
    elif override.kind == "pin":
        hold_what_is_earned(walk)
    else:
        return False
    return True


def _thaw(walk: MemberState) -> bool:
    """The clock goes on if no hold is left: the term goes on where it stopped."""
    if walk.hold_since is None or any(
        o.kind == "hold" and o.starts_at <= walk.at for o in walk.overrides
    ):
        return False
    since, walk.hold_since = walk.hold_since, None
    walk.ends_at = _later(walk, walk.ends_at, since)
    walk.grace_until = _later(walk, walk.grace_until, since)
    return True


def _later(walk: MemberState, end: int | None, since: int) -> int | None:
    """An end moved by the time since then: by civil days where it is the start of a day, so that
    it stays one over a change of the clocks."""
    if end is None:
        return None
    day = walk.zone.day(end)
    if walk.zone.start(day) == end:
        return walk.zone.start(day + walk.today - walk.zone.day(since))
    return end + walk.at - since


def begin_waiting(walk: MemberState) -> None:
    """A tier that was waiting begins, if it is still earned; and under `next_window`, a window
    that earned the held tier again gives it the end of the window that begins."""
    policy = walk.version.policy
    waited = walk.waiting is not None and walk.waiting[1] <= walk.at
    follows = policy.start.when == "next_window" and isinstance(term_of(walk), WindowEnd)
    begins = follows and walk.turns(own=True)
    if not (waited or begins) or not _judged(walk):
        return
    wanted, turned = -1, walk.at
    if waited and walk.waiting is not None:
        # After a hold the instant lies back: the window that it waited for decides.
        wanted = walk.version.rank.get(walk.waiting[0], -1)
        turned = walk.waiting[1]
        walk.waiting = None
    if policy.start.when == "next_window":
        best = qualified(walk, walk.zone.day(turned - 1))
    else:
        best = min(wanted, qualified(walk))
    if waited and policy.corrections == "protect" and policy.start.when == "next_window":
        best = max(best, wanted)
    held = walk.rank
    if waited and best > held:
        grant_now(walk, best)
        walk.show("start")
    elif follows and best == held >= 0 and walk.ends_at is not None and walk.ends_at > walk.at:
        walk.ends_at = max(walk.ends_at, extended(walk) or 0)


def come_of_age(walk: MemberState) -> None:
    """A length of membership was reached that some criterion asks for."""
    if not walk.version.ages or walk.overdue or not _judged(walk):
        return
    if walk.zone.start(walk.today) == walk.at:
        join = walk.anchors().join
        days = (calendar.add_period(join, age) for age in walk.version.ages)
        if any(walk.zone.start(day) == walk.at for day in days):  # a day that never was: the next
            judge(walk, "window_turn")


def expire_lots(walk: MemberState) -> None:
    """Lots whose last day is over are gone; then balance tiers are judged again."""
    gone = sum(points for when, points in walk.lots if when is not None and when <= walk.at)
    if gone == 0:
        return
    walk.lots = tuple(lot for lot in walk.lots if lot[0] is None or lot[0] > walk.at)
    walk.expired += gone
    judge(walk, "expiry")


def turn_window(walk: MemberState) -> None:
    """A qualification window closed, or an amount left it."""
    if _judged(walk) and turn_matters(walk) and walk.turns():
        judge(walk, "window_turn", turn=walk.turns(own=True))


def _judged(walk: MemberState) -> bool:
    """Whether judgments happen at all: members only, and not while a hold freezes the clock."""
    return walk.joined_at is not None and not walk.frozen


# What happens first when several things are due at one instant. After Voucherify's documented
# night (https://docs.voucherify.io/build/loyalty-points, "Point and tier calculation on a new
# day"): points become active, expiring tiers are judged, then new periods, then points expire and
# balance tiers are judged again. What is ours stands where it disturbs that order least.
ORDER: tuple[tuple[str, Callable[[MemberState], None]], ...] = (
    ("new rules come into force", change_rules),
    ("pending points become active, and the member is judged", activate_pending),
    ("overrides end, then begin", override_edges),
    ("a tier that was waiting begins", begin_waiting),
    ("a term, or the grace after it, ends", end_term),
    ("a window turns, and the member is judged", turn_window),
    ("points expire, and the member is judged", expire_lots),
    ("a length of membership is reached, and the member is judged", come_of_age),
)
