"""What operators should know, as an event: an endpoint that fails, a member that was set aside."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from tierline.model.calendar import format_instant
from tierline.model.tenant import Project

CUSTOMER_CREATED: Final = "customer.created"
CUSTOMER_CHANGED: Final = "customer.changed"
CUSTOMER_ERASED: Final = "customer_erased"  # the kind of the event that says so


class OperationalEvent(Struct, frozen=True, omit_defaults=True):
    """As it stands in the log. `quiet`: about an endpoint that hears this kind itself, so it goes
    to the log and the feed only."""

    kind: str
    at: int
    endpoint: str | None = None
    data: dict[str, Any] = {}
    quiet: bool = False


class Notice(Struct, frozen=True):
    """An operational event with everything that its body speaks of."""

    id: str
    recorded_at: int
    project: Project
    event: OperationalEvent

    def body(self) -> bytes:
        """Returns Standard Webhooks' shape: the same bytes whenever they are made."""
        event = self.event
        data: dict[str, Any] = {"id": self.id, "project": self.project.id}
        if event.endpoint is not None:
            data["endpoint"] = event.endpoint
        at = format_instant(event.at)
        return _encode({"type": event.kind, "timestamp": at, "data": {**data, **event.data}})


_encode = msgspec.json.Encoder().encode
decode_operational_event = msgspec.json.Decoder(OperationalEvent).decode


def encode_operational_event(event: OperationalEvent) -> bytes:
    return _encode(event)
