"""LoyaltyLion's webhooks v2: the envelope, the customer, and the events of tiers.

LoyaltyLion itself has no event for a renewal or for leaving; those topics are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tierline import __version__
from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.model.events import EventKind
from tierline.model.points_event import PointsKind
from tierline.model.reminder import ReminderKind
from tierline.model.tenant import Project
from tierline.vendors.loyaltylion import signing, topics
from tierline.vendors.loyaltylion.customer_payloads import (
    AnyAnnouncement,
    EncodedTier,
    EventTierJson,
    LionCustomer,
    encoded_tiers,
    lion_customer,
    lion_membership,
)
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.vendors.loyaltylion.points_payloads import (
    PointsEarnedProperties,
    customer_of,
    earned_properties,
)
from tierline.vendors.loyaltylion.reminder_payloads import (
    ExpirationProperties,
    TierAheadProperties,
    reminder_properties,
)
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.standard.points_payloads import points_object
from tierline.vendors.standard.reminder_payloads import reminder_object
from tierline.vendors.vendor import (
    SAMPLE_EVENT,
    EndpointFacts,
    PointsFormat,
    ReminderFormat,
    Secrets,
    VendorSignature,
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


_PROPERTIES = (
    LionProperties,
    EnrolledProperties,
    TierProperties,
    TierAheadProperties,
    ExpirationProperties,
    PointsEarnedProperties,
)
_REFERENCES = [{"$ref": f"#/components/schemas/{each.__name__}"} for each in _PROPERTIES]
_EXTENDED = {"$ref": "#/components/schemas/TierEvent"}
PropertiesJson = Annotated[Any, Meta(extra_json_schema={"anyOf": _REFERENCES})]


class ProgramEvent(Struct):
    """`payload`: its id is the same at every endpoint. `unique_until` is a cool-down's end, which
    only a reminder has."""

    id: str
    created_at: str
    kind: str
    unique_until: str | None
    properties: PropertiesJson


class LionEnvelope(Struct):
    id: str
    topic: str
    created_at: str
    payload: ProgramEvent
    tierline: Annotated[dict[str, Any], Meta(extra_json_schema=_EXTENDED)] | UnsetType = UNSET


class UpdatePayload(Struct):
    customer: LionCustomer


class UpdateEnvelope(Struct):
    """Of `customers/update`. The vendor's page shows the customer at the top, its general contract
    and known consumers in `payload`: both find it."""

    id: str
    topic: str
    created_at: str
    payload: UpdatePayload
    customer: LionCustomer


def _update(announcement: AnyAnnouncement, endpoint: LionEndpoint, customer: LionCustomer) -> bytes:
    return _encode(
        UpdateEnvelope(
            delivery_uuid(announcement.id, endpoint.id),
            topics.UPDATED,
            format_instant(announcement.recorded_at),
            UpdatePayload(customer),
            customer,
        )
    )


class LionPoints:
    """What was earned, by the topic of its own; everything else changed the customer."""

    names: Mapping[PointsKind, str] = topics.OF_POINTS

    def render(
        self, announcement: PointsAnnouncement, endpoint: LionEndpoint, *, thin: bool
    ) -> bytes:
        del thin  # an option of other formats
        event, topic = announcement.event, self._topic(announcement, endpoint)
        if topic == topics.UPDATED:
            return _update(
                announcement, endpoint, customer_of(announcement, endpoint.position_base)
            )
        payload = ProgramEvent(
            event_uuid(announcement.id),
            format_instant(event.at),
            topic.partition("/")[2],
            None,
            earned_properties(announcement, endpoint.position_base),
        )
        return _encode(
            LionEnvelope(
                delivery_uuid(announcement.id, endpoint.id),
                topic,
                format_instant(announcement.recorded_at),
                payload,
                points_object(announcement) if endpoint.extended else UNSET,
            )
        )

    def headers(
        self,
        announcement: PointsAnnouncement,
        endpoint: LionEndpoint,
        body: bytes,
        secrets: Secrets,
    ) -> dict[str, str]:
        return _headers(announcement, self._topic(announcement, endpoint), body, secrets)

    def _topic(self, announcement: PointsAnnouncement, endpoint: LionEndpoint) -> str:
        if endpoint.webhook_topic == topics.UPDATED:
            return topics.UPDATED
        return self.names[announcement.event.kind]


class LionReminders:
    """The shapes of reminders, in every format of the vendor's."""

    names: Mapping[ReminderKind, str] = topics.OF_REMINDER

    def render(self, announcement: ReminderAnnouncement, endpoint: Any) -> bytes:
        event, topic = announcement.event, topics.OF_REMINDER[announcement.event.kind]
        until = event.unique_until
        payload = ProgramEvent(
            event_uuid(announcement.id),
            format_instant(event.at),
            topic.partition("/")[2],
            None if until is None else format_instant(until),
            reminder_properties(announcement, endpoint.position_base),
        )
        return _encode(
            LionEnvelope(
                delivery_uuid(announcement.id, endpoint.id),
                topic,
                format_instant(announcement.recorded_at),
                payload,
                reminder_object(announcement) if endpoint.extended else UNSET,
            )
        )


