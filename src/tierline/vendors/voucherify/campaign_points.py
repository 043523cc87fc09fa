"""What a campaign of Voucherify's says about points, compiled: the card, earning rules, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from tierline.model.validation import convert, invalid
from tierline.rules.expiry import Expiry
from tierline.rules.ladder import Earning
from tierline.rules.points import PerAmount, Points
from tierline.vendors.voucherify.cards import Voucher, card_expiry, points_expiry
from tierline.vendors.voucherify.earning import (
    EarningLoyalty,
    EarningSettings,
    Surroundings,
    TimeLimits,
    earning_rule,
    joining_rule,
)
from tierline.vendors.voucherify.formulas import ORDER_PAID

Json = Mapping[str, Any]
_AMOUNTS = ("ORDER_AMOUNT", "ORDER_TOTAL_AMOUNT")


class CampaignPoints(Struct, frozen=True):
    """The rules for points; what each tier makes of all that orders earn, by the tier's id."""

    points: Points
    earning: Mapping[str, Earning]


def campaign_points(
    campaign: Json, voucher: Voucher | None, rules: Sequence[Json], tiers: Sequence[Json]
) -> CampaignPoints:
    """`rules` as they are printed, each with an id; `tiers` likewise. Raises Invalid."""
    typed = [
        convert(dict(rule), EarningSettings, f"settings.earning_rules[{i}]")
        for i, rule in enumerate(rules)
    ]
    limits = convert(
        {k: v for k, v in campaign.items() if k in TimeLimits.__struct_fields__},
        TimeLimits,
        "settings",
    )
    expiry = card_expiry(voucher)
    active = campaign.get("active") is not False
    credited = (voucher.loyalty_card.points or 0) if voucher and voucher.loyalty_card else 0
    if len(typed) == 1 and active and limits == _NO_LIMITS and _is_rate(typed[0]) and not credited:
        return _rate(typed[0], expiry, _mappings(tiers).get(str(typed[0].id), {}))
    around = Surroundings(active=active, limits=limits, mappings=_mappings(tiers))
    compiled = [
        earning_rule(rule, str(rule.id), around, f"settings.earning_rules[{i}]")
        for i, rule in enumerate(typed)
    ]
    if credited:
        compiled.insert(0, joining_rule(credited, around))
    return CampaignPoints(Points(expiry=expiry, rules=tuple(compiled)), {})


_NO_LIMITS = TimeLimits()


def _mappings(tiers: Sequence[Json]) -> dict[str, dict[str, Earning]]:
    """What each tier makes of a rule's points: by the rule's id, then by the tier's."""
    by_rule: dict[str, dict[str, Earning]] = {}
    for tier in tiers:
        for rule, mapped in tier["earning_rules"].items():
            earning = Earning(fixed=mapped.get("points"))
            if mapped["type"] == "MULTIPLY":
                earning = Earning(multiplier=round(mapped["multiplier"] * 100))
            by_rule.setdefault(rule, {})[tier["id"]] = earning
    return by_rule


# -- one rate for orders, as a program's own settings may say it ---------------------------------


def _is_rate(rule: EarningSettings) -> bool:
    """Whether it is the rule that a program's settings could always hold: so many points per so
    much of an order, of which tiers make more. The routes' own rules are `earning_rule` objects."""
    plain = (rule.active is not False, rule.validation_rule_id is None, rule.event == ORDER_PAID)
    limits = (rule.start_date, rule.expiration_date, rule.validity_timeframe, rule.validity_hours)
    loyalty = rule.loyalty
    return (
        rule.object is None
        and all(plain)
        and not any(limits)
        and not rule.validity_day_of_week
        and loyalty.type == "PROPORTIONAL"
        and (loyalty.calculation_type or "ORDER_AMOUNT") in _AMOUNTS
        and _ratio(loyalty) is not None
    )


def _ratio(loyalty: EarningLoyalty) -> tuple[int, int] | None:
    order = loyalty.order
    total = loyalty.calculation_type == "ORDER_TOTAL_AMOUNT"
    ratio = None if order is None else order.total_amount if total else order.amount
    if ratio is None or ratio.points is None or ratio.points_formula or int(ratio.every) < 1:
        return None
    return int(ratio.every), int(ratio.points)


def _rate(rule: EarningSettings, expiry: Expiry, earning: Mapping[str, Earning]) -> CampaignPoints:
    own = None  # for what the rule earns; what is added by hand follows the card
    if rule.expiration_rules is not None:
        own = points_expiry(rule.expiration_rules, "settings.earning_rules[0].expiration_rules")
    ratio = _ratio(rule.loyalty)
    if ratio is None:
        raise invalid("settings.earning_rules[0].loyalty.order", "expected every and points")
    points = Points(
        expiry=expiry,
        pending_days=rule.pending_points.period_value if rule.pending_points else 0,
        orders=PerAmount(*ratio, own),
    )
    return CampaignPoints(points, earning)
