"""Voucherify's campaign objects that are refused: the field is named, and what it may be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.vendors.test_voucherify_settings import TIERS, compiled
from tierline.errors import Invalid


def tiers_with(index: int, **change: Any) -> list[dict[str, Any]]:
    tiers = copy.deepcopy(TIERS)
    tiers[index] = {**tiers[index], **change}
    return tiers


def expiration(kind: str = "BALANCE", **given: Any) -> dict[str, Any]:
    return {"qualification_type": kind, **given}


CUSTOM = {"type": "CUSTOM", "extend": "P3M"}
PERIOD = expiration("POINTS_IN_PERIOD", qualification_period="MONTH")


@pytest.mark.parametrize(
    ("settings", "path", "says"),
    [
        ({"loyalty_tiers": None}, "settings.loyalty_tiers", "expected a list"),
        (
            {"loyalty_tiers": tiers_with(0, name="")},
            "settings.loyalty_tiers[0].name",
            "at least 1",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={})},
            "settings.loyalty_tiers[0].points.from",
            "needed",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points=None)},
            "settings.loyalty_tiers[0].points",
            "missing",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": "100", "to": 199})},
            "settings.loyalty_tiers[0].points.from",
            "expected a whole number, found a text",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": True, "to": 199})},
            "settings.loyalty_tiers[0].points.from",
            "expected a whole number, found a boolean",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": -1, "to": 199})},
            "settings.loyalty_tiers[0].points.from",
            "at least 0",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": 1.5, "to": 199})},
            "settings.loyalty_tiers[0].points.from",
            "expected a whole number, found a number with a fraction",
        ),
        (
            {"loyalty_tiers": tiers_with(1, points={"from": 2**53})},
            "settings.loyalty_tiers[1].points.from",
            "at most 9007199254740991",
        ),
        (
            {"loyalty_tiers": tiers_with(1, points={"from": 150})},
            "settings.loyalty_tiers[1].points.from",
            "150 overlaps with tier 'Silver' (100 to 199)",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": 200, "to": 300})},
            "settings.loyalty_tiers[1].points.from",
            "overlaps with tier 'Silver' (200 to 300)",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": 100})},
            "settings.loyalty_tiers[0].points.to",
            "missing; only the highest tier is open, 'Silver' is not",
        ),
        (
            {"loyalty_tiers": tiers_with(0, points={"from": 100, "to": 99})},
            "settings.loyalty_tiers[0].points.to",
            "99 is less than from, 100",
        ),
        (
            {"loyalty_tiers": tiers_with(0, config={"points": {"from": 1, "to": 199}})},
            "settings.loyalty_tiers[0].config.points",
            "differs from points",
        ),
        ({"loyalty_tiers": tiers_with(1, id="ltr_a")}, "settings.loyalty_tiers[1].id", "two tiers"),
        ({"loyalty_tiers": tiers_with(1, name="Silver")}, "settings.loyalty_tiers[1].name", "two"),
        ({"loyalty_tiers": tiers_with(0, pionts=1)}, "settings.loyalty_tiers[0].pionts", "no such"),
        (
            {"loyalty_tiers": tiers_with(0, created_at="yesterday")},
            "settings.loyalty_tiers[0].created_at",
            "expected an instant",
        ),
        (
            {"loyalty_tiers": tiers_with(0, metadata={"a": "\0"})},
            "settings.loyalty_tiers[0].metadata.a",
            "NUL",
        ),
        (
            {"loyalty_tiers": tiers_with(0, earning_rules={"e": {"type": "MULTIPLY"}})},
            "settings.loyalty_tiers[0].earning_rules.e.multiplier",
            "missing",
        ),
        ({"loyalty_tier_expiration": {}}, "settings.loyalty_tier_expiration", "no such field"),
        ({"created_at": "2024-13-01T00:00:00Z"}, "settings.created_at", "expected an instant"),
        ({"type": "DYNAMIC"}, "settings.type", "expected one of AUTO_UPDATE, STATIC, STANDALONE"),
        ({"campaign_type": "PROMOTION"}, "settings.campaign_type", "LOYALTY_PROGRAM"),
        ({"auto_join": "yes"}, "settings.auto_join", "expected true or false, found a text"),
    ],
)
def test_refused(settings: dict[str, Any], path: str, says: str) -> None:
    """What is wrong with a campaign or its tiers is named with its field."""
    with pytest.raises(Invalid) as caught:
        compiled(**settings)

    assert caught.value.path == path
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        (expiration("VISITS"), "qualification_type", "one of BALANCE, POINTS_IN_PERIOD"),
        (expiration(qualification_period="MONTH"), "qualification_period", "POINTS_IN_PERIOD"),
        (expiration("POINTS_IN_PERIOD"), "qualification_period", "MONTH, QUARTER"),
        (expiration(start_date={"type": "NEXT_PERIOD"}), "start_date.type", "IMMEDIATE"),
        (expiration(expiration_date={"type": "NEVER"}), "expiration_date.type", "BALANCE_DROP"),
        (
            expiration(expiration_date={"type": "END_OF_PERIOD"}),
            "expiration_date.type",
            "expected BALANCE_DROP or CUSTOM",
        ),
        (expiration(expiration_date={"type": "CUSTOM"}), "expiration_date.extend", "P3M"),
        (
            expiration(expiration_date={"type": "CUSTOM", "extend": "P1Y"}),
            "expiration_date.extend",
            "months or days such as P3M or P7D, not 'P1Y'",
        ),
        (
            expiration(expiration_date={"type": "CUSTOM", "extend": "3 months"}),
            "expiration_date.extend",
            "months or days",
        ),
        (
            expiration(expiration_date={"type": "BALANCE_DROP", "extend": "P3M"}),
            "expiration_date.extend",
            "CUSTOM",
        ),
        (
            expiration(expiration_date={**CUSTOM, "rounding": {"type": "WEEK"}}),
            "expiration_date.rounding.type",
            "one of MONTH, QUARTER, HALF_YEAR, YEAR, CUSTOM",
        ),
        (
            expiration(expiration_date={**CUSTOM, "rounding": {"type": "CUSTOM"}}),
            "expiration_date.rounding.value",
            "0 = January",
        ),
        (
            expiration(expiration_date={**CUSTOM, "rounding": {"type": "CUSTOM", "value": 12}}),
            "expiration_date.rounding.value",
            "at most 11",
        ),
        (
            expiration(expiration_date={**CUSTOM, "rounding": {"type": "YEAR", "value": 1}}),
            "expiration_date.rounding.value",
            "CUSTOM alone",
        ),
        ({**PERIOD, "expiration_date": CUSTOM}, "expiration_date.type", "END_OF_PERIOD"),
        (
            {**PERIOD, "expiration_date": {"type": "END_OF_PERIOD", "rounding": {"type": "YEAR"}}},
            "expiration_date.rounding",
            "only CUSTOM",
        ),
    ],
)
def test_refused_expiration(given: dict[str, Any], path: str, says: str) -> None:
    """Values, pairs and durations that Voucherify does not have are named with their field."""
    with pytest.raises(Invalid) as caught:
        compiled(loyalty_tiers_expiration=given)

    assert caught.value.path == f"settings.loyalty_tiers_expiration.{path}"
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        ({"period_type": "DAY"}, "period_type", "one of MONTH, FIXED_DAY_OF_YEAR"),
        ({"period_type": "MONTH"}, "period_value", "number of months"),
        ({"period_type": "FIXED_DAY_OF_YEAR", "fixed_month": 4}, "fixed_day", "missing"),
        (
            {"period_type": "FIXED_DAY_OF_YEAR", "fixed_month": 4, "fixed_day": 31},
            "fixed_day",
            "no year has the day 04-31",
        ),
        (
            {"period_type": "MONTH", "period_value": 1, "rounding_type": "PARTICULAR_MONTH"},
            "rounding_value",
            "1 = January",
        ),
    ],
)
def test_refused_card(given: dict[str, Any], path: str, says: str) -> None:
    """A card's broken expiration rules are named with their field."""
    with pytest.raises(Invalid) as caught:
        compiled(voucher={"loyalty_card": {"expiration_rules": given}})

    assert caught.value.path == f"settings.voucher.loyalty_card.expiration_rules.{path}"
    assert says in str(caught.value)
