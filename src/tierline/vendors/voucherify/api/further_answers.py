"""What Voucherify's routes of transactions, activity, exports, earning rules and orders answer, as
types for the published description; see `answers`."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from tierline.vendors.voucherify.api.answers import (
    BalanceObject,
    CardObject,
    Count,
    CustomerObject,
    Json,
    RelatedObject,
)


class AsyncActionName(Struct, frozen=True):
    """What is done already: nothing is asynchronous."""

    async_action_id: str


class AsyncActions(Struct, frozen=True):
    """There are none."""

    object: Literal["list"]
    data_ref: Literal["async_actions"]
    async_actions: list[Json]
    has_more: bool


class EmptyObject(Struct, frozen=True):
    """Nothing more is said."""


class CustomerObjects(Struct, frozen=True):
    """A page of customers."""

    object: Literal["list"]
    data_ref: Literal["customers"]
    customers: list[CustomerObject]
    total: Count
    has_more: bool


class DeletedCounts(Struct, frozen=True):
    """How many of each are gone."""

    events: Count
    customer_events: Count
    daily_events: Count
    segments: Count
    orders: Count
    order_events: Count
    customer: Count


class DeletionObject(Struct, frozen=True):
    """A customer's deletion for good; the vendor writes the object's name so."""

    id: str
    created_at: str
    related_object_id: str
    related_object: Literal["customer"]
    status: Literal["DONE"]
    data_json: DeletedCounts
    object: Literal["pernament_deletion"]


class TransactionObject(Struct, frozen=True):
    """One change of a card's points."""

    id: str
    source_id: str | None
    voucher_id: str
    campaign_id: str
    source: str | None
    reason: str | None
    type: str
    details: Json
    related_transaction_id: str | None
    created_at: str


class TransactionObjects(Struct, frozen=True):
    """Transactions, the newest first."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[TransactionObject]
    has_more: bool
    more_starting_after: str | UnsetType | None = UNSET


class BucketPoints(Struct, frozen=True):
    """How many points expire together."""

    total_points: Count


class BucketObject(Struct, frozen=True):
    """Points that expire on one day; without a day, never."""

    id: str
    voucher_id: str
    campaign_id: str
    bucket: BucketPoints
    status: Literal["ACTIVE", "EXPIRED"]
    created_at: str
    object: Literal["loyalty_points_bucket"]
    expires_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET


class BucketObjects(Struct, frozen=True):
    """A card's points by the day on which they expire."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[BucketObject]
    total: Count


class PendingObject(Struct, frozen=True):
    """Points that are not active yet."""

    id: str
    voucher_id: str
    campaign_id: str
    customer_id: str
    order_id: str
    points: int
    activates_at: str
    details: Json
    created_at: str
    updated_at: str | UnsetType = UNSET


class PendingObjects(Struct, frozen=True):
    """Points that are not active yet, the newest first."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[PendingObject]
    has_more: bool
    more_starting_after: str | UnsetType | None = UNSET


class PendingBalance(Struct, frozen=True):
    """Pending points after a change of them."""

    points: int
    total: Count
    object: Literal["balance"]
    related_object: RelatedObject
    operation_type: Literal["MANUAL"]


class ActivityObject(Struct, frozen=True):
    """Something that happened, with the data that its type has."""

    id: str
    type: str
    data: Json
    created_at: str
    group_id: str


class ActivityObjects(Struct, frozen=True):
    """What happened to a customer or a card, the newest first."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[ActivityObject]
    has_more: bool
    more_starting_after: str | UnsetType | None = UNSET


class ExportResult(Struct, frozen=True):
    """Where the file is."""

    url: str


class ExportObject(Struct, frozen=True):
    """A file of what happened."""

    id: str
    object: Literal["export"]
    created_at: str
    status: Literal["SCHEDULED", "IN_PROGRESS", "DONE", "ERROR"]
    channel: Literal["API", "WEBSITE"]
    exported_object: str
    parameters: Json
    result: ExportResult | None
    user_id: str | None


