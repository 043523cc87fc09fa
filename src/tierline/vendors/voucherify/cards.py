"""Voucherify's loyalty card and earning rules: how points are earned, and when they expire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tierline.model.calendar import Unit, parse_day
from tierline.model.validation import invalid
from tierline.rules.expiry import AfterPeriod, DayOfYear, Expiry, NoExpiry
from tierline.rules.points import PerAmount, Points

Positive = Annotated[int, Meta(ge=1, le=10**12)]
Rounded = Literal[
    "END_OF_MONTH", "END_OF_QUARTER", "END_OF_HALF_YEAR", "END_OF_YEAR", "PARTICULAR_MONTH"
]
_ROUNDED: dict[str, Unit] = {
    "END_OF_MONTH": "month",
    "END_OF_QUARTER": "quarter",
    "END_OF_HALF_YEAR": "half_year",
    "END_OF_YEAR": "year",
}


class ExpirationRules(Struct, frozen=True, forbid_unknown_fields=True):
    """`rounding_value` is a month counted from 1 (a tier's rounding counts from 0)."""

    period_type: Literal["MONTH", "FIXED_DAY_OF_YEAR"]
    period_value: Annotated[int, Meta(ge=0, le=1200)] | None = None
    rounding_type: Rounded | None = None
    rounding_value: Annotated[int, Meta(ge=1, le=12)] | None = None
    fixed_month: Annotated[int, Meta(ge=1, le=12)] | None = None
    fixed_day: Annotated[int, Meta(ge=1, le=31)] | None = None


class LoyaltyCard(Struct, frozen=True):
    points: Annotated[int, Meta(ge=0)] | None = None
    expiration_rules: ExpirationRules | None = None


class Voucher(Struct, frozen=True):
    type: Literal["LOYALTY_CARD"] | None = None
    loyalty_card: LoyaltyCard | None = None
    redemption: dict[str, Any] | None = None
    code_config: dict[str, Any] | None = None


Digits = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,11}$", description="a whole number of at most 12 digits")
]


class Ratio(Struct, frozen=True):
    """`points` for every whole `every` minor units. The vendor's own samples send text, too."""

    every: Positive | Digits
    points: Positive | Digits


class OrderRatio(Struct, frozen=True):
    amount: Ratio | None = None
    total_amount: Ratio | None = None


class RuleLoyalty(Struct, frozen=True):
    type: Literal["PROPORTIONAL"]
    calculation_type: Literal["ORDER_AMOUNT", "ORDER_TOTAL_AMOUNT"] | None = None
    order: OrderRatio | None = None


class PendingPoints(Struct, frozen=True):
    period_type: Literal["DAY"]
    period_value: Annotated[int, Meta(ge=1, le=90)]


class RuleSettings(Struct, frozen=True):
    """The one that orders earn by; points for anything else are sent as activities."""

    event: Literal["order.paid"]
    loyalty: RuleLoyalty
    id: str | None = None
    pending_points: PendingPoints | None = None
    expiration_rules: ExpirationRules | None = None


def points_rules(voucher: Voucher | None, rules: tuple[RuleSettings, ...] | None) -> Points:
    """How points come and go. An earning rule's own expiration overrides the card's."""
    card = voucher.loyalty_card if voucher else None
    path = "settings.voucher.loyalty_card.expiration_rules"
    expiry = _expiry(card.expiration_rules if card else None, path)
    if not rules:
        return Points(expiry=expiry)
    if len(rules) > 1:
        what = "one rule for order.paid; send points for anything else as activities"
        raise invalid("settings.earning_rules[1]", what)
    rule, path = rules[0], "settings.earning_rules[0]"
    own = None  # for what the rule earns; what is added by hand follows the card
    if rule.expiration_rules is not None:
        own = _expiry(rule.expiration_rules, f"{path}.expiration_rules")
    return Points(
        expiry=expiry,
        pending_days=rule.pending_points.period_value if rule.pending_points else 0,
        orders=_per_amount(rule.loyalty, own, f"{path}.loyalty"),
    )


def _per_amount(loyalty: RuleLoyalty, expiry: Expiry | None, path: str) -> PerAmount:
    total = loyalty.calculation_type == "ORDER_TOTAL_AMOUNT"
    name = "total_amount" if total else "amount"
    order = loyalty.order or OrderRatio()
    ratio = order.total_amount if total else order.amount
    if ratio is None:
        raise invalid(f"{path}.order.{name}", 'missing; expected {"every": 1000, "points": 5}')
    return PerAmount(int(ratio.every), int(ratio.points), expiry)


def _expiry(rules: ExpirationRules | None, path: str) -> Expiry:
    if rules is None:
        return NoExpiry()
    if rules.period_type == "FIXED_DAY_OF_YEAR":
        return _fixed_day(rules, path)
    if rules.period_value is None:
        raise invalid(f"{path}.period_value", "MONTH needs a number of months")
    length = f"P{rules.period_value}M"
    if rules.rounding_type == "PARTICULAR_MONTH":
        if rules.rounding_value is None:
            what = "PARTICULAR_MONTH needs a month, 1 = January to 12 = December"
            raise invalid(f"{path}.rounding_value", what)
        return AfterPeriod(length, month=rules.rounding_value)
    return AfterPeriod(length, _ROUNDED[rules.rounding_type] if rules.rounding_type else None)


def _fixed_day(rules: ExpirationRules, path: str) -> Expiry:
    for name in ("fixed_month", "fixed_day"):
        if getattr(rules, name) is None:
            raise invalid(f"{path}.{name}", "missing; FIXED_DAY_OF_YEAR needs month and day")
    day = f"{rules.fixed_month:02d}-{rules.fixed_day:02d}"
    try:
        parse_day(f"2000-{day}")
    except ValueError:
        raise invalid(f"{path}.fixed_day", f"no year has the day {day}") from None
    return DayOfYear(day)
