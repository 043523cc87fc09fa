"""What Voucherify's routes answer, as types for the published description. The routes print these
objects themselves; the tests hold what they print against the description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Count = Annotated[int, Meta(ge=0)]
Json = dict[str, Any]


class AddressObject(Struct, frozen=True):
    """Where a customer lives."""

    city: str | None
    state: str | None
    line_1: str | None
    line_2: str | None
    country: str | None
    postal_code: str | None


class CampaignStanding(Struct, frozen=True):
    """What a customer has in one campaign."""

    points: Count
    referred_customers: Count
    loyalty_tier: str | UnsetType = UNSET


class CustomerLoyalty(Struct, frozen=True):
    """What a customer has in all campaigns, and in each by its name."""

    points: Count
    referred_customers: Count
    campaigns: dict[str, CampaignStanding]


class CustomerReferrals(Struct, frozen=True):
    """There are none here."""

    total: Count
    campaigns: list[Json]


class SimpleCustomer(Struct, frozen=True):
    """A customer inside of another object."""

    id: str
    name: str | None
    email: str | None
    source_id: str | None
    metadata: Json
    object: Literal["customer"]


class CustomerObject(Struct, frozen=True):
    """A customer's profile, and what they have in every campaign."""

    id: str
    source_id: str | None
    name: str | None
    description: str | None
    email: str | None
    phone: str | None
    birthday: str | None
    birthdate: str | None
    address: AddressObject | None
    summary: Json | None
    loyalty: CustomerLoyalty
    referrals: CustomerReferrals
    metadata: Json
    system_metadata: Json
    created_at: str
    updated_at: str | None
    object: Literal["customer"]


class EventObject(Struct, frozen=True):
    """A custom event that was recorded."""

    object: Literal["event"]
    type: str
    customer: SimpleCustomer
    referral: Json | None
    loyalty: Json | None
    metadata: Json


class TierBounds(Struct, frozen=True, rename={"from_": "from"}):
    """Inclusive bounds; the highest tier has no `to`."""

    from_: Count
    to: Count | UnsetType = UNSET


class TierObjectConfig(Struct, frozen=True):
    """The bounds again."""

    points: TierBounds


class TierExpiration(Struct, frozen=True):
    """From when to when a member holds the tier; the last day is valid still."""

    customer_id: str
    campaign_id: str
    tier_id: str
    start_date: str
    expiration_date: str
    created_at: str
    updated_at: str | None


class TierObject(Struct, frozen=True):
    """A tier of a campaign; of a member, with its expiration."""

    id: str
    name: str
    campaign_id: str
    metadata: Json
    created_at: str
    updated_at: str | None
    earning_rules: Json
    rewards: Json
    config: TierObjectConfig
    points: TierBounds
    object: Literal["loyalty_tier"]
    expiration: TierExpiration | UnsetType = UNSET


class TierObjects(Struct, frozen=True):
    """A list of tiers."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[TierObject]
    total: Count


class CodeConfig(Struct, frozen=True):
    """How a card's code is made."""

    length: int
    charset: str
    prefix: str
    postfix: str
    pattern: str


class CardConfig(Struct, frozen=True):
    """What a new card begins with."""

    points: Count
    expiration_rules: Json | UnsetType = UNSET


class RedemptionConfig(Struct, frozen=True):
    """How often a card may be redeemed; null: as often as its points reach."""

    quantity: Count | None
    redeemed_quantity: Count | UnsetType = UNSET


class VoucherConfig(Struct, frozen=True):
    """What a campaign's cards are like."""

    type: Literal["LOYALTY_CARD"]
    loyalty_card: CardConfig
    redemption: RedemptionConfig
    code_config: CodeConfig


