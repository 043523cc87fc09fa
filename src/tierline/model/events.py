"""Events: the changes of a membership, and the decision that brings them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tierline.model.points_event import PointsEvent
from tierline.model.reminder import Reminder
from tierline.model.standing import Standing
from tierline.model.view import View

EventKind = Literal["joined", "upgraded", "downgraded", "prolonged", "left"]


Cause = Literal[
    "activity",  # an activity crossed a threshold
    "expiry",  # points expired
    "activation",  # pending points became active
    "term_end",  # the tier's term ended
    "window_turn",  # a qualification window closed or moved on
    "start",  # a tier that was waiting began
    "requalified",  # a term ended and the tier was earned again
    "grace",  # no longer qualifies, kept until the term or its grace ends
    "lapse_keep",  # no longer qualifies, the lapse rule keeps the tier
    "override",  # an override began, ended, or keeps the tier
    "enrolment",
    "leaving",
    "rules",  # a new version of the rules re-judged the member
    "correction",  # a retroactive correction re-played history
    "import",
    "bonus",  # an earning rule gave points without an activity
]


class Event(Struct, frozen=True, gc=False):
    """One change of a membership. `seq` counts a member's events, without gaps."""

    seq: int
    kind: EventKind
    tier_from: str | None
    tier_to: str | None
    at: int  # when the change took effect
    cause: Cause
    version: int  # of the rules that decided
    entry: int | None = None  # the ledger entry that caused it; None: time did
    view: View = View()


class Decision(Struct, frozen=True, gc=False):
    """What follows: the standing afterwards (its `due_at`: when time next has work), and what to
    announce."""

    standing: Standing
    events: tuple[Event, ...] = ()
    points: tuple[PointsEvent, ...] = ()  # where somebody asks
    reminders: tuple[Reminder, ...] = ()  # where the program's version asks

    @property
    def announced(self) -> list[Event | Reminder]:
        """Tier events and reminders, in the order in which they happened."""
        if not self.reminders:
            return [*self.events]
        both: list[Event | Reminder] = [*self.events, *self.reminders]
        return sorted(both, key=lambda event: event.seq)
