"""What `/openapi/loyaltylion.json` says beside the table of operations. A route needs nothing here:
its path, its types and its sentence are enough. Fields that need more words get them below."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from tierline.vendors import registry
from tierline.vendors.loyaltylion.api import consent, customer_exports
from tierline.vendors.loyaltylion.api.answers import LionErrorBody
from tierline.vendors.loyaltylion.api.errors import HEADLESS
from tierline.vendors.loyaltylion.api.headless_answers import ANSWERS
from tierline.vendors.loyaltylion.vendor import VENDOR
from tierline.web.field_descriptions import DESCRIPTIONS
from tierline.web.openapi import DescribedApi
from tierline.web.routing import JSON, Operation, OtherAnswer

TAGS: Final = {
    "identity": "Whose key it is.",
    "sites": "Projects.",
    "customers": "People: their profiles, points and tiers.",
    "activities": "What customers did.",
    "transactions": "Changes of points.",
    "orders": "What customers bought.",
    "webhooks": "Subscriptions to topics.",
    "loyalty_emails": "Who does not want mails.",
    "headless": "What a storefront asks.",
    "oauth": "Partners' apps.",
}
_TEXT: Final = """
path.activity: The shop's id for the activity.
path.customer: The shop's id for the customer.
path.export: The export's id.
path.kind: The kind of reward.
path.name: The activity's name.
path.order: The shop's id for the order.
path.site: The site's id.
path.webhook: The webhook's id.
account_id: The project's number.
actions: What happened by it.
active_cart_redemptions: There are none.
address: Where a webhook is sent.
amount: In whole units of the currency.
at_expiration: When the tier ends, if nothing more happens; null: it does not end.
available_rules: The rules by which this customer can earn.
benefit_ids: There are none.
boundary_mode: What the tiers count.
cancellation_status: Whether it was cancelled.
cart: Passed over.
channel: Where the storefront is.
claimed_rewards: There are none.
configuration: The program.
country: Passed over.
cursor: The `next` or `prev` of a page; then only `limit` counts beside it.
details: What was expected, by field.
discount_codes: What was taken off.
domain: The shop's domain.
download_url: Where the file is, for six hours; null: it is not whole yet.
email_marketing_consent: Nothing is known of it.
enrolled_at: Since when they are a member.
forecasted_tier_id: The tier when this one ends, if nothing more happens.
formatted: As people read it.
fulfillment_status: Whether it was sent.
guest: Whether they are a guest.
history: The newest 50 actions.
identity: Whose key it is.
integration: Always null.
kind: Which kind.
language: The storefront's language, given back.
limit: At most so many, 1 to 500; 100 by default.
merchant_number: The order's number for people.
message: What was wrong, and what to do.
next_birthday: Always null.
now: Today.
page: Which page; of lists with cursors only the first.
payment_status: Whether it was paid.
point_cost: How many points were spent.
program_id: The program's number; null: there is none, or several.
receipt_upload_url: Always null.
referral_urls: Always null.
refund_status: Whether money went back.
requested_cart_actions: There are none.
resource: Always null; of a transaction, the name of the object that says what it was.
reward: Always null.
rows_processed: How many customers it has so far.
rows_total: Always null.
rule: The earning rule.
since_id: Only ids above this one, upwards.
site_id: The site's id; passed over.
sms_marketing_consent: Nothing is known of it.
subscribed: Always false.
tier_benefits: There are none.
tier_orders: The orders that count.
tier_points: The points that count.
tier_spend: The money that counts.
total: All of it.
upgrade_tier_id: The next tier that can be reached; null: none.
valid_until: From then on these numbers are out of date.
value: How many points.
"""
SENTENCES: Final = dict(line.split(": ", 1) for line in _TEXT.strip().splitlines())
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "patch_customer": {"birthday": {"customer": {"birthday": "1990-01-29"}}},
    "add_points": {"gift": {"points": 50, "reason": "A gift"}},
    "post_activity": {"signup": {"name": "$signup", "customer_id": "ann"}},
    "put_activity": {"approved": {"state": "approved"}},
    "post_order": {"paid": {
        "customer_id": "ann", "merchant_id": "1001", "total": "25.00", "payment_status": "paid",
    }},
    "put_order": {"refund": {"refund_status": "partially_refunded", "total_refunded": "5.00"}},
    "post_webhook": {"upgraded": {"webhook": {
        "topic": "program_events/customer.tier_upgraded", "address": "https://example.com/hook",
    }}},
}  # fmt: skip
_SCHEMES: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "A program API token, `pat_…`."},
    "site": {"type": "http", "scheme": "basic", "description": "The site's token and secret."},
}
_CSV: Final = OtherAnswer(200, (), "text/csv")
_FILE: Final = OtherAnswer(200, (), customer_exports.NDJSON)


def _tag(operation: Operation) -> str:
    first, second, *_ = operation.path.strip("/").split("/")
    return second if first == "v2" else first


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.path.startswith((HEADLESS, customer_exports.EXPORTS)):
        return [{"key": []}]
    return [{"key": []}, {"site": []}]


def _statuses(operation: Operation) -> list[int]:
    statuses = {400, 503}
    if not operation.open:
        statuses |= {401, 403, 429}
    if "{" in operation.path:
        statuses |= {404}
    if operation.method != "GET":
        statuses |= {422}
    return sorted(statuses)


def _described(operation: Operation) -> Operation:
    name = operation.handler.__name__
    if operation.answer is None:
        operation = replace(operation, answer=ANSWERS.get(name))
    if name in ("list_transactions", "list_of_customer"):
        operation = replace(operation, other_answers=(_CSV,))
    elif name == "get_file":
        operation = replace(operation, other_answers=(_FILE,))
    return operation


def described(operations: tuple[Operation, ...]) -> DescribedApi:
    """Returns the API of these operations, as its document describes it."""
    return DescribedApi(
        title="LoyaltyLion's API, by Tierline",
        about="LoyaltyLion's Admin API v2 and headless API 2025-06 for tiers, as Tierline serves "
        "them.",
        tags=TAGS,
        tag=_tag,
        schemes=_SCHEMES,
        security=_security,
        statuses=_statuses,
        refusal=LionErrorBody,
        refusal_type=JSON,
        formats=VENDOR.formats,
        sentences=(SENTENCES, VENDOR.descriptions, DESCRIPTIONS),
        examples=EXAMPLES,
        operations=tuple(
            _described(each) for each in (*operations, *consent.OPERATIONS, *customer_exports.FILES)
        ),
        # What an extended envelope has under `tierline`.
        refers_to=registry.FORMATS["standard"].body_types,
    )
