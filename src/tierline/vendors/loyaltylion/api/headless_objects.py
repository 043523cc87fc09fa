"""The headless API's objects: the program's configuration, and a customer in it. Pure."""

from __future__ import annotations

from typing import Any, Final

from tierline.analysis.tier_progress import TierProgress
from tierline.model.calendar import format_instant
from tierline.model.tenant import Customer
from tierline.rules.program import Rules
from tierline.vendors.loyaltylion.customer_payloads import LionCustomer
from tierline.vendors.loyaltylion.ladder import NAME, LionTier

Json = dict[str, Any]
_SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£", "AUD": "A$", "CAD": "CA$", "NZD": "NZ$"}
_KINDS: Final = {"earned": "points", "spend": "spend", "count": "orders"}


def kind_of(rules: Rules) -> str:
    """Returns the boundary mode of a program, whatever words it was made in; points for what the
    vendor has no word for."""
    return _KINDS.get(rules.policy.metric.source, "points")


def money(minor_units: int, currency: str) -> Json:
    """`{"amount": 9.9, "formatted": "$9.90"}`; whole amounts without decimals."""
    whole, rest = divmod(abs(minor_units), 100)
    sign = "-" if minor_units < 0 else ""
    text = f"{whole:,}.{rest:02}" if rest else f"{whole:,}"
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    amount = minor_units / 100 if rest else minor_units // 100
    return {"amount": amount, "formatted": f"{sign}{symbol}{text}"}


def _amount(value: int | None, kind: str, currency: str) -> Any:
    if value is None:
        return None
    return money(value, currency) if kind == "spend" else value


# The program -------------------------------------------------------------------------------------


def tier_configuration(rules: Rules, tiers: list[LionTier], currency: str) -> Json:
    kind = kind_of(rules)
    settings = rules.presentations.get(NAME, {}).get("settings", {})
    return {
        "boundary_mode": kind,
        "tiers": [_tier(tier, rules, kind, currency) for tier in tiers],
        "tier_benefits": [],
        # A program in other words has no mode that says all of its term.
        "membership": settings.get("membership", {"mode": "lifetime"}),
    }


def _tier(tier: LionTier, rules: Rules, kind: str, currency: str) -> Json:
    own = next(each for each in rules.policy.tiers if each.id == tier.tier)
    shape: Json = {
        "id": tier.id,
        "name": tier.name,
        "position": tier.number,
        "hidden": tier.hidden,
        "benefit_ids": [],
        "kind": "conditional" if own.from_ is None else kind,
    }
    if shape["kind"] != "conditional":
        shape["lower_bound"] = _amount(tier.lower_bound, kind, currency)
        shape["upper_bound"] = _amount(tier.upper_bound, kind, currency)
    return shape


# A customer --------------------------------------------------------------------------------------


def named(customer: LionCustomer, properties: Json) -> Json:
    """What is shown of everybody. A full name is split at its first space."""
    first, _, last = str(properties.get("name") or "").partition(" ")
    return {
        "id": customer.id,
        "merchant_id": customer.merchant_id,
        "email": customer.email,
        "first_name": properties.get("first_name") or first or None,
        "last_name": properties.get("last_name") or last or None,
    }


def progress_object(
    way: TierProgress, kind: str, tiers: dict[str, LionTier], held: LionTier, currency: str
) -> Json:
    """`tier_membership.progress`. The default tier has no end, and so nothing to renew."""

    def number(tier: str | None) -> int | None:
        return None if tier is None or tier not in tiers else tiers[tier].id

    needed = None if held.hidden else way.needed_for_next
    following = None if needed is None else way.next_tier  # no amount reaches a conditional tier
    return {
        "kind": kind,
        "valid_until": None if way.valid_until is None else format_instant(way.valid_until),
        f"{kind}_needed_for_renewal": _amount(way.needed_for_renewal, kind, currency),
        "upgrade_tier_id": number(following),
        f"{kind}_needed_for_upgrade": _amount(needed, kind, currency),
        f"tier_{kind}": {
            "now": _amount(way.now, kind, currency),
            "at_expiration": _amount(way.at_expiry, kind, currency),
        },
        "forecasted_tier_id": number(way.forecast),
    }


def birthday_of(customer: Customer) -> Json | None:
    text = customer.birthdate
    if text is None:
        return None
    if text.startswith("--"):
        return {"month": int(text[2:4]), "day": int(text[5:7])}
    return {"month": int(text[5:7]), "day": int(text[8:10]), "year": int(text[:4])}


def enrolled_object(
    customer: Customer, lion: LionCustomer, properties: Json, membership: Json | None
) -> Json:
    """An enrolled customer without what comes from the ledger. There are no rewards here, and no
    consents."""
    return {
        "state": "enrolled",
        **named(lion, properties),
        "points_approved": lion.points_approved,
        "points_pending": lion.points_pending,
        "points_spent": lion.points_spent,
        "enrolled_at": lion.enrolled_at,
        "tier_membership": membership,
        "birthday": birthday_of(customer),
        "next_birthday": None,
        "claimed_rewards": [],
        "available_rewards": [],
        "available_rules": [],
        "history": [],
        "active_cart_redemptions": [],
        "email_marketing_consent": {"state": "unknown"},
        "sms_marketing_consent": {"state": "unknown"},
        "receipt_upload_url": None,
        "referral_urls": None,
    }
