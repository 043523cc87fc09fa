"""Voucherify's orders as its pages describe them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from tests.vendors.voucherify_api.published import (
    CampaignId,
    Count,
    CustomerId,
    Free,
    Instant,
    Shape,
)

OrderId = Annotated[str, Meta(pattern="^ord_")]


class PublishedOrderCustomer(Shape, frozen=True):
    id: CustomerId
    object: Literal["customer"]


class PublishedOrderItem(Shape, frozen=True):
    """orders/order-object: an item, calculated."""

    object: Literal["order_item"]
    amount: Count
    subtotal_amount: Count
    sku_id: str | UnsetType = UNSET
    product_id: str | UnsetType = UNSET
    related_object: Literal["product", "sku"] | UnsetType = UNSET
    source_id: str | UnsetType = UNSET
    quantity: Count | UnsetType = UNSET
    discount_quantity: Count | UnsetType = UNSET
    initial_quantity: Count | UnsetType = UNSET
    discount_amount: Count | UnsetType = UNSET
    initial_amount: Count | UnsetType = UNSET
    price: Count | UnsetType = UNSET
    product: Free | UnsetType = UNSET
    sku: Free | UnsetType = UNSET
    metadata: Free | UnsetType = UNSET


class PublishedOrder(Shape, frozen=True):
    """orders/order-object."""

    id: OrderId
    source_id: str | None
    created_at: Instant
    updated_at: Instant | None
    status: Literal["CREATED", "PAID", "FULFILLED", "CANCELED"]
    amount: Count
    initial_amount: Count
    discount_amount: Count
    items_discount_amount: Count
    total_discount_amount: Count
    total_amount: Count
    items: list[PublishedOrderItem]
    metadata: Free
    customer_id: CustomerId | None
    referrer_id: str | None
    object: Literal["order"]
    redemptions: Free
    customer: PublishedOrderCustomer | UnsetType = UNSET


class PublishedCampaignName(Shape, frozen=True):
    id: CampaignId
    name: str
    object: Literal["campaign"]


class PublishedEstimation(Shape, frozen=True):
    """loyalties/check-eligibility-for-loyalty."""

    campaign: PublishedCampaignName
    points_estimation: Count


class PublishedRedeemables(Shape, frozen=True):
    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[Free]
    total: Count
    has_more: bool


class PublishedQualifications(Shape, frozen=True):
    """qualifications/check-eligibility."""

    redeemables: PublishedRedeemables
    tracking_id: str | UnsetType = UNSET
