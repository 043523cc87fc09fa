"""What happened in the shop that `make` tells: its programs, its endpoints, and a year of lines.

A line of `stories.txt` says when, in which program, to whom, and what: an activity's JSON, or a
word and its body (`enrol`, `leave`, `override`, `release`, `attributes`, and `rules` of the program
itself).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Step = tuple[str, str, str, Json | None]  # instant, method, path, body

TEXT = Path(__file__).with_suffix(".txt").read_text()
CLOCK = "2023-12-01T08:00:00Z"


def bounded(*tiers: tuple[str, int, int | None], **more: Any) -> list[Json]:
    return [
        {"id": name.lower(), "name": name, "from": low, **({} if high is None else {"to": high})}
        | more.get(name.lower(), {})
        for name, low, high in tiers
    ]


def campaign(expiration: Json, *tiers: tuple[str, int, int | None]) -> Json:
    listed = [
        {
            "id": name.lower(),
            "name": name,
            "points": {"from": low, **({} if high is None else {"to": high})},
        }
        for name, low, high in tiers
    ]
    settings = {"loyalty_tiers": listed, "loyalty_tiers_expiration": expiration}
    return {"name": "Campaign", "format": "voucherify", "settings": settings}


def lion(mode: str, membership: Json, *tiers: tuple[str, int]) -> Json:
    listed = [{"id": name.lower(), "name": name, "lower_bound": low} for name, low in tiers]
    settings = {"boundary_mode": mode, "membership": membership, "tiers": listed}
    return {"name": "Lion", "format": "loyaltylion", "settings": settings}


def period(unit: str, start: str, end: str, extend: str | None = None) -> Json:
    return {
        "qualification_type": "POINTS_IN_PERIOD",
        "qualification_period": unit,
        "start_date": {"type": start},
        "expiration_date": {"type": end, **({"extend": extend} if extend else {})},
    }


def native(policy: Json, **points: Any) -> Json:
    return {"name": "Native", "policy": policy, **({"points": points} if points else {})}


STEPPED = (("Bronze", 50, 99), ("Silver", 100, 199), ("Gold", 200, None))
OPEN = (("Base", 0, 99), ("Silver", 100, 499), ("Gold", 500, None))
YEAR = {"starts_on": {"month": 1, "day": 1}, "duration": {"months": 12}}
CUSTOM = {"type": "CUSTOM", "extend": "P3M", "rounding": {"type": "MONTH", "strategy": "END"}}
EARNED: Json = {"source": "earned"}
CALENDAR: Json = {"type": "calendar", "unit": "year"}

PROGRAMS: dict[str, Json] = {
    "quarters": campaign(period("QUARTER", "NEXT_PERIOD", "END_OF_PERIOD", "P2M"), *STEPPED),
    "months": campaign(period("MONTH", "NEXT_PERIOD", "END_OF_PERIOD"), *STEPPED),
    "immediate": campaign(period("MONTH", "IMMEDIATE", "END_OF_NEXT_PERIOD"), *STEPPED),
    "custom": campaign({"qualification_type": "BALANCE", "expiration_date": CUSTOM}, *OPEN),
    "drop": campaign({"qualification_type": "BALANCE"}, *OPEN),
    "years": lion(
        "spend", {"mode": "calendar", "evaluation_period": YEAR, "duration": {"windows": 1}},
        ("Bronze", 0), ("Silver", 20_000), ("Gold", 50_000),
    ),
    "rolling": lion(
        "points", {"mode": "rolling", "duration_months": 6}, ("Bronze", 0), ("Silver", 100)
    ),
    "anniversary": lion(
        "orders", {"mode": "enrollment_anniversary", "duration": {"windows": 0}},
        ("Bronze", 0), ("Silver", 2),
    ),
    "lifetime": lion("spend", {"mode": "lifetime"}, ("Bronze", 0), ("Silver", 20_000)),
    "expiring": native(
        {"tiers": bounded(*OPEN)}, expiry={"type": "after", "length": "P1M"},
        orders={"every": 100, "points": 1},
    ),
    "base-rate": native(
        {"tiers": bounded(*OPEN, base={"earning": {"multiplier": 200}})},
        orders={"every": 100, "points": 1},
    ),
    "since-join": native({
        "tiers": bounded(*OPEN), "metric": EARNED, "window": {"type": "since", "anchor": "join"},
    }),
    "yearly": native(
        {"tiers": bounded(*OPEN[1:]), "term": {"type": "duration", "length": "P1Y"}}
    ),
    "monthly": native({
        "tiers": bounded(*OPEN[1:]),
        "term": {"type": "duration", "length": "P1M", "inclusive": False},
        "lapse": {"then": "one_step", "grace": "P14D", "min_stay": "P10D"},
    }),
    "retro": native({
        "tiers": bounded(*OPEN), "metric": EARNED, "window": CALENDAR,
        "term": {"type": "window_end", "windows": 1}, "corrections": "retroactive",
    }),
    "protect": native({
        "tiers": bounded(*OPEN), "metric": EARNED, "window": CALENDAR,
        "start": {"when": "after", "after": "P20D"}, "term": {"type": "dates", "days": ["06-30"]},
        "corrections": "protect", "lapse": {"then": "to_base"},
    }, pending_days=14),
    "criteria": native({
        "tiers": [
            {"id": "guest", "name": "Guest", "from": 0},
            {"id": "friend", "name": "Friend", "entry": {"type": "any", "of": [
                {"type": "range", "from": 3, "metric": "orders"},
                {"type": "attribute", "name": "vip"},
            ]}, "retain": {"type": "range", "from": 1, "metric": "orders"}},
            {"id": "family", "name": "Family", "entry": {"type": "all", "of": [
                {"type": "range", "from": 200}, {"type": "member_for", "length": "P3M"},
            ]}, "reentry": {"type": "range", "from": 400}},
            {"id": "board", "name": "Board", "from": 9_000, "invitation": True},
        ],
        "metric": EARNED, "window": {"type": "rolling", "length": "P6M"},
        "measures": {"orders": {
            "metric": {"source": "count"}, "window": {"type": "calendar", "unit": "quarter"},
        }},
    }),
    "nights": native({
        "tiers": bounded(("Blue", 0, 9), ("White", 10, None)),
        "metric": {"source": "sum", "of": "nights"}, "window": CALENDAR,
        "term": {"type": "window_end"},
    }),
    "ruled": native({
        "tiers": bounded(*OPEN), "metric": EARNED, "window": CALENDAR,
        "term": {"type": "duration", "length": "P6M"},
    }),
}  # fmt: skip
PROGRAMS["ruled"] |= {"name": "Ruled"}
LATER = {
    "up": {**PROGRAMS["ruled"]["policy"], "tiers": bounded(*OPEN[:2], ("Gold", 300, None))},
    "down": {**PROGRAMS["ruled"]["policy"], "tiers": bounded(*OPEN[:2], ("Gold", 900, None))},
}
LATER["up"]["tiers"][1]["to"] = 299
LATER["down"]["tiers"][1]["to"] = 899

ENDPOINTS: dict[str, Json] = {
    "/standard": {"format": "standard"},
    "/sometimes": {"format": "cloudevents", "retry": {"schedule": [5, 300, 3600, 86400]}},
    "/never": {"format": "standard", "program": "custom", "mode": "fifo"},
    "/voucherify": {"format": "voucherify", "program": "quarters", "kinds": ["joined", "left"]},
    "/loyaltylion": {"format": "loyaltylion", "program": "years"},
}

METHODS = {
    "enrol": ("PUT", ""), "leave": ("DELETE", ""), "override": ("PUT", "/override"),
    "release": ("DELETE", "/override"), "attributes": ("PUT", "/attributes"),
}  # fmt: skip


def step(number: int, line: str) -> Step:
    at, program, name, rest = line.split(" ", 3)
    path = f"/api/programs/{program}"
    word, _, text = rest.partition(" ")
    if word == "rules":
        body = json.loads(text)
        return at + "Z", "PUT", path, body | {"policy": LATER[body["policy"]]}
    if word in METHODS:
        method, tail = METHODS[word]
        return at + "Z", method, f"{path}/members/{name}{tail}", json.loads(text or "null")
    activity = {"key": f"k-{number}", "customer": name} | json.loads(rest)
    return at + "Z", "POST", f"{path}/activities", activity


STEPS = [step(number, line) for number, line in enumerate(TEXT.splitlines(), 1)]
