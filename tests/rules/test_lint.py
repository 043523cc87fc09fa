"""Rules that cannot work are refused with the field; those that are a trap are warned of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.engine.scenario import FOLDER, read
from tierline.rules.lint.lint import lint
from tierline.rules.program import Rules

SILVER_GOLD = [
    {"id": "silver", "name": "Silver", "from": 0, "to": 499},
    {"id": "gold", "name": "Gold", "from": 500},
]
INSTANT = {"type": "instant"}
YEAR = {"type": "calendar", "unit": "year"}
ROLLING = {"type": "rolling", "length": "P1Y"}
FROM_TIER = {"type": "cycle", "length": "P1Y", "anchor": "tier_start"}
MONTH = {"type": "duration", "length": "P1M"}


def rules(points: dict[str, Any] | None = None, **policy: Any) -> Rules:
    policy = {"tiers": SILVER_GOLD, "metric": {"source": "earned"}, **policy}
    return msgspec.convert({"name": "Club", "policy": policy, "points": points or {}}, Rules)


def findings(of: Rules) -> list[tuple[str, str]]:
    return [(finding.severity, finding.path) for finding in lint(of)]


def tiers(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The two tiers, each with its changes."""
    pairs = zip(SILVER_GOLD, (*changes, {}, {}), strict=False)
    return [{k: v for k, v in {**tier, **change}.items() if v is not ...} for tier, change in pairs]


def test_sound_rules_have_no_findings() -> None:
    """A ladder with an open top, a window, and a term that fits it."""
    assert lint(rules(window=YEAR, term={"type": "window_end", "windows": 1})) == ()


def test_every_program_of_the_scenarios_can_be_saved() -> None:
    """What scenarios promise is worth nothing if the API refuses its rules."""
    scenarios = (s for path in sorted(FOLDER.glob("*.txt")) for s in read(path))
    refused = [
        f"{scenario.id}: {finding.path} {finding.reason}"
        for scenario in scenarios
        for version in scenario.program.versions
        for finding in lint(version.rules)
        if finding.severity == "error"
    ]
    assert refused == []


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
        ({"tiers": tiers({}, {"from": ...})}, "policy.tiers[1].from"),
        ({"metric": {"source": "sum"}}, "policy.metric.of"),
        ({"metric": {"source": "earned", "of": "x"}}, "policy.metric.of"),
        ({"metric": {"source": "balance"}, "window": ROLLING}, "policy.window"),
        (
            {"measures": {"points": {"metric": {"source": "balance"}, "window": YEAR}}},
            "policy.measures.points.window",
        ),
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
        ({"term": {"type": "duration", "length": "P0D", "inclusive": False}},
         "policy.term.length"),
        ({"term": {"type": "duration", "length": "P101Y"}}, "policy.term.length"),
        ({"window": YEAR, "term": {"type": "window_end", "rounding": {}}}, "policy.term.rounding"),
        ({"window": YEAR, "term": {"type": "window_end", "extend": "P101Y"}},
         "policy.term.extend"),
        ({"lapse": {"grace": "P101Y"}}, "policy.lapse.grace"),
        ({"lapse": {"min_stay": "P101Y"}}, "policy.lapse.min_stay"),
        ({"window": {"type": "cycle", "length": "P1Y", "anchor": "attribute:"}},
         "policy.window.anchor"),
        ({"window": {"type": "since", "anchor": "2024-13-01"}}, "policy.window.anchor"),
        ({"assessment": {"down": "at_window_end"}}, "policy.assessment.down"),
        ({"start": {"when": "next_window"}}, "policy.start.when"),
        ({"start": {"when": "after"}}, "policy.start.after"),
        ({"start": {"when": "after", "after": "P0D"}}, "policy.start.after"),
        ({"start": {"after": "P1D"}}, "policy.start.after"),
        ({"window": YEAR | {"carry_over": {"above": [500, 500]}}},
         "policy.window.carry_over.above"),
        ({"metric": {"source": "balance"}, "window": YEAR | {"carry_over": {"above": [500]}}},
         "policy.window.carry_over"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_an_error(policy: dict[str, Any], path: str) -> None:
    """With the field that is wrong."""
    assert ("error", path) in findings(rules(**policy))


def entered_by(*criteria: dict[str, Any], kind: str = "all", **more: Any) -> dict[str, Any]:
    return {"from": ..., "entry": {"type": kind, "of": list(criteria), **more}}


def segment(name: str) -> dict[str, Any]:
    return {"type": "attribute", "name": "segment", "is": name}


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"tiers": []}, "policy.tiers"),
        ({"window": YEAR | {"carry_over": {"above": [400]}}}, "policy.window.carry_over.above"),
        ({"measures": {"nights": {"metric": {"source": "count"},
          "window": YEAR | {"carry_over": {"above": [500]}}}}},
         "policy.measures.nights.window.carry_over.above"),
        ({"tiers": tiers({}, {"name": "Silver"})}, "policy.tiers[1].name"),
        ({"tiers": tiers({"to": 300})}, "policy.tiers[0].to"),
        ({"tiers": tiers({}, {"to": 999})}, "policy.tiers[1].to"),
        ({"tiers": tiers({"from": -9, "to": -1})}, "policy.tiers[0].to"),
        ({"tiers": tiers({}, entered_by(RANGE, {"type": "range", "to": 5}))},
         "policy.tiers[1].entry"),
        ({"tiers": tiers({}, entered_by(segment("a"), segment("b")))}, "policy.tiers[1].entry"),
        ({"tiers": tiers({}, entered_by({"type": "range", "from": -2, "to": -1}, kind="any"))},
         "policy.tiers[1].entry"),
        ({"tiers": tiers({}, entered_by(
            RANGE, {"type": "range", "from": -2, "to": -1}, kind="at_least", k=2))},
         "policy.tiers[1].entry"),
        ({"tiers": [SILVER_GOLD[0], {"id": "x", "name": "X", "entry": {"type": "range"}}]},
         "policy.tiers[0]"),
        ({"tiers": [{"id": "x", "name": "X", "entry": segment("a")},
                    {"id": "y", "name": "Y", "entry": segment("a")}]}, "policy.tiers[0]"),
        ({"tiers": tiers({}, {"from": ..., "hidden": True, "entry": RANGE})},
         "policy.tiers[1].entry"),
        ({"tiers": tiers({}, {"invitation": True, "reentry": RANGE})}, "policy.tiers[1].reentry"),
        ({"tiers": tiers({}, {"retain": {"type": "range", "from": 900}})},
         "policy.tiers[1].retain"),
        ({"tiers": tiers({}, {"earning": {"multiplier": 200}})}, "policy.tiers[1].earning"),
        ({"metric": {"source": "balance"}, "window": YEAR, "term": MONTH}, "policy.window"),
        ({"tiers": [SILVER_GOLD[1]], "window": FROM_TIER, "term": MONTH}, "policy.window.anchor"),
        ({"window": {"type": "since", "anchor": "tier_start"}}, "policy.term"),
        ({"term": {"type": "window_end"}}, "policy.term"),
        ({"term": MONTH | {"rounding": {"unit": "year", "edge": "start"}}},
         "policy.term.rounding.edge"),
        ({"assessment": {"down": "at_term_end"}}, "policy.assessment.down"),
        ({"assessment": {"up": "at_term_end"}, "term": {"type": "forever"}},
         "policy.assessment.up"),
        ({"window": YEAR, "assessment": {"up": "at_window_end"}, "term": {"type": "window_end"},
          "start": {"when": "next_window"}}, "policy.assessment.up"),
        ({"window": YEAR, "start": {"when": "next_window"}}, "policy.term"),
        ({"lapse": {"grace_rounding": {"unit": "month"}}}, "policy.lapse.grace_rounding"),
        ({"lapse": {"grace": "P1M"}, "term": {"type": "forever"}}, "policy.lapse.grace"),
        ({"lapse": {"min_stay": "P1M"}, "term": {"type": "forever"}}, "policy.lapse.min_stay"),
        ({"metric": {"source": "earned", "filter": {}}}, "policy.metric.filter"),
        ({"corrections": "retroactive", "lapse": {"then": "keep"}}, "policy.corrections"),
        ({"corrections": "protect"}, "policy.corrections"),
        ({"tiers": tiers({"from": 0}), "metric": {"source": "balance"}, "window": INSTANT},
         "policy.tiers[0].from"),
        ({"tiers": tiers({"from": 0}), "metric": {"source": "sum", "of": "nights"}},
         "policy.tiers[0].from"),
        ({"tiers": [{"id": "x", "name": "X", "entry": {"type": "any", "of": [{"type": "range"}]}}],
          "metric": {"source": "balance"}, "window": INSTANT}, "policy.tiers[0].entry.of[0].from"),
        ({"term": MONTH, "renewal": {"basis": "now"}}, "policy.term"),
        ({"term": MONTH | {"inclusive": False}, "renewal": {"basis": "now"}}, "policy.term"),
        ({"window": ROLLING, "term": MONTH, "tell_grace": True}, "policy.tell_grace"),
    ],
)  # fmt: skip
def test_a_trap_is_warned_of(policy: dict[str, Any], path: str) -> None:
    """The rules are taken all the same."""
    result = findings(rules(**policy))

    assert ("warning", path) in result
    assert all(severity == "warning" for severity, _ in result)


