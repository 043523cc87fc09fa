"""LoyaltyLion's objects as its pages publish them: keys, nullability and words. Every answer that
the tests get is read as one of these; what is not published does not pass.

Pages, below developers.loyaltylion.com: `api-reference/v2/resources/…` and, of the headless API,
`headless-api/2025-06/…`; the headless types are those of the vendor's TypeScript client 0.0.7.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from tests.vendors.loyaltylion_api.published_headless import (
    BirthdayNoted,
    Configuration,
    Enrolment,
    HeadlessCustomer,
    RuleCompleted,
)
from tests.vendors.loyaltylion_api.published_parts import (
    At,
    Cursor,
    Day,
    Id,
    Money,
    Number,
    Published,
)
from tierline.vendors.loyaltylion.api import DESCRIBED


class Tier(Published):
    """events/customers-update: `loyalty_tier_membership.loyalty_tier`."""

    id: Id
    name: str
    number: Number
    position: Number
    default: bool
    hidden: bool
    lower_bound: Money
    upper_bound: Money | None


class EventTier(Published):
    """events/customers-tier-upgraded: `previous_tier`, `new_tier`."""

    id: Id
    name: str
    number: Number
    default: bool
    hidden: bool
    lower_bound: Money
    upper_bound: Money | None


class Membership(Published):
    started_at: At
    expires_at: At | None
    manual: bool
    loyalty_tier: Tier


class Customer(Published):
    """customers/list-customers."""

    id: Id
    merchant_id: str
    email: str | None
    points_approved: int
    points_pending: int
    points_spent: int
    rewards_claimed: int
    properties: dict[str, Any]
    metadata: dict[str, Any]
    birthday: Day | None
    blocked: bool
    guest: bool
    enrolled: bool
    enrolled_at: At | None
    referral_id: str | None
    referred_by: dict[str, Any] | None
    loyalty_tier_membership: Membership | None
    insights_segment: str | None
    referral_url: str
    created_at: At
    updated_at: At


class Cursors(Published):
    """api-reference/pagination."""

    prev: Cursor | None
    next: Cursor | None


class CustomerList(Published):
    customers: list[Customer]
    cursor: Cursors


class OneCustomer(Published):
    customer: Customer


class ShortCustomer(Published):
    """transactions/list-transactions: `customer`."""

    id: Id
    merchant_id: str
    email: str | None
    points_approved: int
    points_pending: int
    points_spent: int


class ActivityRule(Published):
    id: int
    name: str
    title: str


class Activity(Published, kw_only=True):
    """activities/list-activities; inside a transaction without its customer."""

    id: Id
    merchant_id: str | None
    value: int
    state: Literal["pending", "declined", "approved", "void"]
    rule: ActivityRule
    created_at: At
    resource: Any
    customer: ShortCustomer | msgspec.UnsetType = msgspec.UNSET


class ActivityList(Published):
    activities: list[Activity]
    cursor: Cursors


class Transaction(Published, kw_only=True):
    """transactions/list-transactions."""

    id: Id
    customer: ShortCustomer
    points_approved: int
    points_pending: int
    created_at: At
    resource: Literal["activity", "adjustment", "claimed_reward", "expiry"]
    activity: Activity | msgspec.UnsetType = msgspec.UNSET
    adjustment: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    claimed_reward: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    expiry: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if getattr(self, self.resource) is msgspec.UNSET:
            raise ValueError(f"no {self.resource}")


class TransactionList(Published):
    transactions: list[Transaction]
    cursor: Cursors


class OrderCustomer(Published):
    id: Id
    merchant_id: str
    email: str | None


class Order(Published):
    """orders/list-orders."""

    id: Id
    merchant_id: str
    merchant_number: str | None
    total: Money
    total_tax: Money
    total_shipping: Money
    total_discounts: Money
    total_paid: Money
    total_refunded: Money
    payment_status: Literal["paid", "partially_paid", "not_paid"]
    fulfillment_status: Literal["fulfilled", "partially_fulfilled", "not_fulfilled"]
    refund_status: Literal["refunded", "partially_refunded", "not_refunded"]
    cancellation_status: Literal["cancelled", "not_cancelled"]
    customer: OrderCustomer | None
    metadata: dict[str, Any]
    created_at: At
    updated_at: At


class OrderList(Published):
    orders: list[Order]
    cursor: Cursors


class OneOrder(Published):
    order: Order


class WebhookObject(Published):
    """webhooks/create-webhook."""

    id: Id
    topic: str
    address: str
    created_at: At
    updated_at: At
    service_integration_id: int | None


class OneWebhook(Published):
    webhook: WebhookObject


class WebhookList(Published):
    webhooks: list[WebhookObject]


class Identity(Published):
    """identity/whoami."""

    kind: Literal["api_key"]
    account_id: int
    program_id: int | None
    scopes: list[str]
    integration: None


class OneIdentity(Published):
    identity: Identity


class Export(Published):
    """customers/exports/overview, customers/exports/get-export; when it was made and ended is
    inferred."""

    id: Id
    status: Literal["pending", "processing", "completed", "failed", "expired"]
    rows_total: int | None
    rows_processed: int
    download_url: str | None
    created_at: At
    completed_at: At | None


class OneExport(Published):
    export: Export


class ExportList(Published):
    exports: list[Export]
    cursor: Cursors


class Unsubscribe(Published):
    """emails/list-unsubscribes."""

    email: str
    id: str | None


class Sites(Published):
    sites: list[dict[str, Any]]


_ONE = r"[^/?]+"
SHAPES: list[tuple[str, str, Any]] = [
    ("GET", r"/v2/identity/whoami", OneIdentity),
    ("GET", r"/v2/sites", Sites),
    ("GET", r"/v2/customers", CustomerList),
    ("GET", r"/v2/customers/exports", ExportList),
    ("POST", r"/v2/customers/exports", OneExport),
    ("GET", rf"/v2/customers/exports/{_ONE}", OneExport),
    ("GET", rf"/v2/customers/{_ONE}", OneCustomer),
    ("PATCH|PUT", rf"/v2/customers/{_ONE}", OneCustomer),
    ("PUT", rf"/v2/customers/{_ONE}/loyalty_tier_membership", OneCustomer),
    ("POST", rf"/v2/customers/{_ONE}/points", str),
    ("POST", r"/v2/(activities|orders)", str),
    ("POST", rf"/v2/orders/{_ONE}/(payments|refunds)", str),
    ("GET", r"/v2/activities", ActivityList),
    ("GET", rf"/v2/(customers/{_ONE}/)?transactions", TransactionList),
    ("GET", r"/v2/orders", OrderList),
    ("GET", rf"/v2/orders/{_ONE}", OneOrder),
    ("POST", r"/v2/webhooks", OneWebhook),
    ("GET", r"/v2/webhooks", WebhookList),
    ("GET", r"/v2/loyalty_emails/unsubscribes", list[Unsubscribe]),
    ("POST", r"/v2/loyalty_emails/unsubscribes", str),
    ("GET", rf"/headless/2025-06/{_ONE}/configuration", Configuration),
    ("GET", rf"/headless/2025-06/{_ONE}/customers/{_ONE}", HeadlessCustomer),
    ("POST", rf"/headless/2025-06/{_ONE}/customers/{_ONE}/sessions", HeadlessCustomer),
    ("POST", rf"/headless/2025-06/{_ONE}/customers/{_ONE}/enroll", Enrolment),
    ("POST", rf"/headless/2025-06/{_ONE}/customers/{_ONE}/birthday", BirthdayNoted),
    ("POST", rf"/headless/2025-06/{_ONE}/rules/custom/complete", RuleCompleted),
]  # fmt: skip


_DESCRIBED = [
    (each.method, re.compile(re.sub(r"{\w+}", _ONE, each.path)), each.answer)
    for each in DESCRIBED.operations
    if each.answer is not None
]


def as_described(method: str, path: str, body: bytes) -> None:
    """Reads a good answer's JSON as `/openapi/loyaltylion.json` has it."""
    bare = path.partition("?")[0]
    for described, pattern, type_ in _DESCRIBED:
        if described == method and pattern.fullmatch(bare):
            msgspec.json.decode(body, type=type_)
            return
    raise AssertionError(f"no described answer for {method} {bare}")


def read(value: Any, shape: type[Published]) -> Any:
    """Reads a part of an answer. Raises msgspec.ValidationError."""
    return msgspec.convert(value, shape)


def as_published(method: str, path: str, body: bytes) -> None:
    """Reads a good answer's JSON as the vendor's object. Raises msgspec.ValidationError."""
    bare = path.partition("?")[0]
    for methods, pattern, shape in SHAPES:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, bare):
            msgspec.json.decode(body, type=shape)
            return
    raise AssertionError(f"no published object for {method} {bare}")
