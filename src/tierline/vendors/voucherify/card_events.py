"""Voucherify's events about a card's points: which one a points event is, and its `data`. Pure: the
activity feeds and the webhooks print the same.

Pages: https://docs.voucherify.io/api-reference/ events-customer and events-voucher.
"""

from __future__ import annotations

from typing import Any, Final

from tierline.engine.announcement import Counterpart
from tierline.model.calendar import format_instant, zone
from tierline.model.points_event import PointsEvent
from tierline.model.standing import Pending
from tierline.model.tenant import Customer
from tierline.vendors.voucherify.card_ids import move_id, order_id
from tierline.vendors.voucherify.card_objects import (
    ORDER_PAID,
    Card,
    balance_object,
    bucket,
    is_automatic,
    moved,
    other_voucher,
    pending_points,
    rule_among,
    rule_of,
    simple_voucher,
    transaction,
)
from tierline.vendors.voucherify.objects import EVENT_KEYS

CREATED: Final = "voucher.loyalty_card.transaction.created"
ADDED: Final = "voucher.loyalty_card.points_added"
EXPIRED: Final = "voucher.loyalty_card.points_expired"
PENDING: Final = "voucher.loyalty_card.pending_points."
REWARDED: Final = "customer.rewarded.loyalty_points"
TRANSFERRED: Final = "customer.voucher.loyalty_card.points_transferred"  # activity alone
Json = dict[str, Any]


def own_names(event: PointsEvent) -> tuple[str, ...]:
    """The vendor's own names for what happened: two where one activity brought points that wait,
    and others; none where only the list of transactions tells it (spending, and what is taken back
    of points that were there)."""
    if event.kind == "points.expired":
        return (EXPIRED,)
    if event.kind == "points.activated":
        return (f"{PENDING}activated",)
    if event.kind == "points.transferred":
        return (TRANSFERRED,)
    if event.waits < 0:
        return (f"{PENDING}{'updated' if event.pending else 'canceled'}",)
    later = (f"{PENDING}added",) if event.waits > 0 else ()
    if event.kind == "points.earned" and rule_of(event) is not None:
        return later if later and moved(event) == 0 else (*later, REWARDED)
    came = moved(event) > 0 and event.kind in ("points.earned", "points.adjusted")
    return (*later, ADDED) if came else later


def for_customer(name: str) -> str:
    """The name of the same event of a customer's."""
    return name if name.startswith("customer.") else f"customer.{name}"


def event_data(card: Card, event: PointsEvent, key: str | None, name: str) -> Json:
    """`data` of an event by its name."""
    people = {"customer": customer_object(card.customer), "campaign": simple_campaign(card)}
    whole: Json = {**people, "voucher": simple_voucher(card, event)}
    if name == REWARDED:
        return {**whole, **_rewarded(card, event)}
    made = transaction(card, event, key)
    if name.endswith(EXPIRED):
        lot = bucket(card, event.at, -event.points, event.at, "EXPIRED")
        return {**whole, "points": -event.points, "buckets": [lot], "transaction": made}
    if PENDING not in name:
        return {**whole, "balance": _balance(card, event), "transaction": made}
    order = _order(event)
    day = event.at if name.endswith("activated") else _active_from(card, event)
    waits = Pending(event.entry or 0, day, abs(event.waits), None, "earn", occurred_at=event.at)
    pending = pending_points(card, [waits], event)
    if name.endswith("activated"):
        balance = {"balance": _balance(card, event), "order": order, "transaction": made}
        return {**whole, **balance, "pending_points": pending}
    total = {
        **balance_object(card.id, event.waits, event.pending, event.pending, _operation(event)),
    }
    return {
        **whole,
        "voucher_pending_points_balance": total,
        "order": order,
        "pending_points": pending,
    }


def _active_from(card: Card, event: PointsEvent) -> int | None:
    """When the first of the points that an activity brought becomes active, as its rules say; None
    where none of them waits, so that nobody can say it here."""
    names = {event.rule} if event.facts is None else {name for name, _ in event.facts.rules}
    waits = (rule["pending_points"] for rule in card.words.rules
             if rule["id"] in names and rule.get("pending_points"))  # fmt: skip
    days = [int(each["period_value"]) for each in waits]
    local = zone(card.time_zone)
    return local.start(local.day(event.at) + min(days)) if days else None


def transaction_data(
    card: Card, event: PointsEvent, key: str | None, other: Counterpart | None
) -> Json | None:
    """`data` of `voucher.loyalty_card.transaction.created`: always the same keys, null where they
    say nothing. None where the balance did not change. `other`: whose card the points came from
    or went to."""
    made = transaction(card, event, key)
    if made is None:
        return None
    details = made["details"]
    way = "destination_voucher" if made["type"] == "POINTS_TRANSFER_OUT" else "source_voucher"
    vouchers: Json = {"source_voucher": None, "destination_voucher": None}
    if other is not None:
        vouchers[way] = details[way] = other_voucher(card, other)
    tier = card.words.tiers.get(event.tier or "")
    return {
        "transaction": made,
        "voucher": simple_voucher(card, event),
        "campaign": simple_campaign(card),
        "holder": customer_object(card.customer),
        "holder_loyalty_tier": tier,
        "balance": details["balance"],
        "order": _order(event),
        "event": details.get("event"),
        "earning_rule": _rule(card, event),
        "segment": None,
        "loyalty_tier": None,
        "redemption": None,
        "rollback": None,
        "reward": None,
        "custom_event": details.get("custom_event"),
        **vouchers,
    }


def customer_object(customer: Customer) -> Json:
    """The simplified customer: always these six keys."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "source_id": customer.source_id,
        "metadata": customer.metadata,
        "object": "customer",
    }


def simple_campaign(card: Card) -> Json:
    """The campaign as events hold it."""
    return {key: value for key, value in card.campaign.items() if key in EVENT_KEYS}


def _balance(card: Card, event: PointsEvent) -> Json:
    return balance_object(card.id, moved(event), event.total, event.balance, _operation(event))


def _operation(event: PointsEvent) -> str:
    return "AUTOMATIC" if is_automatic(event) else "MANUAL"


def _order(event: PointsEvent) -> Json | None:
    name = None if event.facts is None else event.facts.order
    if name is None:
        return None
    id_ = order_id(name)
    return {"id": id_, "source_id": None if id_ == name else name, "object": "order"}


def _rule(card: Card, event: PointsEvent) -> Json | None:
    rule = rule_among(card, event, waits=event.kind == "points.activated")
    return next((each for each in card.words.rules if each["id"] == rule), None)


def _rewarded(card: Card, event: PointsEvent) -> Json:
    cause = {
        "id": move_id("evcus_", card.member, event),
        "type": ORDER_PAID if _order(event) is not None else REWARDED,
        "category": "EFFECT",
        "entity_id": card.customer.id,
        "created_at": format_instant(event.at),
        "group_id": None,
    }
    return {
        "holder": customer_object(card.customer),
        "loyalty_tier": None,
        "earning_rule": _rule(card, event),
        "balance": _balance(card, event),
        "order": _order(event),
        "event": cause,
    }
