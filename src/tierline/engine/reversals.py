"""What a refund or a void takes back: from totals, from pending points, part by part."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from tierline.engine.member_state import MemberState
from tierline.model.entries import Detail, Entry, Origin, Part
from tierline.model.standing import Pending


def uncount(state: MemberState, entry: Entry, origin: Origin) -> None:
    """A reversal takes from each total what its original brought there and still counts there: on
    the day on which it happened; points that were pending on the day of their activation."""
    for key, measure in state.counters.items():
        metric = measure.metric
        if metric.source != "earned" or metric.include_pending:
            _uncount_part(state, key, metric.takes(entry, origin), origin, None)
        elif not origin.parts:
            taken = metric.takes(entry, origin)
            if taken:
                taken -= _still_pending(state, origin.n, None, -entry.points)  # these never counted
            _uncount_part(state, key, taken, origin, origin.available_at)
        elif metric.takes(entry, origin):
            for part in origin.parts:
                taken = part.points - _still_pending(state, origin.n, part, part.points)
                _uncount_part(state, key, taken, origin, part.available_at)


def _uncount_part(
    state: MemberState, key: str, taken: int, origin: Origin, activated_at: int | None
) -> None:
    measure = state.counters[key]
    admitted = state.admits(measure, origin.occurred_at)
    counted_at = origin.occurred_at if activated_at is None else activated_at
    activated = activated_at is not None
    if taken and admitted and state.counts(key, origin.n, counted_at, activated=activated):
        state.add_total(key, measure, state.zone.day(counted_at), -taken)


def _still_pending(state: MemberState, n: int, part: Part | None, points: int) -> int:
    """How many of a reversal's points are taken from points that are still pending."""
    waiting = sum(p.points for p in state.pending if _is_of(p, n, part))
    return min(waiting, points)


def out_of_pending(
    state: MemberState, entry: Entry, detail: Detail, origin: Origin
) -> tuple[tuple[int | None, int], ...]:
    """Takes back what is still pending; returns by expiry what must come from elsewhere."""
    if origin.parts:
        takes = [(p, _take_from_pending(state, origin.n, p, p.points)) for p in origin.parts]
        return tuple((part.expires_at, left) for part, left in takes)
    left = _take_from_pending(state, origin.n, None, -entry.points)
    return detail.lots or ((origin.expires_at, left),)


def with_expired(origin: Origin, expired: Mapping[int | None, int]) -> Origin:
    """The origin with how many of its points have left by expiry, given by the instant of it; where
    parts live differently, how many of what is taken of each."""
    if not origin.parts:
        return replace(origin, expired=sum(expired.values()))
    rest, gone = dict(expired), []
    for part in origin.parts:
        gone.append(min(part.points, rest.get(part.expires_at, 0)))
        rest[part.expires_at] = rest.get(part.expires_at, 0) - gone[-1]
    return replace(origin, expired=sum(gone), expired_of_parts=tuple(gone) if any(gone) else ())


def less_gone(
    lots: tuple[tuple[int | None, int], ...], origin: Origin, at: int
) -> tuple[tuple[int | None, int], ...]:
    """Returns lots to take from, as `out_of_pending` has them, without what has left by expiry."""
    if origin.expired_of_parts:
        each = zip(lots, origin.expired_of_parts, strict=True)
        return tuple((end, points - min(points, expired)) for (end, points), expired in each)
    whole = len(lots) == 1 and not origin.parts
    expired = min(sum(points for _, points in lots), origin.expired)
    return less_expired(lots, expired, None if whole else at)


def less_expired(
    lots: tuple[tuple[int | None, int], ...], expired: int, at: int | None
) -> tuple[tuple[int | None, int], ...]:
    """Returns lots to take from without the points of them that have left already: those whose last
    day is over by an instant; None: any of them."""
    rest = list[tuple[int | None, int]]()
    for end, points in lots:
        gone = min(points, expired) if at is None or (end is not None and end <= at) else 0
        expired -= gone
        rest.append((end, points - gone))
    return tuple(rest)


def _take_from_pending(state: MemberState, n: int, part: Part | None, points: int) -> int:
    """Takes back what is still pending; returns what must come from elsewhere."""
    rest: list[Pending] = []
    for pending in state.pending:
        taken = min(pending.points, points) if _is_of(pending, n, part) else 0
        points -= taken
        if pending.points > taken:
            rest.append(replace(pending, points=pending.points - taken))
    state.pending = tuple(rest)
    return points


def _is_of(pending: Pending, n: int, part: Part | None) -> bool:
    """Whether pending points are an entry's, or those of one of its parts."""
    return pending.entry == n and (part is None or pending.available_at == part.available_at)
