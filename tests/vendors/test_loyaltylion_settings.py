"""LoyaltyLion's tier settings: what they compile to, and what is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.vendors.announcements import LION, rules
from tierline.errors import Invalid
from tierline.rules.ladder import Tier
from tierline.rules.lint.lint import lint
from tierline.rules.metric import Metric
from tierline.rules.policy import Assessment, Policy, Renewal
from tierline.rules.program import Rules
from tierline.rules.term import Duration, Forever, WindowEnd
from tierline.rules.window import Cycle, Rolling, Since

YEAR = {"starts_on": {"month": 4, "day": 1}, "duration": {"months": 12}}


def compiled(**change: Any) -> Rules:
    return rules("loyaltylion", {**LION, **change})


@pytest.mark.parametrize(
    ("membership", "window", "term"),
    [
        (
            {"mode": "rolling", "duration_months": 12},
            Rolling("P12M"),
            Duration("P12M", inclusive=False),
        ),
        (
            {"mode": "calendar", "evaluation_period": YEAR, "duration": {"windows": 1}},
            Cycle("P12M", "2000-04-01"),
            WindowEnd(1),
        ),
        (
            {"mode": "calendar", "evaluation_period": YEAR, "duration": {"windows": 0}},
            Cycle("P12M", "2000-04-01"),
            WindowEnd(0),
        ),
        (
            {"mode": "enrollment_anniversary", "duration": {"windows": 1}},
            Cycle("P12M", "join"),
            WindowEnd(1),
        ),
        ({"mode": "lifetime"}, Since("join"), Forever()),
    ],
)
def test_membership(membership: dict[str, Any], window: Any, term: Any) -> None:
    """Each mode's window and term; the default tier at 0 never ends."""
    assert compiled(membership=membership).policy == Policy(
        (
            Tier("15", "Bronze", 0, 20_000, term=Forever()),
            Tier("16", "Silver", 20_001, 40_000),
            Tier("17", "Gold", 40_001),
        ),
        metric=Metric("spend"),
        window=window,
        term=term,
        assessment=Assessment(down="at_term_end"),
        renewal=Renewal(basis="now" if isinstance(term, Duration) else "term_end"),
    )


@pytest.mark.parametrize(
    ("mode", "metric"),
    [("points", Metric("earned")), ("spend", Metric("spend")), ("orders", Metric("count"))],
)
def test_boundary_mode(mode: str, metric: Metric) -> None:
    """Points count as earned: spending or removing them never lowers progress."""
    assert compiled(boundary_mode=mode).policy.metric == metric


def test_pending_points_can_count() -> None:
    """The vendor's pages disagree whether pending points count: by default they do not."""
    given = compiled(boundary_mode="points", include_pending=True)

    assert given.policy.metric == Metric("earned", include_pending=True)


def test_presented_tiers() -> None:
    """Numbered from 1, bounds touching at one minor unit, the top open; a hidden tier is reached
    by hand alone and bounds nobody."""
    tiers = [
        {"id": 9, "name": "VIP", "lower_bound": 30_000, "hidden": True},
        {"name": "Silver", "lower_bound": 20_000},
        {"id": "base", "name": "Bronze", "lower_bound": 0},
    ]

    given = compiled(tiers=tiers)

    printed = given.presentations["loyaltylion"]["tiers"]
    keys = ("name", "number", "default", "hidden", "lower_bound", "upper_bound")
    assert [tuple(tier[key] for key in keys) for tier in printed] == [
        ("Bronze", 1, True, False, 0, 19_999),
        ("Silver", 2, False, False, 20_000, None),
        ("VIP", 3, False, True, 30_000, None),
    ]
    assert [tier.hidden for tier in given.policy.tiers] == [False, False, True]
    assert [tier["tier"] for tier in printed][::2] == ["base", "9"]
    assert printed[2]["id"] == 9
    assert all(type(tier["id"]) is int and 0 <= tier["id"] < 2**31 for tier in printed)


def test_ids_stay() -> None:
    """A tier without an id keeps both of its ids by its unchanged name."""
    tiers = [{"name": "Bronze", "lower_bound": 0}, {"name": "Gold", "lower_bound": 100}]
    first = compiled(tiers=tiers)
    tiers[1]["lower_bound"] = 500

    second = rules("loyaltylion", {**LION, "tiers": tiers}, first)

    ids = [[t.id for t in each.policy.tiers] for each in (first, second)]
    assert ids[0] == ids[1]
    assert compiled(tiers=tiers) == second


def test_stored_and_linted() -> None:
    """Compiled rules are as good as native ones: no finding, and the same after storage."""
    given = compiled()

    assert [f for f in lint(given) if f.severity == "error"] == []
    assert msgspec.json.decode(msgspec.json.encode(given), type=Rules) == given


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"boundary_mode": "visits"}, "boundary_mode", "expected one of points, spend, orders"),
        ({"membership": {"mode": "weekly"}}, "membership.mode", "weekly"),
        ({"membership": {}}, "membership.mode", "needed"),
        ({"membership": {"mode": "rolling"}}, "membership.duration_months", "needed"),
        (
            {"membership": {"mode": "rolling", "duration_months": 0}},
            "membership.duration_months",
            "at least 1",
        ),
        (
            {
                "membership": {
                    "mode": "calendar",
                    "evaluation_period": {**YEAR, "starts_on": {"month": 2, "day": 30}},
                    "duration": {"windows": 1},
                }
            },
            "membership.evaluation_period.starts_on.day",
            "no year has the day 02-30",
        ),
        ({"tiers": []}, "tiers", "at least 1 entries"),
        ({"tiers": [{"name": "A", "lower_bound": 1}]}, "tiers", "default tier"),
        ({"tiers": [{"name": "A", "lower_bound": 0, "hidden": True}]}, "tiers", "default tier"),
        ({"tiers": [{"name": "A", "lower_bound": -1}]}, "tiers[0].lower_bound", "at least 0"),
        ({"tiers": [{"name": "A", "lower_bound": "0.00"}]}, "tiers[0].lower_bound", "found a text"),
        (
            {"tiers": [*LION["tiers"], {"name": "X", "lower_bound": 20_001}]},
            "tiers[3].lower_bound",
            "'Silver'",
        ),
        ({"tiers": [*LION["tiers"], {"name": "Gold", "lower_bound": 9}]}, "tiers[3].name", "two"),
        (
            {"tiers": [*LION["tiers"], {"id": 16, "name": "X", "lower_bound": 9}]},
            "tiers[3].id",
            "'16'",
        ),
        ({"tiers": [{"id": -1, "name": "X", "lower_bound": 0}]}, "tiers[0].id", "positive"),
        ({"include_pending": True}, "include_pending", "points alone"),
        ({"tires": []}, "tires", "no such field"),
    ],
)
def test_refused(change: dict[str, Any], path: str, says: str) -> None:
    """What is wrong is named with its field."""
    with pytest.raises(Invalid) as caught:
        compiled(**change)

    assert caught.value.path == f"settings.{path}".rstrip(".")
    assert says in str(caught.value)


def test_unknown_vendor() -> None:
    """Only vendors with settings of their own can compile them."""
    with pytest.raises(Invalid, match="expected one of voucherify, loyaltylion, not 'standard'"):
        rules("standard", {})
