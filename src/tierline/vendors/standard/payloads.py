"""Our own event as JSON: in the pull feed, in Standard Webhooks payloads, in CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.engine.announcement import Announcement, ReminderAnnouncement
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.model.events import Cause, EventKind
from tierline.vendors.standard.envelopes import (
    cloud_event,
    customer_of,
    data_of,
    instant_or_none,
    standard_webhook,
)
from tierline.vendors.standard.points_payloads import (
    CloudPoints,
    PointsEventObject,
    StandardPoints,
)
from tierline.vendors.standard.reminder_payloads import (
    CloudReminders,
    ReminderObject,
    StandardReminders,
)
from tierline.vendors.vendor import (
    EndpointFacts,
    PointsFormat,
    ReminderFormat,
    Secrets,
    VendorSignature,
    tier_of,
)

KINDS: tuple[EventKind, ...] = ("joined", "upgraded", "downgraded", "prolonged", "left")


def event_object(announcement: Announcement) -> dict[str, Any]:
    """An event as the feed shows it, and as `data` of the payloads below.

    `at` is when the change took effect, `recorded_at` when it entered the log; `seq` counts the
    member's events without gaps; `expires_at` is exclusive, null where the tier has no end.
    """
    event, view = announcement.event, announcement.event.view
    return {
        "id": announcement.id,
        "kind": event.kind,
        "program": announcement.program,
        "customer": customer_of(announcement),
        "customer_id": announcement.customer.id,
        "tier_from": _tier(announcement, event.tier_from),
        "tier_to": _tier(announcement, event.tier_to),
        "at": format_instant(event.at),
        "cause": event.cause,
        "seq": event.seq,
        "version": event.version,
        "since": instant_or_none(view.since),
        "expires_at": instant_or_none(view.expires_at),
        "manual": view.manual,
        "points": {"balance": view.balance, "pending": view.pending, "spent": view.spent},
        "recorded_at": format_instant(announcement.recorded_at),
    }


def event_type(kind: EventKind) -> str:
    return f"tier.{kind}"


class TierEventName(Struct, frozen=True):
    id: str
    name: str


class EventPoints(Struct, frozen=True):
    """A member's points right after the change."""

    balance: int
    pending: int
    spent: int


class TierEvent(Struct, frozen=True):
    """A change of a membership, as `event_object` prints it."""

    id: str
    kind: EventKind
    program: str
    customer: str
    customer_id: str
    tier_from: TierEventName | None
    tier_to: TierEventName | None
    at: str
    cause: Cause
    seq: int
    version: int
    since: str | None
    expires_at: str | None
    manual: bool
    points: EventPoints
    recorded_at: str


class ThinEvent(Struct, frozen=True):
    """Ids alone, of an endpoint that is `thin`."""

    id: str
    customer: str
    program: str


_DATA_TYPES = ("TierEvent", "ThinEvent", "PointsEventObject", "ReminderObject")
_DATA = {"anyOf": [{"$ref": f"#/components/schemas/{n}"} for n in _DATA_TYPES]}


class StandardBody(Struct, frozen=True):
    """A webhook as the Standard Webhooks specification advises."""

    type: str
    timestamp: str
    data: Annotated[Any, Meta(extra_json_schema=_DATA)]


class CloudEventBody(Struct, frozen=True):
    """A webhook as CloudEvents 1.0 has it, structured."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    partitionkey: str
    data: Annotated[Any, Meta(extra_json_schema=_DATA)]
    sequence: str | UnsetType = UNSET  # of tier events


class StandardEndpoint(EndpointFacts, frozen=True):
    """Option: ids alone, for a receiver that comes and asks for the rest."""

    thin: bool = False


class StandardWebhooks:
    """`{"type", "timestamp", "data"}`, as the Standard Webhooks specification advises."""

    name = "standard"
    versions = ("v1",)
    content_type = "application/json"
    endpoint_facts = StandardEndpoint
    signature: VendorSignature | None = None
    points: PointsFormat | None = StandardPoints()
    reminders: ReminderFormat | None = StandardReminders()
    body_types: tuple[type, ...] = (
        StandardBody,
        TierEvent,
        ThinEvent,
        PointsEventObject,
        ReminderObject,
    )
    wire_names: Mapping[EventKind, str] = MappingProxyType({k: event_type(k) for k in KINDS})

    def render(
        self, announcement: Announcement, endpoint: StandardEndpoint, version: str
    ) -> bytes | None:
        event = announcement.event
        data = data_of(event_object(announcement), thin=endpoint.thin)
        return standard_webhook(event_type(event.kind), event.at, data)

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        return ids.derived("msg_", event_id, endpoint_id)

    def headers(
        self,
        announcement: Announcement | ReminderAnnouncement,
        endpoint: StandardEndpoint,
        body: bytes,
        secrets: Secrets,
    ) -> dict[str, str]:
        return {}


class CloudEvents(StandardWebhooks):
    """CloudEvents 1.0, structured JSON, with the extensions `sequence` and `partitionkey`.

    `sequence` is the member's `seq` in ten digits, so that text order is its order.
    """

    name = "cloudevents"
    versions = ("1.0",)
    content_type = "application/cloudevents+json; charset=utf-8"
    points: PointsFormat | None = CloudPoints()
    reminders: ReminderFormat | None = CloudReminders()
    body_types: tuple[type, ...] = (
        CloudEventBody,
        TierEvent,
        ThinEvent,
        PointsEventObject,
        ReminderObject,
    )
    wire_names: Mapping[EventKind, str] = MappingProxyType(
        {k: f"tierline.{event_type(k)}" for k in KINDS}
    )

    def render(
        self, announcement: Announcement, endpoint: StandardEndpoint, version: str
    ) -> bytes | None:
        event = announcement.event
        data = data_of(event_object(announcement), thin=endpoint.thin)
        return cloud_event(announcement, f"tierline.{event_type(event.kind)}", data, event.seq)


def _tier(announcement: Announcement, tier_id: str | None) -> dict[str, str] | None:
    if tier_id is None:
        return None
    tier = tier_of(announcement, tier_id)
    return {"id": tier_id, "name": tier.name if tier is not None else tier_id}
