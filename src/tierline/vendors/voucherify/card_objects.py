"""What happens to a card's points, as Voucherify prints it: transactions, balances, buckets and
pending points. Pure: the API's lists and the webhooks print the same objects.

Pages: https://docs.voucherify.io/api-reference/loyalties/list-member-transactions,
list-loyalty-card-point-expiration and list-member-pending-points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tierline.engine.announcement import Counterpart
from tierline.model.calendar import format_day, format_instant, zone
from tierline.model.points_event import PointsEvent
from tierline.model.standing import Pending
from tierline.model.tenant import Customer
from tierline.vendors.voucherify.card_ids import bucket_id, card_id, move_id, order_id, pending_id
from tierline.vendors.voucherify.objects import Presentation

ATTRIBUTE: Final = "card"  # the member's attribute that holds the card's code
AUTOMATION: Final = "Automation"
MADE_KEY: Final = "auto:"  # how keys begin that nobody sent
ORDER_PAID: Final = "customer.order.paid"
# What the vendor's object requires, where nobody can say it: points that no rule gave, that came
# before a checkpoint, or that wait for an approval.
UNKNOWN_RULE: Final = "ern_000000000000000000000000"
UNKNOWN_ORDER: Final = "ord_000000000000000000000000"
UNKNOWN_EVENT: Final = "evcus_000000000000000000"
NO_DAY: Final = "9999-12-31"
Json = dict[str, Any]


class Card(Struct, frozen=True):
    """Whose card it is, in which program, and in which words."""

    customer: Customer
    member: tuple[int, int]  # customer and program, by their numbers
    project: str
    words: Presentation
    time_zone: str

    @property
    def id(self) -> str:
        return card_id(*self.member)

    @property
    def campaign(self) -> Mapping[str, Any]:
        return self.words.campaign

    def banner(self, rule: str) -> str:
        """What the campaign calls an earning rule; its id, where it says nothing."""
        for each in self.words.rules:
            if each["id"] == rule:
                return str(each.get("source", {}).get("banner") or rule)
        return rule

    def code(self, attributes: Mapping[str, Any]) -> str:
        """The code; who was never given one has the id as theirs."""
        code = attributes.get(ATTRIBUTE)
        return code if isinstance(code, str) else self.id


def last_day(end: int, time_zone: str) -> str:
    """Returns the last civil day before an exclusive end."""
    return format_day(zone(time_zone).day(end - 1))


def balance_object(id_: str, points: int, total: int, balance: int, operation: str) -> Json:
    """A change of a balance. A balance is never negative here: the native API shows debts."""
    return {
        "points": points,
        "total": total,
        "balance": max(balance, 0),
        "type": "loyalty_card",
        "object": "balance",
        "related_object": {"type": "voucher", "id": id_},
        "operation_type": operation,
    }


def moved(event: PointsEvent) -> int:
    """By how many points a balance changed."""
    return event.points if event.kind == "points.activated" else event.points - event.waits


def transaction_type(event: PointsEvent) -> str | None:
    """The transaction that a points event is; None where the balance did not change. What a refund
    takes away is a removal: the vendor's refunds give points back."""
    change = moved(event)
    if change == 0:
        return None
    up = change > 0
    return {
        "points.earned": "POINTS_ACCRUAL",
        "points.activated": "PENDING_POINTS_ACTIVATION",
        "points.spent": "POINTS_REDEMPTION",
        "points.expired": "POINTS_EXPIRATION",
        "points.adjusted": "POINTS_ADDITION" if up else "POINTS_REMOVAL",
        "points.reversed": "POINTS_REFUND" if up else "POINTS_REMOVAL",
        "points.transferred": "POINTS_TRANSFER_IN" if up else "POINTS_TRANSFER_OUT",
    }[event.kind]


def is_automatic(event: PointsEvent) -> bool:
    """Whether a rule or time did it, and nobody by hand."""
    facts = event.facts
    by_rule = event.kind == "points.earned" and facts is not None and facts.kind != "earn"
    return event.entry is None or by_rule or event.rule is not None or facts is None


def transaction(card: Card, event: PointsEvent, key: str | None) -> Json | None:
    """The transaction of a points event; None where it has none. Its id is the same wherever it is
    shown."""
    kind = transaction_type(event)
    if kind is None:
        return None
    facts, automatic = event.facts, is_automatic(event)
    operation = "AUTOMATIC" if automatic else "MANUAL"
    return {
        "id": move_id("vtx_", card.member, event),
        "source_id": source_id(key),
        "voucher_id": card.id,
        "campaign_id": card.campaign["id"],
        "source": AUTOMATION if automatic else "API",
        "reason": None if facts is None else facts.reason,
        "type": kind,
        "details": {
            "balance": balance_object(card.id, moved(event), event.total, event.balance, operation),
            **causes(card, event),
        },
        "related_transaction_id": None,
        "created_at": format_instant(event.at),
    }


def source_id(key: str | None) -> str | None:
    """The key of an activity, where its caller sent one."""
    return None if key is None or key.startswith(MADE_KEY) else key