@pytest.mark.parametrize(
    "policy",
    [
        {"tiers": [SILVER_GOLD[0], {"id": "s", "name": "Staff", "from": 5, "to": 900,
                                    "hidden": True}, SILVER_GOLD[1]]},
        {"tiers": [SILVER_GOLD[0], {"id": "c", "name": "Club", "from": 0, "invitation": True},
                   SILVER_GOLD[1]]},
        {"tiers": tiers({"from": ...}), "metric": {"source": "balance"}, "window": INSTANT},
        {"window": ROLLING, "term": MONTH},
        {"term": MONTH},
    ],
)  # fmt: skip
def test_what_is_meant_is_not_remarked_upon(policy: dict[str, Any]) -> None:
    """Closed tiers bound nobody; a tier without `from` keeps debtors; defaults are quiet."""
    assert findings(rules(**policy)) == []


def test_points_have_rules_too() -> None:
    """A day that no year has, and two ways of rounding at once."""
    twice = {"type": "after", "length": "P1Y", "round_to": "month", "month": 3}

    assert findings(rules(points={"expiry": {"type": "day_of_year", "day": "13-01"}})) == [
        ("error", "points.expiry.day")
    ]
    assert findings(rules(points={"expiry": twice})) == [("error", "points.expiry.month")]
    orders = {"every": 100, "points": 1, "expiry": twice}
    assert findings(rules(points={"orders": orders})) == [("error", "points.orders.expiry.month")]
    ages = {"type": "after", "length": "P101Y"}
    assert findings(rules(points={"expiry": ages})) == [("error", "points.expiry.length")]


def test_errors_come_before_warnings_and_all_are_told() -> None:
    """One wrong field does not hide the next."""
    result = lint(rules(tiers=tiers({"name": "Gold"}, {"from": 3}), start={"when": "after"}))

    assert [(finding.severity, finding.path) for finding in result] == [
        ("error", "policy.tiers[1].from"),
        ("error", "policy.start.after"),
        ("warning", "policy.tiers[1].name"),
    ]
    assert all(finding.reason for finding in result)
