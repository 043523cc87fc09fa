"""Reminders in LoyaltyLion's shape: two topics of the vendor's, and three of our own."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tierline.engine.announcement import ReminderAnnouncement
from tierline.model.calendar import format_instant
from tierline.vendors.loyaltylion.customer_payloads import (
    EventTierJson,
    LionCustomer,
    encoded_tiers,
    lion_customer,
    lion_membership,
)


class TierAheadProperties(Struct):
    """Of a tier that is near, that follows a loss, that waits or that was skipped. What is required
    is points or money, as the tier is counted; null: no amount does. `happens_at`: when the tier is
    lost, or begins."""

    customer: LionCustomer
    current_tier: EventTierJson
    next_tier: EventTierJson
    points_required: int | None
    spend_required: float | None
    happens_at: str | None


class ExpirationProperties(Struct):
    """`earned_on` is null: points that expire together may have come on many days."""

    customer: LionCustomer
    expire_points_at: str
    points_to_expire: int
    earned_on: None


def reminder_properties(
    announcement: ReminderAnnouncement, base: int
) -> TierAheadProperties | ExpirationProperties:
    """Returns what a reminder's payload says. `base`: the `position` of the first tier."""
    event, view = announcement.event, announcement.event.view
    tiers = encoded_tiers(announcement, announcement.rules)
    current = tiers.get(event.tier or "")
    since = event.at if view.since is None else view.since
    membership = None if current is None else lion_membership(view, since, current.held[base])
    customer = lion_customer(announcement.customer, view, membership)
    if event.kind == "points_expiring":
        when = format_instant(event.when or event.at)
        return ExpirationProperties(customer, when, event.points or 0, None)
    following = tiers.get(event.tier_then or "")
    dated = event.kind in ("tier_ending", "tier_waiting") and event.when is not None
    return TierAheadProperties(
        customer,
        None if current is None else current.event,
        None if following is None else following.event,
        *_required(announcement),
        format_instant(event.when or 0) if dated else None,
    )


def _required(announcement: ReminderAnnouncement) -> tuple[int | None, Any]:
    event = announcement.event
    measure = announcement.rules.measures.get(event.metric)
    if event.needed is None or measure is None:
        return None, None
    if measure.metric.source == "spend":
        return None, event.needed / 100
    return event.needed, None
