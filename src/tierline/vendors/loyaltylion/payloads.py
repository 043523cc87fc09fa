"""LoyaltyLion's webhooks v2: the envelope, the customer, and the events of tiers.

LoyaltyLion itself has no event for a renewal or for leaving; those topics are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tierline import __version__
from tierline.engine.announcement import Announcement
from tierline.model import ids, json_text
from tierline.model.calendar import format_instant
from tierline.model.events import EventKind
from tierline.model.tenant import Customer, Project
from tierline.model.view import View
from tierline.rules.program import Version
from tierline.vendors.loyaltylion import signing, topics
from tierline.vendors.loyaltylion.ladder import NAME, LionTier, tiers
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.vendor import (
    SAMPLE_EVENT,
    EndpointFacts,
    PointsFormat,
    Secrets,
    VendorSignature,
    once_per_version,
    version_of_tier,
)

AGENT = f"Tierline/{__version__} (in the shape of LoyaltyLion webhooks)"
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_ENCODED = "loyaltylion.encoded"
_NOTHING: dict[str, Any] = {}
_encode = msgspec.json.Encoder().encode


class LionEndpoint(EndpointFacts, frozen=True):
    """Options: the `position` of the first tier, and our own event as one more key, `tierline`.
    `webhook_topic`: what a webhook of LoyaltyLion's API asked for."""

    position_base: Literal[0, 1] = 1
    extended: bool = False
    webhook_topic: str | None = None


def _tier_schema(*more: str) -> dict[str, Any]:
    properties: dict[str, Any] = {key: {"type": "integer"} for key in ("id", "number", *more)}
    properties |= {key: {"type": "string"} for key in ("name", "lower_bound")}
    properties |= {"default": {"type": "boolean"}, "hidden": {"type": "boolean"}}
    properties["upper_bound"] = {"type": ["string", "null"]}
    return {"type": "object", "properties": properties, "required": list(properties)}


_OBJECT = {"type": "object"}
_MAYBE_OBJECT = {"type": ["object", "null"]}
_EXTENDED = {"$ref": "#/components/schemas/TierEvent"}
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


class LionProperties(Struct):
    customer: LionCustomer
    previous_tier: EventTierJson
    new_tier: EventTierJson


class LionEnrollment(Struct):
    """`trigger`: what brought it, an activity, or an enrolment by itself."""

    date: str
    trigger: str


class EnrolledProperties(Struct):
    customer: LionCustomer
    enrollment: LionEnrollment


class TierProperties(Struct):
    """Of our own topics: the tier that it is about."""

    customer: LionCustomer
    tier: EventTierJson


_PROPERTIES = (LionProperties, EnrolledProperties, TierProperties)
_REFERENCES = [{"$ref": f"#/components/schemas/{each.__name__}"} for each in _PROPERTIES]
PropertiesJson = Annotated[Any, Meta(extra_json_schema={"anyOf": _REFERENCES})]


class ProgramEvent(Struct):
    """`payload`: its id is the same at every endpoint. `unique_until` is a cool-down's end, which
    tier events do not have."""

    id: str
    created_at: str
    kind: str
    unique_until: None
    properties: PropertiesJson


class LionEnvelope(Struct):
    id: str
    topic: str
    created_at: str
    payload: ProgramEvent
    tierline: Annotated[dict[str, Any], Meta(extra_json_schema=_EXTENDED)] | UnsetType = UNSET


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


