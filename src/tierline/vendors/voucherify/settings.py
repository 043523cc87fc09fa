"""Voucherify's campaign object, compiled to rules that the engine knows.

In: the campaign with `loyalty_tiers` and `loyalty_tiers_expiration`, as the vendor prints it or as
little of it as a new program needs. Out: policy, points, and the whole campaign kept for payloads,
ids and timestamps included. What the engine could not honour is refused by name, never ignored;
fields of the campaign that mean nothing for tiers are kept as they are.

The order of a night (`engine.timeline`) is the one that the vendor documents:
https://docs.voucherify.io/build/loyalty-points, "Point and tier calculation on a new day".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tierline.model import ids, json_text
from tierline.model.calendar import Unit, format_instant
from tierline.model.validation import convert, invalid, optional_instant
from tierline.rules.ladder import Earning, Tier
from tierline.rules.metric import Metric
from tierline.rules.policy import TIERS_MAX, Assessment, Policy, Renewal, Start
from tierline.rules.program import Rules
from tierline.rules.term import Duration, Rounding, Term, WhileQualified, WindowEnd
from tierline.rules.window import Calendar
from tierline.vendors.vendor import ProgramFacts
from tierline.vendors.voucherify.campaign_points import campaign_points
from tierline.vendors.voucherify.cards import Voucher
from tierline.vendors.voucherify.earning import printed
from tierline.vendors.voucherify.objects import NAME, campaign_id, campaign_object, tier_object

LIMITS = json_text.Limits(depth=32, size=1_048_576)
Count = Annotated[int, Meta(ge=0, le=json_text.SAFE - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Period = Literal["MONTH", "QUARTER", "HALF_YEAR", "YEAR"]
UNITS: dict[str, Unit] = {
    "MONTH": "month",
    "QUARTER": "quarter",
    "HALF_YEAR": "half_year",
    "YEAR": "year",
}

_MONTHS_OR_DAYS = re.compile(r"^P([0-9]{1,4})([MD])$", re.ASCII)


class Bounds(Struct, frozen=True, rename={"from_": "from"}, forbid_unknown_fields=True):
    """Both inclusive; only the highest tier may be open."""

    from_: Count
    to: Count | None = None


class Mapped(Struct, frozen=True):
    """What a tier makes of an earning rule's points."""

    type: Literal["MULTIPLY", "CUSTOM"]
    multiplier: Annotated[float, Meta(ge=0, le=1000)] | None = None
    points: Count | None = None


class TierConfig(Struct, frozen=True):
    points: Bounds | None = None