class LoyaltyLionFormat:
    """The registered format."""

    name = NAME
    versions = ("v2",)
    content_type = "application/json"
    endpoint_facts = LionEndpoint
    signature: VendorSignature | None = signing.SIGNATURE
    points: PointsFormat | None = None
    reminders: ReminderFormat | None = LionReminders()
    body_types: tuple[type, ...] = (LionEnvelope, UpdateEnvelope, *_PROPERTIES)
    wire_names: Mapping[EventKind, str] = topics.MOVES

    def render(
        self, announcement: Announcement, endpoint: LionEndpoint, version: str
    ) -> bytes | None:
        topic = self.wire_names.get(announcement.event.kind)
        if topic is None:
            return None
        event = announcement.event
        properties = _properties(announcement, endpoint.position_base)
        if endpoint.webhook_topic == topics.UPDATED:
            return _update(announcement, endpoint, properties.customer)
        payload = ProgramEvent(
            event_uuid(announcement.id),
            format_instant(event.at),
            topic.partition("/")[2],
            None,
            properties,
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
        return delivery_uuid(event_id, endpoint_id)

    def headers(
        self,
        announcement: Announcement | ReminderAnnouncement,
        endpoint: LionEndpoint,
        body: bytes,
        secrets: Secrets,
    ) -> dict[str, str]:
        if isinstance(announcement, ReminderAnnouncement):
            topic = topics.OF_REMINDER[announcement.event.kind]
        elif endpoint.webhook_topic == topics.UPDATED:
            topic = topics.UPDATED
        else:
            topic = self.wire_names[announcement.event.kind]
        return _headers(announcement, topic, body, secrets)


class LionTopicsFormat(LoyaltyLionFormat):
    """The same with every kind of event: also those for which the vendor has no topic."""

    name = f"{NAME}-topics"
    wire_names: Mapping[EventKind, str] = topics.OF_KIND
    points: PointsFormat | None = LionPoints()


def _headers(
    announcement: AnyAnnouncement, topic: str, body: bytes, secrets: Secrets
) -> dict[str, str]:
    headers = {
        signing.TOPIC: topic,
        signing.DOMAIN: site_domain(announcement.project),
        "user-agent": AGENT,
    }
    if secrets.vendor is not None:
        headers[signing.HEADER] = signing.signature(body, secrets.vendor)
    return headers


def delivery_uuid(event_id: str, endpoint_id: str) -> str:
    """The id of a send-out: the same for every attempt."""
    return _NO_UUID if event_id == SAMPLE_EVENT else ids.derived_uuid(event_id, endpoint_id)


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
    encoded = encoded_tiers(announcement, announcement.rules)
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


def _tier(
    announcement: Announcement, encoded: dict[str, EncodedTier], tier_id: str | None
) -> EncodedTier | None:
    if tier_id is None:
        return None
    if tier_id not in encoded:
        encoded = encoded_tiers(announcement, version_of_tier(announcement, tier_id))
    return encoded.get(tier_id)
