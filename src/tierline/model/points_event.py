"""Points events: what happened to a member's points, for endpoints that ask for it."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

from msgspec import Struct

PointsKind = Literal[
    "points.earned",
    "points.activated",
    "points.spent",
    "points.expired",
    "points.reversed",
    "points.transferred",
    "points.adjusted",
]
# Which entry brings which; what an entry kind that is missing here does to points is no news.
OF_ENTRY: dict[str, PointsKind] = {
    "earn": "points.earned",
    "order": "points.earned",
    "custom": "points.earned",
    "approve": "points.activated",
    "redeem": "points.spent",
    "refund": "points.reversed",
    "void": "points.reversed",
    "transfer_in": "points.transferred",
    "transfer_out": "points.transferred",
    "adjust": "points.adjusted",
    "opening": "points.adjusted",
}


class PointsEvent(Struct, frozen=True, gc=False, omit_defaults=True):
    """`points` is signed; `balance` and `pending` are the member's right after it. `entry`: the
    entry that brought it, or whose points became active; None: time did. `rule`: the earning rule
    that gave a bonus."""

    kind: PointsKind
    at: int
    points: int
    balance: int
    pending: int
    entry: int | None = None
    rule: str | None = None
    key: str | None = None  # of the activity


_KINDS = frozenset(get_args(PointsKind))


def is_points_kind(kind: str) -> TypeGuard[PointsKind]:
    """Whether a kind of event is about points."""
    return kind in _KINDS