class LoyaltyTier(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    id: Name | None = None
    campaign_id: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    earning_rules: dict[str, Mapped] | None = None
    rewards: dict[str, Any] | None = None
    config: TierConfig | None = None
    points: Bounds | None = None
    expiration: dict[str, Any] | None = None
    object: Literal["loyalty_tier"] | None = None


class StartDate(Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["IMMEDIATE", "NEXT_PERIOD"]


class DateRounding(Struct, frozen=True, forbid_unknown_fields=True):
    """`value` counts months from 0 = January (a card's `rounding_value` counts from 1)."""

    type: Literal["MONTH", "QUARTER", "HALF_YEAR", "YEAR", "CUSTOM"]
    strategy: Literal["START", "END"] | None = None
    unit: Literal["MONTH"] | None = None
    value: Annotated[int, Meta(ge=0, le=11)] | None = None


class ExpirationDate(Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["END_OF_PERIOD", "END_OF_NEXT_PERIOD", "BALANCE_DROP", "CUSTOM"]
    extend: str | None = None  # months or days: P3M, P7D
    rounding: DateRounding | None = None


class TiersExpiration(Struct, frozen=True, forbid_unknown_fields=True):
    qualification_type: Literal["BALANCE", "POINTS_IN_PERIOD"]
    qualification_period: Period | None = None
    start_date: StartDate | None = None
    expiration_date: ExpirationDate | None = None


class Campaign(Struct, frozen=True):
    loyalty_tiers: Annotated[tuple[LoyaltyTier, ...], Meta(max_length=TIERS_MAX)]
    id: Name | None = None
    name: Name | None = None
    campaign_type: Literal["LOYALTY_PROGRAM"] | None = None
    type: Literal["AUTO_UPDATE", "STATIC", "STANDALONE"] | None = None
    is_referral_code: bool | None = None
    voucher: Voucher | None = None
    auto_join: bool | None = None
    join_once: bool | None = None
    active: bool | None = None
    category_id: str | None = None
    category: str | None = None
    metadata: dict[str, Any] | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: Literal["campaign"] | None = None
    loyalty_tiers_expiration: TiersExpiration | None = None
    earning_rules: tuple[dict[str, Any], ...] | None = None


def compile_settings(settings: Mapping[str, Any], facts: ProgramFacts) -> Rules:
    """A campaign object as rules. Invalid names the field: `settings.loyalty_tiers[1].points.to`.

    A tier without an id keeps the id that a tier of its name had before; so does the campaign.
    """
    fields = json_text.normalise(dict(settings), "settings", LIMITS)
    campaign = convert(fields, Campaign, "settings")
    for key in fields:
        if key.startswith("loyalty_tier") and key not in Campaign.__struct_fields__:
            raise invalid(f"settings.{key}", "no such field; meant is loyalty_tiers_expiration?")
    optional_instant(campaign.created_at, "settings.created_at")
    optional_instant(campaign.updated_at, "settings.updated_at")
    before = _before(facts)
    campaign_ = _campaign(fields, campaign, facts, before.get("campaign") or {})
    tiers = _tiers(fields, campaign, campaign_["id"], facts, before.get("loyalty_tiers") or [])
    rules = [
        {"id": ids.derived("ern_", facts.project, facts.id, str(i), size=12), **printed(rule)}
        for i, rule in enumerate(fields.get("earning_rules") or ())
    ]
    points = campaign_points(fields, campaign.voucher, rules, tiers)
    presentation = {
        "campaign": campaign_,
        "loyalty_tiers": tiers,
        "loyalty_tiers_expiration": fields.get("loyalty_tiers_expiration"),
    }
    if rules:
        presentation["earning_rules"] = rules
    return Rules(
        name=campaign_["name"],
        policy=_policy(campaign, tuple(_tier(tier, points.earning) for tier in tiers)),
        points=points.points,
        auto_join=campaign_["auto_join"],
        presentations={NAME: presentation},
    )


def _policy(campaign: Campaign, tiers: tuple[Tier, ...]) -> Policy:
    """`loyalty_tiers_expiration` as the nine parts; without it a tier follows the balance."""
    rules = campaign.loyalty_tiers_expiration or TiersExpiration("BALANCE")
    path = "settings.loyalty_tiers_expiration"
    start = rules.start_date.type if rules.start_date else "IMMEDIATE"
    if rules.qualification_type == "BALANCE":
        if rules.qualification_period is not None:
            raise invalid(f"{path}.qualification_period", "belongs to POINTS_IN_PERIOD alone")
        if start != "IMMEDIATE":
            raise invalid(f"{path}.start_date.type", "BALANCE starts IMMEDIATE")
        term = _balance_term(rules.expiration_date, f"{path}.expiration_date")
        down: Assessment = Assessment()
        if not isinstance(term, WhileQualified):
            down = Assessment(down="at_term_end")
        # A renewed CUSTOM term counts from the day of its renewal, by the vendor's own formula.
        renewal = Renewal(basis="now" if isinstance(term, Duration) else "term_end")
        return Policy(tiers=tiers, term=term, assessment=down, renewal=renewal)
    if rules.qualification_period is None:
        what = f"POINTS_IN_PERIOD needs one of {', '.join(UNITS)}"
        raise invalid(f"{path}.qualification_period", what)
    return Policy(
        tiers=tiers,
        metric=Metric("earned"),
        window=Calendar(UNITS[rules.qualification_period]),
        start=Start("next_window" if start == "NEXT_PERIOD" else "immediate"),
        term=_period_term(rules.expiration_date, f"{path}.expiration_date"),
        assessment=Assessment(down="at_term_end"),
        renewal=Renewal(restart="requalified"),
    )


def _balance_term(expiration: ExpirationDate | None, path: str) -> Term:
    if expiration is None or expiration.type == "BALANCE_DROP":
        if expiration is not None and _extension(expiration, path):
            raise invalid(f"{path}.extend", "BALANCE_DROP ends at once; use CUSTOM to extend")
        if expiration is not None and expiration.rounding is not None:
            raise invalid(f"{path}.rounding", "BALANCE_DROP has no date to round; use CUSTOM")
        return WhileQualified()
    if expiration.type != "CUSTOM":
        raise invalid(f"{path}.type", "with BALANCE expected BALANCE_DROP or CUSTOM")
    length = _extension(expiration, path)
    if length is None:
        raise invalid(f"{path}.extend", "CUSTOM needs a duration such as P3M or P7D")
    return Duration(length, rounding=_rounding(expiration.rounding, f"{path}.rounding"))


def _period_term(expiration: ExpirationDate | None, path: str) -> Term:
    if expiration is None:
        return WindowEnd(0)
    if expiration.type not in ("END_OF_PERIOD", "END_OF_NEXT_PERIOD"):
        what = "with POINTS_IN_PERIOD expected END_OF_PERIOD or END_OF_NEXT_PERIOD"
        raise invalid(f"{path}.type", what)
    if expiration.rounding is not None:
        raise invalid(
            f"{path}.rounding", "only CUSTOM is rounded; a period's end is a date already"
        )
    return WindowEnd(
        1 if expiration.type == "END_OF_NEXT_PERIOD" else 0, extend=_extension(expiration, path)
    )


def _extension(expiration: ExpirationDate, path: str) -> str | None:
    """Clients fill `extend` in where it means nothing: empty and zero are none."""
    if not expiration.extend:
        return None
    match = _MONTHS_OR_DAYS.match(expiration.extend)
    if match is None:
        what = f"expected months or days such as P3M or P7D, not {expiration.extend!r}"
        raise invalid(f"{path}.extend", what)
    return f"P{int(match[1])}{match[2]}" if int(match[1]) else None


def _rounding(rounding: DateRounding | None, path: str) -> Rounding | None:
    if rounding is None:
        return None
    if rounding.type == "CUSTOM":
        if rounding.value is None:
            raise invalid(f"{path}.value", "CUSTOM needs a month, 0 = January to 11 = December")
        if rounding.strategy == "START":
            raise invalid(f"{path}.strategy", "CUSTOM rounds to the END of its month")
        return Rounding(month=rounding.value + 1)
    if rounding.value is not None:
        raise invalid(f"{path}.value", "belongs to rounding type CUSTOM alone")
    return Rounding(
        unit=UNITS[rounding.type], edge="start" if rounding.strategy == "START" else "end"
    )


def _tier(tier_: dict[str, Any], earning: Mapping[str, Earning]) -> Tier:
    return Tier(
        id=tier_["id"],
        name=tier_["name"],
        from_=tier_["points"]["from"],
        to=tier_["points"].get("to"),
        earning=earning.get(tier_["id"]),
    )


def _campaign(
    fields: dict[str, Any], campaign: Campaign, facts: ProgramFacts, before: dict[str, Any]
) -> dict[str, Any]:
    apart = ("earning_rules", "loyalty_tiers", "loyalty_tiers_expiration")
    whole = {k: v for k, v in fields.items() if k not in apart}
    now = format_instant(facts.at)
    whole["id"] = campaign.id or before.get("id") or campaign_id(facts.project, facts.id)
    whole["name"] = campaign.name or facts.name or facts.id
    whole["created_at"] = campaign.created_at or before.get("created_at") or now
    if before:
        whole.setdefault("updated_at", now)
    return campaign_object(whole)


def _tiers(
    fields: dict[str, Any],
    campaign: Campaign,
    campaign_: str,
    facts: ProgramFacts,
    before: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The tiers as the vendor prints them, lowest first, checked against each other."""
    placed: list[tuple[Bounds, int, dict[str, Any]]] = []
    seen: set[str] = set()
    for i, tier in enumerate(campaign.loyalty_tiers):
        path = f"settings.loyalty_tiers[{i}]"
        bounds = _bounds(tier, path)
        _check_tier(tier, path)
        whole = _tier_object(tier, fields["loyalty_tiers"][i], bounds, campaign_, facts, before)
        for key in ("id", "name"):
            if whole[key] in seen:
                raise invalid(f"{path}.{key}", f"two tiers have the {key} {whole[key]!r}")
        seen |= {whole["id"], whole["name"]}
        placed.append((bounds, i, whole))
    placed.sort(key=lambda item: (item[0].from_, item[1]))
    for (low, i, whole), (high, j, _) in itertools.pairwise(placed):
        if low.to is None and high.from_ > low.from_:
            path = f"settings.loyalty_tiers[{i}].points.to"
            raise invalid(path, f"missing; only the highest tier is open, {whole['name']!r} is not")
        if low.to is None or high.from_ <= low.to:
            path = f"settings.loyalty_tiers[{j}].points.from"
            span = f"{low.from_} to {'open' if low.to is None else low.to}"
            raise invalid(path, f"{high.from_} overlaps with tier {whole['name']!r} ({span})")
    return [whole for _, _, whole in placed]


def _bounds(tier: LoyaltyTier, path: str) -> Bounds:
    config = tier.config.points if tier.config else None
    bounds = tier.points or config
    if bounds is None:
        raise invalid(f"{path}.points", 'missing; expected {"from": 0, "to": 99}')
    if config is not None and config != bounds:
        raise invalid(f"{path}.config.points", "differs from points; they are the same thing")
    if bounds.to is not None and bounds.to < bounds.from_:
        raise invalid(f"{path}.points.to", f"{bounds.to} is less than from, {bounds.from_}")
    return bounds


def _check_tier(tier: LoyaltyTier, path: str) -> None:
    optional_instant(tier.created_at, f"{path}.created_at")
    optional_instant(tier.updated_at, f"{path}.updated_at")
    for rule, mapped in (tier.earning_rules or {}).items():
        where = f"{path}.earning_rules.{rule}"
        if mapped.type == "CUSTOM" and mapped.points is None:
            raise invalid(f"{where}.points", "missing; CUSTOM replaces a rule's points")
        if mapped.type == "MULTIPLY":
            if mapped.multiplier is None:
                raise invalid(f"{where}.multiplier", "missing; MULTIPLY needs one")
            if abs(mapped.multiplier * 100 - round(mapped.multiplier * 100)) > 1e-6:
                raise invalid(f"{where}.multiplier", "expected at most two decimals")


def _tier_object(
    tier: LoyaltyTier,
    fields: dict[str, Any],
    bounds: Bounds,
    campaign: str,
    facts: ProgramFacts,
    before: list[dict[str, Any]],
) -> dict[str, Any]:
    key, name = ("name", tier.name) if tier.id is None else ("id", tier.id)
    previous = next((b for b in before if b[key] == name), None)
    now = format_instant(facts.at)
    rest = {k: v for k, v in fields.items() if v is not None}
    rest["id"] = tier.id or (previous["id"] if previous else _tier_id(tier.name, facts))
    rest["campaign_id"] = campaign
    rest.setdefault("created_at", previous["created_at"] if previous else now)
    whole = tier_object(rest, bounds.from_, bounds.to)
    if previous and "updated_at" not in fields:
        same = all(whole[k] == previous[k] for k in whole if k != "updated_at")
        whole["updated_at"] = previous["updated_at"] if same else now
    return whole


def _tier_id(name: str, facts: ProgramFacts) -> str:
    return ids.derived("ltr_", facts.project, facts.id, name, size=9)


def _before(facts: ProgramFacts) -> dict[str, Any]:
    names = facts.previous.presentations.get(NAME) if facts.previous else None
    return names or {}
