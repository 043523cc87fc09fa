"""LoyaltyLion's webhooks v2: the envelope, the customer, and the two tier events.

Bounds are text with two decimals: minor units / 100 whatever the currency, points and orders
included; a tier's upper bound is the next one's lower bound - 0.01, null at the top. There is no
event for a first tier, a renewal or leaving.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tierline import __version__
from tierline.engine import ids, jsontext
from tierline.engine.announcement import Announcement, Project
from tierline.engine.calendar import format_instant
from tierline.engine.model import Customer, EventKind, View
from tierline.engine.policy import Rules, Version
from tierline.vendors.format import SAMPLE_EVENT, EndpointFacts, Secrets, holder_of, prepared
from tierline.vendors.loyaltylion import signing
from tierline.vendors.standard.payloads import event_object

NAME = "loyaltylion"
AGENT = f"Tierline/{__version__} (in the shape of LoyaltyLion webhooks)"
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_encode = msgspec.json.Encoder().encode


class LionTier(Struct, frozen=True):
    """A tier as LoyaltyLion sees it. Bounds in minor units, points or orders; both inclusive."""

    id: int
    tier: str  # our id
    name: str
    number: int  # 1 is the first
    default: bool
    hidden: bool
    lower_bound: int
    upper_bound: int | None

    def event_object(self) -> dict[str, Any]:
        """As `previous_tier` and `new_tier`: without `position`."""
        return {
            "id": self.id,
            "name": self.name,
            "number": self.number,
            "default": self.default,
            "hidden": self.hidden,
            "lower_bound": bound(self.lower_bound),
            "upper_bound": None if self.upper_bound is None else bound(self.upper_bound),
        }

    def membership_object(self, position_base: int = 1) -> dict[str, Any]:
        """As `loyalty_tier_membership.loyalty_tier`. The vendor's pages disagree on `position`:
        1 for the first tier like `number`, or 0 where an endpoint asks for that."""
        shown = self.event_object()
        head = {key: shown.pop(key) for key in ("id", "name", "number")}
        return {**head, "position": self.number - 1 + position_base, **shown}


def bound(minor: int) -> str:
    """20001 is "200.01"."""
    return f"{minor // 100}.{minor % 100:02d}"


def tiers(version: Version, project: str, program: str) -> dict[str, LionTier]:
    """A version's tiers in LoyaltyLion's words by our ids, lowest first; a program that was made
    in other words has them too."""

    def make() -> dict[str, LionTier]:
        kept = version.rules.presentations.get(NAME)
        if kept:
            found: Iterable[LionTier] = msgspec.convert(kept["tiers"], list[LionTier])
        else:
            found = _synthetic(version.rules, project, program)
        return {tier.tier: tier for tier in found}

    return prepared(version, "loyaltylion.tiers", make)


def tier_number(project: str, program: str, tier: str) -> int:
    """An integer id for a tier that has none: the same whenever it is asked for."""
    text = f"{project}\x00{program}\x00{tier}"
    digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def customer_object(customer: Customer, view: View, membership: Any) -> dict[str, Any]:
    """The customer as the Customers API and the events show them."""
    own = customer.presentations.get(NAME) or {}
    properties = own.get("properties")
    if properties is None:
        properties = {} if customer.name is None else {"name": customer.name}
    return {
        "id": customer.number,
        "merchant_id": own.get("merchant_id") or customer.source_id or customer.id,
        "email": customer.email,
        "points_approved": view.balance,
        "points_pending": view.pending,
        "points_spent": view.spent,
        "rewards_claimed": own.get("rewards_claimed", 0),
        "properties": _free(properties),
        "metadata": _free(customer.metadata),
        "birthday": own.get("birthday"),
        "blocked": own.get("blocked", False),
        "guest": own.get("guest", False),
        "enrolled": view.joined_at is not None,
        "enrolled_at": _instant(view.joined_at),
        "referral_id": own.get("referral_id"),
        "referred_by": _free(own.get("referred_by")),
        "loyalty_tier_membership": membership,
        "insights_segment": own.get("insights_segment"),
        "referral_url": own.get("referral_url", ""),
        "created_at": format_instant(customer.created_at),
        "updated_at": format_instant(customer.updated_at),
    }


def membership_object(view: View, since: int, tier: Any) -> dict[str, Any]:
    """`started_at` is the move's instant; the vendor's examples print it in two ways."""
    return {
        "started_at": format_instant(since),
        "expires_at": _instant(view.expires_at),
        "manual": view.manual,
        "loyalty_tier": tier,
    }


class LoyaltyLion:
    """The registered format."""

    name = NAME
    versions = ("v2",)
    content_type = "application/json"
    wire_names: Mapping[EventKind, str] = MappingProxyType(
        {
            "upgraded": "program_events/customer.tier_upgraded",
            "downgraded": "program_events/customer.tier_downgraded",
        }
    )

    def render(self, told: Announcement, endpoint: EndpointFacts, version: str) -> bytes | None:
        topic = self.wire_names.get(told.event.kind)
        if topic is None:
            return None
        body = {
            "id": self.delivery_id(told.id, endpoint.id),
            "topic": topic,
            "created_at": format_instant(told.recorded_at),
            "payload": {
                "id": event_uuid(told.id),
                "created_at": format_instant(told.event.at),
                "kind": topic.removeprefix("program_events/"),
                "unique_until": None,
                "properties": _properties(told, endpoint.position_base),
            },
        }
        if endpoint.extended:
            body["tierline"] = event_object(told)
        return _encode(body)

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        if event_id == SAMPLE_EVENT:
            return _NO_UUID
        return ids.derived_uuid(event_id, endpoint_id)

    def headers(
        self, told: Announcement, endpoint: EndpointFacts, body: bytes, secrets: Secrets
    ) -> dict[str, str]:
        found = {
            signing.TOPIC: self.wire_names[told.event.kind],
            signing.DOMAIN: site_domain(told.project),
            "user-agent": AGENT,
        }
        if secrets.vendor is not None:
            found[signing.HEADER] = signing.signature(body, secrets.vendor)
        return found


def event_uuid(event_id: str) -> str:
    """The program event's own id: the same at every endpoint."""
    return _NO_UUID if event_id == SAMPLE_EVENT else ids.derived_uuid("event", event_id)


