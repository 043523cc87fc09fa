"""What our own formats put around an event, whatever it is about: Standard Webhooks and CloudEvents
1.0; and the words that all of their objects share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from tierline.engine.announcement import Announcement, PointsAnnouncement, ReminderAnnouncement
from tierline.model.calendar import format_instant

_encode = msgspec.json.Encoder().encode
_IDS = ("id", "customer", "program")


def standard_webhook(type_: str, at: int, data: Mapping[str, Any]) -> bytes:
    """Returns `{"type", "timestamp", "data"}`, as the Standard Webhooks specification advises."""
    return _encode({"type": type_, "timestamp": format_instant(at), "data": data})


def cloud_event(
    announcement: Announcement | PointsAnnouncement | ReminderAnnouncement,
    type_: str,
    data: Mapping[str, Any],
    sequence: int | None = None,
) -> bytes:
    """Returns structured JSON of CloudEvents 1.0. `sequence` counts tier events alone, in ten
    digits, so that text order is its order."""
    project, program = announcement.project.id, announcement.program
    counted = {} if sequence is None else {"sequence": f"{sequence:010d}"}
    return _encode(
        {
            "specversion": "1.0",
            "id": announcement.id,
            "source": f"/projects/{quote(project)}/programs/{quote(program)}",
            "type": type_,
            "subject": customer_of(announcement),
            "time": format_instant(announcement.event.at),
            "datacontenttype": "application/json",
            **counted,
            "partitionkey": announcement.customer.id,
            "data": data,
        }
    )


def customer_of(announcement: Announcement | PointsAnnouncement | ReminderAnnouncement) -> str:
    """The id that the caller's own systems know the customer by."""
    return announcement.customer.source_id or announcement.customer.id


def data_of(whole: Mapping[str, Any], *, thin: bool) -> Mapping[str, Any]:
    """The object, or for a receiver that comes and asks its ids alone: no profile, no tier."""
    return {name: whole[name] for name in _IDS} if thin else whole


def instant_or_none(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
