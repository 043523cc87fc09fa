"""What each kind of ledger entry does to a member. One function a kind; `apply` picks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import fields as fields_of
from msgspec.structs import replace

from tierline.engine.assessment import assess, judge
from tierline.engine.checkpoints import resume
from tierline.engine.gains import count_gains, free_gains
from tierline.engine.member_state import MemberState
from tierline.engine.overrides import end_overrides
from tierline.engine.points_notes import tell_points
from tierline.engine.reversals import less_gone, out_of_pending, uncount, with_expired
from tierline.engine.tier_terms import anchor_from, count_terms_anew, drop, end_for, term_of
from tierline.engine.transitions import emit, show
from tierline.model.entries import Detail, Entry, Origin, Part
from tierline.model.events import Cause
from tierline.model.points_event import OF_ENTRY
from tierline.model.standing import Carried, Pending, carried
from tierline.rules.metric import EARNING, REVERSALS
from tierline.rules.points import spent, taken_back
from tierline.rules.term import AttributeDate

_NOTHING = Detail()
_LEDGERS_OWN = frozenset({"edition", "at", "entries", "seq", "totals", "due_at"})
_CARRIED = [field.name for field in fields_of(Carried) if field.name not in _LEDGERS_OWN]


def apply(state: MemberState, entry: Entry) -> None:
    """Fold one entry into the state; time up to its `recorded_at` has already passed."""
    detail = entry.detail or _NOTHING
    state.entries = entry.n
    state.cause_entry = entry.n
    state.quiet = detail.quiet
    _count(state, entry, detail.origin)
    if state.points_events is None:
        _KINDS[entry.kind](state, entry, detail)
    else:
        _apply_and_tell(state, entry, detail)
    state.cause_entry = None
    state.quiet = False


def _apply_and_tell(state: MemberState, entry: Entry, detail: Detail) -> None:
    balance, pending, tier = state.balance, state.points_pending, state.tier
    _KINDS[entry.kind](state, entry, detail)
    kind = OF_ENTRY.get(entry.kind)
    if kind is not None:
        view = state.view()
        waits = view.pending - pending
        points = -waits if kind == "points.activated" else view.balance - balance + waits
        tell_points(state, kind, points, entry.n, waits=waits, tier=tier, view=view)


def _count(state: MemberState, entry: Entry, origin: Origin | None) -> None:
    """Add the entry to every total that it counts in, on the day where it belongs."""
    if entry.kind in REVERSALS:
        if origin is not None:
            uncount(state, entry, origin)
        return
    if entry.points or entry.amount or entry.kind in ("order", "custom", "earn"):
        day = state.zone.day(entry.occurred_at)
        # Balances that were brought along were not here before they came.
        happened = entry.recorded_at if entry.kind == "opening" else entry.occurred_at
        for key, measure in state.counters.items():
            amount = measure.metric.brings(entry)
            if amount and state.admits(measure, happened):
                state.add_total(key, measure, day, amount)


def _gain(state: MemberState, entry: Entry, detail: Detail) -> None:
    """earn, order, custom, transfer_in, adjust up: points now, or pending."""
    if detail.parts:
        count_gains(state, entry, detail)
    if detail.differing:
        for part in detail.parts:
            _bring(state, entry, part, part.points)
    elif entry.points > 0:
        _bring(state, entry, detail, entry.points)
    judge(state, _cause(detail))


def _bring(state: MemberState, entry: Entry, lives: Detail | Part, points: int) -> None:
    """Points of an entry, now or pending, as it or a part of it says."""
    if lives.available_at is not None and lives.available_at > entry.recorded_at:
        _put_pending(state, entry, lives, points)
    else:
        state.accrue(points, _expiry(state, entry, lives, entry.occurred_at))


def _put_pending(state: MemberState, entry: Entry, lives: Detail | Part, points: int) -> None:
    detail = entry.detail or _NOTHING
    pending = Pending(
        entry=entry.n,
        available_at=lives.available_at,
        points=points,
        expires_at=lives.expires_at,
        kind=entry.kind,
        name=detail.name,
        metadata=detail.metadata,
        never_expires=lives.never_expires,
        occurred_at=entry.occurred_at,
    )
    state.pending = (*state.pending, pending)


def _expiry(state: MemberState, entry: Entry, lives: Detail | Part, since: int) -> int | None:
    if lives.never_expires or lives.expires_at is not None:
        return lives.expires_at
    return state.expiry_from(state.zone.day(since), entry.kind)


def _spend(state: MemberState, entry: Entry, detail: Detail) -> None:
    """redeem, transfer_out, adjust down: soonest to expire first."""
    state.take(*spent(state.lots, -entry.points))
    if entry.kind == "redeem":
        state.spent += -entry.points
    judge(state, _cause(detail))


def _adjust(state: MemberState, entry: Entry, detail: Detail) -> None:
    (_gain if entry.points > 0 else _spend)(state, entry, detail)


def _reverse(state: MemberState, entry: Entry, detail: Detail) -> None:
    """refund, void: what the original brought is taken back, what it took comes back."""
    origin = detail.origin
    if origin is None:
        return
    if entry.points > 0:
        # The original spent points: they return with the expiry that they had, a transfer's lot
        # by lot.
        for expires_at, points in detail.lots or ((origin.expires_at, entry.points),):
            rest = state.credit(points, expires_at)
            if state.tracer is not None and rest:
                state.tracer.owners.give_back(origin.n, expires_at, rest, state.at)
        if origin.kind == "redeem":
            state.spent -= entry.points
    elif entry.points < 0:
        if state.foresees and state.tracer is not None:
            # History is played again: what had expired is not what it was when this was recorded.
            origin = with_expired(origin, state.tracer.owners.expired.get(origin.n, {}))
        lots = out_of_pending(state, entry, detail, origin)
        left = sum(points for _, points in lots)
        if origin.kind in EARNING:
            state.earned -= left
        takes = less_gone(lots, origin, state.at)
        if state.tracer is not None:
            for (end, points), (_, there) in zip(lots, takes, strict=True):
                lot = end if len(lots) > 1 or origin.parts else None
                state.tracer.owners.take_back(origin.n, lot, points - there)
        for expires_at, points in takes:
            lots, debt = taken_back(state.lots, points, expires_at)
            state.take(lots, debt, origin.n)
    state.spent -= detail.spent
    if detail.exchange:
        free_gains(state, entry, detail)
    else:  # of an exchange the entry that takes the other's place is judged
        judge(state, _cause(detail))


def _approve(state: MemberState, _entry: Entry, detail: Detail) -> None:
    n = detail.origin.n if detail.origin else 0
    due = [p for p in state.pending if p.entry == n]
    state.pending = tuple(p for p in state.pending if p.entry != n)
    for pending in due:
        state.accrue(pending.points, state.lot_expiry(pending), pending.entry)
        state.count_activation(pending)
    judge(state, "activation")


def _enrol(state: MemberState, entry: Entry, detail: Detail) -> None:
    if state.joined_at is None:
        state.joined_at = entry.occurred_at
        if state.left_at is not None:
            _count_anew(state)  # what came in between was nobody's membership
        state.occur("joining")
    if detail.implied:
        # As if the enrolment had come a moment before the activity that brought it; but the world
        # sees one move, straight into the tier reached, when that activity is judged.
        if not state.frozen:
            assess(state, "enrolment")
        return
    if detail.tier is None or detail.tier not in state.version.rank:
        judge(state, "enrolment")
        return
    _bring_tier(state, entry, detail)


def _bring_tier(state: MemberState, entry: Entry, detail: Detail) -> None:
    """A tier held elsewhere before: it keeps its own dates where they are told."""
    rank = state.version.rank[detail.tier or ""]
    state.held = detail.tier
    state.started_at = detail.tier_since if detail.tier_since is not None else entry.occurred_at
    state.grace_announced, state.grace_until = False, None
    if state.waiting is not None and state.version.rank.get(state.waiting[0], -1) <= rank:
        state.waiting = None
    count_terms_anew(state)
    start = state.zone.day(state.started_at)
    state.ends_at = detail.tier_expires_at
    if state.ends_at is None:
        state.ends_at = end_for(state, rank, start)
    state.term_anchor = anchor_from(state, rank, start, state.ends_at)
    if state.remembers and state.held is not None and state.held not in state.reached:
        state.reached = (*state.reached, state.held)
    tier, _ = state.overridden(state.held)
    show(state, "import", since=state.started_at if tier == detail.tier else None)


def _leave(state: MemberState, _entry: Entry, _detail: Detail) -> None:
    drop(state)
    state.overrides, state.waiting, state.hold_since = (), None, None
    show(state, "leaving")
    state.joined_at = None
    state.reached = ()
    state.left_at = state.at
    _count_anew(state)


def _count_anew(state: MemberState) -> None:
    """A new membership counts from nothing; the points stay theirs."""
    state.sums = {}
    state.membership_boundary, state.totals_from = (state.entries, state.at), None


def _opening(state: MemberState, entry: Entry, detail: Detail) -> None:
    """Balances from elsewhere: lots as they were, points redeemed before, maybe a tier; or all of
    a standing. Fewer points than none are a debt."""
    if detail.standing is not None:
        _restore(state, entry, detail.standing)
        return
    for expires_at, points in detail.lots:
        state.accrue(points, expires_at)
    state.spent += detail.spent
    rest = entry.points - sum(points for _, points in detail.lots)
    if rest > 0:
        # Nobody told how old they are: they live from their arrival here, not from the day on
        # which their owner joined.
        state.accrue(rest, _expiry(state, entry, detail, entry.recorded_at))
    elif rest < 0:
        state.take(*spent(state.lots, -rest))
    if state.joined_at is not None and detail.tier in state.version.rank:
        _bring_tier(state, entry, detail)
    else:
        judge(state, "import")


def _restore(state: MemberState, entry: Entry, fields: dict[str, Any]) -> None:
    """A standing as another installation held it, in every field but this ledger's own numbers."""
    before, standing = state.tier, carried(fields)
    state.lots, state.debt = (), 0
    for expires_at, points in standing.lots:
        state.accrue(points, expires_at)
    for name in _CARRIED:
        setattr(state, name, getattr(standing, name))
    state.sums = {key: dict(buckets) for key, buckets in standing.totals.items()}
    state.seq = max(state.seq, standing.seq)
    if standing.entries != entry.n - 1:
        _number_anew(state, entry.n)
    emit(state, before, state.tier, "import")


