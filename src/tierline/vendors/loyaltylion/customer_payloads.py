"""What LoyaltyLion's events show of a customer: the customer, their membership, tiers."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model import json_text
from tierline.model.calendar import format_instant
from tierline.model.tenant import Customer
from tierline.model.view import View
from tierline.rules.program import Version
from tierline.vendors.loyaltylion.ladder import NAME, LionTier, tiers
from tierline.vendors.vendor import once_per_version

_ENCODED = "loyaltylion.encoded"
_NOTHING: dict[str, Any] = {}
AnyAnnouncement = Announcement | PointsAnnouncement | ReminderAnnouncement


def _tier_schema(*more: str) -> dict[str, Any]:
    properties: dict[str, Any] = {key: {"type": "integer"} for key in ("id", "number", *more)}
    properties |= {key: {"type": "string"} for key in ("name", "lower_bound")}
    properties |= {"default": {"type": "boolean"}, "hidden": {"type": "boolean"}}
    properties["upper_bound"] = {"type": ["string", "null"]}
    return {"type": "object", "properties": properties, "required": list(properties)}


_OBJECT = {"type": "object"}
_MAYBE_OBJECT = {"type": ["object", "null"]}
MembershipTierJson = Annotated[Any, Meta(extra_json_schema=_tier_schema("position"))]
EventTierJson = Annotated[
    Raw | None, Meta(extra_json_schema={"anyOf": [_tier_schema(), {"type": "null"}]})
]
JsonObject = Annotated[Any, Meta(extra_json_schema=_OBJECT)]


class LionMembership(Struct):
    """`started_at` is the move's instant; the vendor's examples print it in two ways."""

    started_at: str
    expires_at: str | None
    manual: bool
    loyalty_tier: MembershipTierJson


class LionCustomer(Struct):
    """The customer as the Customers API and the events show them; `points_approved` is the
    balance that can be spent."""

    id: int
    merchant_id: str
    email: str | None
    points_approved: int
    points_pending: int
    points_spent: int
    rewards_claimed: int
    properties: JsonObject
    metadata: JsonObject
    birthday: str | None
    blocked: bool
    guest: bool
    enrolled: bool
    enrolled_at: str | None
    referral_id: str | None
    referred_by: Annotated[Any, Meta(extra_json_schema=_MAYBE_OBJECT)]
    loyalty_tier_membership: LionMembership | None
    insights_segment: str | None
    referral_url: str
    created_at: str
    updated_at: str


def lion_customer(
    customer: Customer, view: View, membership: LionMembership | None
) -> LionCustomer:
    """A customer with the numbers of `view`; what only LoyaltyLion shows is in `presentations`."""
    own = customer.presentations.get(NAME, _NOTHING).get
    name = customer.name
    properties = own("properties", {} if name is None else {"name": name})
    joined = view.joined_at
    return LionCustomer(
        id=customer.number,
        merchant_id=own("merchant_id") or customer.source_id or customer.id,
        email=customer.email,
        points_approved=view.balance,
        points_pending=view.pending,
        points_spent=view.spent,
        rewards_claimed=own("rewards_claimed", 0),
        properties=json_text.embedded(properties),
        metadata=json_text.embedded(customer.metadata),
        birthday=own("birthday") or customer.full_birthdate,
        blocked=own("blocked", False),
        guest=own("guest", False),
        enrolled=joined is not None,
        enrolled_at=None if joined is None else format_instant(joined),
        referral_id=own("referral_id"),
        referred_by=json_text.embedded(own("referred_by")),
        loyalty_tier_membership=membership,
        insights_segment=own("insights_segment"),
        referral_url=own("referral_url", ""),
        created_at=format_instant(customer.created_at),
        updated_at=format_instant(customer.updated_at),
    )


def lion_membership(view: View, since: int, tier: Any) -> LionMembership:
    """A membership of a tier since an instant; `tier` is its `LionTier.membership_object`."""
    end = view.expires_at
    return LionMembership(
        format_instant(since), None if end is None else format_instant(end), view.manual, tier
    )


class EncodedTier(Struct, frozen=True):
    """A tier as it stands in an event, and in a membership by the base of `position`."""

    event: Raw
    held: tuple[Raw, Raw]


def encoded_tiers(announcement: AnyAnnouncement, version: Version) -> dict[str, EncodedTier]:
    """A version's tiers, encoded once."""
    cached: dict[str, EncodedTier] | None = version.__dict__.get(_ENCODED)
    return cached or once_per_version(
        version, _ENCODED, lambda: _encode_tiers(announcement, version)
    )


def _encode_tiers(announcement: AnyAnnouncement, version: Version) -> dict[str, EncodedTier]:
    def encoded(tier: LionTier) -> EncodedTier:
        event, *held = (
            Raw(json_text.dump(shape))
            for shape in (tier.event_object(), tier.membership_object(0), tier.membership_object())
        )
        return EncodedTier(event, (held[0], held[1]))

    ladder = tiers(version, announcement.project.id, announcement.program)
    return {key: encoded(tier) for key, tier in ladder.items()}
