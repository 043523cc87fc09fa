"""What Voucherify answers of many customers, and of those that go, as its pages describe it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tests.vendors.voucherify_api.published import (
    Count,
    CustomerId,
    Instant,
    PublishedCustomer,
    PublishedLoyalty,
    Shape,
)


class PublishedClientCustomer(Shape, frozen=True):
    """customers/customer-object, the part that pages in browsers may read."""

    id: CustomerId
    source_id: str | None
    loyalty: PublishedLoyalty
    object: Literal["customer"]


class PublishedCustomers(Shape, frozen=True):
    """customers/list-customers."""

    object: Literal["list"]
    data_ref: Literal["customers"]
    customers: list[PublishedCustomer]
    total: Count
    has_more: bool


class PublishedDeleted(Shape, frozen=True):
    events: Count
    customer_events: Count
    daily_events: Count
    segments: Count
    orders: Count
    order_events: Count
    customer: Count


class PublishedDeletion(Shape, frozen=True):
    """customers/delete-customer-permanently."""

    id: Annotated[str, Meta(pattern="^del_")]
    created_at: Instant
    related_object_id: CustomerId
    related_object: Literal["customer"]
    status: Literal["DONE"]
    data_json: PublishedDeleted
    object: Literal["pernament_deletion"]


def names(answer: Any) -> list[str | None]:
    """The source ids of a page."""
    page = msgspec.convert(answer, PublishedCustomers)
    return [customer.source_id for customer in page.customers]
