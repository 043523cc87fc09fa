"""Reminders in our own formats: Standard Webhooks and CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from msgspec import Struct

from tierline.engine.announcement import ReminderAnnouncement
from tierline.model.calendar import format_day, format_instant
from tierline.model.calendar import zone as zone_of
from tierline.model.reminder import ReminderKind
from tierline.vendors.standard.envelopes import (
    cloud_event,
    customer_of,
    data_of,
    instant_or_none,
    standard_webhook,
)

KINDS: tuple[ReminderKind, ...] = get_args(ReminderKind)


class ReminderTier(Struct, frozen=True):
    id: str
    name: str


class ReminderAmount(Struct, frozen=True):
    """Points that expire at an instant."""

    expires_at: str
    points: int


class ReminderPoints(Struct, frozen=True):
    """A member's points when the reminder was told."""

    balance: int
    pending: int
    spent: int


class ReminderObject(Struct, frozen=True):
    """A reminder as the feed shows it. What does not go with its kind is null."""

    id: str
    kind: ReminderKind
    program: str
    customer: str
    customer_id: str
    tier: ReminderTier | None
    tier_then: ReminderTier | None
    when: str | None
    last_valid_day: str | None
    lead_days: int | None
    needed: int | None
    metric: str | None
    counts_from: str | None
    expiring: int | None
    amounts: tuple[ReminderAmount, ...]
    unique_until: str | None
    at: str
    version: int
    entry: int | None
    points: ReminderPoints
    recorded_at: str


def reminder_object(announcement: ReminderAnnouncement) -> dict[str, Any]:
    """A reminder as the feed shows it, and as `data` of the payloads below."""
    event, customer = announcement.event, announcement.customer
    ends = event.when if event.kind in ("tier_ending", "points_expiring") else None
    return {
        "id": announcement.id,
        "kind": event.kind,
        "program": announcement.program,
        "customer": customer_of(announcement),
        "customer_id": customer.id,
        "tier": _tier(announcement, event.tier),
        "tier_then": _tier(announcement, event.tier_then),
        "when": instant_or_none(event.when),
        "last_valid_day": None if ends is None else _last_valid_day(announcement, ends),
        "lead_days": event.lead_days,
        "needed": event.needed,
        "metric": event.metric,
        "counts_from": instant_or_none(event.counts_from),
        "expiring": event.points,
        "amounts": [
            {"expires_at": format_instant(at), "points": points} for at, points in event.amounts
        ],
        "unique_until": instant_or_none(event.unique_until),
        "at": format_instant(event.at),
        "version": event.version,
        "entry": event.entry,
        "points": {
            "balance": event.view.balance,
            "pending": event.view.pending,
            "spent": event.view.spent,
        },
        "recorded_at": format_instant(announcement.recorded_at),
    }


def _last_valid_day(announcement: ReminderAnnouncement, ends_at: int) -> str:
    return format_day(zone_of(announcement.project.time_zone).day(ends_at - 1))


def _tier(announcement: ReminderAnnouncement, tier_id: str | None) -> dict[str, str] | None:
    if tier_id is None:
        return None
    tier = announcement.rules.tier(tier_id)
    return {"id": tier_id, "name": tier_id if tier is None else tier.name}


class StandardReminders:
    """`{"type", "timestamp", "data"}`, as the Standard Webhooks specification advises."""

    names: Mapping[ReminderKind, str] = MappingProxyType(
        {kind: f"reminder.{kind}" for kind in KINDS}
    )

    def render(self, announcement: ReminderAnnouncement, endpoint: Any) -> bytes:
        event = announcement.event
        return standard_webhook(self.names[event.kind], event.at, _data(announcement, endpoint))


class CloudReminders:
    """CloudEvents 1.0, structured JSON. There is no `sequence`: that counts tier events."""

    names: Mapping[ReminderKind, str] = MappingProxyType(
        {kind: f"tierline.reminder.{kind}" for kind in KINDS}
    )

    def render(self, announcement: ReminderAnnouncement, endpoint: Any) -> bytes:
        name = self.names[announcement.event.kind]
        return cloud_event(announcement, name, _data(announcement, endpoint))


def _data(announcement: ReminderAnnouncement, endpoint: Any) -> Mapping[str, Any]:
    return data_of(reminder_object(announcement), thin=getattr(endpoint, "thin", False))
