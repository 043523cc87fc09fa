"""Voucherify's campaign and tier objects: completed from settings, or made from native rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.rules.program import Rules, Version
from tierline.vendors.vendor import once_per_version

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
# What events hold of a campaign.
EVENT_KEYS: Final = frozenset((*CAMPAIGN_KEYS, "referral_program", "categories"))
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


class Presentation(Struct, frozen=True):
    """What Voucherify calls a program: the campaign, its tiers by our ids, lowest first, and where
    the program was made from such settings the tiers' `loyalty_tiers_expiration` and the earning
    rules."""

    campaign: dict[str, Any]
    tiers: dict[str, dict[str, Any]]
    expiration: dict[str, Any] | None = None
    rules: tuple[dict[str, Any], ...] = ()


def campaign_object(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A whole campaign: what was given, the rest as Voucherify fills it in, its keys first."""
    voucher = _filled(_VOUCHER_DEFAULTS, fields.get("voucher") or {})
    voucher["loyalty_card"] = {"points": 0, **voucher["loyalty_card"]}
    whole = {**_filled(_CAMPAIGN_DEFAULTS, fields), "voucher": voucher}
    ordered = {key: whole.pop(key) for key in CAMPAIGN_KEYS}
    return {**ordered, **whole}


def tier_object(fields: Mapping[str, Any], from_: int, to: int | None) -> dict[str, Any]:
    """A whole tier. `config.points` and `points` are always the same; an open top has no `to`."""
    points = {"from": from_} if to is None else {"from": from_, "to": to}
    whole = {"metadata": {}, "updated_at": None, "earning_rules": {}, "rewards": {}, **fields}
    whole |= {"config": {"points": points}, "points": points, "object": "loyalty_tier"}
    return {key: whole[key] for key in TIER_KEYS}


def presentation(version: Version, project: str, program: str) -> Presentation:
    """A version in Voucherify's words; a program that was made in other words gets them too."""
    return once_per_version(
        version, "voucherify.presentation", lambda: _presentation(version, project, program)
    )


def _presentation(version: Version, project: str, program: str) -> Presentation:
    rules = version.rules
    names = rules.presentations.get(NAME)
    if names:
        tiers = {tier["id"]: tier for tier in names["loyalty_tiers"]}
        campaign = dict(names["campaign"])
        inside = campaign.pop("earning_rules", None)  # where versions before 2026-11 kept them
        own = names.get("earning_rules") or inside or ()
        return Presentation(campaign, tiers, names.get("loyalty_tiers_expiration"), tuple(own))
    created_at = format_instant(version.effective_at)
    campaign = campaign_object(
        {
            "id": campaign_id(project, program),
            "name": rules.name,
            "auto_join": rules.auto_join,
            "created_at": created_at,
        }
    )
    return Presentation(campaign, _synthetic(rules, campaign["id"], created_at))


def _synthetic(rules: Rules, campaign: str, created_at: str) -> dict[str, dict[str, Any]]:
    """Tiers of a program in native words: a bound that the ladder implies is written out."""
    ladder = rules.policy.tiers
    tiers = {}
    for i, tier in enumerate(ladder):
        above = ladder[i + 1].from_ if i + 1 < len(ladder) else None
        to = tier.to if tier.to is not None or above is None else above - 1
        fields = {
            "id": tier.id,
            "name": tier.name,
            "campaign_id": campaign,
            "created_at": created_at,
        }
        tiers[tier.id] = tier_object(fields, tier.from_ or 0, to)
    return tiers


def campaign_id(project: str, program: str) -> str:
    return ids.derived("camp_", project, program, size=12)


def _filled(defaults: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Where Voucherify never prints null, null means: not given."""
    rest = {k: v for k, v in fields.items() if v is not None or defaults.get(k) is None}
    return {**defaults, **rest}
