"""Random earning rules: every trigger, every amount, limits, pending days, own expiry, by tier."""

from __future__ import annotations

from random import Random
from typing import Any

Json = dict[str, Any]
UNITS = ("day", "week", "month", "quarter", "half_year", "year")
FORMULAS = (
    "amount / 7", "round(amount / 100) * 2 + metadata.nights", "min(metadata.nights, 10) * 3",
    "max(1, floor(amount / 50)) - ceil(attribute.level / 2)", "(amount - 40) / (metadata.nights)",
    "metadata.rate * 1.5 + -3",
)  # fmt: skip


def random_rules(chance: Random) -> list[Json]:
    """Up to five, with ids of their own; in one of two programs orders earn by some of them."""
    some = [random_rule(chance, random_trigger(chance), n) for n in range(chance.randint(1, 3))]
    if chance.random() < 0.5:
        orders = [of_order(chance, plain=True), of_order(chance)]
        some += [random_rule(chance, trigger, 3 + n) for n, trigger in enumerate(orders)]
    return [rule | {"id": f"{rule['id']}-{chance.randint(0, 9999)}"} for rule in some]


def random_rule(chance: Random, trigger: Json, number: int) -> Json:
    rule: Json = {"id": f"r{number}", "trigger": trigger, "points": random_amount(chance, trigger)}
    if chance.random() < 0.35:
        rule["limit"] = random_limit(chance)
    if chance.random() < 0.3:
        rule["pending_days"] = chance.choice((0, 1, 5, 20))
    if chance.random() < 0.25:
        rule["expiry"] = chance.choice(
            (
                {"type": "never"},
                {"type": "after", "length": chance.choice(("P0M", "P10D", "P2M"))},
                {"type": "after", "length": "P1M", "round_to": chance.choice(UNITS)},
                {"type": "day_of_year", "day": chance.choice(("12-31", "06-30", "02-29"))},
            )
        )
    if chance.random() < 0.35:
        names = chance.sample(("t0", "t1", "t2", "t3"), 2)
        rule["tiers"] = {
            name: chance.choice(({"multiplier": chance.choice((0, 33, 150, 200))}, {"fixed": 7}))
            for name in names
        }
    if chance.random() < 0.1:
        year = chance.choice((2010, 2011, 2014, 2017, 2023, 2024))
        rule["starts_on"], rule["ends_on"] = f"{year}-03-01", f"{year + 1}-02-15"
    if chance.random() < 0.1:
        rule["validity"] = random_validity(chance)
    if chance.random() < 0.05:
        rule["active"] = False
    return rule


def random_trigger(chance: Random) -> Json:
    match chance.randint(0, 9):
        case 0 | 1:
            return of_order(chance)
        case 2:
            event: Json = {"type": "event", "name": chance.choice(("visit", "night", "review"))}
            return event | ({"metadata": {"gift": True}} if chance.random() < 0.3 else {})
        case 3:
            return {"type": "joining"}
        case 4:
            value = chance.choice((True, "gold", False))
            return {"type": "attribute", "name": "club", "is": value}
        case 5 | 6:
            kinds = ("joined", "upgraded", "downgraded", "prolonged", "left")
            tier: Json = {"type": "tier", "events": chance.sample(kinds, chance.randint(1, 3))}
            return tier | ({"tier": chance.choice(("t0", "t1"))} if chance.random() < 0.3 else {})
        case 7:
            days = ("12-24", "02-29", "12-30", "01-01", f"0{chance.randint(1, 9)}-15")
            return {"type": "yearly", "day": chance.choice(days)}
        case 8:
            return {"type": "birthday", "attribute": chance.choice(("birthdate", "renewal"))}
        case _:
            return {"type": "anniversary"}


def random_validity(chance: Random) -> Json:
    year = chance.choice((2010, 2014, 2017, 2023, 2024))
    started = {"starts_at": f"{year}-01-10T05:30:00Z"}
    match chance.randint(0, 3):
        case 0:
            return started | {"ends_at": f"{year}-11-01T00:00:00+02:00"}
        case 1:
            return {"weekdays": chance.sample(range(1, 8), 4)}
        case 2:
            hours: Json = chance.choice(
                ({"from": "00:00", "to": "08:00"}, {"from": "22:30", "to": "05:00"})
            )
            if chance.random() < 0.5:
                hours |= {"weekdays": chance.sample(range(1, 8), 3)}
            return {"hours": [hours]}
        case _:
            return started | {"recurrence": {"duration": "P2DT3H", "interval": "P5D"}}


def of_order(chance: Random, *, plain: bool = False) -> Json:
    order: Json = {"type": "order", "at_least": chance.choice((0, 0, 50))}
    if plain:
        return order
    if chance.random() < 0.3:
        order["metadata"] = {"channel": "web"}
    if chance.random() < 0.15:
        order["items"] = {"products": ["mug"]}
        if chance.random() < 0.5:
            order["items"]["metadata"] = {"line": "coffee"}
    return order


def random_amount(chance: Random, trigger: Json) -> Json:
    activity = trigger["type"] in ("order", "event")
    match chance.randint(0, 3):
        case 0 | 1:
            return {"type": "fixed", "points": chance.choice((0, 1, 10, 25, 60, 120))}
        case 2:
            of = "attribute.level"
            if activity:
                of = chance.choice(("amount", "metadata.nights", "attribute.level"))
            if "items" in trigger:
                of = chance.choice(("order.quantity", "order.items_amount", "order.shipping"))
            each = chance.randint(0, 4)
            return {"type": "per", "every": chance.choice((1, 7, 20)), "points": each, "of": of}
        case _:
            formula = chance.choice(FORMULAS) if activity else "attribute.level * 3 / 2"
            return {"type": "formula", "formula": formula}


def random_limit(chance: Random) -> Json:
    limit: Json = {chance.choice(("times", "points")): chance.choice((1, 2, 30))}
    if chance.random() < 0.7:
        limit["per"] = chance.choice(UNITS)
    return limit


def fitting(rules: list[Json], tiers: set[str]) -> list[Json]:
    """Rules that speak of no tier which a version of the program does not have."""
    made = []
    for given in rules:
        rule = dict(given)
        if "tiers" in rule:
            rule["tiers"] = {name: e for name, e in rule["tiers"].items() if name in tiers}
        if rule["trigger"].get("tier", next(iter(tiers))) not in tiers:
            rule["trigger"] = {k: v for k, v in rule["trigger"].items() if k != "tier"}
        made.append(rule)
    return made


def changed_rules(chance: Random, rules: list[Json]) -> list[Json]:
    """One of them is given up, or gives otherwise; what limits it stays."""
    made = [dict(rule) for rule in rules]
    one = chance.choice(made)
    if chance.random() < 0.5:
        one["active"] = not one.get("active", True)
    else:
        one["points"] = random_amount(chance, one["trigger"])
    return made
