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
from msgspec import Raw, Struct

from tierline.engine import ids, jsontext
from tierline.engine.announcement import Announcement
from tierline.engine.calendar import format_instant
from tierline.engine.model import Customer, EventKind
from tierline.engine.policy import Rules, Version
from tierline.vendors.format import SAMPLE_EVENT, EndpointFacts, Secrets, holder_of, prepared
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.voucherify import signing

NAME = "voucherify"
CAMPAIGN_KEYS = (
    "id",
    "name",
    "campaign_type",
    "type",
    "is_referral_code",
    "voucher",
    "auto_join",
    "join_once",
    "active",
    "category_id",
    "category",
    "metadata",
    "start_date",
    "expiration_date",
    "description",
    "created_at",
    "updated_at",
    "object",
)
TIER_KEYS = (
    "id",
    "name",
    "campaign_id",
    "metadata",
    "created_at",
    "updated_at",
    "earning_rules",
    "rewards",
    "config",
    "points",
    "object",
)
_CHARSET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CAMPAIGN_DEFAULTS: dict[str, Any] = {
    "campaign_type": "LOYALTY_PROGRAM",
    "type": "AUTO_UPDATE",
    "is_referral_code": False,
    "auto_join": True,
    "join_once": True,
    "active": True,
    "category_id": None,
    "category": None,
    "metadata": {},
    "start_date": None,
    "expiration_date": None,
    "description": None,
    "updated_at": None,
    "object": "campaign",
}
_VOUCHER_DEFAULTS: dict[str, Any] = {
    "type": "LOYALTY_CARD",
    "loyalty_card": {"points": 0},
    "redemption": {"quantity": None, "redeemed_quantity": 0},
    "code_config": {
        "length": 8,
        "prefix": "",
        "charset": _CHARSET,
        "pattern": "########",
        "postfix": "",
    },
}
_encode = msgspec.json.Encoder().encode


class Presentation(Struct, frozen=True):
    """What Voucherify calls a program: the campaign, its tiers by our ids, lowest first, and the
    tiers' `loyalty_tiers_expiration` where the program was made from such settings."""

    campaign: dict[str, Any]
    tiers: dict[str, dict[str, Any]]
    expiration: dict[str, Any] | None = None


def campaign_object(given: Mapping[str, Any]) -> dict[str, Any]:
    """A whole campaign: what was given, the rest as Voucherify fills it in, its keys first."""
    voucher = _filled(_VOUCHER_DEFAULTS, given.get("voucher") or {})
    voucher["loyalty_card"] = {"points": 0, **voucher["loyalty_card"]}
    whole = {**_filled(_CAMPAIGN_DEFAULTS, given), "voucher": voucher}
    ordered = {key: whole.pop(key) for key in CAMPAIGN_KEYS}
    return {**ordered, **whole}


def tier_object(given: Mapping[str, Any], from_: int, to: int | None) -> dict[str, Any]:
    """A whole tier. `config.points` and `points` are always the same; an open top has no `to`."""
    points = {"from": from_} if to is None else {"from": from_, "to": to}
    whole = {"metadata": {}, "updated_at": None, "earning_rules": {}, "rewards": {}, **given}
    whole |= {"config": {"points": points}, "points": points, "object": "loyalty_tier"}
    return {key: whole[key] for key in TIER_KEYS}


def presentation(version: Version, project: str, program: str) -> Presentation:
    """A version in Voucherify's words; a program that was made in other words gets them too."""
    return prepared(
        version, "voucherify.presentation", lambda: _presentation(version, project, program)
    )


