"""Points events in our own formats: Standard Webhooks and CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from msgspec import Struct

from tierline.engine.announcement import PointsAnnouncement
from tierline.model.calendar import format_instant
from tierline.model.points_event import MoveKind, PointsKind
from tierline.vendors.standard.envelopes import (
    cloud_event,
    customer_of,
    data_of,
    standard_webhook,
)
from tierline.vendors.vendor import EndpointFacts, Secrets

KINDS: tuple[PointsKind, ...] = get_args(MoveKind)


class PointsAfter(Struct, frozen=True):
    """A member's points right after what happened to them."""

    balance: int
    pending: int


class PointsEventObject(Struct, frozen=True):
    """What happened to a member's points: by how many they changed, and how many there are."""

    id: str
    kind: PointsKind
    program: str
    customer: str
    customer_id: str
    change: int
    points: PointsAfter
    entry: int | None
    key: str | None
    rule: str | None
    at: str
    recorded_at: str


def points_object(announcement: PointsAnnouncement) -> dict[str, Any]:
    """A points event as the feed shows it, and as `data` of the payloads below. `change` is signed,
    and of pending points that become active how many do; `entry` is the
    number of the ledger entry that brought it, `key` its caller's; null: time did."""
    event, customer = announcement.event, announcement.customer
    return {
        "id": announcement.id,
        "kind": event.kind,
        "program": announcement.program,
        "customer": customer_of(announcement),
        "customer_id": customer.id,
        "change": event.points,
        "points": {"balance": event.balance, "pending": event.pending},
        "entry": event.entry,
        "key": event.key,
        "rule": event.rule,
        "at": format_instant(event.at),
        "recorded_at": format_instant(announcement.recorded_at),
    }


class _Unsigned:
    """No headers but those of Standard Webhooks, which every delivery carries."""

    def headers(
        self,
        _announcement: PointsAnnouncement,
        _endpoint: EndpointFacts,
        _body: bytes,
        _secrets: Secrets,
    ) -> dict[str, str]:
        return {}


class StandardPoints(_Unsigned):
    """`{"type", "timestamp", "data"}`, as the Standard Webhooks specification advises."""

    names: Mapping[PointsKind, str] = MappingProxyType({kind: kind for kind in KINDS})

    def render(
        self, announcement: PointsAnnouncement, _endpoint: EndpointFacts, *, thin: bool
    ) -> bytes:
        event, data = announcement.event, data_of(points_object(announcement), thin=thin)
        return standard_webhook(event.kind, event.at, data)


class CloudPoints(_Unsigned):
    """CloudEvents 1.0, structured JSON. There is no `sequence`: that counts tier events."""

    names: Mapping[PointsKind, str] = MappingProxyType({kind: f"tierline.{kind}" for kind in KINDS})

    def render(
        self, announcement: PointsAnnouncement, _endpoint: EndpointFacts, *, thin: bool
    ) -> bytes:
        data = data_of(points_object(announcement), thin=thin)
        return cloud_event(announcement, self.names[announcement.event.kind], data)