class LoyaltyLionFormat:
    """The registered format."""

    name = NAME
    versions = ("v2",)
    content_type = "application/json"
    endpoint_facts = LionEndpoint
    signature: VendorSignature | None = signing.SIGNATURE
    points: PointsFormat | None = None
    body_types: tuple[type, ...] = (LionEnvelope, *_PROPERTIES)
    wire_names: Mapping[EventKind, str] = topics.MOVES

    def render(
        self, announcement: Announcement, endpoint: LionEndpoint, version: str
    ) -> bytes | None:
        topic = self.wire_names.get(announcement.event.kind)
        if topic is None:
            return None
        event = announcement.event
        payload = ProgramEvent(
            event_uuid(announcement.id),
            format_instant(event.at),
            topic.partition("/")[2],
            None,
            _properties(announcement, endpoint.position_base),
        )
        return _encode(
            LionEnvelope(
                self.delivery_id(announcement.id, endpoint.id),
                topic,
                format_instant(announcement.recorded_at),
                payload,
                event_object(announcement) if endpoint.extended else UNSET,
            )
        )

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        if event_id == SAMPLE_EVENT:
            return _NO_UUID
        return ids.derived_uuid(event_id, endpoint_id)

    def headers(
        self, announcement: Announcement, endpoint: LionEndpoint, body: bytes, secrets: Secrets
    ) -> dict[str, str]:
        headers = {
            signing.TOPIC: self.wire_names[announcement.event.kind],
            signing.DOMAIN: site_domain(announcement.project),
            "user-agent": AGENT,
        }
        if secrets.vendor is not None:
            headers[signing.HEADER] = signing.signature(body, secrets.vendor)
        return headers


class LionTopicsFormat(LoyaltyLionFormat):
    """The same with every kind of event: also those for which the vendor has no topic."""

    name = f"{NAME}-topics"
    wire_names: Mapping[EventKind, str] = topics.OF_KIND


def event_uuid(event_id: str) -> str:
    """The program event's own id: the same at every endpoint."""
    return _NO_UUID if event_id == SAMPLE_EVENT else ids.derived_uuid("event", event_id)


def site_domain(project: Project) -> str:
    """The shop that the events are of: LoyaltyLion calls it a site."""
    names = project.presentations.get(NAME)
    return (names.get("site_domain") if names else None) or f"{project.id}.invalid"


def _properties(
    announcement: Announcement, base: int
) -> LionProperties | EnrolledProperties | TierProperties:
    event, view = announcement.event, announcement.event.view
    since = event.at if view.since is None else view.since
    encoded = _encoded(announcement, announcement.rules)
    new, previous = (
        _tier(announcement, encoded, event.tier_to),
        _tier(announcement, encoded, event.tier_from),
    )
    membership = None if new is None else lion_membership(view, since, new.held[base])
    customer = lion_customer(announcement.customer, view, membership)
    if event.kind == "joined":
        date = customer.enrolled_at or format_instant(event.at)
        return EnrolledProperties(customer, LionEnrollment(date, event.cause))
    if event.kind in ("prolonged", "left"):
        about = previous if new is None else new
        return TierProperties(customer, None if about is None else about.event)
    return LionProperties(
        customer,
        None if previous is None else previous.event,
        None if new is None else new.event,
    )


class _Encoded(Struct, frozen=True):
    event: Raw
    held: tuple[Raw, Raw]  # by the base of `position`


def _encoded(announcement: Announcement, version: Version) -> dict[str, _Encoded]:
    cached: dict[str, _Encoded] | None = version.__dict__.get(_ENCODED)
    return cached or once_per_version(
        version, _ENCODED, lambda: _encode_tiers(announcement, version)
    )


def _encode_tiers(announcement: Announcement, version: Version) -> dict[str, _Encoded]:
    def encoded(tier: LionTier) -> _Encoded:
        event, *held = (
            Raw(json_text.dump(shape))
            for shape in (tier.event_object(), tier.membership_object(0), tier.membership_object())
        )
        return _Encoded(event, (held[0], held[1]))

    ladder = tiers(version, announcement.project.id, announcement.program)
    return {key: encoded(tier) for key, tier in ladder.items()}


def _tier(
    announcement: Announcement, encoded: dict[str, _Encoded], tier_id: str | None
) -> _Encoded | None:
    if tier_id is None:
        return None
    if tier_id not in encoded:
        encoded = _encoded(announcement, version_of_tier(announcement, tier_id))
    return encoded.get(tier_id)
