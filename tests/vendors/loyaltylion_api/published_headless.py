"""The headless API's objects, as `published.py` has those of the Admin API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tests.vendors.loyaltylion_api.published_parts import At, Id, Number, Published

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
