"""Voucherify's campaign object, compiled to rules that the engine knows.

In: the campaign with `loyalty_tiers` and `loyalty_tiers_expiration`, as the vendor prints it or as
little of it as a new program needs. Out: policy, points, and the whole campaign kept for payloads,
ids and timestamps included. What the engine could not honour is refused by name, never ignored;
fields of the campaign that mean nothing for tiers are kept as they are.
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
from tierline.vendors.voucherify.cards import EarningRule, Voucher, points_rules
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
    earning_rules: tuple[EarningRule, ...] | None = None


def compile_settings(settings: Mapping[str, Any], facts: ProgramFacts) -> Rules:
    """A campaign object as rules. Invalid names the field: `settings.loyalty_tiers[1].points.to`.

    A tier without an id keeps the id that a tier of its name had before; so does the campaign.
    """
    given = json_text.normalise(dict(settings), "settings", LIMITS)
    campaign = convert(given, Campaign, "settings")
    for key in given:
        if key.startswith("loyalty_tier") and key not in Campaign.__struct_fields__:
            raise invalid(f"settings.{key}", "no such field; meant is loyalty_tiers_expiration?")
    optional_instant(campaign.created_at, "settings.created_at")
    optional_instant(campaign.updated_at, "settings.updated_at")
    before = _before(facts)
    shown = _campaign(given, campaign, facts, before.get("campaign") or {})
    tiers = _tiers(given, campaign, shown["id"], facts, before.get("loyalty_tiers") or [])
    return Rules(
        name=shown["name"],
        policy=_policy(campaign, tuple(_tier(tier, campaign) for tier in tiers)),
        points=points_rules(campaign.voucher, campaign.earning_rules),
        auto_join=shown["auto_join"],
        presentations={
            NAME: {
                "campaign": shown,
                "loyalty_tiers": tiers,
                "loyalty_tiers_expiration": given.get("loyalty_tiers_expiration"),
            }
        },
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
        return Policy(tiers=tiers, term=term, assessment=down)
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


def _balance_term(given: ExpirationDate | None, path: str) -> Term:
    if given is None or given.type == "BALANCE_DROP":
        if given is not None and _extension(given, path):
            raise invalid(f"{path}.extend", "BALANCE_DROP ends at once; use CUSTOM to extend")
        if given is not None and given.rounding is not None:
            raise invalid(f"{path}.rounding", "BALANCE_DROP has no date to round; use CUSTOM")
        return WhileQualified()
    if given.type != "CUSTOM":
        raise invalid(f"{path}.type", "with BALANCE expected BALANCE_DROP or CUSTOM")
    length = _extension(given, path)
    if length is None:
        raise invalid(f"{path}.extend", "CUSTOM needs a duration such as P3M or P7D")
    return Duration(length, rounding=_rounding(given.rounding, f"{path}.rounding"))


def _period_term(given: ExpirationDate | None, path: str) -> Term:
    if given is None:
        return WindowEnd(0)
    if given.type not in ("END_OF_PERIOD", "END_OF_NEXT_PERIOD"):
        what = "with POINTS_IN_PERIOD expected END_OF_PERIOD or END_OF_NEXT_PERIOD"
        raise invalid(f"{path}.type", what)
    if given.rounding is not None:
        raise invalid(
            f"{path}.rounding", "only CUSTOM is rounded; a period's end is a date already"
        )
    return WindowEnd(1 if given.type == "END_OF_NEXT_PERIOD" else 0, extend=_extension(given, path))


def _extension(given: ExpirationDate, path: str) -> str | None:
    """Clients fill `extend` in where it means nothing: empty and zero are none."""
    if not given.extend:
        return None
    match = _MONTHS_OR_DAYS.match(given.extend)
    if match is None:
        what = f"expected months or days such as P3M or P7D, not {given.extend!r}"
        raise invalid(f"{path}.extend", what)
    return f"P{int(match[1])}{match[2]}" if int(match[1]) else None


def _rounding(given: DateRounding | None, path: str) -> Rounding | None:
    if given is None:
        return None
    if given.type == "CUSTOM":
        if given.value is None:
            raise invalid(f"{path}.value", "CUSTOM needs a month, 0 = January to 11 = December")
        if given.strategy == "START":
            raise invalid(f"{path}.strategy", "CUSTOM rounds to the END of its month")
        return Rounding(month=given.value + 1)
    if given.value is not None:
        raise invalid(f"{path}.value", "belongs to rounding type CUSTOM alone")
    return Rounding(unit=UNITS[given.type], edge="start" if given.strategy == "START" else "end")


def _tier(shown: dict[str, Any], campaign: Campaign) -> Tier:
    return Tier(
        id=shown["id"],
        name=shown["name"],
        from_=shown["points"]["from"],
        to=shown["points"].get("to"),
        earning=_earning(shown, campaign),
    )


def _earning(shown: dict[str, Any], campaign: Campaign) -> Earning | None:
    """A tier's mapping of the rule that orders earn by; mappings of other rules are only shown."""
    for rule in campaign.earning_rules or ():
        mapped = shown["earning_rules"].get(rule.id)
        if mapped and mapped["type"] == "CUSTOM":
            return Earning(fixed=mapped["points"])
        if mapped:
            return Earning(multiplier=round(mapped["multiplier"] * 100))
    return None


