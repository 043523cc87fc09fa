"""Voucherify's activity: the entries of a feed, and `data` of each type; see `published`.

customers/list-customer-activities, loyalties/list-member-activities, and the pages of the events.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tests.vendors.voucherify_api.published import (
    Free,
    Instant,
    PublishedSimpleCustomer,
    PublishedTier,
    Shape,
)
from tests.vendors.voucherify_api.published_points import (
    PublishedBucket,
    PublishedOtherVoucher,
    PublishedPendingPoints,
    PublishedSimpleVoucher,
    PublishedTransaction,
    PublishedVoucherBalance,
)

_CARD = "customer.voucher.loyalty_card"


class PublishedSource(Shape, frozen=True):
    channel: Literal["USER_PORTAL", "API", "CLIENT_API", "INTERNAL"]


class PublishedCampaignName(msgspec.Struct, frozen=True):
    """A campaign as events hold it, as far as its keys are required."""

    id: Annotated[str, Meta(pattern="^camp_")]
    name: str
    campaign_type: Literal["LOYALTY_PROGRAM"]
    type: Literal["AUTO_UPDATE", "STATIC", "STANDALONE"]
    voucher: Free
    created_at: Instant
    object: Literal["campaign"]


class PublishedMemberData(Shape, frozen=True):
    customer: PublishedSimpleCustomer
    campaign: PublishedCampaignName


class PublishedStay(PublishedMemberData, frozen=True):
    loyalty_tier: PublishedTier
    created_at: Instant


class PublishedMovedEnd(PublishedStay, frozen=True):
    """events-customer/customer-loyalty-tier-expiration-changed."""

    expiration_date: Instant


class PublishedMove(PublishedMemberData, frozen=True):
    loyalty_tier_from: PublishedTier
    loyalty_tier_to: PublishedTier
    created_at: Instant


class PublishedPointsAdded(PublishedMemberData, frozen=True):
    """Also of points_transferred."""

    voucher: PublishedSimpleVoucher
    balance: PublishedVoucherBalance
    transaction: PublishedTransaction


class PublishedPointsExpired(PublishedMemberData, frozen=True):
    voucher: PublishedSimpleVoucher
    points: Annotated[int, Meta(ge=1)]
    buckets: list[PublishedBucket]
    transaction: PublishedTransaction


class PublishedPendingChange(PublishedMemberData, frozen=True):
    voucher: PublishedSimpleVoucher
    voucher_pending_points_balance: PublishedVoucherBalance
    order: Free | None
    pending_points: PublishedPendingPoints


class PublishedPendingActivated(PublishedMemberData, frozen=True):
    voucher: PublishedSimpleVoucher
    balance: PublishedVoucherBalance
    order: Free | None
    transaction: PublishedTransaction
    pending_points: PublishedPendingPoints


class PublishedRewarded(PublishedMemberData, frozen=True):
    voucher: PublishedSimpleVoucher
    holder: PublishedSimpleCustomer
    loyalty_tier: PublishedTier | None
    earning_rule: Free | None
    balance: PublishedVoucherBalance
    order: Free | None
    event: Free


class PublishedCustomEvent(Shape, frozen=True):
    event: Free
    event_schema: Free
    customer: PublishedSimpleCustomer
    referral: Free | None
    loyalty: Free | None


DATA = {
    "customer.loyalty.tier.joined": PublishedStay,
    "customer.loyalty.tier.left": PublishedStay,
    "customer.loyalty.tier.prolonged": PublishedStay,
    "customer.loyalty.tier.expiration.changed": PublishedMovedEnd,
    "customer.loyalty.tier.upgraded": PublishedMove,
    "customer.loyalty.tier.downgraded": PublishedMove,
    "customer.rewarded.loyalty_points": PublishedRewarded,
    "customer.custom_event": PublishedCustomEvent,
    f"{_CARD}.points_added": PublishedPointsAdded,
    f"{_CARD}.points_transferred": PublishedPointsAdded,
    f"{_CARD}.points_expired": PublishedPointsExpired,
    f"{_CARD}.pending_points.added": PublishedPendingChange,
    f"{_CARD}.pending_points.updated": PublishedPendingChange,
    f"{_CARD}.pending_points.canceled": PublishedPendingChange,
    f"{_CARD}.pending_points.activated": PublishedPendingActivated,
}


class PublishedActivityData(Shape, frozen=True):
    data: Free
    event_source: PublishedSource | UnsetType = UNSET


class PublishedActivity(Shape, frozen=True):
    id: Annotated[str, Meta(pattern="^evcus_[0-9a-f]+\\Z")]
    type: str
    data: PublishedActivityData
    created_at: Instant
    group_id: Annotated[str, Meta(pattern="^v-[0-9a-f]+\\Z")]

    def __post_init__(self) -> None:
        """A type that the vendor knows, with the data of that type."""
        if self.type not in DATA:
            raise ValueError(f"no page knows the type {self.type!r}")
        msgspec.convert(self.data.data, DATA[self.type])


class PublishedTransactionCreated(Shape, frozen=True):
    """events-voucher/voucher-loyalty-card-transaction-created: always the same keys."""

    transaction: PublishedTransaction
    voucher: PublishedSimpleVoucher
    campaign: PublishedCampaignName
    holder: PublishedSimpleCustomer
    holder_loyalty_tier: PublishedTier | None
    balance: PublishedVoucherBalance
    order: Free | None
    event: Free | None
    earning_rule: Free | None
    segment: None
    loyalty_tier: None
    redemption: None
    rollback: None
    reward: None
    custom_event: Free | None
    source_voucher: PublishedOtherVoucher | None
    destination_voucher: PublishedOtherVoucher | None
