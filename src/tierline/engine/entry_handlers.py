"""What each kind of ledger entry does to a member. One function a kind; `apply` picks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tierline.engine.assessment import judge
from tierline.engine.scheduled_changes import end_overrides
from tierline.engine.tier_terms import count_terms_anew, drop, end_for, term_of
from tierline.model.entries import Detail, Entry, Origin
from tierline.model.events import Cause
from tierline.model.standing import Pending
from tierline.rules.metric import EARNING, REVERSALS
from tierline.rules.points import spent, taken_back
from tierline.rules.term import AttributeDate

if TYPE_CHECKING:
    from tierline.engine.member_state import MemberState

_NOTHING = Detail()


def apply(walk: MemberState, entry: Entry) -> None:
    """Fold one entry into the walk; time up to its `recorded_at` has already passed."""
    detail = entry.detail or _NOTHING
    walk.entries = entry.n
    walk.cause_entry = entry.n
    walk.quiet = detail.quiet
    _count(walk, entry, detail.origin)
    _KINDS[entry.kind](walk, entry, detail)
    walk.cause_entry = None
    walk.quiet = False
    walk.due_at = walk.next_due()


def _count(walk: MemberState, entry: Entry, origin: Origin | None) -> None:
    """Add the entry to every total that it counts in, on the day where it belongs."""
    if entry.kind in REVERSALS:
        if origin is not None:
            _uncount(walk, entry, origin)
        return
    if entry.points or entry.amount or entry.kind in ("order", "custom", "earn"):
        day = walk.zone.day(entry.occurred_at)
        for key, measure in walk.tracked.items():
            walk.add_total(key, measure, day, measure.metric.brings(entry))


def _uncount(walk: MemberState, entry: Entry, origin: Origin) -> None:
    """A reversal takes from each total what its original brought there and still counts there: on
    the day on which it happened; points that were pending on the day of their activation."""
    for key, measure in walk.tracked.items():
        taken = measure.metric.takes(entry, origin)
        day, activated_at = walk.zone.day(origin.occurred_at), None
        if measure.metric.source == "earned" and not measure.metric.include_pending:
            if taken:
                taken -= _still_pending(walk, entry)  # these never counted
            activated_at = origin.available_at
            if activated_at is not None:
                day = walk.zone.day(activated_at)
        if taken and walk.counted(key, origin.n, activated_at):
            walk.add_total(key, measure, day, -taken)


def _still_pending(walk: MemberState, entry: Entry) -> int:
    """How many of a reversal's points are taken from points that are still pending."""
    origin = entry.detail.origin if entry.detail else None
    waiting = sum(p.points for p in walk.pending if origin is not None and p.entry == origin.n)
    return min(waiting, -entry.points)


def _gain(walk: MemberState, entry: Entry, detail: Detail) -> None:
    """earn, order, custom, transfer_in, adjust up: points now, or pending."""
    if entry.points > 0:
        waits = detail.available_at is not None and detail.available_at > entry.recorded_at
        if waits:
            _put_pending(walk, entry, detail)
        else:
            walk.accrue(entry.points, _expiry(walk, entry, detail, entry.occurred_at))
    judge(walk, _cause(detail))


def _put_pending(walk: MemberState, entry: Entry, detail: Detail) -> None:
    pending = Pending(
        entry=entry.n,
        available_at=detail.available_at,
        points=entry.points,
        expires_at=detail.expires_at,
        kind=entry.kind,
        name=detail.name,
        metadata=detail.metadata,
        never_expires=detail.never_expires,
    )
    walk.pending = (*walk.pending, pending)


def _expiry(walk: MemberState, entry: Entry, detail: Detail, since: int) -> int | None:
    if detail.never_expires or detail.expires_at is not None:
        return detail.expires_at
    return walk.expiry_from(walk.zone.day(since), entry.kind)


def _spend(walk: MemberState, entry: Entry, detail: Detail) -> None:
    """redeem, transfer_out, adjust down: soonest to expire first."""
    _take(walk, -entry.points)
    if entry.kind == "redeem":
        walk.spent += -entry.points
    judge(walk, _cause(detail))


def _take(walk: MemberState, points: int) -> None:
    walk.lots, missing = spent(walk.lots, points)
    walk.debt += missing


def _adjust(walk: MemberState, entry: Entry, detail: Detail) -> None:
    (_gain if entry.points > 0 else _spend)(walk, entry, detail)


def _reverse(walk: MemberState, entry: Entry, detail: Detail) -> None:
    """refund, void: what the original brought is taken back, what it took comes back."""
    origin = detail.origin
    if origin is None:
        return
    if entry.points > 0:
        # The original spent points: they return with the expiry that they had, a transfer's lot
        # by lot.
        for expires_at, points in detail.lots or ((origin.expires_at, entry.points),):
            walk.credit(points, expires_at)
        if origin.kind == "redeem":
            walk.spent -= entry.points
    elif entry.points < 0:
        left = _take_from_pending(walk, origin.n, -entry.points)
        walk.lots, missing = taken_back(walk.lots, left, origin.expires_at)
        walk.debt += missing
        if origin.kind in EARNING:
            walk.earned -= left
    judge(walk, _cause(detail))