def _campaign(
    given: dict[str, Any], campaign: Campaign, facts: ProgramFacts, before: dict[str, Any]
) -> dict[str, Any]:
    kept = {k: v for k, v in given.items() if not k.startswith("loyalty_tiers")}
    now = format_instant(facts.at)
    kept["id"] = campaign.id or before.get("id") or campaign_id(facts.project, facts.id)
    kept["name"] = campaign.name or facts.name or facts.id
    kept["created_at"] = campaign.created_at or before.get("created_at") or now
    if before:
        kept.setdefault("updated_at", now)
    return campaign_object(kept)


def _tiers(
    given: dict[str, Any],
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
        shown = _shown(tier, given["loyalty_tiers"][i], bounds, campaign_, facts, before)
        for key in ("id", "name"):
            if shown[key] in seen:
                raise invalid(f"{path}.{key}", f"two tiers have the {key} {shown[key]!r}")
        seen |= {shown["id"], shown["name"]}
        placed.append((bounds, i, shown))
    placed.sort(key=lambda item: (item[0].from_, item[1]))
    for (low, i, shown), (high, j, _) in itertools.pairwise(placed):
        if low.to is None and high.from_ > low.from_:
            path = f"settings.loyalty_tiers[{i}].points.to"
            raise invalid(path, f"missing; only the highest tier is open, {shown['name']!r} is not")
        if low.to is None or high.from_ <= low.to:
            path = f"settings.loyalty_tiers[{j}].points.from"
            span = f"{low.from_} to {'open' if low.to is None else low.to}"
            raise invalid(path, f"{high.from_} overlaps with tier {shown['name']!r} ({span})")
    return [shown for _, _, shown in placed]


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


def _shown(
    tier: LoyaltyTier,
    given: dict[str, Any],
    bounds: Bounds,
    campaign: str,
    facts: ProgramFacts,
    before: list[dict[str, Any]],
) -> dict[str, Any]:
    key, name = ("name", tier.name) if tier.id is None else ("id", tier.id)
    was = next((b for b in before if b[key] == name), None)
    now = format_instant(facts.at)
    kept = {k: v for k, v in given.items() if v is not None}
    kept["id"] = tier.id or (was["id"] if was else _tier_id(tier.name, facts))
    kept["campaign_id"] = campaign
    kept.setdefault("created_at", was["created_at"] if was else now)
    shown = tier_object(kept, bounds.from_, bounds.to)
    if was and "updated_at" not in given:
        same = all(shown[k] == was[k] for k in shown if k != "updated_at")
        shown["updated_at"] = was["updated_at"] if same else now
    return shown


def _tier_id(name: str, facts: ProgramFacts) -> str:
    return ids.derived("ltr_", facts.project, facts.id, name, size=9)


def _before(facts: ProgramFacts) -> dict[str, Any]:
    found = facts.previous.presentations.get(NAME) if facts.previous else None
    return found or {}
