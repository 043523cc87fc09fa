"""Voucherify's webhooks, version v2024-01-01: the envelope and the five tier events.

`data` stands as in the published examples: same keys, same order, nothing left out. Consumers get
no reason, balance or expiry from Voucherify's own events; who wants them turns on `extended`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tierline.engine.announcement import Announcement
from tierline.model import ids, json_text
from tierline.model.calendar import format_instant
from tierline.model.events import EventKind
from tierline.model.tenant import Customer
from tierline.rules.program import Version
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.vendor import SAMPLE_EVENT, EndpointFacts, Secrets, holder_of, prepared
from tierline.vendors.voucherify import signing
from tierline.vendors.voucherify.objects import CAMPAIGN_KEYS, NAME, presentation

_SHOWN = frozenset((*CAMPAIGN_KEYS, "referral_program", "categories"))
_MOVES = frozenset(("upgraded", "downgraded"))
_API, _INTERNAL = Raw(b'{"channel":"API"}'), Raw(b'{"channel":"INTERNAL"}')
_KEPT = "voucherify.encoded"
_encode = msgspec.json.Encoder().encode


class CustomerShape(Struct):
    """The simplified customer: always these six keys."""

    id: str
    name: str | None
    email: str | None
    source_id: str | None
    metadata: Any
    object: str = "customer"


class StayShape(Struct):
    """`data` of joined, prolonged and left."""

    customer: CustomerShape
    campaign: Raw
    loyalty_tier: Raw | None
    created_at: str


class MoveShape(Struct):
    """`data` of upgraded and downgraded."""

    customer: CustomerShape
    campaign: Raw
    loyalty_tier_from: Raw | None
    loyalty_tier_to: Raw | None
    created_at: str


class EventShape(Struct):
    """`event` of the envelope. `id` is the same at every endpoint; what one request or one nightly
    run caused shares `group_id`."""

    id: str
    type: str
    created_at: str
    entity_id: str
    group_id: str
    event_source: Raw


class Envelope(Struct):
    id: str
    project_id: str
    created_at: str
    type: str
    data: StayShape | MoveShape
    source: Raw
    event: EventShape
    tierline: dict[str, Any] | UnsetType = UNSET


def customer_shape(customer: Customer) -> CustomerShape:
    metadata = json_text.embedded(customer.metadata)
    return CustomerShape(customer.id, customer.name, customer.email, customer.source_id, metadata)


def event_data(told: Announcement) -> StayShape | MoveShape:
    """`data` of an event; what never changes within a version is already encoded."""
    event = told.event
    shown = _encoded(told, told.rules)
    customer, at = customer_shape(told.customer), format_instant(event.at)
    if event.kind in _MOVES:
        before, after = _tier(told, shown, event.tier_from), _tier(told, shown, event.tier_to)
        return MoveShape(customer, shown.campaign, before, after, at)
    tier = _tier(told, shown, event.tier_to or event.tier_from)
    return StayShape(customer, shown.campaign, tier, at)


class Voucherify:
    """The registered format."""

    name = NAME
    versions = ("v2024-01-01",)
    content_type = "application/json"
    wire_names: Mapping[EventKind, str] = MappingProxyType(
        {
            "joined": "customer.loyalty.tier.joined",
            "upgraded": "customer.loyalty.tier.upgraded",
            "downgraded": "customer.loyalty.tier.downgraded",
            "prolonged": "customer.loyalty.tier.prolonged",
            "left": "customer.loyalty.tier.left",
        }
    )

    def render(self, told: Announcement, endpoint: EndpointFacts, version: str) -> bytes | None:
        data = event_data(told)
        return _encode(data if endpoint.raw else self._envelope(told, endpoint, data))

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        return _delivery_id(event_id, endpoint_id)

    def headers(
        self, told: Announcement, endpoint: EndpointFacts, body: bytes, secrets: Secrets
    ) -> dict[str, str]:
        if secrets.vendor is None:
            return {}
        return {signing.HEADER: signing.signature(body, secrets.vendor)}

    def _envelope(
        self, told: Announcement, endpoint: EndpointFacts, data: StayShape | MoveShape
    ) -> Envelope:
        event = told.event
        name = self.wire_names[event.kind]
        return Envelope(
            self.delivery_id(told.id, endpoint.id),
            project_id(told),
            format_instant(told.recorded_at),
            name if endpoint.event_name is None else endpoint.event_name,
            data,
            _source(endpoint),
            EventShape(
                event_id(told.id),
                name,
                data.created_at,
                told.customer.id,
                _group(told),
                _INTERNAL if event.entry is None else _API,
            ),
            event_object(told) if endpoint.extended else UNSET,
        )


@lru_cache(maxsize=256)
def _delivery_id(event_id: str, endpoint_id: str) -> str:
    """Wanted twice per attempt: in the envelope and as `webhook-id`."""
    if event_id == SAMPLE_EVENT:
        return "whs_" + "0" * 18
    return ids.derived("whs_", event_id, endpoint_id, size=9)


def project_id(told: Announcement) -> str:
    shown = told.project.presentations.get(NAME)
    return (shown.get("project_id") if shown else None) or _prefixed(told.project.id)


def _prefixed(project: str) -> str:
    return project if project.startswith("proj_") else f"proj_{project}"


def event_id(event: str) -> str:
    """`evcus_…`: the same at every endpoint, so it is what consumers tell duplicates by."""
    return "evcus_" + event.removeprefix("evt_")


class _Encoded(Struct, frozen=True):
    campaign: Raw
    tiers: dict[str, Raw]


def _encoded(told: Announcement, version: Version) -> _Encoded:
    kept: _Encoded | None = version.__dict__.get(_KEPT)
    return kept or prepared(version, _KEPT, lambda: _encode_parts(told, version))


def _encode_parts(told: Announcement, version: Version) -> _Encoded:
    shown = presentation(version, told.project.id, told.program)
    campaign = {k: v for k, v in shown.campaign.items() if k in _SHOWN}
    tiers = {key: Raw(json_text.dump(tier)) for key, tier in shown.tiers.items()}
    return _Encoded(Raw(json_text.dump(campaign)), tiers)


def _tier(told: Announcement, shown: _Encoded, tier_id: str | None) -> Raw | None:
    if tier_id is None:
        return None
    if tier_id not in shown.tiers:
        shown = _encoded(told, holder_of(told, tier_id))
    return shown.tiers.get(tier_id)


@lru_cache(maxsize=16_384)
def _source(endpoint: EndpointFacts) -> Raw:
    prefix = "distr_" if endpoint.source == "distribution" else "wh_"
    source = {
        "id": endpoint.vendor_id or ids.derived(prefix, endpoint.id, size=9),
        "object": endpoint.source,
        "target_url": endpoint.url,
    }
    return Raw(json_text.dump(source))


def _group(told: Announcement) -> str:
    """What one ledger entry or one instant of time caused for a member in a program."""
    if told.id == SAMPLE_EVENT:
        return "v-" + "0" * 18
    event = told.event
    cause = f"at:{event.at}" if event.entry is None else f"entry:{event.entry}"
    return ids.derived("v-", told.program, told.customer.id, cause, size=9)
