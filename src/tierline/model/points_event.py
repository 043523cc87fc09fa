"""Points events: what happened to a member's points, for endpoints that ask for it."""

from __future__ import annotations

from typing import Final, Literal, TypeGuard, get_args

from msgspec import Struct

from tierline.model.entries import Entry
from tierline.model.view import View

MoveKind = Literal[
    "points.earned",
    "points.activated",
    "points.spent",
    "points.expired",
    "points.reversed",
    "points.transferred",
    "points.adjusted",
]
# Or a profile changed, which is told beside points to whoever shows customers whole.
PROFILE_CHANGED: Final = "customer.updated"
PointsKind = Literal[MoveKind, "customer.updated"]
# Which entry brings which; what an entry kind that is missing here does to points is no news.
OF_ENTRY: dict[str, MoveKind] = {
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


class ActivityFacts(Struct, frozen=True, gc=False, omit_defaults=True):
    """What an activity said, as far as whoever hears of its points may ask. `rules`: which earning
    rules gave how many."""

    kind: str
    name: str | None = None
    reason: str | None = None
    order: str | None = None
    counterpart: str | None = None  # of a transfer: the other customer
    rules: tuple[tuple[str, int], ...] = ()


def activity_facts(entry: Entry) -> ActivityFacts:
    """Returns what an entry said."""
    detail = entry.detail
    if detail is None:
        return ActivityFacts(entry.kind)
    rules = tuple([(part.rule, part.points) for part in detail.parts])
    order = detail.order
    return ActivityFacts(entry.kind, detail.name, detail.reason, order, detail.counterpart, rules)


class PointsEvent(Struct, frozen=True, gc=False, omit_defaults=True):
    """`points` is signed; `balance`, `pending`, `total`, `joined_at` and `attributes` are the
    member's right after it. `entry`: the entry that brought it, or whose points became active;
    None: time did. `rule`: the earning rule that gave a bonus. `twin` tells events apart that are
    equal in instant, kind, entry and rule."""

    kind: PointsKind
    at: int
    points: int
    balance: int
    pending: int
    entry: int | None = None
    rule: str | None = None
    key: str | None = None  # of the activity
    waits: int = 0  # by how many the pending points changed
    total: int = 0  # all that was ever added, less what was taken back by hand
    tier: str | None = None  # that the member was in
    joined_at: int | None = None
    attributes: dict[str, str | int | bool] = {}
    twin: int = 0
    version: int = 0  # of the rules that were in force; 0: not noted
    facts: ActivityFacts | None = None  # of the activity that brought it
    view: View | None = None  # the member right after it; older events have none


_KINDS = frozenset(get_args(PointsKind))


def is_points_kind(kind: str) -> TypeGuard[PointsKind]:
    """Whether a kind of event is about points."""
    return kind in _KINDS
