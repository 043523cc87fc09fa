"""A replay: a run of its own over a stretch of the log, ordered in itself, with the same ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model.operational_event import Notice
from tierline.store.event_log import LogEvent

IDS_MAX = 1_000


class ReplayPlan(Struct, frozen=True, omit_defaults=True):
    """One shard's part of a replay. Offsets are exclusive `after` and inclusive `until`."""

    after: int
    until: int
    ids: Annotated[tuple[str, ...], Meta(max_length=IDS_MAX)] = ()
    kinds: tuple[str, ...] = ()
    customers: tuple[int, ...] = ()
    rate_per_s: float | None = None
    asked_at: int = 0

    def keeps(self) -> Callable[[LogEvent], bool] | None:
        """The replay's own filter, beside the endpoint's."""
        if not (self.ids or self.kinds or self.customers):
            return None
        names, kinds = frozenset(self.ids), frozenset(self.kinds)
        customers = frozenset(self.customers)

        def keep(event: LogEvent) -> bool:
            if names and event.id not in names:
                return False
            if customers and event.customer not in customers:
                return False
            content = event.content
            if isinstance(
                content, Announcement | PointsAnnouncement | ReminderAnnouncement | Notice
            ):
                return not kinds or content.event.kind in kinds
            return not kinds

        return keep


def encode_plan(plan: ReplayPlan) -> str:
    return msgspec.json.encode(plan).decode()


decode_plan = msgspec.json.Decoder(ReplayPlan).decode