def _number_anew(state: MemberState, n: int) -> None:
    """The entries that a standing speaks of did not come with it: this one stands for them."""
    state.pending = tuple(replace(pending, entry=n) for pending in state.pending)
    first = -len(state.overrides)  # below every number to come, in the same order
    state.overrides = tuple(replace(o, id=first + i) for i, o in enumerate(state.overrides))
    if state.membership_boundary is not None:
        state.membership_boundary = (n, state.membership_boundary[1])
    if state.term_boundary is not None:
        state.term_boundary = (n, state.term_boundary[1])


def _attribute(state: MemberState, _entry: Entry, detail: Detail) -> None:
    if detail.attribute is None:
        return
    attributes = {k: v for k, v in state.attributes.items() if k != detail.attribute}
    if detail.value is not None:
        attributes[detail.attribute] = detail.value
    former, state.attributes = state.attributes, dict(sorted(attributes.items()))
    if former.get(detail.attribute) != detail.value:
        state.occur("attribute", detail.attribute, detail.value)
    state.need_days_of(state.version)
    term = term_of(state)
    if isinstance(term, AttributeDate) and term.name == detail.attribute:
        _follow_attribute(state)
    judge(state, _cause(detail))


def _follow_attribute(state: MemberState) -> None:
    """The attribute that ends the running term says something else now."""
    if state.held is not None and state.grace_until is None:
        state.ends_at = end_for(state, state.rank, state.today)


def _override(state: MemberState, entry: Entry, detail: Detail) -> None:
    if detail.override is None:
        return
    override = replace(
        detail.override,
        id=entry.n,
        starts_at=max(detail.override.starts_at, entry.recorded_at),
    )
    state.overrides = (*state.overrides, override)
    if override.kind == "hold" and override.starts_at <= state.at and state.hold_since is None:
        state.hold_since = state.at
    show(state, "override")


def _release(state: MemberState, _entry: Entry, detail: Detail) -> None:
    over = [o for o in state.overrides if detail.released in (None, o.id)]
    end_overrides(state, over)
    show(state, "override")


def _cause(detail: Detail) -> Cause:
    return "import" if detail.quiet else "activity"


def _checkpoint(state: MemberState, entry: Entry, _detail: Detail) -> None:
    """The state stands as it says; where another installation's ledger is read, from now on. The
    rules are read as they are today."""
    resume(state, entry)


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
    "checkpoint": _checkpoint,
}
