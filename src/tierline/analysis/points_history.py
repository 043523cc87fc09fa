"""A member's points as a statement: every change of them, what was left, and who brought it.

The statement is read off the member's whole ledger, as the decision tells it: what an activity
brought, took or gave back, and what time did (points that became active, or expired). It begins
at the last checkpoint, whose standing is the first line's ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from tierline.engine.checkpoints import last_checkpoint
from tierline.engine.decide import follow
from tierline.engine.member_state import begin
from tierline.model.entries import Entry
from tierline.model.points_event import MoveKind, PointsEvent, activity_facts
from tierline.model.standing import Standing, carried
from tierline.rules.program import Program


class PointsMove(Struct, frozen=True):
    """One change of a member's points: the event, with what its activity said."""

    number: int  # 1, 2, 3 … of those at one instant: with the instant, it names the change
    event: PointsEvent
    moved: int  # by how many the balance changed: less where some had expired by then
    entry: Entry | None  # which brought it, or whose points became active; None: time did

    @property
    def at(self) -> int:
        return self.event.at

    @property
    def kind(self) -> MoveKind:
        return cast("MoveKind", self.event.kind)  # of profiles a ledger says nothing

    @property
    def points(self) -> int:
        return self.event.points

    @property
    def waits(self) -> int:
        """By how many the pending points changed."""
        return self.event.waits

    @property
    def rule(self) -> str | None:
        """The earning rule that gave a bonus."""
        return self.event.rule


def points_history(program: Program, entries: Sequence[Entry], at: int) -> tuple[PointsMove, ...]:
    """Returns every change of a member's points until an instant, oldest first."""
    state = begin(program, Standing(), whole=True)
    events: list[PointsEvent] = []
    state.points_events, state.tells_all = events, True
    follow(state, entries, at)
    by_number = {entry.n: entry for entry in entries}
    balance = _ground(entries)
    moves: list[PointsMove] = []
    for event in events:
        same = bool(moves) and moves[-1].event.at == event.at
        entry = None if event.entry is None else by_number.get(event.entry)
        if entry is not None and event.facts is None:
            event = replace(event, facts=activity_facts(entry))  # noqa: PLW2901
        number = moves[-1].number + 1 if same else 1
        moves.append(PointsMove(number, event, event.balance - balance, entry))
        balance = event.balance
    return tuple(moves)


def _ground(entries: Sequence[Entry]) -> int:
    """The balance where the first line begins: none, or what a checkpoint noted."""
    place = last_checkpoint(entries)
    detail = None if place is None else entries[place].detail
    if detail is None or detail.standing is None:
        return 0
    noted = carried(detail.standing)
    return sum(points for _, points in noted.lots) - noted.debt
