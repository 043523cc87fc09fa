"""A member's points as a statement: every change of them, what was left, and who brought it.

The statement is read off the member's whole ledger, as the decision tells it: what an activity
brought, took or gave back, and what time did (points that became active, or expired). It begins
at the last checkpoint, whose standing is the first line's ground.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct

from tierline.engine.checkpoints import last_checkpoint
from tierline.engine.decide import follow
from tierline.engine.member_state import begin
from tierline.engine.tracer import Tracer
from tierline.model.entries import Entry
from tierline.model.points_event import PointsEvent, PointsKind
from tierline.model.standing import Standing, carried
from tierline.rules.program import Program


class PointsMove(Struct, frozen=True):
    """One change of a member's points. `balance`, `pending` and `total` are right after it; `total`
    is all that was ever added less what was taken back by hand. `tier`: the one that they were in.
    """

    number: int  # 1, 2, 3 … of those at one instant: with the instant, it names the change
    kind: PointsKind
    at: int
    points: int  # signed; of pending points that became active, how many did
    moved: int  # by how many the balance changed: less where some had expired by then
    waits: int  # by how many the pending points changed
    balance: int
    pending: int
    total: int
    tier: str | None
    entry: Entry | None  # which brought it, or whose points became active; None: time did
    rule: str | None  # the earning rule that gave a bonus


def points_history(program: Program, entries: Sequence[Entry], at: int) -> tuple[PointsMove, ...]:
    """Returns every change of a member's points until an instant, oldest first."""
    state = begin(program, Standing(), whole=True, tracer=Tracer())
    events: list[PointsEvent] = []
    state.points_events, state.tells_all = events, True
    follow(state, entries, at)
    ground = _ground(entries)
    by_number = {entry.n: entry for entry in entries}
    tiers = _Tiers(state.tracer or Tracer())
    gone = ground.spent + ground.expired
    balance, pending = ground.balance, ground.points_pending
    moves: list[PointsMove] = []
    for event in events:
        moved, waits = event.balance - balance, event.pending - pending
        if event.kind in ("points.spent", "points.expired"):
            gone -= event.points
        elif event.kind == "points.activated":
            gone += event.points - moved
        same = bool(moves) and moves[-1].at == event.at
        moves.append(
            PointsMove(
                number=moves[-1].number + 1 if same else 1,
                kind=event.kind,
                at=event.at,
                points=event.points,
                moved=moved,
                waits=waits,
                balance=event.balance,
                pending=event.pending,
                total=event.balance + gone,
                tier=tiers.before(event),
                entry=None if event.entry is None else by_number.get(event.entry),
                rule=event.rule,
            )
        )
        balance, pending = event.balance, event.pending
    return tuple(moves)


def _ground(entries: Sequence[Entry]) -> Standing:
    """Where the first line begins: nothing, or what a checkpoint noted."""
    place = last_checkpoint(entries)
    detail = None if place is None else entries[place].detail
    if detail is None or detail.standing is None:
        return Standing()
    noted = carried(detail.standing)
    return Standing(
        spent=noted.spent,
        expired=noted.expired,
        lots=noted.lots,
        debt=noted.debt,
        pending=noted.pending,
    )


class _Tiers:
    """Which tier a member was in when something happened to their points: one instant's points
    come before the move that they bring."""

    def __init__(self, tracer: Tracer) -> None:
        self._moves = [(move.event.at, move.event.entry or 0) for move in tracer.moves]
        self._tiers = [move.event.tier_to for move in tracer.moves]

    def before(self, event: PointsEvent) -> str | None:
        place = bisect_left(self._moves, (event.at, event.entry or 0))
        return self._tiers[place - 1] if place else None
