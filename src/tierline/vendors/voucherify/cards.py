"""Voucherify's loyalty card: what a campaign gives to its members, and when points expire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tierline.model.calendar import Unit, parse_day
from tierline.model.validation import invalid
from tierline.rules.expiry import AfterPeriod, DayOfYear, Expiry, NoExpiry

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


def card_expiry(voucher: Voucher | None) -> Expiry:
    """When the points of a campaign's card expire."""
    card = voucher.loyalty_card if voucher else None
    path = "settings.voucher.loyalty_card.expiration_rules"
    return points_expiry(card.expiration_rules if card else None, path)


def points_expiry(rules: ExpirationRules | None, path: str) -> Expiry:
    """Returns the expiry in our words. Raises Invalid, naming the field."""
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
