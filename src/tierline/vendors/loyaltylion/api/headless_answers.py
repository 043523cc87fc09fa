"""What the headless API answers, as types; see `answers`."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from tierline.vendors.loyaltylion.api import answers
from tierline.vendors.loyaltylion.api.answers import FreeJson, Nothing

Channel = Literal["web", "pos", "mobile"]
TierKind = Literal["points", "spend", "orders"]


class SpendAmount(Struct, frozen=True):
    """Money, and how it is written."""

    amount: float
    formatted: str


Amount = int | SpendAmount


class HeadlessTier(Struct, frozen=True):
    """A tier; a conditional one has no bounds."""

    id: int
    name: str
    position: int
    hidden: bool
    benefit_ids: list[int]
    kind: Literal["points", "spend", "orders", "conditional"]
    lower_bound: Amount | UnsetType = UNSET
    upper_bound: Amount | UnsetType | None = UNSET


class HeadlessTierConfiguration(Struct, frozen=True):
    """The tiers; `membership` as the program's settings have it."""

    boundary_mode: TierKind
    tiers: list[HeadlessTier]
    tier_benefits: Nothing
    membership: FreeJson


class HeadlessProgram(Struct, frozen=True):
    name: str


class HeadlessConfiguration(Struct, frozen=True):
    """The program."""

    channel: Channel
    currency: str
    language: str
    program: HeadlessProgram
    tier_configuration: HeadlessTierConfiguration | None
    rules: list[FreeJson]
    rewards: Nothing


class ProgressValues(Struct, frozen=True):
    """What counts today, and what will when the tier ends if nothing more happens."""

    now: Amount
    at_expiration: Amount | None


class HeadlessProgress(Struct, frozen=True):
    """How far a customer is: the fields of its own kind, and none of the others'."""

    kind: TierKind
    valid_until: str | None
    upgrade_tier_id: int | None
    forecasted_tier_id: int | None
    points_needed_for_renewal: int | UnsetType | None = UNSET
    points_needed_for_upgrade: int | UnsetType | None = UNSET
    tier_points: ProgressValues | UnsetType = UNSET
    spend_needed_for_renewal: SpendAmount | UnsetType | None = UNSET
    spend_needed_for_upgrade: SpendAmount | UnsetType | None = UNSET
    tier_spend: ProgressValues | UnsetType = UNSET
    orders_needed_for_renewal: int | UnsetType | None = UNSET
    orders_needed_for_upgrade: int | UnsetType | None = UNSET
    tier_orders: ProgressValues | UnsetType = UNSET


class HeadlessMembership(Struct, frozen=True):
    tier_id: int
    started_at: str
    expires_at: str | None
    progress: HeadlessProgress


class HeadlessBirthday(Struct, frozen=True):
    month: int
    day: int
    year: int | UnsetType = UNSET


class HeadlessConsent(Struct, frozen=True):
    state: Literal["unknown"]


class HeadlessKnown(Struct, frozen=True):
    """What is shown of everybody."""

    id: int
    merchant_id: str
    email: str | None
    first_name: str | None
    last_name: str | None


class HeadlessGuest(HeadlessKnown, frozen=True, tag_field="state", tag="guest"):
    """Somebody who is not enrolled."""


class HeadlessBlocked(HeadlessKnown, frozen=True, tag_field="state", tag="blocked"):
    """Somebody who is blocked."""


class HeadlessEnrolled(HeadlessKnown, frozen=True, tag_field="state", tag="enrolled"):
    """A member."""

    points_approved: int
    points_pending: int
    points_spent: int
    enrolled_at: str
    tier_membership: HeadlessMembership | None
    birthday: HeadlessBirthday | None
    next_birthday: None
    claimed_rewards: Nothing
    available_rewards: Nothing
    available_rules: list[FreeJson]
    history: list[FreeJson]
    active_cart_redemptions: Nothing
    email_marketing_consent: HeadlessConsent
    sms_marketing_consent: HeadlessConsent
    receipt_upload_url: None
    referral_urls: None


class HeadlessCustomerAnswer(Struct, frozen=True):
    """A customer, and the program; of a session what the cart is to do, too."""

    channel: Channel
    currency: str
    language: str
    customer: HeadlessEnrolled | HeadlessGuest | HeadlessBlocked
    configuration: HeadlessConfiguration
    requested_cart_actions: Nothing | UnsetType = UNSET


class HeadlessEnrolment(Struct, frozen=True):
    """`enrolled`: whether this call did."""

    enrolled: bool
    customer: HeadlessEnrolled


class HeadlessBirthdayAnswer(Struct, frozen=True):
    """`updated`: whether this call noted it."""

    updated: bool
    birthday: HeadlessBirthday
    customer: HeadlessEnrolled


class HeadlessSubscription(Struct, frozen=True):
    """Nothing was noted."""

    subscribed: bool
    customer: HeadlessEnrolled


class HeadlessRuleAnswer(Struct, frozen=True):
    """What completing a rule brought."""

    actions: list[FreeJson]
    customer: HeadlessEnrolled


# By the name of the route's handler.
ANSWERS: Final[dict[str, Any]] = {
    "get_identity": answers.LionIdentityAnswer,
    "list_sites": answers.LionSites,
    "list_customers": answers.LionCustomers,
    "post_export": answers.LionExportAnswer,
    "list_exports": answers.LionExports,
    "get_export": answers.LionExportAnswer,
    "get_customer_of_shop": answers.LionCustomerAnswer,
    "patch_customer": answers.LionCustomerAnswer,
    "put_membership": answers.LionCustomerAnswer,
    "add_points": answers.Empty,
    "post_activity": answers.Empty,
    "post_order": answers.Empty,
    "post_amount": answers.Empty,
    "list_activities": answers.LionActivities,
    "list_transactions": answers.LionTransactions,
    "list_of_customer": answers.LionTransactions,
    "list_orders": answers.LionOrders,
    "get_order": answers.LionOrderAnswer,
    "list_unsubscribes": list[answers.LionUnsubscribe],
    "post_unsubscribe": answers.Empty,
    "post_webhook": answers.LionWebhookAnswer,
    "list_webhooks": answers.LionWebhooks,
    "get_configuration": HeadlessConfiguration,
    "get_customer": HeadlessCustomerAnswer,
    "post_session": HeadlessCustomerAnswer,
    "post_enroll": HeadlessEnrolment,
    "post_birthday": HeadlessBirthdayAnswer,
    "post_subscribe": HeadlessSubscription,
    "post_custom_rule": HeadlessRuleAnswer,
}
