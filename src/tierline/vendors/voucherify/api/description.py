"""What `/openapi/voucherify.json` says beside the table of operations. A route needs nothing here:
its path, its types and its sentence are enough. Fields that need more words get them below."""

from __future__ import annotations

from typing import Any, Final

from tierline.vendors import registry
from tierline.vendors.voucherify.api.door import CLIENT_SIDE, MANAGEMENT
from tierline.vendors.voucherify.api.errors import ErrorBody
from tierline.vendors.voucherify.vendor import VENDOR
from tierline.web.field_descriptions import DESCRIPTIONS
from tierline.web.openapi import DescribedApi
from tierline.web.routing import JSON, Operation

TAGS: Final = {
    "customers": "People: their profiles, and what they have in every campaign.",
    "loyalties": "Loyalty programs: tiers, members and their cards, points.",
    "events": "What customers did.",
    "orders": "What customers bought.",
    "exports": "Files of what happened.",
    "management": "Webhooks of a project.",
    "client-side": "What pages in browsers may do.",
}
_TAG_OF: Final = {"events": "events", "customers": "customers", "orders": "orders"}
_TEXT: Final = """
path.campaign: A campaign's id or name.
path.customer: A customer's id or source id.
path.member: The code or the id of a member's card.
path.project: The id of the key's own project.
path.tier: The tier's id.
path.webhook: The webhook's id.
active: Whether it is in force; of a webhook, whether it is sent.
additional_info: Always null.
address: Where the customer lives.
algorithm: How the signature is made.
auto_join: Whether a customer's first activity makes a member.
balance: The points that can be spent; never negative here.
birthdate: Another word for `birthday`.
birthday: The day of birth, as `1990-12-31`.
campaign: The campaign's name.
campaign_id: The campaign's id.
campaign_type: There are loyalty programs only.
campaigns: By the name of each campaign, what the customer has there.
CampaignObjects.campaigns: The campaigns of this page.
categories: Always empty.
category: A category's name, kept and shown.
category_id: A category's id, kept and shown.
channel: Where the card was given out; not kept.
charset: The characters that a code may have.
code: The card's code.
ErrorBody.code: The status, again.
code_config: How codes of cards are made.
config: The bounds again, as `config.points`.
CardPublications.count: How many times it was given out.
created_at: When it was made, ISO 8601 in UTC.
creation_status: Always `DONE`: nothing is asynchronous.
customer: A customer, by id or source id or as an object, which makes or changes them too.
customer_id: The customer's id.
data: The items of this page.
data_ref: The name of the field that has the items.
description: A text for people.
details: What was expected, in a sentence.
discount: Always null.
earning_rules: Kept and shown.
email: The mail address; kept as it is sent, and the name of nobody.
event: The name of the event.
events: The events that are sent, by name.
expiration: From when to when the member holds the tier.
expiration_date: The last day, or the end.
expiration_rules: When points expire.
expiration_type: By the program's rules, on a date, or never.
expired_points: How many expired.
from: The lower bound, inclusive.
gift: Always null.
header: The name of the header.
holder_id: The id of the customer whose card it is.
id: The id.
is_referral_code: Always false.
join_once: Always as if true: nobody joins twice.
key: The kind of the error; stable.
limit: How many items a page has.
loyalty: What the customer has in campaigns.
EventRequest.loyalty: The card that the event is for.
loyalty_card: The card's points.
loyalty_tier: The id of the tier held.
loyalty_tiers: The tiers, lowest first.
loyalty_tiers_expiration: How long a tier is held, and by what it is earned.
message: The kind of the error, in words.
metadata: The caller's own facts.
name: The name.
next_expiration_date: The last day of the points that expire first.
next_expiration_points: How many points expire then.
object: The name of the type.
operation_type: Whether somebody changed it, or a rule.
options: What the change does to members.
order: By which time the items are ordered; a minus puts the newest first.
page: Which page, from 1.
pattern: The form of a code; `#` is any character of `charset`.
pending_points: How many are not active yet.
phone: The phone number.
points: How many points.
TierObject.points: The bounds of the tier.
TierRequest.points: The bounds of the tier.
TierObjectConfig.points: The bounds of the tier.
postfix: What stands behind the rest of a code.
prefix: What stands before the rest of a code.
publish: How often the card was given out.
reason: Why, for people.
redemption: What was spent by the card.
referral: Always null: there are no referrals.
referrals: There are none.
referred_customers: Always 0.
related_object: Whose balance it is.
request_id: The answer's own id, that of the header `x-request-id` too.
resource_id: What was not found.
resource_type: Of which kind that is.
rewards: Kept and shown.
secret: The name of the secret.
signatures: Which secret signs which header; ours, not Voucherify's.
since: From when on it signs.
source: Where the secret was shown.
source_id: The id in the caller's own systems.
BalanceRequest.source_id: Makes a repetition safe.
start_date: The first day, or the beginning.
subtracted_points: How many were removed otherwise.
summary: Always null.
system_metadata: Always empty.
target_url: Where it is sent.
tier_id: The tier's id.
to: The upper bound, inclusive.
total: How many there are on all pages.
BalanceObject.total: All points that were ever added.
type: The kind.
TierStay.loyalty_tier: The tier; null: none.
TierStay.campaign: The campaign.
TierMove.campaign: The campaign.
TierStay.customer: The customer.
TierMove.customer: The customer.
VoucherifyEnvelope.data: What happened.
VoucherifyEnvelope.event: What caused it.
until: Until when it signs; null: without end.
updated_at: When it was changed last, ISO 8601 in UTC.
url: Where the list is.
voucher: What the campaign's cards are like.
MemberRequest.voucher: The code that the card is to have.
vouchers: The cards of this page.
"""
SENTENCES: Final = dict(line.split(": ", 1) for line in _TEXT.strip().splitlines())
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "post_customer": {"ann": {"source_id": "ann", "name": "Ann", "email": "ann@example.com"}},
    "put_customer": {"name": {"name": "Ann"}},
    "post_campaign": {"club": {"name": "Club"}},
    "put_campaign": {"described": {"description": "Our regulars"}},
    "post_tiers": {"two": [
        {"name": "Silver", "points": {"from": 0, "to": 99}},
        {"name": "Gold", "points": {"from": 100}},
    ]},
    "put_tier": {"name": {"name": "Platinum"}},
    "post_member": {"ann": {"customer": "ann"}},
    "post_balance": {"gift": {"points": 50, "source_id": "gift-1"}},
    "post_event": {"visit": {"event": "visit", "customer": {"source_id": "ann"}}},
    "post_webhook": {"upgraded": {
        "target_url": "https://example.com/hook", "events": ["customer.loyalty.tier.upgraded"],
    }},
    "put_webhook": {"off": {"active": False}},
}  # fmt: skip


