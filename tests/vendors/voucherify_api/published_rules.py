"""Voucherify's earning rules as its pages describe them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from tests.vendors.voucherify_api.published import (
    CampaignId,
    Count,
    Free,
    Instant,
    Shape,
    as_published,
)

RuleId = Annotated[str, Meta(pattern="^ern_")]
AutomationId = Annotated[str, Meta(pattern="^auto_")]
Which = Literal["products_collection", "product", "sku"]
Calculation = Literal[
    "ORDER_AMOUNT",
    "ORDER_TOTAL_AMOUNT",
    "ORDER_METADATA",
    "ORDER_ITEMS_QUANTITY",
    "ORDER_ITEMS_AMOUNT",
    "ORDER_ITEMS_SUBTOTAL_AMOUNT",
    "CUSTOMER_METADATA",
    "CUSTOM_EVENT_METADATA",
]


class PublishedApplicable(Shape, frozen=True):
    object: Which
    id: str


class PublishedRatio(Shape, frozen=True):
    every: Count
    points: Count | UnsetType = UNSET
    points_formula: str | UnsetType = UNSET
    property: str | UnsetType = UNSET
    object: Which | UnsetType = UNSET
    id: str | UnsetType = UNSET
    applicable_to: list[PublishedApplicable] | UnsetType = UNSET


class PublishedRatios(Shape, frozen=True):
    amount: PublishedRatio | UnsetType = UNSET
    total_amount: PublishedRatio | UnsetType = UNSET
    metadata: PublishedRatio | UnsetType = UNSET
    quantity: PublishedRatio | UnsetType = UNSET
    subtotal_amount: PublishedRatio | UnsetType = UNSET


class PublishedEarning(Shape, frozen=True):
    type: Literal["FIXED", "PROPORTIONAL"]
    points: Count | UnsetType = UNSET
    points_formula: str | UnsetType = UNSET
    calculation_type: Calculation | UnsetType = UNSET
    order: PublishedRatios | UnsetType = UNSET
    order_items: PublishedRatios | UnsetType = UNSET
    customer: PublishedRatios | UnsetType = UNSET
    custom_event: PublishedRatios | UnsetType = UNSET


class PublishedRuleSource(Shape, frozen=True):
    object_id: CampaignId
    object_type: Literal["campaign"]
    banner: str | UnsetType = UNSET


class PublishedPending(Shape, frozen=True):
    period_type: Literal["DAY"]
    period_value: Annotated[int, Meta(ge=1, le=90)]


class PublishedRule(Shape, frozen=True):
    """loyalties/earning-rule-object."""

    id: RuleId
    created_at: Instant
    updated_at: Instant | None
    validation_rule_id: str | None
    loyalty: PublishedEarning
    event: str
    source: PublishedRuleSource
    object: Literal["earning_rule"]
    automation_id: AutomationId
    active: bool
    metadata: Free
    custom_event: Free | UnsetType = UNSET
    segment: Free | UnsetType = UNSET
    loyalty_tier: Free | UnsetType = UNSET
    pending_points: PublishedPending | UnsetType = UNSET
    start_date: Instant | UnsetType = UNSET
    expiration_date: Instant | UnsetType = UNSET
    validity_timeframe: Free | UnsetType = UNSET
    validity_day_of_week: list[int] | UnsetType = UNSET
    validity_hours: Free | UnsetType = UNSET
    expiration_rules: Free | UnsetType = UNSET


class PublishedAsyncAction(Shape, frozen=True):
    """campaigns/delete-campaign."""

    async_action_id: Annotated[str, Meta(pattern="^aa_")]


class PublishedEmpty(Shape, frozen=True):
    """campaigns/enable-campaign, campaigns/disable-campaign."""


def rule_of(answer: Any) -> PublishedRule:
    return as_published(answer, PublishedRule)
