"""Reminders that cannot be told are refused, those that hardly will be are warned of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tierline.rules.ladder import Tier
from tierline.rules.lint.lint import lint
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.reminders import Reminders

LEADS: dict[str, Any] = {"lead_days": [30, 7]}


def findings(
    reminders: dict[str, Any],
    policy: dict[str, Any] | None = None,
    points: dict[str, Any] | None = None,
) -> list[tuple[str, str]]:
    tiers = (Tier("base", "Base", from_=0), Tier("gold", "Gold", from_=100))
    rules = Rules(
        "Club",
        msgspec.convert({"tiers": msgspec.to_builtins(tiers)} | (policy or {}), Policy),
        msgspec.convert(points or {}, Points),
        reminders=msgspec.convert(reminders, Reminders),
    )
    return [(f.path, f.severity) for f in lint(rules) if f.path.startswith("reminders")]


@pytest.mark.parametrize(
    ("reminders", "path"),
    [
        ({"tier_near": {}}, "tier_near"),
        ({"tier_near": {"within": 10, "percent": 10}}, "tier_near"),
        ({"tier_ending": {"lead_days": [7, 7]}}, "tier_ending.lead_days[1]"),
    ],
)
def test_what_cannot_be_told_is_refused(reminders: dict[str, Any], path: str) -> None:
    """With the field that is wrong."""
    assert findings(reminders) == [(f"reminders.{path}", "error")]


@pytest.mark.parametrize(
    ("reminders", "policy", "points", "path"),
    [
        (
            {"tier_ending": LEADS},
            {"term": {"type": "duration", "length": "P14D"}},
            {},
            "tier_ending.lead_days[0]",
        ),
        (
            {"tier_ending": LEADS},
            {
                "term": {"type": "window_end"},
                "metric": {"source": "earned"},
                "window": {"type": "calendar", "unit": "month"},
            },
            {},
            "tier_ending.lead_days[0]",
        ),
        (
            {"points_expiring": LEADS},
            {},
            {"expiry": {"type": "after", "length": "P10D"}},
            "points_expiring.lead_days[0]",
        ),
        ({"points_expiring": LEADS}, {}, {}, "points_expiring"),
        ({"tier_waiting": LEADS}, {}, {}, "tier_waiting"),
        (
            {"tier_waiting": LEADS},
            {"start": {"when": "after", "after": "P7D"}},
            {},
            "tier_waiting.lead_days[0]",
        ),
    ],
)
def test_a_lead_longer_than_what_it_precedes_is_warned_of(
    reminders: dict[str, Any], policy: dict[str, Any], points: dict[str, Any], path: str
) -> None:
    """It would lie before the term, the points or the wait began."""
    assert findings(reminders, policy, points) == [(f"reminders.{path}", "warning")]


def test_leads_that_fit_are_taken_as_they_are() -> None:
    """A year's term and a year of points leave room for five leads."""
    reminders = {
        "tier_ending": {"lead_days": [90, 30, 14, 7, 1]},
        "points_expiring": LEADS,
        "tier_near": {"percent": 10},
        "tier_skipped": "first",
    }
    policy = {"term": {"type": "duration", "length": "P1Y"}}
    points = {"expiry": {"type": "after", "length": "P1Y"}}

    assert findings(reminders, policy, points) == []


@pytest.mark.parametrize(
    "reminders",
    [
        {"tier_ending": {"lead_days": []}},
        {"tier_ending": {"lead_days": [0]}},
        {"tier_ending": {"lead_days": [367]}},
        {"tier_ending": {"lead_days": [1, 2, 3, 4, 5, 6]}},
        {"tier_near": {"percent": 0}},
        {"tier_skipped": "never"},
        {"tier_started": {}},
    ],
)
def test_a_reminder_of_another_shape_is_no_reminder(reminders: dict[str, Any]) -> None:
    """Bounds are checked where the rules are read."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(reminders, Reminders)