def _header(name: str) -> dict[str, str]:
    about = "A pair with the header of the same beginning, from `tierline key create`."
    return {"type": "apiKey", "in": "header", "name": name, "description": about}


_SCHEMES: Final = {
    "app_id": _header("X-App-Id"),
    "app_token": _header("X-App-Token"),
    "management_id": _header("X-Management-Id"),
    "management_token": _header("X-Management-Token"),
    "client_application_id": _header("X-Client-Application-Id"),
    "client_token": _header("X-Client-Token"),
}


_PAIRS: Final = {
    MANAGEMENT: ("management", ("management_id", "management_token")),
    CLIENT_SIDE: ("client-side", ("client_application_id", "client_token")),
}


def _tag(operation: Operation) -> str:
    for root, (tag, _) in _PAIRS.items():
        if operation.path.startswith(root):
            return tag
    return _TAG_OF.get(operation.path.split("/")[2], "loyalties")


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    pairs = (pair for root, (_, pair) in _PAIRS.items() if operation.path.startswith(root))
    return [{name: [] for name in next(pairs, ("app_id", "app_token"))}]


def _statuses(operation: Operation) -> list[int]:
    statuses = {400, 401, 403, 429, 503}
    if "{" in operation.path:
        statuses |= {404}
    if operation.method != "GET":
        statuses |= {409}
    if operation.body is not None:
        statuses |= {404, 415}
    return sorted(statuses)


def described(operations: tuple[Operation, ...]) -> DescribedApi:
    """Returns the API of these operations, as its document describes it."""
    used = {_tag(operation) for operation in operations}
    return DescribedApi(
        title="Voucherify's API, by Tierline",
        about="Voucherify's v1 API for loyalty programs with tiers, as Tierline serves it.",
        tags={name: text for name, text in TAGS.items() if name in used},
        tag=_tag,
        schemes=_SCHEMES,
        security=_security,
        statuses=_statuses,
        refusal=ErrorBody,
        refusal_type=JSON,
        formats=VENDOR.formats,
        sentences=(SENTENCES, VENDOR.descriptions, DESCRIPTIONS),
        examples=EXAMPLES,
        operations=operations,
        refers_to=registry.FORMATS["standard"].body_types,  # `tierline` of an extended envelope
    )
