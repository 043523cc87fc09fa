"""The arithmetic of decisions: it adds up to what decided, for any instant and any knowledge."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.history import History
from tests.fuzz.worlds import World, world
from tierline.analysis.explain import Counted, explain, standing_at
from tierline.engine.decide import decide, trace
from tierline.model.calendar import parse_instant
from tierline.model.encoding import encode_standing
from tierline.model.entries import Override
from tierline.model.standing import Standing
from tierline.rules.lint.lint import lint
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules, Version

TIERS: list[dict[str, Any]] = [
    {"id": "bronze", "name": "Bronze", "from": 0},
    {"id": "silver", "name": "Silver", "from": 100},
    {"id": "gold", "name": "Gold", "from": 500},
]
YEARLY: dict[str, Any] = {
    "metric": {"source": "earned"},
    "window": {"type": "calendar", "unit": "year"},
    "term": {"type": "window_end", "windows": 1},
}


def program(points: dict[str, Any] | None = None, **policy: Any) -> Program:
    rules = Rules(
        "Club",
        msgspec.convert({"tiers": TIERS, **policy}, Policy),
        msgspec.convert(points or {}, Points),
    )
    return Program("club", "shop", "Europe/Berlin", "EUR", (Version(1, 0, rules),))


def on(day: str) -> int:
    """Noon of a day, UTC."""
    return parse_instant(f"{day}T12:00:00Z")


def member(club: Program, joined: str = "2024-01-10") -> History:
    history = History(club)
    history.add("enrol", on(joined))
    return history


def counted(total: Any) -> list[tuple[int | None, str, int]]:
    return [(c.entry, c.day, c.counts) for c in total.counted]


def sound(seed: int) -> World | None:
    """A random world whose rules would have been accepted."""
    made = world(Random(seed))
    broken = (f for v in made.program.versions for f in lint(v.rules))
    return None if any(f.severity == "error" for f in broken) else made


@settings(max_examples=120, deadline=None)
@given(st.integers(1, 2**32))
def test_an_explanation_adds_up_to_what_was_decided(seed: int) -> None:
    """Totals are sums of what they list, the ladder's verdict is the qualified tier, and tracing a
    history changes nothing about it."""
    made = sound(seed)
    if made is None:
        return
    decided = decide(made.program, Standing(), made.entries, made.until)
    state, _ = trace(made.program, made.entries, made.until)

    assert encode_standing(state.standing()) == encode_standing(decided.standing)
    assert tuple(state.events) == decided.events
    for at in (made.until, *made.cuts):
        explanation = explain(made.program, made.entries, at)
        entries = [e for e in made.entries if e.recorded_at <= at]
        was = decide(made.program, Standing(), entries, at).standing
        assert (explanation.tier, explanation.held) == (was.tier, was.held)
        for total in explanation.totals.values():
            assert total.total == sum(c.counts for c in total.counted)
        if was.joined_at is not None:
            earned = [verdict.tier for verdict in explanation.ladder if verdict.holds]
            assert explanation.qualified == (earned[-1] if earned else None)


def test_a_calendar_window_lists_its_own_entries_and_dates() -> None:
    """Last year's points are not in this year's sum, and the term's last day is derived."""
    club = program(**YEARLY)
    history = member(club, "2023-05-01")
    history.add("earn", on("2023-12-31"), points=70)
    order = history.add("order", on("2024-02-01"), points=120, amount=12_000)
    history.reverse("refund", on("2024-03-01"), order.n, points=10, amount=1_000)
    explanation = explain(club, history.entries, on("2024-06-01"))

    metric = explanation.totals["metric"]
    assert (metric.start, metric.end, metric.total) == ("2024-01-01", "2025-01-01", 110)
    assert counted(metric) == [(3, "2024-02-01", 120), (4, "2024-02-01", -10)]
    assert (explanation.tier, explanation.qualified, explanation.because) == (
        "silver", "silver", "today's totals earn it",
    )  # fmt: skip
    assert explanation.term is not None
    assert explanation.term.last_valid_day == "2025-12-31"
    assert explanation.term.formula == (
        "end of the window 2024-01-01 to 2024-12-31, 1 further = 2025-12-31"
    )
    assert (explanation.term.set_at, explanation.term.set_by) == ("2024-02-01T12:00:00.000Z", 3)


def test_what_the_window_before_brought_over_is_a_line_of_its_own() -> None:
    """On the first day of the window, by no entry."""
    yearly = {**YEARLY, "window": {**YEARLY["window"], "carry_over": {"above": [100]}}}
    history = member(program(**yearly), "2023-05-01")
    history.add("earn", on("2023-12-31"), points=130)
    history.add("earn", on("2024-02-01"), points=50)
    explanation = explain(history.program, history.entries, on("2024-06-01"))

    metric = explanation.totals["metric"]
    assert metric.total == 80
    assert counted(metric) == [(None, "2024-01-01", 30), (3, "2024-02-01", 50)]
    assert [line.kind for line in metric.counted] == ["carry_over", "earn"]


