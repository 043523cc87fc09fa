"""Holds the engine's calendar against the golden vectors, which know nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.reference import civil, ledger, terms
from tests.reference.account import Account
from tests.reference.measures import Sight
from tierline.model import calendar
from tierline.rules.expiry import Expiry
from tierline.rules.policy import Policy
from tierline.rules.program import Rules, Version
from tierline.rules.term import Rounding, Term
from tierline.rules.window import Anchors, Instant, Rolling, Window

FOLDER = Path(__file__).parent.parent / "data" / "vectors"
VECTORS: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "calendar.json").read_text())
Case = dict[str, Any]


def cases(name: str) -> pytest.MarkDecorator:
    def named(case: Case) -> str:
        plain = (str(v) for v in case.values() if isinstance(v, str))
        return " ".join(plain)[:80]

    return pytest.mark.parametrize("case", VECTORS[name], ids=named)


def iso(zone: calendar.Zone, day: int) -> str:
    return calendar.format_instant(zone.start(day))


@cases("days")
def test_day(case: Case) -> None:
    """A day begins and ends at the instants of the vectors, and holds its own first instant."""
    zone, day = calendar.zone(case["zone"]), calendar.parse_day(case["day"])
    assert iso(zone, day) == case["starts_at"]
    assert iso(zone, day + 1) == case["ends_at"]
    assert zone.start(day + 1) - zone.start(day) == case["minutes"] * 60_000
    if case["minutes"]:
        assert zone.day(zone.start(day)) == day
        assert zone.day(zone.start(day + 1) - 1) == day


@cases("instants")
def test_instant(case: Case) -> None:
    """An instant belongs to the same day whatever the zone was asked before."""
    instant = calendar.parse_instant(case["instant"])
    for before in (0, -86_400_000, 3_600_000, 86_400_000):
        zone = calendar.Zone(case["zone"])
        zone.day(instant + before)
        assert calendar.format_day(zone.day(instant)) == case["day"]
    assert civil.Zone(case["zone"]).day(instant).isoformat() == case["day"]


@cases("added")
def test_added(case: Case) -> None:
    """Months keep the day or are clamped; days are days."""
    start, period, times = case["from"], case["period"], case["times"]
    day = calendar.add_period(calendar.parse_day(start), period, times)
    assert calendar.format_day(day) == case["to"]
    assert civil.plus(date.fromisoformat(start), period, times).isoformat() == case["to"]


@cases("calendar_windows")
def test_calendar_window(case: Case) -> None:
    """The calendar period that holds a day."""
    offsets = case["unit"], case["offset_months"], case["offset_days"]
    first, after = calendar.span(calendar.parse_day(case["day"]), *offsets)
    period = (calendar.format_day(first), calendar.format_day(after - 1))
    assert period == (case["first_day"], case["last_day"])
    one, other = civil.span(date.fromisoformat(case["day"]), *offsets)
    assert (one.isoformat(), (other - civil.ONE_DAY).isoformat()) == period


@cases("cycles")
def test_cycle(case: Case) -> None:
    """Equal windows from an anchor: nothing drifts."""
    anchor, length = case["anchor"], case["length"]
    day = calendar.parse_day(case["day"])
    first, after = calendar.cycle(day, calendar.parse_day(anchor), length)
    period = (calendar.format_day(first), calendar.format_day(after - 1))
    assert period == (case["first_day"], case["last_day"])
    one, other = civil.cycle(date.fromisoformat(case["day"]), date.fromisoformat(anchor), length)
    assert (one.isoformat(), (other - civil.ONE_DAY).isoformat()) == period


@cases("rolling")
def test_rolling(case: Case) -> None:
    """An amount leaves a rolling window at local midnight of its day + length."""
    window = Rolling(case["length"])
    day, leaves = calendar.parse_day(case["day"]), calendar.parse_day(case["leaves_on"])
    anchors = Anchors(join=day, tier_start=None, attributes={})
    assert window.next_turn(((day, 1),), day, anchors) == leaves
    assert window.total(((day, 1),), leaves - 1, anchors) == 1
    assert window.total(((day, 1),), leaves, anchors) == 0
    assert iso(calendar.zone(case["zone"]), leaves) == case["leaves_at"]


@cases("terms")
def test_term(case: Case) -> None:
    """A term's last valid day, and the instant at which it ends."""
    term = msgspec.convert(case["term"], Term)
    window = msgspec.convert(case["window"], Window) if case["window"] else Instant()
    zone, start = calendar.zone(case["zone"]), calendar.parse_day(case["start"])
    joined = calendar.parse_day(case["joined"]) if case["joined"] else start
    anchors = Anchors(join=joined, tier_start=None, attributes={})
    end = term.end(start, window, anchors)
    assert end is not None
    assert iso(zone, start) == case["starts_at"]
    assert calendar.format_day(end - 1) == case["last_valid_day"]
    assert iso(zone, end) == case["ends_at"]


@cases("terms")
def test_term_slowly(case: Case) -> None:
    """The slow evaluator agrees with the vectors too."""
    policy = {"tiers": [{"id": "t", "name": "T"}], "term": case["term"]}
    if case["window"]:
        policy["window"] = case["window"]
    rules = Rules("Vectors", msgspec.convert(policy, Policy))
    start = date.fromisoformat(case["start"])
    sight = Sight(
        version=Version(1, 0, rules),
        zone=civil.zone(case["zone"]),
        account=Account(),
        day=start,
        joined=date.fromisoformat(case["joined"]) if case["joined"] else start,
        began=None,
        began_day=None,
    )
    end = terms.end(rules.policy.term, start, sight)
    assert end is not None
    assert (end - civil.ONE_DAY).isoformat() == case["last_valid_day"]
    assert civil.iso(sight.zone.start(end)) == case["ends_at"]


@cases("grace")
def test_grace(case: Case) -> None:
    """Grace is counted from the last valid day, then rounded."""
    day = calendar.parse_day(case["term_last_valid_day"])
    rounding = msgspec.convert(case["rounding"], Rounding | None)
    last = calendar.add_period(day, case["grace"])
    if rounding is not None:
        last = rounding.last_day(last, day + 1)
    assert calendar.format_day(last) == case["last_valid_day"]
    start = date.fromisoformat(case["term_last_valid_day"])
    ended = start + civil.ONE_DAY
    slowly = terms.rounded(rounding, civil.plus(start, case["grace"]), ended)
    assert slowly.isoformat() == case["last_valid_day"]


@cases("points")
def test_points(case: Case) -> None:
    """The last day on which points can be spent, and the instant at which they expire."""
    rule = msgspec.convert(case["rule"], Expiry)
    zone = calendar.zone(case["zone"])
    last = rule.last_day(calendar.parse_day(case["day"]))
    assert (None if last is None else calendar.format_day(last)) == case["last_valid_day"]
    assert (None if last is None else iso(zone, last + 1)) == case["expires_at"]
    slowly = ledger.last_day(rule, date.fromisoformat(case["day"]))
    assert (slowly and slowly.isoformat()) == case["last_valid_day"]


def test_file_is_what_the_generator_writes() -> None:
    """The instants are the standard library's, not ours."""
    check = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