class CampaignObject(Struct, frozen=True):
    """A loyalty program."""

    id: str
    name: str
    campaign_type: Literal["LOYALTY_PROGRAM"]
    type: Literal["AUTO_UPDATE", "STATIC", "STANDALONE"]
    voucher: VoucherConfig
    auto_join: bool
    join_once: bool
    use_voucher_metadata_schema: bool
    start_date: str | None
    expiration_date: str | None
    active: bool
    metadata: Json
    description: str | None
    created_at: str
    updated_at: str | None
    category: str | None
    category_id: str | None
    categories: list[Json]
    creation_status: Literal["DONE"]
    vouchers_generation_status: Literal["DONE"]
    readonly: bool
    protected: bool
    is_referral_code: bool
    object: Literal["campaign"]
    validation_rules_assignments: Json | UnsetType = UNSET
    loyalty_tiers_expiration: Json | UnsetType = UNSET
    vouchers_count: int | UnsetType = UNSET
    validity_timeframe: Json | UnsetType = UNSET
    validity_day_of_week: list[int] | UnsetType = UNSET
    activity_duration_after_publishing: str | UnsetType = UNSET


class CampaignObjects(Struct, frozen=True):
    """A list of campaigns."""

    object: Literal["list"]
    data_ref: Literal["campaigns"]
    campaigns: list[CampaignObject]
    total: Count


class CardPoints(Struct, frozen=True):
    """A card's points: all that were ever added, and what became of them."""

    points: Count
    balance: Count
    next_expiration_date: str | None
    next_expiration_points: Count | None
    pending_points: Count
    expired_points: Count
    subtracted_points: Count


class CardRedemptions(Struct, frozen=True):
    """What was spent by this card."""

    quantity: Count | None
    redeemed_quantity: Count
    redeemed_points: Count
    object: Literal["list"]
    url: str


class CardPublications(Struct, frozen=True):
    """How often the card was given out."""

    object: Literal["list"]
    count: Count
    url: str


class CardObject(Struct, frozen=True):
    """A member, as their loyalty card."""

    id: str
    code: str
    campaign: str
    campaign_id: str
    category: str | None
    category_id: str | None
    categories: list[Json]
    type: Literal["LOYALTY_CARD"]
    discount: Json | None
    gift: Json | None
    loyalty_card: CardPoints
    start_date: str | None
    expiration_date: str | None
    validity_timeframe: Json
    validity_day_of_week: list[int]
    active: bool
    additional_info: str | None
    metadata: Json
    is_referral_code: bool
    created_at: str
    updated_at: str | None
    holder_id: str
    redemption: CardRedemptions
    publish: CardPublications
    object: Literal["voucher"]


class CardObjects(Struct, frozen=True):
    """A list of loyalty cards."""

    object: Literal["list"]
    data_ref: Literal["vouchers"]
    vouchers: list[CardObject]
    total: Count


class RelatedObject(Struct, frozen=True):
    """Whose balance it is."""

    type: Literal["voucher"]
    id: str


class BalanceObject(Struct, frozen=True):
    """A balance after a change of it."""

    points: int
    total: int
    balance: Count
    type: Literal["loyalty_card"]
    object: Literal["balance"]
    related_object: RelatedObject
    operation_type: Literal["MANUAL", "AUTOMATIC"]


class WebhookSignature(Struct, frozen=True):
    """Which secret signs which header of a webhook, and where it was shown."""

    header: str
    algorithm: str
    secret: str
    source: str
    since: str | None
    until: str | None


class WebhookObject(Struct, frozen=True):
    """A webhook, and what signs it."""

    id: str
    object: Literal["webhook"]
    created_at: str
    target_url: str
    events: list[str]
    active: bool
    signatures: list[WebhookSignature] | UnsetType = UNSET


class WebhookObjects(Struct, frozen=True):
    """A list of webhooks."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[WebhookObject]
    total: Count


class AsyncActionName(Struct, frozen=True):
    """What is done already: nothing is asynchronous."""

    async_action_id: str


class EmptyObject(Struct, frozen=True):
    """Nothing more is said."""