def test_thresholds_say_what_they_were_held_against() -> None:
    """Every part of a criterion tells its value, nested ones too."""
    tiers = [
        *TIERS[:1],
        {
            "id": "friend",
            "name": "Friend",
            "entry": {
                "type": "all",
                "of": [
                    {"type": "range", "from": 50},
                    {"type": "attribute", "name": "club"},
                    {"type": "member_for", "length": "P30D"},
                ],
            },
        },
    ]
    club = program(tiers=tiers, metric={"source": "earned"})
    history = member(club)
    history.add("earn", on("2024-01-20"), points=60)
    friend = explain(club, history.entries, on("2024-01-20")).ladder[1]

    assert friend.rule == "entry"
    assert friend.holds is False
    parts = friend.criterion["of"]
    assert [part["holds"] for part in parts] == [True, False, False]
    assert (parts[0]["value"], parts[1]["value"]) == (60, None)
    assert parts[2]["from_day"] == "2024-02-09"


def test_a_rolling_window_says_from_which_day_it_counts() -> None:
    """The day on which an amount just still counts is the window's first."""
    rolling = {"type": "rolling", "length": "P12M"}
    club = program(metric={"source": "earned"}, window=rolling)
    history = member(club, "2023-01-01")
    history.add("earn", on("2023-02-28"), points=100)
    history.add("earn", on("2023-03-01"), points=50)
    last = explain(club, history.entries, on("2024-02-27")).totals["metric"]
    after = explain(club, history.entries, on("2024-02-28")).totals["metric"]

    assert (last.start, last.end, last.total) == ("2023-02-28", "2024-02-28", 150)
    assert (after.start, after.total) == ("2023-03-01", 50)


def test_a_balance_lists_what_time_did_too() -> None:
    """Points that expired, and points that became active, stand between the entries."""
    points = {"expiry": {"type": "after", "length": "P10D"}}
    club = program(points)
    history = member(club)
    history.add("earn", on("2024-01-11"), points=100)
    history.add("earn", on("2024-01-15"), points=40, available_at=on("2024-01-16"))
    history.add("redeem", on("2024-01-18"), points=-30)
    metric = explain(club, history.entries, on("2024-01-25")).totals["metric"]

    assert metric.counted == (
        Counted(2, "earn", "2024-01-11", 100),
        Counted(3, "activation", "2024-01-16", 40),
        Counted(4, "redeem", "2024-01-18", -30),
        Counted(None, "expiry", "2024-01-22", -70),
    )
    assert metric.total == 40


def test_a_tiers_own_count_begins_with_the_tier() -> None:
    """What was earned before the tier began is no part of a total since then."""
    window = {"type": "since", "anchor": "tier_start"}
    measures = {"since": {"metric": {"source": "earned"}, "window": window}}
    club = program(metric={"source": "earned"}, measures=measures)
    history = member(club)
    history.add("earn", on("2024-01-11"), points=100)
    history.add("earn", on("2024-02-11"), points=30)
    explanation = explain(club, history.entries, on("2024-03-01"))

    assert counted(explanation.totals["metric"]) == [(2, "2024-01-11", 100), (3, "2024-02-11", 30)]
    assert counted(explanation.totals["since"]) == [(3, "2024-02-11", 30)]
    assert explanation.totals["since"].start == "2024-01-11"


def test_a_past_instant_is_answered_with_what_was_known_then() -> None:
    """An activity of March that was sent in May did not count in April, and still does not."""
    club = program(**YEARLY)
    history = member(club)
    history.add("earn", on("2024-02-01"), points=90)
    history.add("earn", on("2024-05-01"), occurred=on("2024-03-01"), points=20)
    april = on("2024-04-01")
    then = explain(club, history.entries, april)
    since = explain(club, history.entries, april, known_at=on("2024-06-01"))
    meanwhile = explain(club, history.entries, april, known_at=on("2024-04-20"))

    assert (then.tier, then.totals["metric"].total, then.known_at) == ("bronze", 90, then.at)
    assert (since.tier, since.totals["metric"].total) == ("silver", 110)
    assert (meanwhile.tier, meanwhile.totals["metric"].total) == ("bronze", 90)
    assert since.last_event is not None
    assert since.last_event.at == on("2024-03-01")


def test_a_refund_that_came_later_unmakes_what_it_took_back() -> None:
    """Known later, the order was smaller from the start; known then, it was whole."""
    club = program(**YEARLY)
    history = member(club)
    order = history.add("order", on("2024-02-01"), points=120, amount=12_000)
    history.reverse("refund", on("2024-05-01"), order.n, points=60, amount=6_000)
    april = on("2024-04-01")

    assert explain(club, history.entries, april).tier == "silver"
    later = explain(club, history.entries, april, known_at=on("2024-06-01"))
    assert (later.tier, later.totals["metric"].total) == ("bronze", 60)
    assert counted(later.totals["metric"]) == [(2, "2024-02-01", 60)]


def test_an_instant_ahead_tells_what_was_to_be_expected() -> None:
    """Known before: only what was recorded by then, and then time alone."""
    club = program(**YEARLY)
    history = member(club)
    history.add("earn", on("2024-02-01"), points=120)
    history.add("earn", on("2025-02-01"), points=120)
    standing, _, entries = standing_at(
        club, history.entries, on("2026-02-01"), known_at=on("2024-06-01")
    )

    assert [entry.n for entry in entries] == [1, 2]
    assert standing.tier == "bronze"
    assert explain(club, history.entries, on("2026-02-01")).tier == "silver"


