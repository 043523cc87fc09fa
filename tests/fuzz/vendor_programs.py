"""Random programs in the vendors' own words, compiled as the API does."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tierline.rules.program import Rules
from tierline.vendors.registry import compile_settings
from tierline.vendors.vendor import ProgramFacts

Json = dict[str, Any]


def vendor_rules(chance: Random) -> Callable[[], Rules]:
    """Settings of one vendor, and at each call a version of them."""
    vendor, settings = chance.choice((("voucherify", voucherify), ("loyaltylion", loyaltylion)))
    facts = ProgramFacts(id="program", project="project", at=0, name="Fuzz")
    return lambda: compile_settings(vendor, settings(chance), facts)


def voucherify(chance: Random) -> Json:
    """A campaign; three in four count the points of a period."""
    low = chance.choice((0, 50, 50, 100))
    tiers: list[Json] = []
    for name in ("Silver", "Gold", "Platinum")[: chance.randint(1, 3)]:
        above = low + chance.choice((50, 100))
        tiers.append({"id": name.lower(), "name": name, "points": {"from": low, "to": above - 1}})
        low = above + chance.choice((0, 0, 0, 20))
    if chance.random() < 0.8:
        del tiers[-1]["points"]["to"]
    periods = chance.random() < 0.75
    expiration = period_expiration(chance) if periods else balance_expiration(chance)
    rules: Json = {"expiration_date": expiration, "start_date": {"type": "IMMEDIATE"}}
    rules["qualification_type"] = "POINTS_IN_PERIOD" if periods else "BALANCE"
    if periods:
        unit = chance.choice(("MONTH", "MONTH", "QUARTER", "QUARTER", "HALF_YEAR", "YEAR"))
        rules["qualification_period"] = unit
        rules["start_date"] = {"type": chance.choice(("IMMEDIATE", "NEXT_PERIOD", "NEXT_PERIOD"))}
    return {"name": "Fuzz", "loyalty_tiers": tiers, "loyalty_tiers_expiration": rules}


def period_expiration(chance: Random) -> Json:
    made: Json = {"type": chance.choice(("END_OF_PERIOD", "END_OF_NEXT_PERIOD"))}
    if chance.random() < 0.7:
        made["extend"] = chance.choice(("P7D", "P1M", "P2M", "P5M"))
    return made


def balance_expiration(chance: Random) -> Json:
    if chance.random() < 0.3:
        return {"type": "BALANCE_DROP"}
    made: Json = {"type": "CUSTOM", "extend": chance.choice(("P1M", "P3M", "P30D", "P12M"))}
    if chance.random() < 0.5:
        unit = chance.choice(("MONTH", "QUARTER", "HALF_YEAR", "YEAR"))
        made["rounding"] = {"type": unit, "strategy": chance.choice(("START", "END", "END"))}
    return made


def loyaltylion(chance: Random) -> Json:
    """A default tier, higher ones, and now and then a hidden one anywhere."""
    low, tiers = 0, list[Json]()
    for name in ("Bronze", "Silver", "Gold", "Platinum")[: chance.randint(2, 4)]:
        tiers.append({"id": name.lower(), "name": name, "lower_bound": low})
        low += chance.choice((50, 100))
    if chance.random() < 0.4:
        bound = chance.randint(0, low)
        tiers.append({"id": "staff", "name": "Staff", "lower_bound": bound, "hidden": True})
    mode = chance.choice(("points", "spend", "orders"))
    if mode == "orders":
        for tier in tiers:
            tier["lower_bound"] //= 25
    return {"boundary_mode": mode, "membership": membership(chance), "tiers": tiers}


def membership(chance: Random) -> Json:
    windows = {"windows": chance.choice((0, 1, 1, 1))}
    match chance.randint(0, 5):
        case 0 | 1:
            return {"mode": "rolling", "duration_months": chance.choice((1, 3, 12))}
        case 2 | 3:
            start = {"month": chance.randint(1, 12), "day": chance.choice((1, 1, 15, 29))}
            period = {"starts_on": start, "duration": {"months": chance.choice((1, 3, 12))}}
            return {"mode": "calendar", "evaluation_period": period, "duration": windows}
        case 4:
            return {"mode": "enrollment_anniversary", "duration": windows}
        case _:
            return {"mode": "lifetime"}