class ExportObjects(Struct, frozen=True):
    """A page of exports."""

    object: Literal["list"]
    data_ref: Literal["exports"]
    exports: list[ExportObject]
    total: Count


class EarningRuleObject(Struct, frozen=True):
    """What gives points."""

    id: str
    created_at: str
    updated_at: str | None
    validation_rule_id: str | None
    loyalty: Json
    event: str
    source: Json
    object: Literal["earning_rule"]
    automation_id: str
    active: bool
    metadata: Json
    custom_event: Json | UnsetType = UNSET
    segment: Json | UnsetType = UNSET
    loyalty_tier: Json | UnsetType = UNSET
    pending_points: Json | UnsetType = UNSET
    start_date: str | UnsetType = UNSET
    expiration_date: str | UnsetType = UNSET
    validity_timeframe: Json | UnsetType = UNSET
    validity_day_of_week: list[int] | UnsetType = UNSET
    validity_hours: Json | UnsetType = UNSET
    expiration_rules: Json | UnsetType = UNSET


class EarningRuleObjects(Struct, frozen=True):
    """A list of earning rules."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[EarningRuleObject]
    total: Count


class OrderObject(Struct, frozen=True):
    """An order as it was told last, calculated."""

    id: str
    source_id: str | None
    created_at: str
    updated_at: str | None
    status: Literal["CREATED", "PAID", "FULFILLED", "CANCELED"]
    amount: Count
    initial_amount: Count
    discount_amount: Count
    items_discount_amount: Count
    total_discount_amount: Count
    total_amount: Count
    items: list[Json]
    metadata: Json
    customer_id: str | None
    referrer_id: str | None
    object: Literal["order"]
    redemptions: Json
    customer: Json | UnsetType = UNSET


class OrderObjects(Struct, frozen=True):
    """A page of orders."""

    object: Literal["list"]
    data_ref: Literal["orders"]
    orders: list[OrderObject]
    total: Count


class EstimationObject(Struct, frozen=True):
    """How many points an order would earn in a campaign."""

    campaign: Json
    points_estimation: Count


class QualificationObject(Struct, frozen=True):
    """What a customer qualifies for."""

    redeemables: Json
    tracking_id: str | UnsetType = UNSET


class NoObjects(Struct, frozen=True):
    """A list of what does not exist here, such as rewards."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[Json]
    total: Count


# By the handler of a route that names no type of its own.
ANSWERS: Final[dict[str, Any]] = {
    "list_customers": CustomerObjects,
    "post_bulk": AsyncActionName,
    "post_metadata": AsyncActionName,
    "post_permanent_deletion": DeletionObject,
    "list_campaign_transactions": TransactionObjects,
    "list_member_transactions": TransactionObjects,
    "list_buckets": BucketObjects,
    "list_campaign_pending": PendingObjects,
    "list_member_pending": PendingObjects,
    "activate": BalanceObject,
    "change": PendingBalance,
    "post_transfer": CardObject,
    "list_member_activity": ActivityObjects,
    "list_customer_activity": ActivityObjects,
    "post_export": ExportObject,
    "list_exports": ExportObjects,
    "get_export": ExportObject,
    "post_campaign_export": ExportObject,
    "post_member_export": ExportObject,
    "list_assignments": NoObjects,
    "list_tier_rewards": NoObjects,
    "list_member_rewards": NoObjects,
    "list_actions": AsyncActions,
    "delete_campaign": AsyncActionName,
    "enable_campaign": EmptyObject,
    "disable_campaign": EmptyObject,
    "post_rules": list[EarningRuleObject],
    "list_rules": EarningRuleObjects,
    "get_rule": EarningRuleObject,
    "put_rule": EarningRuleObject,
    "enable_rule": EarningRuleObject,
    "disable_rule": EarningRuleObject,
    "list_tier_rules": EarningRuleObjects,
    "post_order": OrderObject,
    "list_orders": OrderObjects,
    "get_order": OrderObject,
    "put_order": OrderObject,
    "post_estimation": EstimationObject,
    "post_qualification": QualificationObject,
}