def customer_object(customer: Customer) -> dict[str, Any]:
    """The simplified customer: always these six keys."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "source_id": customer.source_id,
        "metadata": Raw(jsontext.dump(customer.metadata)) if customer.metadata else {},
        "object": "customer",
    }


def event_data(told: Announcement) -> dict[str, Any]:
    """`data` of an event; constant parts are already encoded (`msgspec.Raw`)."""
    event = told.event
    campaign = _encoded(told, told.rules)
    data: dict[str, Any] = {
        "customer": customer_object(told.customer),
        "campaign": campaign.campaign,
    }
    if event.kind in ("upgraded", "downgraded"):
        data["loyalty_tier_from"] = _tier(told, event.tier_from)
        data["loyalty_tier_to"] = _tier(told, event.tier_to)
    else:
        data["loyalty_tier"] = _tier(told, event.tier_to or event.tier_from)
    data["created_at"] = format_instant(event.at)
    return data


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
        if event_id == SAMPLE_EVENT:
            return "whs_" + "0" * 18
        return ids.derived("whs_", event_id, endpoint_id, size=9)

    def headers(
        self, told: Announcement, endpoint: EndpointFacts, body: bytes, secrets: Secrets
    ) -> dict[str, str]:
        if secrets.vendor is None:
            return {}
        return {signing.HEADER: signing.signature(body, secrets.vendor)}

    def _envelope(
        self, told: Announcement, endpoint: EndpointFacts, data: dict[str, Any]
    ) -> dict[str, Any]:
        name = self.wire_names[told.event.kind]
        envelope = {
            "id": self.delivery_id(told.id, endpoint.id),
            "project_id": project_id(told),
            "created_at": format_instant(told.recorded_at),
            "type": name if endpoint.event_name is None else endpoint.event_name,
            "data": data,
            "source": _source(endpoint),
            "event": {
                "id": event_id(told.id),
                "type": name,
                "created_at": data["created_at"],
                "entity_id": told.customer.id,
                "group_id": _group(told),
                "event_source": {"channel": "INTERNAL" if told.event.entry is None else "API"},
            },
        }
        if endpoint.extended:
            envelope["tierline"] = event_object(told)
        return envelope


def _filled(defaults: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Where Voucherify never prints null, null means: not given."""
    kept = {k: v for k, v in given.items() if v is not None or defaults.get(k) is None}
    return {**defaults, **kept}


def project_id(told: Announcement) -> str:
    shown = told.project.presentations.get(NAME)
    return (shown.get("project_id") if shown else None) or f"proj_{told.project.id}"


def event_id(event: str) -> str:
    """`evcus_…`: the same at every endpoint, so it is what consumers tell duplicates by."""
    if event == SAMPLE_EVENT:
        return "evcus_" + "0" * 18
    return ids.derived("evcus_", event, size=9)


class _Encoded(Struct, frozen=True):
    campaign: Raw
    tiers: dict[str, Raw]


def _encoded(told: Announcement, version: Version) -> _Encoded:
    def make() -> _Encoded:
        shown = presentation(version, told.project.id, told.program)
        campaign = {k: v for k, v in shown.campaign.items() if k in _SHOWN}
        tiers = {key: Raw(jsontext.dump(tier)) for key, tier in shown.tiers.items()}
        return _Encoded(Raw(jsontext.dump(campaign)), tiers)

    return prepared(version, "voucherify.encoded", make)


_SHOWN = frozenset((*CAMPAIGN_KEYS, "referral_program", "categories"))


def _tier(told: Announcement, tier_id: str | None) -> Raw | None:
    if tier_id is None:
        return None
    return _encoded(told, holder_of(told, tier_id)).tiers.get(tier_id)


@lru_cache(maxsize=16_384)
def _source(endpoint: EndpointFacts) -> Raw:
    prefix = "distr_" if endpoint.source == "distribution" else "wh_"
    source = {
        "id": endpoint.vendor_id or ids.derived(prefix, endpoint.id, size=9),
        "object": endpoint.source,
        "target_url": endpoint.url,
    }
    return Raw(jsontext.dump(source))


def _group(told: Announcement) -> str:
    """The request or nightly run that caused it: several events of one cause share it."""
    if told.id == SAMPLE_EVENT:
        return "v-" + "0" * 18
    event = told.event
    cause = f"at:{event.at}" if event.entry is None else f"entry:{event.entry}"
    return ids.derived("v-", told.project.id, told.program, told.customer.id, cause, size=9)


def _presentation(version: Version, project: str, program: str) -> Presentation:
    rules = version.rules
    kept = rules.presentations.get(NAME)
    if kept:
        tiers = {tier["id"]: tier for tier in kept["loyalty_tiers"]}
        return Presentation(kept["campaign"], tiers, kept.get("loyalty_tiers_expiration"))
    made = format_instant(version.effective_at)
    campaign = campaign_object(
        {
            "id": campaign_id(project, program),
            "name": rules.name,
            "auto_join": rules.auto_join,
            "created_at": made,
        }
    )
    return Presentation(campaign, _synthetic(rules, campaign["id"], made))


def _synthetic(rules: Rules, campaign: str, made: str) -> dict[str, dict[str, Any]]:
    """Tiers of a program in native words: a bound that the ladder implies is written out."""
    ladder = rules.policy.tiers
    found = {}
    for i, tier in enumerate(ladder):
        above = ladder[i + 1].from_ if i + 1 < len(ladder) else None
        to = tier.to if tier.to is not None or above is None else above - 1
        given = {"id": tier.id, "name": tier.name, "campaign_id": campaign, "created_at": made}
        found[tier.id] = tier_object(given, tier.from_ or 0, to)
    return found


def campaign_id(project: str, program: str) -> str:
    return ids.derived("camp_", project, program, size=12)
