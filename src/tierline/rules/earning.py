"""What an activity earns: the program's rule for orders, tier multipliers, pending days.

Computed once, when the entry is made; the ledger keeps the numbers, so that a fold of it never
depends on what multiplied them.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tierline.model.entries import Detail, Entry
from tierline.rules.ladder import Earning
from tierline.rules.points import multiplied
from tierline.rules.program import Program, Version

Reached = Callable[[Entry], str | None]  # the tier that the world sees right after an entry


def points_for(
    program: Program, tier: str | None, draft: Entry, reached: Reached, *, points_given: bool
) -> Entry:
    """The entry as the ledger keeps it: its points, and when they become active.

    `points_given`: the caller said how many points. Where not, an order's are computed. `tier` is
    the one that the world sees before the entry; `reached` decides the entry on trial.
    """
    version = program.version(draft.recorded_at)
    rules = version.rules.points
    if draft.kind == "order" and not points_given and rules.orders is not None and draft.amount > 0:
        draft = replace(draft, points=_earned(version, tier, draft, reached))
    if rules.pending_days and draft.points > 0 and draft.kind in ("earn", "order", "custom"):
        detail = draft.detail or Detail()
        if detail.available_at is None:
            day = program.zone.day(draft.occurred_at) + rules.pending_days
            detail = replace(detail, available_at=program.zone.start(day))
            draft = replace(draft, detail=detail)
    return draft


def lot_expiry(program: Program, entry: Entry) -> int | None:
    """When the points that an entry brought expire; None: never."""
    detail = entry.detail
    if detail is not None and (detail.never_expires or detail.expires_at is not None):
        return detail.expires_at
    expiry = program.version(entry.recorded_at).rules.points.expiry_of(entry.kind)
    start = entry.occurred_at
    if detail is not None and detail.available_at is not None:
        start = max(start, detail.available_at)
    last = expiry.last_day(program.zone.day(start))
    return None if last is None else program.zone.start(last + 1)


def _earned(version: Version, tier: str | None, draft: Entry, reached: Reached) -> int:
    points = version.rules.points
    plain = points.earned_by_order(draft.amount, None)
    before = multiplied(plain, _earning(version, tier))
    if points.crossing == "before" or all(t.earning is None for t in version.rules.policy.tiers):
        return before
    after = reached(replace(draft, points=before))
    if _rank(version, after) <= _rank(version, tier):
        return before
    if points.crossing == "after":
        return multiplied(plain, _earning(version, after))
    return _split(version, tier, draft, reached)


def _split(version: Version, tier: str | None, draft: Entry, reached: Reached) -> int:
    """The part below each threshold at its own tier's rate.

    Where a threshold lies is asked of the engine: the smallest amount that reaches a higher tier.
    """
    rules = version.rules.points
    total = done = 0  # points and amount of the tiers already passed
    while True:
        counted, earning, rank = (
            rules.earned_by_order(done, None),
            _earning(version, tier),
            _rank(version, tier),
        )

        def trial(amount: int) -> tuple[int, str | None]:
            rest = rules.earned_by_order(amount, None) - counted  # noqa: B023
            points = total + multiplied(rest, earning)  # noqa: B023
            return points, reached(replace(draft, amount=amount, points=points))

        points, above = trial(draft.amount)
        if _rank(version, above) <= rank:
            return points
        low, high = done, draft.amount
        while high - low > 1:
            middle = (low + high) // 2
            if _rank(version, trial(middle)[1]) > rank:
                high = middle
            else:
                low = middle
        (total, tier), done = trial(high), high
        if done == draft.amount:
            return total


def _earning(version: Version, tier: str | None) -> Earning | None:
    held = version.tier(tier)
    return None if held is None else held.earning


def _rank(version: Version, tier: str | None) -> int:
    return -1 if tier is None else version.rank.get(tier, -1)
