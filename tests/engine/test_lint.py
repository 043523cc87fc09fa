"""Rules that cannot work are refused with the field; those that are a trap are warned of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tierline.engine.lint import lint
from tierline.engine.policy import Rules

SILVER_GOLD = [
    {"id": "silver", "name": "Silver", "from": 0, "to": 499},
    {"id": "gold", "name": "Gold", "from": 500},
]
YEAR = {"type": "calendar", "unit": "year"}


def rules(points: dict[str, Any] | None = None, **policy: Any) -> Rules:
    policy = {"tiers": SILVER_GOLD, "metric": {"source": "earned"}, **policy}
    return msgspec.convert({"name": "Club", "policy": policy, "points": points or {}}, Rules)


def found(of: Rules) -> list[tuple[str, str]]:
    return [(finding.severity, finding.path) for finding in lint(of)]


def tiers(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The two tiers, each with its changes."""
    pairs = zip(SILVER_GOLD, (*changes, {}, {}), strict=False)
    return [{k: v for k, v in {**tier, **change}.items() if v is not ...} for tier, change in pairs]


def test_sound_rules_have_no_findings() -> None:
    """A ladder with a gap and an open top, a window, and a term that fits it."""
    gap = tiers({"to": 300})

    assert lint(rules(tiers=gap, window=YEAR, term={"type": "window_end", "windows": 1})) == ()


RANGE = {"type": "range", "from": 10}
TWO_OF_ONE = {"type": "at_least", "k": 2, "of": [RANGE]}


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"tiers": tiers({}, {"from": 400})}, "policy.tiers[1].from"),
        ({"tiers": tiers({}, {"from": 0})}, "policy.tiers[1].from"),
        ({"tiers": tiers({"from": 500})}, "policy.tiers[0].to"),
        ({"tiers": tiers({}, {"id": "silver"})}, "policy.tiers[1].id"),
        ({"tiers": tiers({"name": " "})}, "policy.tiers[0].name"),
        ({"tiers": tiers({"id": "a\n"})}, "policy.tiers[0].id"),
        ({"tiers": tiers({}, {"entry": RANGE})}, "policy.tiers[1].entry"),
        (
            {"tiers": tiers({}, {"from": ..., "entry": {"type": "all", "of": []}})},
            "policy.tiers[1].entry.of",
        ),
        (
            {"tiers": tiers({}, {"from": ..., "entry": TWO_OF_ONE})},
            "policy.tiers[1].entry.k",
        ),
        (
            {"tiers": tiers({}, {"from": ..., "entry": {"type": "any", "of": [
                {"type": "range", "metric": "nights"}]}})},
            "policy.tiers[1].entry.of[0].metric",
        ),
        ({"metric": {"source": "sum"}}, "policy.metric.of"),
        ({"metric": {"source": "earned", "of": "x"}}, "policy.metric.of"),
        ({"metric": {"source": "balance"}, "window": YEAR}, "policy.window"),
        ({"metric": {"source": "earned", "filter": {"kinds": ["gift"]}}},
         "policy.metric.filter.kinds[0]"),
        ({"measures": {"sums": {"metric": {"source": "sum"}}}}, "policy.measures.sums.metric.of"),
        ({"window": {"type": "since", "anchor": "2024-02-30"}}, "policy.window.anchor"),
        ({"window": {"type": "rolling", "length": "P0D"}}, "policy.window.length"),
        ({"window": YEAR | {"offset_months": 12}}, "policy.window.offset_months"),
        ({"window": {"type": "calendar", "unit": "week", "offset_months": 1}},
         "policy.window.offset_months"),
        ({"term": {"type": "dates", "days": ["02-30"]}}, "policy.term.days[0]"),
        ({"term": {"type": "duration", "length": "P1Y", "rounding": {}}}, "policy.term.rounding"),
        ({"assessment": {"down": "at_window_end"}}, "policy.assessment.down"),
        ({"start": {"when": "next_window"}}, "policy.start.when"),
        ({"start": {"when": "after"}}, "policy.start.after"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_an_error(policy: dict[str, Any], path: str) -> None:
    """With the field that is wrong."""
    assert ("error", path) in found(rules(**policy))


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"tiers": []}, "policy.tiers"),
        ({"tiers": tiers({}, {"name": "Silver"})}, "policy.tiers[1].name"),
        ({"term": {"type": "window_end"}}, "policy.term"),
        ({"assessment": {"down": "at_term_end"}}, "policy.assessment.down"),
        (
            {"tiers": tiers({}, {"retain": {"type": "range", "from": 900}})},
            "policy.tiers[1].retain",
        ),
        (
            {"tiers": [SILVER_GOLD[0], {"id": "x", "name": "X", "entry": {"type": "range"}}]},
            "policy.tiers[0]",
        ),
        (
            {"term": {"type": "duration", "length": "P1Y",
                      "rounding": {"unit": "year", "edge": "start"}}},
            "policy.term.rounding.edge",
        ),
        ({"corrections": "retroactive", "lapse": {"then": "keep"}}, "policy.corrections"),
        (
            {"metric": {"source": "earned"}, "window": {"type": "calendar", "unit": "year"},
             "start": {"when": "next_window"}},
            "policy.term",
        ),
    ],
)  # fmt: skip
def test_a_trap_is_warned_of(policy: dict[str, Any], path: str) -> None:
    """The rules are taken all the same."""
    told = found(rules(**policy))

    assert ("warning", path) in told
    assert all(severity == "warning" for severity, _ in told)


def test_points_have_rules_too() -> None:
    """A day that no year has, and two ways of rounding at once."""
    twice = {"type": "after", "length": "P1Y", "round_to": "month", "month": 3}

    assert found(rules(points={"expiry": {"type": "day_of_year", "day": "13-01"}})) == [
        ("error", "points.expiry.day")
    ]
    assert found(rules(points={"expiry": twice})) == [("error", "points.expiry.month")]


def test_errors_come_before_warnings_and_all_are_told() -> None:
    """One wrong field does not hide the next."""
    told = lint(rules(tiers=tiers({"name": "Gold"}, {"from": 3}), start={"when": "after"}))

    assert [(finding.severity, finding.path) for finding in told] == [
        ("error", "policy.tiers[1].from"),
        ("error", "policy.start.after"),
        ("warning", "policy.tiers[1].name"),
    ]
    assert all(finding.reason for finding in told)
