"""What LoyaltyLion's routes answer, as types: for the published description. Routes make plain
objects; the tests read each of their answers as one of these.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tierline.vendors.loyaltylion.customer_payloads import LionCustomer
from tierline.vendors.loyaltylion.points_payloads import EarnedRule

_FREE: Final = {"type": "object", "additionalProperties": True}
FreeJson = Annotated[dict[str, Any], Meta(extra_json_schema=_FREE)]
Nothing = Annotated[list[FreeJson], Meta(max_length=0)]
Empty = Literal[""]


class LionError(Struct, frozen=True):
    """`details` by field; the headless API's 422 has a `code`."""

    message: str
    details: dict[str, str] | UnsetType = UNSET
    code: str | UnsetType = UNSET


class LionErrorBody(Struct, frozen=True):
    """The vendor's body of every refusal."""

    error: LionError


class LionCursors(Struct, frozen=True):
    """Where a list goes on, and where it came from; null at the ends."""

    prev: str | None
    next: str | None


class LionIdentity(Struct, frozen=True):
    """Whose key it is, and what it may do."""

    kind: Literal["api_key"]
    account_id: int
    program_id: int | None
    scopes: list[str]
    integration: None


class LionIdentityAnswer(Struct, frozen=True):
    identity: LionIdentity


class LionSite(Struct, frozen=True):
    """A project."""

    id: int
    name: str
    domain: str
    currency: str


class LionSites(Struct, frozen=True):
    sites: list[LionSite]


class LionCustomers(Struct, frozen=True):
    customers: list[LionCustomer]
    cursor: LionCursors


class LionCustomerAnswer(Struct, frozen=True):
    customer: LionCustomer


class LionExport(Struct, frozen=True):
    """A file of customers, one JSON object a line, by ids upwards."""

    id: int
    status: Literal["pending", "processing", "completed", "failed"]
    rows_total: None
    rows_processed: int
    download_url: str | None
    created_at: str
    completed_at: str | None


class LionExportAnswer(Struct, frozen=True):
    export: LionExport


class LionExports(Struct, frozen=True):
    exports: list[LionExport]
    cursor: LionCursors


class LionTransactor(Struct, frozen=True):
    """Whose points they are, as of now; nulls: they were erased."""

    id: int | None
    merchant_id: str | None
    email: str | None
    points_approved: int
    points_pending: int
    points_spent: int


class LionActivity(Struct, frozen=True):
    """What gave points; inside a transaction without its customer."""

    id: int
    merchant_id: str | None
    value: int
    state: Literal["pending", "declined", "approved", "void"]
    rule: EarnedRule
    created_at: str
    resource: None
    customer: LionTransactor | UnsetType = UNSET


class LionActivities(Struct, frozen=True):
    activities: list[LionActivity]
    cursor: LionCursors


class LionAdjustment(Struct, frozen=True):
    """Points by hand."""

    id: int
    value: int
    reason: str | None


class LionClaimedReward(Struct, frozen=True):
    """Points that were spent: there are no rewards."""

    id: int
    claimed_at: str
    point_cost: int
    state: Literal["approved"]
    reward: None


class LionExpiry(Struct, frozen=True):
    """Points that expired."""

    id: int
    value: int


class LionTransaction(Struct, frozen=True):
    """A change of points; `resource` names the one object that says what it was."""

    id: int
    customer: LionTransactor
    points_approved: int
    points_pending: int
    created_at: str
    resource: Literal["activity", "adjustment", "claimed_reward", "expiry"]
    activity: LionActivity | UnsetType = UNSET
    adjustment: LionAdjustment | UnsetType = UNSET
    claimed_reward: LionClaimedReward | UnsetType = UNSET
    expiry: LionExpiry | UnsetType = UNSET


class LionTransactions(Struct, frozen=True):
    transactions: list[LionTransaction]
    cursor: LionCursors


class LionOrderCustomer(Struct, frozen=True):
    """Whose order it is."""

    id: int
    merchant_id: str
    email: str | None


class LionOrder(Struct, frozen=True):
    """An order as it was last told; money as text with two decimals."""

    id: int
    merchant_id: str
    merchant_number: str | None
    total: str
    total_tax: str
    total_shipping: str
    total_discounts: str
    total_paid: str
    total_refunded: str
    payment_status: Literal["paid", "partially_paid", "not_paid"]
    fulfillment_status: Literal["fulfilled", "partially_fulfilled", "not_fulfilled"]
    refund_status: Literal["refunded", "partially_refunded", "not_refunded"]
    cancellation_status: Literal["cancelled", "not_cancelled"]
    customer: LionOrderCustomer | None
    metadata: FreeJson
    created_at: str
    updated_at: str


class LionOrders(Struct, frozen=True):
    orders: list[LionOrder]
    cursor: LionCursors


class LionOrderAnswer(Struct, frozen=True):
    order: LionOrder


class LionUnsubscribe(Struct, frozen=True):
    """An address that wants no mails; `id` is the shop's for the customer."""

    email: str
    id: str | None


class LionWebhookObject(Struct, frozen=True):
    """A subscription."""

    id: int
    topic: str
    address: str
    created_at: str
    updated_at: str
    service_integration_id: int | None


class LionWebhookAnswer(Struct, frozen=True):
    webhook: LionWebhookObject


class LionWebhooks(Struct, frozen=True):
    webhooks: list[LionWebhookObject]