def test_formulas_of_every_kind_of_term() -> None:
    """The day is counted as the rule says, and the line says how."""
    cases = (
        (
            {"type": "duration", "length": "P3M", "rounding": {"unit": "month"}},
            "2024-02-01 + P3M, to the end of its month = 2024-05-31",
        ),
        (
            {"type": "duration", "length": "P3M", "inclusive": False},
            "2024-02-01 + P3M, that day excluded = 2024-04-30",
        ),
        (
            {"type": "dates", "days": ["03-31", "12-31"]},
            "next of 03-31, 12-31 from 2024-02-01 on = 2024-03-31",
        ),
        ({"type": "forever"}, "held for good"),
        ({"type": "while_qualified"}, "held as long as it is earned"),
        (
            {"type": "duration", "length": "P3M", "clock": "drop"},
            "P3M from the day on which it is no longer earned",
        ),
    )
    for term, formula in cases:
        club = program(term=term)
        history = member(club)
        history.add("earn", on("2024-02-01"), points=120)
        explanation = explain(club, history.entries, on("2024-02-02")).term
        assert explanation is not None
        assert explanation.formula == formula


def test_a_row_of_terms_is_counted_from_its_first_day() -> None:
    """The second year ends where two years from the first day do."""
    club = program(term={"type": "duration", "length": "P1Y"})
    history = member(club, "2022-12-15")
    explanation = explain(club, history.entries, on("2024-06-01"))

    assert explanation.term is not None
    assert explanation.term.counted_from == "2022-12-15"
    assert explanation.term.formula == "2022-12-15 + 2 times P1Y = 2024-12-15"


def test_a_term_that_the_running_window_gave_is_counted_from_the_next_one() -> None:
    """Renewed at its end by what the quarter has earned so far: with that quarter's own end."""
    quarters = {"window": {"type": "calendar", "unit": "quarter"}, "start": {"when": "next_window"}}
    longer = {"type": "window_end", "extend": "P2M"}
    club = program(metric={"source": "earned"}, **quarters, term=longer)
    history = member(club, "2024-01-10")
    history.add("earn", on("2024-03-10"), points=130)
    history.add("earn", on("2024-08-01"), points=130)
    explanation = explain(club, history.entries, on("2024-09-10"))

    assert explanation.term is not None
    assert explanation.term.formula == (
        "end of the window 2024-10-01 to 2024-12-31, + P2M = 2025-02-28"
    )


def test_what_counts_since_the_joining_says_so() -> None:
    """Without a window too, the sum of a membership begins with it."""
    club = program(metric={"source": "earned"})
    explanation = explain(club, member(club, "2024-01-10").entries, on("2024-02-01"))

    assert explanation.totals["metric"].start == "2024-01-10"


def test_dates_that_no_rule_gave_say_who_set_them() -> None:
    """A tier that was brought along keeps its own end."""
    club = program(term={"type": "duration", "length": "P1Y"})
    history = History(club)
    history.add(
        "enrol",
        on("2024-01-10"),
        tier="gold",
        tier_since=on("2023-06-01"),
        tier_expires_at=on("2024-09-30"),
    )
    explanation = explain(club, history.entries, on("2024-02-01"))

    assert explanation.term is not None
    assert explanation.term.counted_from is None
    assert explanation.term.formula == "set by entry 1 to 2024-09-30"
    assert (
        explanation.because
        == "gold is no longer earned; its term keeps it until 2024-09-30T12:00:00.000Z"
    )


def test_reasons_for_every_way_of_having_another_tier_than_earned() -> None:
    """Overrides, holds, waiting and later assessments each say so."""
    club = program(metric={"source": "earned"})
    history = member(club)
    pin = Override(kind="pin", tier="gold", until=on("2024-05-01"))
    history.add("override", on("2024-02-01"), override=pin)
    explanation = explain(club, history.entries, on("2024-02-02"))
    assert explanation.because == "override 2 (pin) decides until 2024-05-01T12:00:00.000Z"
    assert (explanation.tier, explanation.held) == ("gold", "bronze")

    waits = program(metric={"source": "earned"}, start={"when": "after", "after": "P10D"})
    history = member(waits)
    history.add("earn", on("2024-02-01"), points=120)
    explanation = explain(waits, history.entries, on("2024-02-02"))
    assert explanation.because == "tier silver is earned and begins 2024-02-10T23:00:00.000Z"
    assert explanation.waiting == ("silver", "2024-02-10T23:00:00.000Z")

    later = program(**YEARLY, assessment={"up": "at_term_end"})
    history = member(later)
    history.add("earn", on("2024-02-01"), points=120)
    explanation = explain(later, history.entries, on("2024-02-02"))
    assert explanation.because == "a higher tier is earned, and given when the term ends"
    assert explanation.rules["assessment"] == {"up": "at_term_end", "down": "on_activity"}