def causes(card: Card, event: PointsEvent) -> Json:
    """What brought the points, as far as it is known: order, custom event, rule, tier."""
    facts_: Json = {}
    facts = event.facts
    if facts is not None and facts.order is not None:
        facts_["order"] = {"id": order_id(facts.order), "source_id": facts.order}
        facts_["event"] = {"id": move_id("evcus_", card.member, event), "type": ORDER_PAID}
    elif facts is not None and facts.kind == "custom" and facts.name is not None:
        facts_["custom_event"] = {"id": move_id("evcus_", card.member, event), "type": facts.name}
    rule = rule_among(card, event, waits=event.kind == "points.activated")
    if rule is not None:
        facts_["earning_rule"] = {"id": rule, "source": {"banner": card.banner(rule)}}
    tier = card.words.tiers.get(event.tier or "")
    if tier is not None:
        facts_["holder_loyalty_tier"] = {"id": tier["id"], "name": tier["name"]}
    return facts_


def rule_of(event: PointsEvent) -> str | None:
    """The rule that gave the points: the first of them, where several did."""
    if event.rule is not None:
        return event.rule
    rules = () if event.facts is None else event.facts.rules
    return rules[0][0] if rules else None


def rule_among(card: Card, event: PointsEvent, *, waits: bool) -> str | None:
    """As `rule_of`, of one activity's points those that wait, or those that do not: its rules may
    have given both."""
    names = () if event.facts is None else [name for name, _ in event.facts.rules]
    later = {rule["id"] for rule in card.words.rules if rule.get("pending_points")}
    of_them = (name for name in names if (name in later) is waits)
    return next(of_them, rule_of(event)) if event.rule is None else event.rule


def simple_voucher(card: Card, event: PointsEvent) -> Json:
    """The card as events hold it, right after one."""
    campaign = card.campaign
    joined_at = event.at if event.joined_at is None else event.joined_at
    return {
        "id": card.id,
        "code": card.code(event.attributes),
        "loyalty_card": {
            "points": max(event.total, 0),
            "balance": max(event.balance, 0),
            "pending_points": event.pending,
        },
        "type": "LOYALTY_CARD",
        "campaign": campaign["name"],
        "campaign_id": campaign["id"],
        "is_referral_code": False,
        "holder_id": card.customer.id,
        "category_id": campaign["category_id"],
        "active": event.joined_at is not None,
        "created_at": format_instant(joined_at),
        "updated_at": format_instant(event.at),
        "redemption": {"quantity": None, "redeemed_quantity": 0, "redeemed_points": 0},
        "start_date": campaign["start_date"],
        "expiration_date": campaign["expiration_date"],
        "metadata": {},
        "object": "voucher",
    }


def other_voucher(card: Card, other: Counterpart) -> Json:
    """The other card of a transfer, without what changes: points, and whether it is active."""
    own = replace(card, member=other.member)
    return {
        "id": own.id,
        "code": own.code(other.attributes),
        "type": "LOYALTY_CARD",
        "campaign": card.campaign["name"],
        "campaign_id": card.campaign["id"],
        "is_referral_code": False,
        "holder_id": other.customer,
        "created_at": format_instant(other.joined_at),
        "metadata": {},
        "object": "voucher",
    }


def bucket(
    card: Card, expires_at: int | None, points: int, created_at: int, status: str = "ACTIVE"
) -> Json:
    """Points of a card that expire together, on a day which is valid still; those that never
    expire have no such day."""
    whole: Json = {
        "id": bucket_id(card.member, expires_at),
        "voucher_id": card.id,
        "campaign_id": card.campaign["id"],
        "bucket": {"total_points": points},
        "status": status,
    }
    if expires_at is not None:
        whole["expires_at"] = last_day(expires_at, card.time_zone)
    return {**whole, "created_at": format_instant(created_at), "object": "loyalty_points_bucket"}


def pending_points(card: Card, waits: list[Pending], event: PointsEvent | None) -> Json:
    """What waits of one activity: its points together, and the first day on which some of them
    become active. `event`: the one that told of it, where it is known."""
    first = waits[0]
    days = [each.available_at for each in waits if each.available_at is not None]
    created_at = event.at if event is not None else first.occurred_at or 0
    facts = None if event is None else event.facts
    name = None if facts is None else facts.order
    order = order_id(name) if name is not None else UNKNOWN_ORDER
    rule = (None if event is None else rule_among(card, event, waits=True)) or UNKNOWN_RULE
    cause = UNKNOWN_EVENT if event is None else move_id("evcus_", card.member, event)
    details: Json = {
        "event": {"id": cause, "type": ORDER_PAID},
        "earning_rule": {"id": rule, "source": {"banner": card.banner(rule)}},
        "order": {"id": order, "source_id": name},
    }
    tier = card.words.tiers.get((event.tier if event is not None else None) or "")
    if tier is not None:
        details["holder_loyalty_tier"] = {"id": tier["id"], "name": tier["name"]}
    return {
        "id": pending_id(card.member, first.entry),
        "voucher_id": card.id,
        "campaign_id": card.campaign["id"],
        "customer_id": card.customer.id,
        "order_id": order,
        "points": sum(each.points for each in waits),
        "activates_at": _first_day(card, days),
        "details": details,
        "created_at": format_instant(created_at),
    }


def _first_day(card: Card, instants: list[int]) -> str:
    return format_day(zone(card.time_zone).day(min(instants))) if instants else NO_DAY
