"""From a row of the log to what a payload may speak of, once per event and process."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from tierline.engine.announcement import Announcement, Project
from tierline.engine.calendar import format_instant
from tierline.engine.model import Customer, Event
from tierline.engine.policy import Program, Version
from tierline.sender.sources import Catalog
from tierline.store.log import LogEvent
from tierline.vendors.standard.payloads import event_object

_decode_event = msgspec.json.Decoder(Event).decode
_decode_customer = msgspec.json.Decoder(Customer).decode


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
    """Fill in `told`: an Announcement, a Notice, or False for a tombstone."""
    if event.told is None and not tell(event, catalog):
        version = _decode_event(event.body).version
        await catalog.program_numbered(event.program, version)
        if not tell(event, catalog):
            raise LookupError(f"event {event.id} names version {version}, which does not exist")


def tell(event: LogEvent, catalog: Catalog) -> bool:
    """As `prepare`, from memory alone; False when the program's version is not there yet."""
    if event.class_ == "ops":
        project = catalog.project(event.project)
        event.told = Notice(event.id, event.recorded_at, project, _decode_ops(event.body))
        return True
    if event.class_ != "tier" or event.profile is None:
        event.told = False  # erased, or of a class that only the feed speaks of
        return True
    program = catalog.cached_program(event.program)
    if program is None:
        return False
    happened = _decode_event(event.body)
    version = _version(program, happened.version)
    if version is None:
        return False
    event.told = Announcement(
        event.id,
        event.recorded_at,
        catalog.project(event.project),
        program.id,
        version,
        _decode_customer(event.profile),
        happened,
        _before(program, version, happened.tier_from),
    )
    return True


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


def _version(program: Program, number: int) -> Version | None:
    versions = program.versions
    if 0 < number <= len(versions) and versions[number - 1].number == number:
        return versions[number - 1]
    return next((version for version in versions if version.number == number), None)


def _before(program: Program, version: Version, tier: str | None) -> Version | None:
    """The newest earlier version with a tier that `version` dropped."""
    if tier is None or tier in version.rank:
        return None
    earlier = (v for v in reversed(program.versions) if v.number < version.number)
    return next((v for v in earlier if tier in v.rank), None)


_decode_ops = msgspec.json.Decoder(OpsEvent).decode
_encode = msgspec.json.Encoder().encode
encode_ops = _encode
