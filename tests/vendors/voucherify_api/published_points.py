"""Voucherify's objects about points: transactions, buckets and pending points; see `published`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from tests.vendors.voucherify_api.published import (
    CampaignId,
    CardId,
    Count,
    CustomerId,
    Day,
    Free,
    Instant,
    PublishedRelated,
    Shape,
    TierId,
)

TransactionId = Annotated[str, Meta(pattern="^vtx_[0-9a-f]+\\Z")]
OrderId = Annotated[str, Meta(pattern="^ord_[0-9a-f]+\\Z")]
EventId = Annotated[str, Meta(pattern="^evcus_[0-9a-f]+\\Z")]
RuleId = Annotated[str, Meta(min_length=1)]
TransactionType = Literal[
    "PENDING_POINTS_ACTIVATION",
    "POINTS_ACCRUAL",
    "POINTS_REDEMPTION",
    "POINTS_REFUND",
    "POINTS_ADDITION",
    "POINTS_REMOVAL",
    "POINTS_EXPIRATION",
    "POINTS_TRANSFER_IN",
    "POINTS_TRANSFER_OUT",
]


class PublishedVoucherBalance(Shape, frozen=True):
    """vouchers/voucher-transaction-object, `details.balance`."""

    type: Literal["loyalty_card", "gift_voucher"]
    total: int
    object: Literal["balance"]
    points: int
    balance: Count
    related_object: PublishedRelated
    operation_type: Literal["MANUAL", "AUTOMATIC"]


class PublishedOrderName(Shape, frozen=True):
    id: OrderId
    source_id: str | None


class PublishedEventName(Shape, frozen=True):
    id: EventId
    type: str


class PublishedBanner(Shape, frozen=True):
    banner: str


class PublishedRuleName(Shape, frozen=True):
    id: RuleId
    source: PublishedBanner


class PublishedTierName(Shape, frozen=True):
    id: TierId
    name: str


class PublishedSimpleVoucherRedemption(Shape, frozen=True):
    quantity: Count | None
    redeemed_quantity: Count
    redeemed_points: Count | UnsetType = UNSET
    object: Literal["list"] | UnsetType = UNSET
    url: str | UnsetType = UNSET


class PublishedSimplePoints(Shape, frozen=True):
    points: Count
    balance: Count | UnsetType = UNSET
    next_expiration_date: Day | UnsetType | None = UNSET
    next_expiration_points: Count | UnsetType | None = UNSET
    pending_points: Count | UnsetType = UNSET
    expired_points: Count | UnsetType = UNSET
    subtracted_points: Count | UnsetType = UNSET


class PublishedSimpleVoucher(Shape, frozen=True):
    """vouchers/voucher-object, as other objects hold it."""

    id: CardId
    code: str
    type: Literal["LOYALTY_CARD"]
    object: Literal["voucher"]
    created_at: Instant
    loyalty_card: PublishedSimplePoints
    campaign: str
    campaign_id: CampaignId
    holder_id: CustomerId
    active: bool
    is_referral_code: bool
    metadata: Free
    redemption: PublishedSimpleVoucherRedemption
    updated_at: Instant | UnsetType = UNSET
    start_date: Instant | UnsetType | None = UNSET
    expiration_date: Instant | UnsetType | None = UNSET
    category: str | UnsetType | None = UNSET
    category_id: str | UnsetType | None = UNSET
    categories: list[Free] | UnsetType = UNSET
    validity_timeframe: Free | UnsetType = UNSET
    validity_day_of_week: list[int] | UnsetType = UNSET
    additional_info: str | UnsetType = UNSET
    publish: Free | UnsetType = UNSET


class PublishedOtherVoucher(Shape, frozen=True):
    """The same of the other card of a transfer: a webhook leaves out what changes."""

    id: CardId
    code: str
    type: Literal["LOYALTY_CARD"]
    object: Literal["voucher"]
    created_at: Instant
    campaign: str
    campaign_id: CampaignId
    holder_id: CustomerId
    is_referral_code: bool
    metadata: Free
    loyalty_card: PublishedSimplePoints | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    redemption: PublishedSimpleVoucherRedemption | UnsetType = UNSET
    updated_at: Instant | UnsetType = UNSET
    start_date: Instant | UnsetType | None = UNSET
    expiration_date: Instant | UnsetType | None = UNSET


class PublishedTransactionDetails(Shape, frozen=True):
    balance: PublishedVoucherBalance
    order: PublishedOrderName | UnsetType = UNSET
    event: PublishedEventName | UnsetType = UNSET
    custom_event: PublishedEventName | UnsetType = UNSET
    earning_rule: PublishedRuleName | UnsetType = UNSET
    holder_loyalty_tier: PublishedTierName | UnsetType = UNSET
    source_voucher: PublishedOtherVoucher | UnsetType = UNSET
    destination_voucher: PublishedOtherVoucher | UnsetType = UNSET


class PublishedTransaction(Shape, frozen=True):
    """loyalties/list-member-transactions, loyalties/list-loyalty-campaign-transactions."""

    id: TransactionId
    source_id: str | None
    voucher_id: CardId
    campaign_id: CampaignId
    source: str | None
    reason: str | None
    type: TransactionType
    details: PublishedTransactionDetails
    related_transaction_id: TransactionId | None
    created_at: Instant


class PublishedBucketPoints(Shape, frozen=True):
    total_points: Count


class PublishedBucket(Shape, frozen=True):
    """loyalties/list-loyalty-card-point-expiration: without a day where the points never expire."""

    id: Annotated[str, Meta(pattern="^lopb_")]
    voucher_id: CardId
    campaign_id: CampaignId
    bucket: PublishedBucketPoints
    status: Literal["ACTIVE", "EXPIRED"]
    created_at: Instant
    object: Literal["loyalty_points_bucket"]
    expires_at: Day | UnsetType = UNSET
    updated_at: Instant | UnsetType = UNSET


class PublishedPendingDetails(Shape, frozen=True):
    event: PublishedEventName
    earning_rule: PublishedRuleName
    order: PublishedOrderName
    holder_loyalty_tier: PublishedTierName | UnsetType = UNSET


class PublishedPendingPoints(Shape, frozen=True):
    """loyalties/list-member-pending-points, loyalties/list-campaign-pending-points."""

    id: Annotated[str, Meta(pattern="^lopp_[0-9a-f]+\\Z")]
    voucher_id: CardId
    campaign_id: CampaignId
    customer_id: CustomerId
    order_id: OrderId
    points: int
    activates_at: Day
    details: PublishedPendingDetails
    created_at: Instant
    updated_at: Instant | UnsetType = UNSET


class PublishedPendingBalance(Shape, frozen=True):
    """loyalties/adjust-pending-points."""

    points: int
    total: Count
    object: Literal["balance"]
    related_object: PublishedRelated
    operation_type: Literal["MANUAL"]


class PublishedActions(Shape, frozen=True):
    """async-actions/list-async-actions: there are none."""

    object: Literal["list"]
    data_ref: Literal["async_actions"]
    async_actions: Annotated[list[Free], Meta(max_length=0)]
    has_more: bool


class PublishedResult(Shape, frozen=True):
    url: str


class PublishedExport(Shape, frozen=True):
    """exports/get-export, exports/list-exports."""

    id: Annotated[str, Meta(pattern="^exp_[0-9a-f]+\\Z")]
    object: Literal["export"]
    created_at: Instant
    status: Literal["SCHEDULED", "IN_PROGRESS", "DONE", "ERROR"]
    channel: Literal["API", "WEBSITE"]
    exported_object: Literal["voucher_transactions", "points_expiration", "order"]
    parameters: Free
    result: PublishedResult | None
    user_id: str | None


class PublishedExportScheduled(PublishedExport, frozen=True):
    """exports/create-export."""

    def __post_init__(self) -> None:
        if (self.status, self.result) != ("SCHEDULED", None):
            raise ValueError("an export that was just made is scheduled")
