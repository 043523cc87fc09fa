"""Points in LoyaltyLion's shape: what was earned, with its transaction, and a customer who changed.

A webhook is made before anybody asks for the list of transactions, so the id here is a number of
its own, above all of that list's: the activity's `merchant_id` says which one it is.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tierline.engine.announcement import PointsAnnouncement
from tierline.model.calendar import format_instant
from tierline.model.points_event import ActivityFacts
from tierline.model.view import View
from tierline.vendors.loyaltylion.customer_payloads import (
    LionCustomer,
    encoded_tiers,
    lion_customer,
    lion_membership,
)
from tierline.vendors.loyaltylion.ladder import rule_number

OWN_NUMBERS: Final = 1 << 52  # below lie the numbers of lists; below twice that, whole ones of JSON
# What the vendor calls activities that have no name of the shop's, by the kind of their entry.
NAMES: Final = {"order": "$purchase", "enrol": "$signup"}
GIVERS: Final = ("earn", "order", "custom")  # kinds of entries that are the shop's own activities
_NOTHING: Final = ActivityFacts("custom")


class EarnedCustomer(Struct):
    """The short customer of a transaction."""

    id: int
    merchant_id: str
    email: str | None
    points_approved: int
    points_pending: int
    points_spent: int


class EarnedRule(Struct):
    """The earning rule that gave the points."""

    id: int
    name: str
    title: str


class EarnedActivity(Struct):
    """What brought the points, as the list of activities shows it."""

    id: int
    merchant_id: str | None
    value: int
    state: Literal["pending", "approved"]
    rule: EarnedRule
    created_at: str
    resource: None


class EarnedTransaction(Struct):
    """What was earned, as the list of transactions shows it."""

    id: int
    customer: EarnedCustomer
    points_approved: int
    points_pending: int
    created_at: str
    resource: Literal["activity"]
    activity: EarnedActivity


class PointsEarnedProperties(Struct):
    """`available_rewards` is empty: there are no rewards."""

    customer: LionCustomer
    transaction: EarnedTransaction
    available_rewards: Annotated[list[Any], Meta(max_length=0)]


def customer_of(announcement: PointsAnnouncement, base: int) -> LionCustomer:
    """Returns the customer as of the event. `base`: the `position` of the first tier."""
    event = announcement.event
    view = event.view or View(event.balance, event.pending, joined_at=event.joined_at)
    held = None if event.tier is None else encoded_tiers(announcement, announcement.rules)
    tier = None if held is None or event.tier is None else held.get(event.tier)
    membership = None
    if tier is not None and view.joined_at is not None:
        since = view.joined_at if view.since is None else view.since
        membership = lion_membership(view, since, tier.held[base])
    return lion_customer(announcement.customer, view, membership)


def earned_properties(announcement: PointsAnnouncement, base: int) -> PointsEarnedProperties:
    event, customer = announcement.event, customer_of(announcement, base)
    short = EarnedCustomer(
        **{field: getattr(customer, field) for field in EarnedCustomer.__struct_fields__}
    )
    number = own_number(announcement.id)
    transaction = EarnedTransaction(
        id=number,
        customer=short,
        points_approved=event.points - event.waits,
        points_pending=event.waits,
        created_at=format_instant(event.at),
        resource="activity",
        activity=_activity(announcement, number),
    )
    return PointsEarnedProperties(customer, transaction, [])


def own_number(event_id: str) -> int:
    """Returns the number of an event that no list has given one: the same every time."""
    digest = hashlib.blake2b(event_id.encode(), digest_size=8).digest()
    return OWN_NUMBERS + (int.from_bytes(digest, "big") >> 12)


def _activity(announcement: PointsAnnouncement, number: int) -> EarnedActivity:
    event, facts = announcement.event, announcement.event.facts or _NOTHING
    name = facts.name or NAMES.get(facts.kind, "bonus")
    key = event.key if facts.kind in GIVERS else None
    merchant = facts.order or (None if key is None else key.removeprefix(f"{name}:"))
    rule = event.rule or (facts.rules[0][0] if facts.rules else name)
    project, program = announcement.project.id, announcement.program
    return EarnedActivity(
        id=number,
        merchant_id=None if merchant is not None and merchant.startswith("auto:") else merchant,
        value=event.points,
        state="pending" if event.waits else "approved",
        rule=EarnedRule(rule_number(project, program, rule), name, rule),
        created_at=format_instant(event.at),
        resource=None,
    )
