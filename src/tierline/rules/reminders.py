"""Reminders: what a program tells its members before it happens, and of tiers that a move skips.

Each is a decision that time makes due, so it is told at its own instant: never early, never twice.
Days of a lead are civil days in the project's zone.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

LEADS_MAX: Final = 5
LEAD_DAYS_MAX: Final = 366
COOL_DOWN_DAYS: Final = 7

LeadDays = Annotated[int, Meta(ge=1, le=LEAD_DAYS_MAX)]
SkippedTiers = Literal["first", "every"]


class TierEndingReminder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Told `lead_days` before the day on which the member would lose the tier if nothing else
    happened: what keeps it, until when, and which tier follows."""

    lead_days: Annotated[tuple[LeadDays, ...], Meta(min_length=1, max_length=LEADS_MAX)]


class PointsExpiringReminder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Told `lead_days` before the day on which points expire: how many, and what expires until
    then, by date."""

    lead_days: Annotated[tuple[LeadDays, ...], Meta(min_length=1, max_length=LEADS_MAX)]


class TierWaitingReminder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Told when a tier is earned that begins later, and again `lead_days` before the day on which
    it begins."""

    lead_days: Annotated[tuple[LeadDays, ...], Meta(max_length=LEADS_MAX)] = ()


class TierNearReminder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Told when something brings a member near the next tier, from farther away: `within` so much
    of its metric, or within `percent` of its threshold; to nobody twice within `cool_down_days` (of
    24 hours)."""

    within: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    percent: Annotated[int, Meta(ge=1, le=100)] | None = None
    cool_down_days: Annotated[int, Meta(ge=0, le=LEAD_DAYS_MAX)] = COOL_DOWN_DAYS

    def reaches(self, needed: int, threshold: int) -> bool:
        """Whether somebody who lacks `needed` of a tier's threshold is near it."""
        if self.within is not None:
            return needed <= self.within
        return 100 * needed <= (self.percent or 0) * threshold


class Reminders(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, dict=True):
    """What members are reminded of; what is not given is not told. `tier_skipped`: told of each
    tier that a move upward skips, the `first` time that the member passes it or `every` time."""

    tier_ending: TierEndingReminder | None = None
    tier_near: TierNearReminder | None = None
    points_expiring: PointsExpiringReminder | None = None
    tier_waiting: TierWaitingReminder | None = None
    tier_skipped: SkippedTiers | None = None

    @cached_property
    def ending_days(self) -> tuple[int, ...]:
        """The leads of a tier's end, the longest first."""
        return _leads(self.tier_ending)

    @cached_property
    def expiring_days(self) -> tuple[int, ...]:
        """The leads of points that expire, the longest first."""
        return _leads(self.points_expiring)

    @cached_property
    def waiting_days(self) -> tuple[int, ...]:
        """The leads of a tier that begins later, the longest first."""
        return _leads(self.tier_waiting)

    @property
    def remembers(self) -> bool:
        """Whether what was told before matters."""
        return self.tier_near is not None or self.tier_skipped == "first"


def _leads(
    reminder: TierEndingReminder | PointsExpiringReminder | TierWaitingReminder | None,
) -> tuple[int, ...]:
    return () if reminder is None else tuple(sorted(set(reminder.lead_days), reverse=True))
