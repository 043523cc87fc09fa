"""From a row of the log to what a payload may speak of, once per event and process."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from msgspec import Struct

from tierline.endpoints.interfaces import Catalog
from tierline.engine.announcement import Announcement
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.store.announcements import announced, announced_at_once
from tierline.store.event_log import LogEvent
from tierline.vendors.standard.payloads import event_object

# A damaged body; a program, or a version of it, that is not even in the database.
UNREADABLE = (msgspec.MsgspecError, LookupError)
_log = structlog.get_logger("tierline.sender")


class OpsEvent(Struct, frozen=True, omit_defaults=True):
    """Something that operators should know, as it stands in the log. `quiet`: about an endpoint
    that hears such events itself, so it goes to the log and the feed only."""

    kind: str
    at: int
    endpoint: str | None = None
    data: dict[str, Any] = {}
    quiet: bool = False


class Notice(Struct, frozen=True):
    """An operational event on its way."""

    id: str
    recorded_at: int
    project: Project
    event: OpsEvent

    def body(self) -> bytes:
        """Standard Webhooks' shape: the same bytes whenever they are made."""
        event = self.event
        data: dict[str, Any] = {"id": self.id, "project": self.project.id}
        if event.endpoint is not None:
            data["endpoint"] = event.endpoint
        at = format_instant(event.at)
        return _encode({"type": event.kind, "timestamp": at, "data": {**data, **event.data}})


async def prepare(event: LogEvent, catalog: Catalog) -> None:
    """Fill in `told`: an Announcement, a Notice, or False for a tombstone, and for what cannot be
    read: nobody else's events wait for it. Database errors come through."""
    if event.told is not None or tell(event, catalog):
        return
    try:
        if not _tell(event, catalog):
            event.told = await announced(event, catalog)
    except UNREADABLE as error:
        event.told = False
        _log.error("event_unreadable", id=event.id, offset=event.offset, error=repr(error))


def tell(event: LogEvent, catalog: Catalog) -> bool:
    """As `prepare`, from memory alone; False when that does not suffice."""
    try:
        return _tell(event, catalog)
    except UNREADABLE:
        return False


def _tell(event: LogEvent, catalog: Catalog) -> bool:
    if event.class_ == "ops":
        project = catalog.project(event.project)
        event.told = Notice(event.id, event.recorded_at, project, _decode_ops(event.body))
        return True
    if event.class_ != "tier" or event.profile is None:
        event.told = False  # erased, or of a class that only the feed speaks of
        return True
    event.told = announced_at_once(event, catalog)
    return event.told is not None


def view(event: LogEvent) -> dict[str, Any]:
    """What a JSON filter sees: the event as the feed shows it, and the customer's profile."""
    if event.view is None:
        told = event.told
        if isinstance(told, Announcement):
            event.view = {**event_object(told), "profile": msgspec.to_builtins(told.customer)}
        else:
            event.view = msgspec.json.decode(told.body())
    found: dict[str, Any] = event.view
    return found


_decode_ops = msgspec.json.Decoder(OpsEvent).decode
_encode = msgspec.json.Encoder().encode
encode_ops = _encode