def _take_from_pending(walk: MemberState, n: int, points: int) -> int:
    """Take back what is still pending; answers with what must come from elsewhere."""
    kept: list[Pending] = []
    for pending in walk.pending:
        taken = min(pending.points, points) if pending.entry == n else 0
        points -= taken
        if pending.points > taken:
            kept.append(replace(pending, points=pending.points - taken))
    walk.pending = tuple(kept)
    return points


def _approve(walk: MemberState, _entry: Entry, detail: Detail) -> None:
    n = detail.origin.n if detail.origin else 0
    due = [p for p in walk.pending if p.entry == n]
    walk.pending = tuple(p for p in walk.pending if p.entry != n)
    for pending in due:
        walk.accrue(pending.points, walk.lot_expiry(pending))
        walk.count_activation(pending)
    judge(walk, "activation")


def _enrol(walk: MemberState, entry: Entry, detail: Detail) -> None:
    if walk.joined_at is None:
        walk.joined_at = entry.occurred_at
    if detail.implied:
        return  # the activity that brought it judges: one move, straight into the tier reached
    if detail.tier is None or detail.tier not in walk.version.rank:
        judge(walk, "enrolment")
        return
    _bring_tier(walk, entry, detail)


def _bring_tier(walk: MemberState, entry: Entry, detail: Detail) -> None:
    """A tier held elsewhere before: it keeps its own dates where they are told."""
    rank = walk.version.rank[detail.tier or ""]
    walk.held = detail.tier
    walk.started_at = detail.tier_since if detail.tier_since is not None else entry.occurred_at
    walk.told, walk.grace_until = False, None
    if walk.waiting is not None and walk.version.rank.get(walk.waiting[0], -1) <= rank:
        walk.waiting = None
    count_terms_anew(walk)
    walk.ends_at = detail.tier_expires_at
    if walk.ends_at is None:
        walk.ends_at = end_for(walk, rank, walk.zone.day(walk.started_at))
    if walk.remembers and walk.held is not None and walk.held not in walk.reached:
        walk.reached = (*walk.reached, walk.held)
    shown, _ = walk.overridden(walk.held)
    walk.show("import", since=walk.started_at if shown == detail.tier else None)


def _leave(walk: MemberState, _entry: Entry, _detail: Detail) -> None:
    drop(walk)
    walk.overrides, walk.waiting, walk.hold_since = (), None, None
    walk.show("leaving")
    walk.joined_at = None
    walk.reached = ()
    walk.sums = {}  # a new membership counts anew; the points stay theirs
    walk.counted_since, walk.kept_from = (walk.entries, walk.at), None


def _opening(walk: MemberState, entry: Entry, detail: Detail) -> None:
    """Balances from elsewhere: lots as they were, points redeemed before, maybe a tier."""
    for expires_at, points in detail.lots:
        walk.accrue(points, expires_at)
    walk.spent += detail.spent
    rest = entry.points - sum(points for _, points in detail.lots)
    if rest > 0:
        # Nobody told how old they are: they live from their arrival here, not from the day on
        # which their owner joined.
        walk.accrue(rest, _expiry(walk, entry, detail, entry.recorded_at))
    if walk.joined_at is not None and detail.tier in walk.version.rank:
        _bring_tier(walk, entry, detail)
    else:
        judge(walk, "import")


def _attribute(walk: MemberState, _entry: Entry, detail: Detail) -> None:
    if detail.attribute is None:
        return
    known = {k: v for k, v in walk.attributes.items() if k != detail.attribute}
    if detail.value is not None:
        known[detail.attribute] = detail.value
    walk.attributes = dict(sorted(known.items()))
    walk.need_days_of(walk.version)
    term = term_of(walk)
    if isinstance(term, AttributeDate) and term.name == detail.attribute:
        _follow_attribute(walk)
    judge(walk, _cause(detail))


def _follow_attribute(walk: MemberState) -> None:
    """The attribute that ends the running term says something else now."""
    if walk.held is not None and walk.grace_until is None:
        walk.ends_at = end_for(walk, walk.rank, walk.today)


def _override(walk: MemberState, entry: Entry, detail: Detail) -> None:
    if detail.override is None:
        return
    override = replace(
        detail.override,
        id=entry.n,
        starts_at=max(detail.override.starts_at, entry.recorded_at),
    )
    walk.overrides = (*walk.overrides, override)
    if override.kind == "hold" and override.starts_at <= walk.at and walk.hold_since is None:
        walk.hold_since = walk.at
    walk.show("override")


def _release(walk: MemberState, _entry: Entry, detail: Detail) -> None:
    over = [o for o in walk.overrides if detail.released in (None, o.id)]
    end_overrides(walk, over)
    walk.show("override")


def _cause(detail: Detail) -> Cause:
    return "import" if detail.quiet else "activity"


_KINDS: dict[str, Callable[[MemberState, Entry, Detail], None]] = {
    "enrol": _enrol,
    "leave": _leave,
    "earn": _gain,
    "order": _gain,
    "custom": _gain,
    "transfer_in": _gain,
    "adjust": _adjust,
    "redeem": _spend,
    "transfer_out": _spend,
    "refund": _reverse,
    "void": _reverse,
    "approve": _approve,
    "attribute": _attribute,
    "override": _override,
    "release": _release,
    "opening": _opening,
}
