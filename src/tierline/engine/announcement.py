"""An event as it stands in the log, with everything that a payload may speak of."""

from __future__ import annotations

from msgspec import Struct

from tierline.model.events import Event
from tierline.model.points_event import PointsEvent
from tierline.model.reminder import Reminder
from tierline.model.tenant import Customer, Project
from tierline.rules.program import Version


class Announcement(Struct, frozen=True):
    """One event of the log. A payload is a function of this, the endpoint's id and the format's
    version, and of nothing else: so every attempt sends the same bytes."""

    id: str  # evt_…, never of shard or offset
    recorded_at: int  # when it entered the log, wall time
    project: Project
    program: str
    rules: Version
    customer: Customer
    event: Event
    # The version that `event.tier_from` is of, where `rules` no longer has that tier.
    before: Version | None = None


class Counterpart(Struct, frozen=True):
    """The other side of a transfer, as far as it stays the same: its member, since when they are
    one, and their attributes. Balances are left out: they change before the next attempt."""

    customer: str  # the id
    member: tuple[int, int]
    joined_at: int
    attributes: dict[str, str | int | bool]


class PointsAnnouncement(Struct, frozen=True):
    """One points event of the log, with everything that a payload may speak of. `member`: customer
    and program by their numbers. `counterpart`: of a transfer, where they are a member still."""

    id: str
    recorded_at: int
    project: Project
    program: str
    rules: Version
    customer: Customer
    event: PointsEvent
    member: tuple[int, int] = (0, 0)
    counterpart: Counterpart | None = None


class ReminderAnnouncement(Struct, frozen=True):
    """One reminder of the log, with everything that a payload may speak of."""

    id: str
    recorded_at: int
    project: Project
    program: str
    rules: Version
    customer: Customer
    event: Reminder
