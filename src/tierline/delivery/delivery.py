"""What is under way: events of one key, taken from a cursor or from one of its lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from tierline.delivery.lanes import E, Lane

if TYPE_CHECKING:
    from tierline.delivery.cursor import Cursor


class Delivery(Generic[E]):
    """Events of one key on their way in one request: one, or several of a batch."""

    __slots__ = (
        "attempt", "cursor", "events", "from_lane", "key", "lane", "probe", "started_at",
    )  # fmt: skip

    def __init__(self, cursor: Cursor[E], key: int, events: list[E], lane: Lane[E] | None) -> None:
        self.cursor = cursor
        self.key = key
        self.events = events
        self.lane = lane  # also one that was made of it while it was under way
        self.from_lane = lane is not None
        self.attempt = lane.attempt + 1 if lane is not None else 1
        self.started_at = 0
        self.probe = False
