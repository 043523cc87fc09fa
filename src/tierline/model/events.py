"""Events: the changes of a membership, and the decision that brings them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tierline.model.points_event import PointsEvent
from tierline.model.standing import Standing

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


class View(Struct, frozen=True, gc=False, omit_defaults=True):
    """A member as an event shows it: right after the change."""

    balance: int = 0
    pending: int = 0
    spent: int = 0
    earned: int = 0
    joined_at: int | None = None
    since: int | None = None
    expires_at: int | None = None  # exclusive; None: the tier does not expire
    manual: bool = False  # an override decides the tier


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
