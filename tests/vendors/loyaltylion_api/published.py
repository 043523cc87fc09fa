"""LoyaltyLion's objects as its pages publish them: keys, nullability and words. Every answer that
the tests get is read as one of these; what is not published does not pass.

Pages, below developers.loyaltylion.com: `api-reference/v2/resources/…` and, of the headless API,
`headless-api/2025-06/…`; the headless types are those of the vendor's TypeScript client 0.0.7.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Id = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Number = Annotated[int, Meta(ge=1)]
At = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z\Z")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
Money = Annotated[str, Meta(pattern=r"^-?\d+\.\d{2}\Z")]
Cursor = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z")]


class Published(Struct, forbid_unknown_fields=True):
    """An object with exactly these keys."""


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


class Sites(Published):
    sites: list[dict[str, Any]]


# The headless API -------------------------------------------------------------------------------

Channel = Literal["web", "pos", "mobile"]


class Currency(Published):
    amount: int | float
    formatted: str


Amount = int | Currency


class HeadlessTier(Published, kw_only=True):
    id: Id
    name: str
    position: Number
    hidden: bool
    benefit_ids: list[int]
    kind: Literal["points", "spend", "orders", "conditional"]
    lower_bound: Amount | msgspec.UnsetType = msgspec.UNSET
    upper_bound: Amount | msgspec.UnsetType | None = msgspec.UNSET


class TierConfiguration(Published):
    boundary_mode: Literal["points", "spend", "orders"]
    tiers: list[HeadlessTier]
    tier_benefits: list[Any]
    membership: dict[str, Any]


class Program(Published):
    name: str


class Configuration(Published):
    channel: Channel
    currency: Annotated[str, Meta(pattern=r"^[a-z]{3}\Z")]
    language: str
    program: Program
    tier_configuration: TierConfiguration | None
    rules: list[dict[str, Any]]
    rewards: list[Any]


class Values(Published):
    now: Amount
    at_expiration: Amount | None


class Progress(Published, kw_only=True):
    """TierProgressPoints, -Spend and -Orders: each kind's own keys and no other."""

    kind: Literal["points", "spend", "orders"]
    valid_until: At | None
    upgrade_tier_id: int | None
    forecasted_tier_id: int | None
    points_needed_for_renewal: int | msgspec.UnsetType | None = msgspec.UNSET
    points_needed_for_upgrade: int | msgspec.UnsetType | None = msgspec.UNSET
    tier_points: Values | msgspec.UnsetType = msgspec.UNSET
    spend_needed_for_renewal: Currency | msgspec.UnsetType | None = msgspec.UNSET
    spend_needed_for_upgrade: Currency | msgspec.UnsetType | None = msgspec.UNSET
    tier_spend: Values | msgspec.UnsetType = msgspec.UNSET
    orders_needed_for_renewal: int | msgspec.UnsetType | None = msgspec.UNSET
    orders_needed_for_upgrade: int | msgspec.UnsetType | None = msgspec.UNSET
    tier_orders: Values | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        for kind in ("points", "spend", "orders"):
            for name in (
                f"{kind}_needed_for_renewal",
                f"{kind}_needed_for_upgrade",
                f"tier_{kind}",
            ):
                if (getattr(self, name) is msgspec.UNSET) is (kind == self.kind):
                    raise ValueError(name)


class HeadlessMembership(Published):
    tier_id: Id
    started_at: At
    expires_at: At | None
    progress: Progress


class Birthday(Published):
    month: int
    day: int
    year: int | msgspec.UnsetType = msgspec.UNSET


class Consent(Published):
    state: Literal["subscribed", "not_subscribed", "unknown"]


class Known(Published, kw_only=True, tag_field="state"):
    id: Id
    merchant_id: str
    email: str | None
    first_name: str | None
    last_name: str | None


class Guest(Known, tag="guest"):
    pass


class Blocked(Known, tag="blocked"):
    pass


class Enrolled(Known, kw_only=True, tag="enrolled"):
    points_approved: int
    points_pending: int
    points_spent: int
    enrolled_at: At
    tier_membership: HeadlessMembership | None
    birthday: Birthday | None
    next_birthday: str | None
    claimed_rewards: list[Any]
    available_rewards: list[Any]
    available_rules: list[dict[str, Any]]
    history: list[dict[str, Any]]
    active_cart_redemptions: list[Any]
    email_marketing_consent: Consent
    sms_marketing_consent: Consent
    receipt_upload_url: str | None
    referral_urls: dict[str, str] | None


class HeadlessCustomer(Published, kw_only=True):
    """customers/get-customer, and of a session `requested_cart_actions` besides."""

    channel: Channel
    currency: str
    language: str
    customer: Enrolled | Guest | Blocked
    configuration: Configuration
    requested_cart_actions: list[Any] | msgspec.UnsetType = msgspec.UNSET


class Enrolment(Published):
    enrolled: bool
    customer: Enrolled


class BirthdayNoted(Published):
    updated: bool
    birthday: Birthday
    customer: Enrolled


class RuleCompleted(Published):
    actions: list[dict[str, Any]]
    customer: Enrolled


_ONE = r"[^/?]+"
SHAPES: list[tuple[str, str, Any]] = [
    ("GET", r"/v2/identity/whoami", OneIdentity),
    ("GET", r"/v2/sites", Sites),
    ("GET", r"/v2/customers", CustomerList),
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
    ("GET", rf"/headless/2025-06/{_ONE}/configuration", Configuration),
    ("GET", rf"/headless/2025-06/{_ONE}/customers/{_ONE}", HeadlessCustomer),
    ("POST", rf"/headless/2025-06/{_ONE}/customers/{_ONE}/sessions", HeadlessCustomer),
    ("POST", rf"/headless/2025-06/{_ONE}/customers/{_ONE}/enroll", Enrolment),
    ("POST", rf"/headless/2025-06/{_ONE}/customers/{_ONE}/birthday", BirthdayNoted),
    ("POST", rf"/headless/2025-06/{_ONE}/rules/custom/complete", RuleCompleted),
]  # fmt: skip


def as_published(method: str, path: str, body: bytes) -> None:
    """Reads a good answer's JSON as the vendor's object. Raises msgspec.ValidationError."""
    bare = path.partition("?")[0]
    for methods, pattern, shape in SHAPES:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, bare):
            msgspec.json.decode(body, type=shape)
            return
    raise AssertionError(f"no published object for {method} {bare}")
