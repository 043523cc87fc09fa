"""Voucherify's objects as its pages describe them: required keys, what may be null, enumerations
and formats. An answer that does not convert, or has a key that no page names, is wrong.

The pages: https://docs.voucherify.io/api-reference/ and under it the one that each class names.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

T = TypeVar("T")
Instant = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z\Z")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
Count = Annotated[int, Meta(ge=0)]
CustomerId = Annotated[str, Meta(pattern="^cust_")]
CampaignId = Annotated[str, Meta(pattern="^camp_")]
TierId = Annotated[str, Meta(min_length=1)]  # `ltr_…`; in a native program, its tier's own id
CardId = Annotated[str, Meta(pattern="^v_")]
Free = dict[str, Any]


class Shape(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class PublishedAddress(Shape, frozen=True):
    city: str | None
    state: str | None
    line_1: str | None
    line_2: str | None
    country: str | None
    postal_code: str | None


class PublishedLoyalty(Shape, frozen=True):
    points: Count
    referred_customers: Count
    campaigns: dict[str, PublishedStanding]


class PublishedStanding(Shape, frozen=True):
    points: Count
    referred_customers: Count
    loyalty_tier: TierId | UnsetType = UNSET


class PublishedReferrals(Shape, frozen=True):
    total: Count
    campaigns: list[Free]


class PublishedCustomer(Shape, frozen=True):
    """customers/customer-object."""

    id: CustomerId
    source_id: str | None
    name: str | None
    description: str | None
    email: str | None
    phone: str | None
    birthday: Day | None
    birthdate: Day | None
    address: PublishedAddress | None
    summary: None  # null, or whole with redemptions and orders
    loyalty: PublishedLoyalty
    referrals: PublishedReferrals
    metadata: Free
    system_metadata: Free
    created_at: Instant
    updated_at: Instant | None
    object: Literal["customer"]


class PublishedSimpleCustomer(Shape, frozen=True):
    """events/track-custom-event."""

    id: CustomerId
    name: str | None
    email: str | None
    source_id: str | None
    metadata: Free
    object: Literal["customer"]


class PublishedEvent(Shape, frozen=True):
    """events/track-custom-event."""

    object: Literal["event"]
    type: str
    customer: PublishedSimpleCustomer
    referral: Free | None
    loyalty: Free | None
    metadata: Free


class PublishedPoints(Shape, frozen=True, rename={"from_": "from"}):
    from_: Count
    to: Count | UnsetType = UNSET


class PublishedTierConfig(Shape, frozen=True):
    points: PublishedPoints


class PublishedExpiration(Shape, frozen=True):
    customer_id: CustomerId
    campaign_id: CampaignId
    tier_id: TierId
    start_date: Day
    expiration_date: Day
    created_at: Instant
    updated_at: Instant | None


class PublishedTier(Shape, frozen=True):
    """loyalties/get-loyalty-tier, loyalties/list-member-loyalty-tiers."""

    id: TierId
    name: str
    campaign_id: CampaignId
    metadata: Free
    created_at: Instant
    updated_at: Instant | None
    earning_rules: Free
    rewards: Free
    config: PublishedTierConfig
    points: PublishedPoints
    object: Literal["loyalty_tier"]
    expiration: PublishedExpiration | UnsetType = UNSET


class PublishedCodeConfig(Shape, frozen=True):
    length: Annotated[int, Meta(ge=1)]
    charset: str
    prefix: str
    postfix: str
    pattern: str


class PublishedRedemptions(Shape, frozen=True):
    quantity: Count | None
    redeemed_quantity: Count | UnsetType = UNSET


class PublishedCardConfig(Shape, frozen=True):
    points: Count
    expiration_rules: Free | UnsetType = UNSET


class PublishedVoucherConfig(Shape, frozen=True):
    type: Literal["LOYALTY_CARD"]
    loyalty_card: PublishedCardConfig
    redemption: PublishedRedemptions
    code_config: PublishedCodeConfig


Status = Literal["DONE", "IN_PROGRESS", "FAILED", "DRAFT", "MODIFYING"]


class PublishedCampaign(Shape, frozen=True):
    """campaigns/campaign-object, loyalties/get-loyalty-campaign."""

    id: CampaignId
    name: str
    campaign_type: Literal["LOYALTY_PROGRAM"]
    type: Literal["AUTO_UPDATE", "STATIC", "STANDALONE"]
    voucher: PublishedVoucherConfig
    auto_join: bool
    join_once: bool
    use_voucher_metadata_schema: bool
    start_date: Instant | None
    expiration_date: Instant | None
    active: bool
    metadata: Free
    description: str | None
    created_at: Instant
    updated_at: Instant | None
    category: str | None
    category_id: str | None
    categories: list[Free]
    creation_status: Status
    vouchers_generation_status: Status
    readonly: bool
    protected: bool
    is_referral_code: bool
    object: Literal["campaign"]
    validation_rules_assignments: Free | UnsetType = UNSET  # not in lists
    loyalty_tiers_expiration: Free | UnsetType = UNSET
    vouchers_count: Count | UnsetType = UNSET
    validity_timeframe: Free | UnsetType = UNSET
    validity_day_of_week: list[int] | UnsetType = UNSET
    validity_hours: Free | UnsetType = UNSET
    activity_duration_after_publishing: str | UnsetType = UNSET


class PublishedCardPoints(Shape, frozen=True):
    points: Count
    balance: Count
    next_expiration_date: Day | None
    next_expiration_points: Count | None
    pending_points: Count
    expired_points: Count
    subtracted_points: Count


class PublishedCardRedemptions(Shape, frozen=True):
    quantity: Count | None
    redeemed_quantity: Count
    redeemed_points: Count
    object: Literal["list"]
    url: str


class PublishedPublications(Shape, frozen=True):
    object: Literal["list"]
    count: Count
    url: str


class PublishedCard(Shape, frozen=True):
    """loyalties/get-member, vouchers/get-voucher."""

    id: CardId
    code: str
    campaign: str
    campaign_id: CampaignId
    category: str | None
    category_id: str | None
    categories: list[Free]
    type: Literal["LOYALTY_CARD"]
    discount: None
    gift: None
    loyalty_card: PublishedCardPoints
    start_date: Instant | None
    expiration_date: Instant | None
    validity_timeframe: Free
    validity_day_of_week: list[int]
    active: bool
    additional_info: str | None
    metadata: Free
    is_referral_code: bool
    created_at: Instant
    updated_at: Instant | None
    holder_id: CustomerId
    redemption: PublishedCardRedemptions
    publish: PublishedPublications
    object: Literal["voucher"]


class PublishedRelated(Shape, frozen=True):
    type: Literal["voucher"]
    id: CardId


class PublishedBalance(Shape, frozen=True):
    """loyalties/adjust-loyalty-card-balance."""

    points: int
    total: int
    balance: Count
    type: Literal["loyalty_card", "gift_voucher"]
    object: Literal["balance"]
    related_object: PublishedRelated
    operation_type: Literal["MANUAL", "AUTOMATIC"]


class PublishedWebhook(Shape, frozen=True):
    """management/create-webhook."""

    id: Annotated[str, Meta(pattern="^wh_")]
    object: Literal["webhook"]
    created_at: Instant
    target_url: str
    events: list[str]
    active: bool
    signatures: list[PublishedSignature] | UnsetType = UNSET  # ours: what signs which header


class PublishedSignature(Shape, frozen=True):
    header: str
    algorithm: str
    secret: str
    source: str
    since: Instant | None
    until: Instant | None


class PublishedError(Shape, frozen=True):
    """errors."""

    code: Annotated[int, Meta(ge=400, le=599)]
    key: str
    message: str
    details: str
    request_id: Annotated[str, Meta(pattern="^v-[0-9a-f]+\\Z")]
    resource_id: str | UnsetType = UNSET
    resource_type: str | UnsetType = UNSET


def as_published(answer: Any, shape: type[T]) -> T:
    """The answer as an object of the vendor's. Raises msgspec.ValidationError, naming the field."""
    return msgspec.convert(answer, shape)


def listed(answer: Any, shape: type[T], ref: str = "data") -> list[T]:
    """The items of a list, each checked, and the envelope around them."""
    assert answer.keys() == {"object", "data_ref", "total", ref}, json.dumps(answer)
    assert (answer["object"], answer["data_ref"]) == ("list", ref)
    assert answer["total"] >= len(answer[ref])
    return [msgspec.convert(item, shape) for item in answer[ref]]
