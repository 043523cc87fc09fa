"""Test events: made up, with ids of zeros, and rendered as any other."""

from __future__ import annotations

from msgspec.structs import replace

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.errors import Invalid
from tierline.model.calendar import DAY_MS
from tierline.model.events import Event, EventKind
from tierline.model.points_event import PointsEvent, is_points_kind
from tierline.model.reminder import Reminder, ReminderKind, is_reminder_kind
from tierline.model.tenant import Customer, Project
from tierline.model.view import View
from tierline.rules.program import Version
from tierline.vendors.registry import FORMATS, VENDOR_OF
from tierline.vendors.vendor import SAMPLE_EVENT, ProgramFacts, kind_names


def sample_event(
    format_name: str, kind: str, project: Project, at: int
) -> Announcement | PointsAnnouncement | ReminderAnnouncement:
    """A test event of `kind` for a format, as if it had happened at `at`. Raises Invalid where
    the format has no such event."""
    format_ = FORMATS[format_name]
    if format_.points is not None and is_points_kind(kind):
        points = PointsEvent(kind, at, 50, balance=250, pending=0, entry=1, key="sample-activity")
        rules = _version(format_name, project, at)
        return PointsAnnouncement(SAMPLE_EVENT, at, project, "sample", rules, _customer(at), points)
    if format_.reminders is not None and is_reminder_kind(kind):
        return _sample_reminder(format_name, kind, project, at)
    for tier_kind in format_.wire_names:
        if tier_kind == kind:
            return sample_announcement(format_name, tier_kind, project, at)
    kinds = ", ".join(kind_names(format_))
    reason = f"kind: {format_name} has no event for {kind!r}, only for {kinds}."
    raise Invalid(path="kind", reason=reason)


def _sample_reminder(
    format_name: str, kind: ReminderKind, project: Project, at: int
) -> ReminderAnnouncement:
    version = _version(format_name, project, at)
    low, high = (tier.id for tier in version.rules.policy.tiers)
    in_a_week = at + 7 * DAY_MS
    view = View(balance=250, joined_at=at, since=at)
    reminder = Reminder(kind, at, 1, 1, when=in_a_week, lead_days=7, view=view)
    if kind == "tier_ending":
        reminder = replace(reminder, tier=high, tier_then=low, needed=50, counts_from=at)
    elif kind == "points_expiring":
        reminder = replace(reminder, tier=low, points=100, amounts=((in_a_week, 100),))
    else:
        reminder = replace(reminder, tier=low, tier_then=high)
    if kind == "tier_near":
        reminder = replace(reminder, lead_days=None, needed=50, unique_until=in_a_week, entry=1)
    elif kind == "tier_skipped":
        reminder = replace(reminder, tier=high, tier_then=low, lead_days=None, when=None)
    customer = _customer(at)
    return ReminderAnnouncement(SAMPLE_EVENT, at, project, "sample", version, customer, reminder)


def sample_announcement(
    format_name: str, kind: EventKind, project: Project, at: int
) -> Announcement:
    """A test event about a tier."""
    version = _version(format_name, project, at)
    low, high = (tier.id for tier in version.rules.policy.tiers)
    tier_from, tier_to = {
        "joined": (None, low),
        "upgraded": (low, high),
        "downgraded": (high, low),
        "prolonged": (high, high),
        "left": (low, None),
    }[kind]
    view = View(balance=250, joined_at=at, since=None if tier_to is None else at)
    event = Event(1, kind, tier_from, tier_to, at, "activity", 1, 1, view)
    return Announcement(SAMPLE_EVENT, at, project, "sample", version, _customer(at), event)


def _version(format_name: str, project: Project, at: int) -> Version:
    facts = ProgramFacts(id="sample", project=project.id, at=at, name="Sample program")
    return Version(1, at, VENDOR_OF[format_name].sample(facts))


def _customer(at: int) -> Customer:
    return Customer(
        id="cust_000000000000000000000000",
        source_id="sample-customer",
        name="Sample Customer",
        email="sample@example.com",
        created_at=at,
        updated_at=at,
    )
