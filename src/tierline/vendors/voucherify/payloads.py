"""Voucherify's webhooks, version v2024-01-01: the envelope and the five tier events.

`data` stands as in the published examples: same keys, same order, nothing left out. Consumers get
no reason, balance or expiry from Voucherify's own events; who wants them turns on `extended`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model import ids, json_text
from tierline.model.calendar import format_instant
from tierline.model.events import EventKind
from tierline.model.points_event import PointsKind
from tierline.model.tenant import Customer
from tierline.rules.program import Version
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.vendor import (
    SAMPLE_EVENT,
    EndpointFacts,
    PointsFormat,
    ReminderFormat,
    Secrets,
    VendorSignature,
    once_per_version,
    version_of_tier,
)
from tierline.vendors.voucherify import signing
from tierline.vendors.voucherify.card_ids import card_id
from tierline.vendors.voucherify.objects import EVENT_KEYS, NAME, presentation
from tierline.vendors.voucherify.points_payloads import POINTS_NAMES, Voice, named_data

_MOVES = frozenset(("upgraded", "downgraded"))
_API, _INTERNAL = Raw(b'{"channel":"API"}'), Raw(b'{"channel":"INTERNAL"}')
_ENCODED = "voucherify.encoded"
_encode = msgspec.json.Encoder().encode


class VoucherifyEndpoint(EndpointFacts, frozen=True):
    """Options: what the envelope pretends to come from, the name of a distribution's event (free
    text), `data` without an envelope, and our own event as one more key, `tierline`."""

    source: Literal["webhook", "distribution"] = "webhook"
    event_name: Annotated[str, Meta(max_length=2_000)] | None = None
    raw: bool = False
    extended: bool = False
    # The events that a webhook asked for, as its maker wrote them: for its own routes to show.
    webhook_events: tuple[str, ...] = ()
    # Which of the names that a change of points has; a webhook that asks for several is as many
    # endpoints, and those after the first name it here.
    webhook_voice: Voice = "any"
    webhook_of: str | None = None


def _object(required: str, nullable: str, *objects: str) -> dict[str, Any]:
    """The schema of a printed object: texts, texts that may be null, and objects."""
    properties: dict[str, Any] = {key: {"type": "string"} for key in required.split()}
    properties |= {key: {"type": ["string", "null"]} for key in nullable.split()}
    properties |= {key: {"type": "object"} for key in objects}
    return {"type": "object", "properties": properties, "required": list(properties)}


_CAMPAIGN = _object(
    "id name campaign_type type created_at object",
    "category_id category start_date expiration_date description updated_at",
    "voucher",
    "metadata",
)
_LOYALTY_TIER = _object(
    "id name campaign_id created_at object", "updated_at", "metadata", "config", "points"
)
_DATA = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("TierStay", "TierMove")]}
_EXTENDED = {"$ref": "#/components/schemas/TierEvent"}
CampaignJson = Annotated[Raw, Meta(extra_json_schema=_CAMPAIGN)]
TierJson = Annotated[
    Raw | None, Meta(extra_json_schema={"anyOf": [_LOYALTY_TIER, {"type": "null"}]})
]
SourceJson = Annotated[Raw, Meta(extra_json_schema=_object("id object target_url", ""))]
EventSourceJson = Annotated[Raw, Meta(extra_json_schema=_object("channel", ""))]
JsonObject = Annotated[Any, Meta(extra_json_schema={"type": "object"})]


class VoucherifyCustomer(Struct):
    """The simplified customer: always these six keys."""

    id: str
    name: str | None
    email: str | None
    source_id: str | None
    metadata: JsonObject
    object: str = "customer"


class TierStay(Struct):
    """`data` of joined, prolonged and left."""

    customer: VoucherifyCustomer
    campaign: CampaignJson
    loyalty_tier: TierJson
    created_at: str


class TierMove(Struct):
    """`data` of upgraded and downgraded."""

    customer: VoucherifyCustomer
    campaign: CampaignJson
    loyalty_tier_from: TierJson
    loyalty_tier_to: TierJson
    created_at: str


class VoucherifyEvent(Struct):
    """`event` of the envelope. `id` is the same at every endpoint; what one request or one nightly
    run caused shares `group_id`."""

    id: str
    type: str
    created_at: str
    entity_id: str
    group_id: str
    event_source: EventSourceJson


class VoucherifyEnvelope(Struct):
    id: str
    project_id: str
    created_at: str
    type: str
    data: Annotated[Any, Meta(extra_json_schema=_DATA)]  # TierStay or TierMove
    source: SourceJson
    event: VoucherifyEvent
    tierline: Annotated[dict[str, Any], Meta(extra_json_schema=_EXTENDED)] | UnsetType = UNSET


def customer_shape(customer: Customer) -> VoucherifyCustomer:
    metadata = json_text.embedded(customer.metadata)
    return VoucherifyCustomer(
        customer.id, customer.name, customer.email, customer.source_id, metadata
    )


def event_data(announcement: Announcement) -> TierStay | TierMove:
    """`data` of an event; what never changes within a version is already encoded."""
    event = announcement.event
    encoded = _encoded(announcement, announcement.rules)
    customer, at = customer_shape(announcement.customer), format_instant(event.at)
    if event.kind in _MOVES:
        before, after = (
            _tier(announcement, encoded, event.tier_from),
            _tier(announcement, encoded, event.tier_to),
        )
        return TierMove(customer, encoded.campaign, before, after, at)
    tier = _tier(announcement, encoded, event.tier_to or event.tier_from)
    return TierStay(customer, encoded.campaign, tier, at)


class VoucherifyPoints:
    """The shapes for points events, by what the endpoint asked for."""

    names: Mapping[PointsKind, str] = POINTS_NAMES

    def render(
        self, announcement: PointsAnnouncement, endpoint: VoucherifyEndpoint, *, thin: bool
    ) -> bytes | None:
        del thin  # an option of other formats
        named = named_data(announcement, endpoint.webhook_events, endpoint.webhook_voice)
        if named is None:
            return None
        name, data = named
        if endpoint.raw:
            return json_text.dump(data)
        event, customer = announcement.event, announcement.customer
        of_card = name.startswith("voucher.")
        entity = card_id(*announcement.member) if of_card else customer.id
        prefix = "evvou_" if of_card else "evcus_"
        id_ = prefix + announcement.id.removeprefix("evt_")
        if endpoint.webhook_voice in ("card", "reward"):
            id_ = ids.derived(prefix, announcement.id, name)  # the other one's is another event
        cause = f"at:{event.at}" if event.entry is None else f"entry:{event.entry}"
        envelope = VoucherifyEnvelope(
            _delivery_id(announcement.id, endpoint.id),
            project_id(announcement),
            format_instant(announcement.recorded_at),
            name if endpoint.event_name is None else endpoint.event_name,
            Raw(json_text.dump(data)),
            _source(endpoint),
            VoucherifyEvent(
                id_,
                name,
                format_instant(event.at),
                entity,
                ids.derived("v-", announcement.program, customer.id, cause, size=9),
                _INTERNAL if event.facts is None else _API,
            ),
        )
        return _encode(envelope)

    def headers(
        self,
        _announcement: PointsAnnouncement,
        _endpoint: VoucherifyEndpoint,
        body: bytes,
        secrets: Secrets,
    ) -> dict[str, str]:
        return _signature(body, secrets)


def _signature(body: bytes, secrets: Secrets) -> dict[str, str]:
    if secrets.vendor is None:
        return {}
    return {signing.HEADER: signing.signature(body, secrets.vendor)}


class VoucherifyFormat:
    """The registered format."""

    name = NAME
    versions = ("v2024-01-01",)
    content_type = "application/json"
    endpoint_facts = VoucherifyEndpoint
    signature: VendorSignature | None = signing.SIGNATURE
    points: PointsFormat | None = VoucherifyPoints()
    reminders: ReminderFormat | None = None
    body_types: tuple[type, ...] = (VoucherifyEnvelope, TierStay, TierMove)
    wire_names: Mapping[EventKind, str] = MappingProxyType(
        {
            "joined": "customer.loyalty.tier.joined",
            "upgraded": "customer.loyalty.tier.upgraded",
            "downgraded": "customer.loyalty.tier.downgraded",
            "prolonged": "customer.loyalty.tier.prolonged",
            "left": "customer.loyalty.tier.left",
        }
    )

    def render(
        self, announcement: Announcement, endpoint: VoucherifyEndpoint, version: str
    ) -> bytes | None:
        data = event_data(announcement)
        return _encode(data if endpoint.raw else self._envelope(announcement, endpoint, data))

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        return _delivery_id(event_id, endpoint_id)

    def headers(
        self,
        announcement: Announcement | ReminderAnnouncement,
        endpoint: VoucherifyEndpoint,
        body: bytes,
        secrets: Secrets,
    ) -> dict[str, str]:
        return _signature(body, secrets)

    def _envelope(
        self, announcement: Announcement, endpoint: VoucherifyEndpoint, data: TierStay | TierMove
    ) -> VoucherifyEnvelope:
        event = announcement.event
        name = self.wire_names[event.kind]
        return VoucherifyEnvelope(
            self.delivery_id(announcement.id, endpoint.id),
            project_id(announcement),
            format_instant(announcement.recorded_at),
            name if endpoint.event_name is None else endpoint.event_name,
            data,
            _source(endpoint),
            VoucherifyEvent(
                event_id(announcement.id),
                name,
                data.created_at,
                announcement.customer.id,
                _group(announcement),
                _INTERNAL if event.entry is None else _API,
            ),
            event_object(announcement) if endpoint.extended else UNSET,
        )


@lru_cache(maxsize=256)
def _delivery_id(event_id: str, endpoint_id: str) -> str:
    """Needed twice per attempt: in the envelope and as `webhook-id`."""
    if event_id == SAMPLE_EVENT:
        return "whs_" + "0" * 18
    return ids.derived("whs_", event_id, endpoint_id, size=9)


def project_id(announcement: Announcement | PointsAnnouncement) -> str:
    names = announcement.project.presentations.get(NAME)
    return (names.get("project_id") if names else None) or prefixed(announcement.project.id)


def prefixed(project: str) -> str:
    return project if project.startswith("proj_") else f"proj_{project}"


def event_id(event: str) -> str:
    """`evcus_…`: the same at every endpoint, so it is what consumers tell duplicates by."""
    return "evcus_" + event.removeprefix("evt_")


class _Encoded(Struct, frozen=True):
    campaign: Raw
    tiers: dict[str, Raw]


def _encoded(announcement: Announcement, version: Version) -> _Encoded:
    cached: _Encoded | None = version.__dict__.get(_ENCODED)
    return cached or once_per_version(
        version, _ENCODED, lambda: _encode_parts(announcement, version)
    )


def _encode_parts(announcement: Announcement, version: Version) -> _Encoded:
    names = presentation(version, announcement.project.id, announcement.program)
    campaign = {k: v for k, v in names.campaign.items() if k in EVENT_KEYS}
    tiers = {key: Raw(json_text.dump(tier)) for key, tier in names.tiers.items()}
    return _Encoded(Raw(json_text.dump(campaign)), tiers)


def _tier(announcement: Announcement, encoded: _Encoded, tier_id: str | None) -> Raw | None:
    if tier_id is None:
        return None
    if tier_id not in encoded.tiers:
        encoded = _encoded(announcement, version_of_tier(announcement, tier_id))
    return encoded.tiers.get(tier_id)


@lru_cache(maxsize=16_384)
def _source(endpoint: VoucherifyEndpoint) -> Raw:
    prefix = "distr_" if endpoint.source == "distribution" else "wh_"
    source = {
        "id": endpoint.vendor_id or endpoint.webhook_of or ids.derived(prefix, endpoint.id, size=9),
        "object": endpoint.source,
        "target_url": endpoint.url,
    }
    return Raw(json_text.dump(source))


def _group(announcement: Announcement) -> str:
    """What one ledger entry or one instant of time caused for a member in a program."""
    if announcement.id == SAMPLE_EVENT:
        return "v-" + "0" * 18
    event = announcement.event
    cause = f"at:{event.at}" if event.entry is None else f"entry:{event.entry}"
    return ids.derived("v-", announcement.program, announcement.customer.id, cause, size=9)
