"""What time brings to a member: each kind of due, carried out at its instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tierline.engine import calendar
from tierline.engine.hold import drop, end_for, grant_now, term_of, turn_matters
from tierline.engine.judge import end_term, judge, settle
from tierline.engine.model import Override
from tierline.engine.qualify import qualified
from tierline.engine.term import WindowEnd

if TYPE_CHECKING:
    from tierline.engine.walk import Walk


def change_rules(walk: Walk) -> None:
    """A new version comes into force; what happens to members is the version's stated choice."""
    new = walk.program.version(walk.at)
    if new is walk.version:
        return
    walk.need_totals_of(new)
    walk.former, walk.version = walk.version, new
    names = {tier.name: tier.id for tier in new.policy.tiers}

    def kept(tier_id: str | None) -> str | None:
        """Tiers keep their identity by id, else by unchanged name."""
        old = walk.former.tier(tier_id) if walk.former is not None else None
        if tier_id is None or tier_id in new.rank or old is None:
            return tier_id
        return names.get(old.name, tier_id)

    walk.held, walk.tier = kept(walk.held), kept(walk.tier)
    if walk.waiting is not None:
        waiting = kept(walk.waiting[0])
        gone = waiting is None or waiting not in new.rank
        walk.waiting = None if gone or waiting is None else (waiting, walk.waiting[1])
    walk.overrides = tuple(replace(o, tier=kept(o.tier)) for o in walk.overrides)
    walk.reached = tuple(t for t in (kept(r) for r in walk.reached) if t is not None)
    lost = walk.held is not None and walk.held not in new.rank
    if walk.joined_at is not None and not walk.frozen:
        if lost or new.on_change == "rejudge":
            settle(walk, "rules")
        elif new.on_change == "up_only" and (best := qualified(walk)) > walk.rank:
            grant_now(walk, best)
    walk.show("rules")
    walk.former = None


def activate_pending(walk: Walk) -> None:
    """Pending points whose day has come can be spent, and count as earned, from now on."""
    due = [p for p in walk.pending if p.available_at is not None and p.available_at <= walk.at]
    if not due:
        return
    walk.pending = tuple(p for p in walk.pending if p not in due)
    for pending in due:
        walk.accrue(pending.points, walk.lot_expiry(pending))
        walk.count_activation(pending)
    judge(walk, "activation")


def override_edges(walk: Walk) -> None:
    """Overrides begin and end; what follows an end is said by the override itself."""
    if not walk.overrides:
        return
    over = [o for o in walk.overrides if o.until is not None and o.until <= walk.at]
    for override in over:
        end_override(walk, override)
    if not walk.frozen and any(o.kind == "hold" and o.starts_at <= walk.at for o in walk.overrides):
        walk.hold_since = walk.at
    walk.show("override")


def end_override(walk: Walk, override: Override) -> None:
    """Take an override away and do what it says should follow."""
    walk.overrides = tuple(o for o in walk.overrides if o.id != override.id)
    if override.kind == "hold":
        _thaw(walk)
    elif override.starts_at > walk.at:
        return  # released before it began
    elif override.then == "start_term":
        rank = override.asserts(walk.rank, walk.version.rank)
        if rank != walk.rank or override.kind == "pin":
            drop(walk) if rank < 0 else grant_now(walk, rank)
    elif override.kind == "pin":
        settle(walk, "override")


def _thaw(walk: Walk) -> None:
    """A hold ends: the term goes on where it stopped, and the member is judged again."""
    if walk.hold_since is None or any(
        o.kind == "hold" and o.starts_at <= walk.at for o in walk.overrides
    ):
        return
    since, walk.hold_since = walk.hold_since, None
    walk.ends_at = _later(walk, walk.ends_at, since)
    walk.grace_until = _later(walk, walk.grace_until, since)
    judge(walk, "override")


def _later(walk: Walk, end: int | None, since: int) -> int | None:
    """An end moved by the time since then: by civil days where it is the start of a day, so that
    it stays one over a change of the clocks."""
    if end is None:
        return None
    day = walk.zone.day(end)
    if walk.zone.start(day) == end:
        return walk.zone.start(day + walk.today - walk.zone.day(since))
    return end + walk.at - since


def begin_waiting(walk: Walk) -> None:
    """A tier that was waiting begins, if it is still earned; and under `next_window`, a window
    that earned the held tier again gives it the end of the window that begins."""
    policy = walk.version.policy
    waited = walk.waiting is not None and walk.waiting[1] <= walk.at
    follows = isinstance(term_of(walk), WindowEnd)
    begins = follows and policy.start.when == "next_window" and walk.turns(own=True)
    if not (waited or begins) or not _judged(walk):
        return
    wanted, closed = -1, walk.today - 1  # the last day of the window that counts
    if waited and walk.waiting is not None:
        # After a hold the instant lies back: the window that it waited for decides.
        wanted = walk.version.rank.get(walk.waiting[0], -1)
        closed = walk.zone.day(walk.waiting[1]) - 1
        walk.waiting = None
    if policy.start.when == "next_window":
        best = qualified(walk, closed)
    else:
        best = min(wanted, qualified(walk))
    if waited and policy.corrections == "protect" and policy.start.when == "next_window":
        best = max(best, wanted)
    held = walk.rank
    if waited and best > held:
        grant_now(walk, best)
        walk.show("start")
    elif follows and best == held >= 0 and walk.ends_at is not None and walk.ends_at > walk.at:
        end = end_for(walk, held, walk.today)
        walk.ends_at = max(walk.ends_at, end or 0)


def come_of_age(walk: Walk) -> None:
    """A length of membership was reached that some criterion asks for."""
    if walk.version.ages and _judged(walk) and walk.zone.start(walk.today) == walk.at:
        join = walk.anchors().join
        if any(calendar.add_period(join, age) == walk.today for age in walk.version.ages):
            judge(walk, "window_turn")


def expire_lots(walk: Walk) -> None:
    """Lots whose last day is over are gone; then balance tiers are judged again."""
    gone = sum(points for when, points in walk.lots if when is not None and when <= walk.at)
    if gone == 0:
        return
    walk.lots = tuple(lot for lot in walk.lots if lot[0] is None or lot[0] > walk.at)
    walk.expired += gone
    judge(walk, "expiry")


def turn_window(walk: Walk) -> None:
    """A qualification window closed, or an amount left it."""
    if _judged(walk) and turn_matters(walk) and walk.turns():
        judge(walk, "window_turn", turn=walk.turns(own=True))


def _judged(walk: Walk) -> bool:
    """Whether judgments happen at all: members only, and not while a hold freezes the clock."""
    return walk.joined_at is not None and not walk.frozen


# What happens first when several things are due at one instant. After Voucherify's documented
# night (https://docs.voucherify.io/build/loyalty-points, "Point and tier calculation on a new
# day"): points become active, expiring tiers are judged, then new periods, then points expire and
# balance tiers are judged again. What is ours stands where it disturbs that order least.
ORDER: tuple[tuple[str, Callable[[Walk], None]], ...] = (
    ("new rules come into force", change_rules),
    ("pending points become active, and the member is judged", activate_pending),
    ("overrides end, then begin", override_edges),
    ("a tier that was waiting begins", begin_waiting),
    ("a term, or the grace after it, ends", end_term),
    ("a window turns, and the member is judged", turn_window),
    ("points expire, and the member is judged", expire_lots),
    ("a length of membership is reached, and the member is judged", come_of_age),
)
