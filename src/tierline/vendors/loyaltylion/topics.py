"""The topics of webhooks: which scope each needs, and which of our events it is. Pure.

What begins with `tierline/` LoyaltyLion does not have. What Tierline has no event for is taken, so
that scripts go on; nothing is ever sent for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

from tierline.model.events import EventKind
from tierline.model.points_event import PointsKind
from tierline.model.reminder import ReminderKind

CUSTOMERS: Final = "read_customers"
UPDATED: Final = "customers/update"
POINTS_EARNED: Final = "program_events/customer.points_earned"
POINTS_EARNED_DELAY_S: Final = 300  # "sent 5 minutes late": webhooks/events/customers-points-earned
UNSUBSCRIBES: Final = "read_unsubscribes"
UPGRADED: Final = "program_events/customer.tier_upgraded"
DOWNGRADED: Final = "program_events/customer.tier_downgraded"
ENROLLED: Final = "program_events/customer.enrolled"
OF_KIND: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        "upgraded": UPGRADED,
        "downgraded": DOWNGRADED,
        "joined": ENROLLED,
        "prolonged": "tierline/customer.tier_renewed",
        "left": "tierline/customer.tier_left",
    }
)
OF_REMINDER: Final[Mapping[ReminderKind, str]] = MappingProxyType(
    {
        "tier_near": "program_events/customer.approaching_tier_upgrade",
        "points_expiring": "program_events/customer.approaching_points_expiration",
        "tier_ending": "tierline/customer.approaching_tier_downgrade",
        "tier_waiting": "tierline/customer.tier_waiting",
        "tier_skipped": "tierline/customer.tier_skipped",
    }
)
# A change of points that earned none is one of the customer.
OF_POINTS: Final[Mapping[PointsKind, str]] = MappingProxyType(
    dict.fromkeys(get_args(PointsKind), UPDATED) | {"points.earned": POINTS_EARNED}
)
# Of LoyaltyLion's format itself: the moves between two tiers.
MOVES: Final[Mapping[EventKind, str]] = MappingProxyType(
    {"upgraded": UPGRADED, "downgraded": DOWNGRADED}
)
# Known from the vendor's page on making a webhook; there are no such events here.
SILENT: Final = frozenset(
    {
        "loyalty_emails/unsubscribe",
        "program_events/customer.reward_available_notification",
        "program_events/customer.recurring_reward_available_reminder",
        "program_events/customer.claimed_reward",
        "program_events/customer.referral_complete",
        "program_events/customer.rule_completed",
        "program_events/customer.approaching_reward_expiration",
        "program_events/customer.moved_to_at_risk_segment",
        "program_events/customer.moved_to_defected_segment",
        "program_events/customer.moved_to_loyal_segment",
        "program_events/customer.receipt_approved",
        "program_events/customer.receipt_declined",
        "receipts/manual_approval_required",
    }
)
NAMES: Final = tuple(
    sorted({*OF_KIND.values(), *OF_POINTS.values(), *OF_REMINDER.values(), *SILENT})
)


def scope_of(topic: str) -> str:
    """Returns the scope without which a key cannot subscribe to a topic."""
    return UNSUBSCRIBES if topic == "loyalty_emails/unsubscribe" else CUSTOMERS


def kinds_of(topic: str) -> list[str]:
    """Returns our kinds of events that a topic is sent for."""
    if topic == UPDATED:
        return [*OF_KIND, *OF_POINTS]
    named: tuple[Mapping[Any, str], ...] = (OF_KIND, OF_POINTS, OF_REMINDER)
    return [kind for names in named for kind, name in names.items() if name == topic]
