"""The vendors' own worked examples: their settings in, the engine's events out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.announcements import LION, rules
from tierline.engine.decide import decide
from tierline.model.calendar import format_instant, parse_instant
from tierline.model.entries import Entry, EntryKind
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.rules.program import Program, Version

Does = tuple[str, EntryKind, int, int]  # when, what, points, money
SILVER_GOLD = [
    {"id": "basic", "name": "Basic", "points": {"from": 0, "to": 99}},
    {"id": "silver", "name": "Silver", "points": {"from": 100, "to": 499}},
    {"id": "gold", "name": "Gold", "points": {"from": 500}},
]


def walk(name: str, settings: dict[str, Any], does: list[Does], until: str) -> list[str]:
    """What a member who enrols on 1 January 2024 is told, one line per event."""
    version = Version(1, 0, rules(name, settings))
    program = Program("club", "seeds", "UTC", "USD", (version,))
    start = parse_instant("2024-01-01T00:00:00Z")
    entries = [Entry(1, "enrol", start, start)]
    for n, (when, kind, points, amount) in enumerate(does, 2):
        at = parse_instant(when)
        entries.append(Entry(n, kind, at, at, points, amount))
    decision = decide(program, Standing(), entries, parse_instant(until))
    return [_line(event) for event in decision.events]


def _line(event: Event) -> str:
    move = f"{event.kind} {event.tier_to or event.tier_from}"
    return f"{format_instant(event.at)[:16]} {move} {event.cause}"


def period(start: str, end: str, extend: str | None = None) -> dict[str, Any]:
    tiers = [{"id": "silver", "name": "Silver", "points": {"from": 100}}]
    expiration = {
        "qualification_type": "POINTS_IN_PERIOD",
        "qualification_period": "MONTH",
        "start_date": {"type": start},
        "expiration_date": {"type": end, "extend": extend},
    }
    return {"loyalty_tiers": tiers, "loyalty_tiers_expiration": expiration}


def test_balance_drop() -> None:
    """100 points are Silver; 50 spent: Basic at once; 500 more: Gold at once."""
    does: list[Does] = [
        ("2024-02-01T10:00:00Z", "earn", 100, 0),
        ("2024-02-02T10:00:00Z", "redeem", -50, 0),
        ("2024-02-03T10:00:00Z", "earn", 500, 0),
    ]

    events = walk("voucherify", {"loyalty_tiers": SILVER_GOLD}, does, "2024-03-01T00:00:00Z")

    assert events == [
        "2024-01-01T00:00 joined basic enrolment",
        "2024-02-01T10:00 upgraded silver activity",
        "2024-02-02T10:00 downgraded basic activity",
        "2024-02-03T10:00 upgraded gold activity",
    ]


@pytest.mark.parametrize(
    ("settings", "joined", "left"),
    [
        (period("IMMEDIATE", "END_OF_PERIOD"), "2024-03-10T09:00", "2024-04-01T00:00"),
        (period("IMMEDIATE", "END_OF_PERIOD", "P7D"), "2024-03-10T09:00", "2024-04-08T00:00"),
        (period("IMMEDIATE", "END_OF_NEXT_PERIOD"), "2024-03-10T09:00", "2024-05-01T00:00"),
        (period("NEXT_PERIOD", "END_OF_PERIOD"), "2024-04-01T00:00", "2024-05-01T00:00"),
    ],
)
def test_points_in_period(settings: dict[str, Any], joined: str, left: str) -> None:
    """Reached on 10 March, monthly: to 31 March, 7 April, 30 April; or April for NEXT_PERIOD."""
    does: list[Does] = [("2024-03-10T09:00:00Z", "earn", 120, 0)]

    events = walk("voucherify", settings, does, "2024-12-01T00:00:00Z")

    tier_events = [line for line in events if "prolonged" not in line]
    assert [line[:16] for line in tier_events] == [joined, left]


def test_grace() -> None:
    """The seed's *prolonged*: points fall, BALANCE with CUSTOM keeps the tier, and that is told
    once; at the term's end, three months after it was reached and rounded, the tier is lost."""
    expiration = {
        "qualification_type": "BALANCE",
        "expiration_date": {
            "type": "CUSTOM",
            "extend": "P3M",
            "rounding": {"type": "MONTH", "strategy": "END"},
        },
    }
    tiers = [{"id": "t1", "name": "Tier-01", "points": {"from": 50, "to": 99}}]
    does: list[Does] = [
        ("2024-02-10T10:00:00Z", "earn", 60, 0),
        ("2024-03-19T00:02:13.529Z", "redeem", -30, 0),
        ("2024-03-20T00:00:00Z", "redeem", -1, 0),
    ]
    settings = {"loyalty_tiers": tiers, "loyalty_tiers_expiration": expiration}

    events = walk("voucherify", settings, does, "2024-12-01T00:00:00Z")

    assert events == [
        "2024-02-10T10:00 joined t1 activity",
        "2024-03-19T00:02 prolonged t1 grace",
        "2024-06-01T00:00 left t1 term_end",
    ]


def test_calendar_windows() -> None:
    """LoyaltyLion's calendar example: $500 in 2024 is Gold for the rest of 2024 and all of 2025;
    nothing in 2025, and 2026 starts at the bottom."""
    membership = {
        "mode": "calendar",
        "evaluation_period": {
            "starts_on": {"month": 1, "day": 1},
            "duration": {"months": 12},
        },
        "duration": {"windows": 1},
    }
    does: list[Does] = [("2024-05-05T12:00:00Z", "order", 0, 50_000)]

    events = walk("loyaltylion", {**LION, "membership": membership}, does, "2027-01-01T00:00:00Z")

    moves = [line for line in events if "prolonged" not in line]
    assert moves == [
        "2024-01-01T00:00 joined 15 enrolment",
        "2024-05-05T12:00 upgraded 17 activity",
        "2026-01-01T00:00 downgraded 15 term_end",
    ]


def test_rolling() -> None:
    """A rolling membership lasts twelve months from the move, to local midnight; what was spent
    in the last twelve months decides then, and the fall may pass several tiers."""
    membership = {"mode": "rolling", "duration_months": 12}
    does: list[Does] = [("2024-02-29T12:00:00Z", "order", 0, 40_001)]

    events = walk("loyaltylion", {**LION, "membership": membership}, does, "2026-01-01T00:00:00Z")

    moves = [line for line in events if "prolonged" not in line]
    assert moves == [
        "2024-01-01T00:00 joined 15 enrolment",
        "2024-02-29T12:00 upgraded 17 activity",
        "2025-02-28T00:00 downgraded 15 term_end",
    ]


def test_lifetime() -> None:
    """A lifetime tier never ends, and 499 to 500 moves at once."""
    does: list[Does] = [
        ("2024-02-01T12:00:00Z", "order", 0, 20_000),
        ("2024-02-02T12:00:00Z", "order", 0, 1),
    ]

    events = walk("loyaltylion", LION, does, "2030-01-01T00:00:00Z")

    assert events == [
        "2024-01-01T00:00 joined 15 enrolment",
        "2024-02-02T12:00 upgraded 16 activity",
    ]