def site_domain(project: Project) -> str:
    """The shop that the events are of: LoyaltyLion calls it a site."""
    shown = project.presentations.get(NAME)
    return (shown.get("site_domain") if shown else None) or f"{project.id}.invalid"


def _properties(told: Announcement, base: int) -> dict[str, Any]:
    event, view = told.event, told.event.view
    since = event.at if view.since is None else view.since
    new = _encoded(told, event.tier_to)
    membership = None if new is None else membership_object(view, since, new.held[base])
    return {
        "customer": customer_object(told.customer, view, membership),
        "previous_tier": _shown(_encoded(told, event.tier_from)),
        "new_tier": _shown(new),
    }


class _Encoded(Struct, frozen=True):
    event: Raw
    held: tuple[Raw, Raw]  # by the base of `position`


def _shown(tier: _Encoded | None) -> Raw | None:
    return None if tier is None else tier.event


def _encoded(told: Announcement, tier_id: str | None) -> _Encoded | None:
    if tier_id is None:
        return None
    version = holder_of(told, tier_id)

    def make() -> dict[str, _Encoded]:
        found = tiers(version, told.project.id, told.program)
        return {
            key: _Encoded(
                Raw(jsontext.dump(tier.event_object())),
                (
                    Raw(jsontext.dump(tier.membership_object(0))),
                    Raw(jsontext.dump(tier.membership_object(1))),
                ),
            )
            for key, tier in found.items()
        }

    return prepared(version, "loyaltylion.encoded", make).get(tier_id)


def _synthetic(rules: Rules, project: str, program: str) -> list[LionTier]:
    ladder = rules.policy.tiers
    found = []
    for i, tier in enumerate(ladder):
        above = ladder[i + 1].from_ if i + 1 < len(ladder) else None
        upper = tier.to if tier.to is not None or above is None else above - 1
        lower = tier.from_ or 0
        found.append(
            LionTier(
                id=int(tier.id)
                if plain_number(tier.id)
                else tier_number(project, program, tier.id),
                tier=tier.id,
                name=tier.name,
                number=i + 1,
                default=i == 0 and lower == 0,
                hidden=tier.hidden,
                lower_bound=lower,
                upper_bound=upper,
            )
        )
    return found


def plain_number(text: str) -> bool:
    """Whether an id of ours can stand as LoyaltyLion's integer."""
    return text.isascii() and text.isdigit() and len(text) <= 15 and str(int(text)) == text


def _free(value: Any) -> Any:
    return Raw(jsontext.dump(value)) if value else value


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)
