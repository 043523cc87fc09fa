"""What is under way: events of one key, taken from a cursor or from one of its lanes."""

from __future__ import annotations

from typing import Generic

from tierline.delivery.lanes import E, Lane


class Delivery(Generic[E]):
    """Events of one key on their way in one request: one, or several of a batch."""

    __slots__ = ("attempt", "events", "form", "from_lane", "key", "lane", "probe", "started_at")

    def __init__(self, key: int, events: list[E], lane: Lane[E] | None) -> None:
        self.key = key
        self.events = events
        self.lane = lane  # also one that was made of it while it was under way
        self.from_lane = lane is not None
        self.attempt = lane.attempt + 1 if lane is not None else 1
        self.form = ""  # what its bytes depend on besides its events
        self.started_at = 0
        self.probe = False

    @property
    def planned_at(self) -> int:
        """When the schedule would have tried it, if its lane was released before; else 0."""
        return self.lane.planned_at if self.lane is not None else 0

    @property
    def first_at(self) -> int:
        """When the first attempt of these events began."""
        lane = self.lane
        return lane.first_at if lane is not None and lane.attempt > 0 else self.started_at
