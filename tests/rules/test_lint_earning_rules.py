"""What cannot work in earning rules is refused, with its field and what would be right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tierline.rules.ladder import Tier
from tierline.rules.lint.lint import lint
from tierline.rules.metric import Metric
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules

ORDER: dict[str, Any] = {"type": "order"}
JOINING: dict[str, Any] = {"type": "joining"}
FIXED: dict[str, Any] = {"type": "fixed", "points": 1}


def findings(*rules: dict[str, Any], metric: str = "spend") -> list[tuple[str, str, str]]:
    tiers = (Tier("base", "Base", from_=0), Tier("gold", "Gold", from_=100))
    points = msgspec.convert({"rules": rules}, Points)
    policy = Policy(tiers=tiers, metric=Metric(metric))  # type: ignore[arg-type]
    report = lint(Rules("Club", policy, points))
    return [(f.path, f.reason, f.severity) for f in report if f.path.startswith("points.rules")]


def rule(**parts: Any) -> dict[str, Any]:
    return {"id": "a", "trigger": ORDER, "points": FIXED} | parts


@pytest.mark.parametrize(
    ("part", "path", "words"),
    [
        ({"id": "orders"}, "id", "points.orders"),
        ({"id": " "}, "id", "empty"),
        ({"trigger": {"type": "tier", "tier": "none"}}, "trigger.tier", "base, gold"),
        ({"trigger": {"type": "tier", "events": []}}, "trigger.events", "at least one"),
        ({"trigger": {"type": "event", "name": ""}}, "trigger.name", "empty"),
        ({"trigger": {"type": "attribute", "name": ""}}, "trigger.name", "empty"),
        ({"trigger": {"type": "birthday", "attribute": ""}}, "trigger.attribute", "empty"),
        ({"trigger": {"type": "yearly", "day": "13-01"}}, "trigger.day", "MM-DD"),
        ({"tiers": {"none": {"fixed": 1}}}, "tiers.none", "base, gold"),
        ({"tiers": {"gold": {"fixed": 1, "multiplier": 2}}}, "tiers.gold.fixed", "one of the two"),
        ({"starts_on": "2026-02-30"}, "starts_on", "2026-12-31"),
        ({"starts_on": "2026-03-02", "ends_on": "2026-03-01"}, "ends_on", "before"),
        ({"validity": {"starts_at": "today"}}, "validity.starts_at", "2026-12-31T08:00:00Z"),
        (
            {"validity": {"starts_at": "2026-12-31T08:00Z", "ends_at": "2026-12-31T08:00:00Z"}},
            "validity.ends_at",
            "before",
        ),
        (
            {"validity": {"recurrence": {"duration": "PT1H", "interval": "P1D"}}},
            "validity.starts_at",
            "give it",
        ),
        (
            {
                "validity": {
                    "starts_at": "2026-12-31T08:00:00Z",
                    "recurrence": {"duration": "P2D", "interval": "P1D"},
                }
            },
            "validity.recurrence.duration",
            "at most interval",
        ),
        ({"limit": {"per": "month"}}, "limit", "times or points"),
        ({"expiry": {"type": "day_of_year", "day": "00-01"}}, "expiry.day", "MM-DD"),
        ({"points": {"type": "formula", "formula": "1 +"}}, "points.formula", "no formula"),
        ({"points": {"type": "formula", "formula": "price"}}, "points.formula", "metadata.<key>"),
        ({"points": {"type": "per", "every": 1, "points": 1, "of": "n"}}, "points.of", "amount"),
        (
            {"trigger": JOINING, "points": {"type": "formula", "formula": "amount"}},
            "points.formula",
            "attribute.<name>",
        ),
    ],
)
def test_what_cannot_work_is_refused(part: dict[str, Any], path: str, words: str) -> None:
    """One finding, at the field."""
    (finding,) = findings(rule(**part))
    assert finding[0] == f"points.rules[0].{path}"
    assert finding[2] == "error"
    assert words in finding[1]


def test_two_rules_of_one_id_are_refused() -> None:
    """Answers and limits name a rule by its id."""
    assert findings(rule(), rule()) == [
        ("points.rules[1].id", "'a' is also the id of rules[0]", "error")
    ]


def test_points_for_a_tier_that_count_towards_tiers_are_a_trap() -> None:
    """Only where the metric counts points."""
    moving = rule(trigger={"type": "tier"})
    assert findings(moving) == []
    assert [severity for _, _, severity in findings(moving, metric="earned")] == ["warning"]


def test_a_hundred_rules_are_enough() -> None:
    """The next one is refused before anything is said of each."""
    many = [rule(id=str(i)) for i in range(101)]
    assert findings(*many[:100]) == []
    assert [path for path, _, _ in findings(*many)] == ["points.rules"]
