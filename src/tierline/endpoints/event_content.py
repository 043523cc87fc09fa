"""From a row of the log to what a payload may speak of, once per event and process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model.operational_event import Notice, decode_operational_event
from tierline.store.announcements import (
    announced,
    announced_at_once,
    load_points_program,
    names_another,
    points_announced,
    reminder_announced,
    reminder_announced_at_once,
    with_counterpart,
)
from tierline.store.catalog.catalog import Catalog
from tierline.store.event_log import TOMBSTONE, Content, LogEvent
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.standard.points_payloads import points_object
from tierline.vendors.standard.reminder_payloads import reminder_object

# A damaged body; a program, or a version of it, that is not even in the database.
UNREADABLE = (msgspec.MsgspecError, LookupError)
_log = structlog.get_logger("tierline.sender")


def _points_at_once(event: LogEvent, catalog: Catalog) -> PointsAnnouncement | None:
    """From memory alone; None where that does not suffice, as of a transfer."""
    content = points_announced(event, catalog)
    return None if content is None or names_another(content) else content


_LOADS: Final[dict[str, Callable[[LogEvent, Catalog], Content | None]]] = {
    "tier": announced_at_once,
    "points": _points_at_once,
    "reminder": reminder_announced_at_once,
}


async def load_content(event: LogEvent, catalog: Catalog) -> None:
    """Fill in the event's content. What cannot be read becomes a tombstone, for nobody else's
    events wait for it. Database errors come through."""
    if event.content is not None or load_content_at_once(event, catalog):
        return
    try:
        if not _load(event, catalog):
            if event.class_ == "points":
                await load_points_program(event, catalog)
                content = points_announced(event, catalog)
                if content is not None:
                    content = await with_counterpart(content, catalog.database)
                event.content = content
            elif event.class_ == "reminder":
                event.content = await reminder_announced(event, catalog)
            else:
                event.content = await announced(event, catalog)
    except UNREADABLE as error:
        event.content = TOMBSTONE
        _log.error("event_unreadable", id=event.id, offset=event.offset, error=repr(error))


def load_content_at_once(event: LogEvent, catalog: Catalog) -> bool:
    """As `load_content`, from memory alone. Returns False when that does not suffice."""
    try:
        return _load(event, catalog)
    except UNREADABLE:
        return False


def _load(event: LogEvent, catalog: Catalog) -> bool:
    if event.class_ == "ops":
        project = catalog.project(event.project)
        body = decode_operational_event(event.body)
        event.content = Notice(event.id, event.recorded_at, project, body)
        return True
    load = _LOADS.get(event.class_)
    if load is None or event.profile is None:
        event.content = TOMBSTONE  # erased, or of a class that only the feed speaks of
        return True
    event.content = load(event, catalog)
    return event.content is not None


def view(event: LogEvent) -> dict[str, Any]:
    """Returns what a JSON filter sees: the event as the feed shows it, and the customer's
    profile."""
    if event.view is None:
        content = event.content
        if isinstance(content, Announcement):
            profile = msgspec.to_builtins(content.customer)
            event.view = {**event_object(content), "profile": profile}
        elif isinstance(content, PointsAnnouncement):
            profile = msgspec.to_builtins(content.customer)
            event.view = {**points_object(content), "profile": profile}
        elif isinstance(content, ReminderAnnouncement):
            profile = msgspec.to_builtins(content.customer)
            event.view = {**reminder_object(content), "profile": profile}
        elif isinstance(content, Notice):
            event.view = msgspec.json.decode(content.body())
        else:
            event.view = {}
    return event.view
