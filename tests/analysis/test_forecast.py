"""What is forecast is what happens: risks, the tier at expiry, what is needed to rise or stay."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.analysis.test_explain import TIERS, YEARLY, member, on, program, sound
from tests.engine.history import History
from tierline.analysis.forecast import (
    HORIZON_DAYS,
    MemberProgress,
    Opportunity,
    follow,
    progress,
)
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.retention import TierRetention
from tierline.model.calendar import DAY_MS, format_instant, parse_day
from tierline.model.entries import Detail, Entry, Override
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.rules.program import Program, Version

LOSSES = ("downgraded", "left")


def standing(history: History, club: Program, at: int) -> Standing:
    return decide(club, Standing(), history.entries, at).standing


def midnight(club: Program, day: str) -> int:
    return club.zone.start(parse_day(day))


def seen(history: History, club: Program, day: str) -> MemberProgress:
    return progress(club, standing(history, club, on(day)), on(day))


def risks(outlook: MemberProgress) -> list[tuple[str, str, str | None, str]]:
    return [(r.kind, format_instant(r.at)[:10], r.tier, r.cause) for r in outlook.risks]


def more(
    measure: str | None, club: Program, at: int, n: int, amount: int, judged_at: int | None = None
) -> Entry | None:
    """An entry that brings so much more of a metric, where one kind of entry simply does. The rules
    in force when it is judged say which metric that is."""
    metric = club.version(at if judged_at is None else judged_at).measures[measure].metric
    if metric.filter is not None or metric.source in ("count", "sum"):
        return None
    if metric.source == "spend":
        return Entry(n, "order", at, at, amount=amount)
    return Entry(n, "adjust", at, at, amount, detail=Detail(never_expires=True))


# -- against what happens ------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2**32))
def test_risks_are_what_happens_when_time_passes(seed: int) -> None:
    """Two years in one look, and the same two years lived through in uneven steps."""
    made = sound(seed)
    if made is None:
        return
    club, chance = made.program, Random(seed)
    at = chance.choice((made.until, *made.cuts))
    entries = [entry for entry in made.entries if entry.recorded_at <= at]
    if not entries:
        return
    now = decide(club, Standing(), entries, at).standing
    outlook = progress(club, now, at, entries)
    lived: list[Event] = []
    then, clock, end = now, at, at + HORIZON_DAYS * DAY_MS
    while clock < end:
        clock = min(end, clock + chance.randint(1, 200) * DAY_MS // 3)
        step = follow(club, then, (), clock, entries)
        then = step.standing
        lived.extend(step.events)

    happened = [(e.kind, e.at, e.tier_to, e.cause) for e in lived if e.kind in LOSSES]
    assert [(r.kind, r.at, r.tier, r.cause) for r in outlook.risks] == happened
    expires_at = outlook.current.expires_at
    if expires_at is not None:
        after = follow(club, now, (), expires_at, entries).standing
        assert outlook.forecast_tier == after.tier


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 2**32))
def test_what_is_needed_is_enough_and_not_too_much(seed: int) -> None:
    """With that much more the tier is reached, or kept; with one less it is not."""
    made = sound(seed)
    if made is None:
        return
    club, at = made.program, made.until
    now = decide(club, Standing(), made.entries, at).standing
    outlook = progress(club, now, at, made.entries)
    if outlook.to_next is not None and not now.overrides:
        _reaches(club, now, outlook.to_next, made.entries)
    if outlook.retention is not None and outlook.retention.needed and outlook.risks:
        _keeps(club, now, outlook.retention, made.entries)


def _reaches(club: Program, now: Standing, chance: Opportunity, entries: list[Entry]) -> None:
    at, n, needed = now.at, len(entries) + 1, chance.needed
    if chance.begins != "at_once" or not needed:
        return
    enough = more(chance.metric, club, at, n, needed)
    if enough is None:
        return
    version = club.version(at)
    reached = follow(club, now, (enough,), at, entries).standing.tier
    assert reached is not None
    assert version.rank[reached] >= version.rank[chance.tier]
    less = more(chance.metric, club, at, n, needed - 1)
    if less is not None and needed > 1 and version.thresholds is not None:
        tier = follow(club, now, (less,), at, entries).standing.tier
        assert tier is None or version.rank[tier] < version.rank[chance.tier]


def _keeps(club: Program, now: Standing, needs: TierRetention, entries: list[Entry]) -> None:
    needed, n = needs.needed or 0, len(entries) + 1
    enough = more(needs.metric, club, needs.counts_from, n, needed, needs.until)
    if enough is None or needs.counts_from >= needs.until:
        return
    outlook_after = follow(club, now, (enough,), needs.until, entries).events
    if not any(event.kind == "upgraded" for event in outlook_after):  # who rose may fall from there
        assert [event for event in outlook_after if event.kind in LOSSES] == []
    less = more(needs.metric, club, needs.counts_from, n, needed - 1, needs.until)
    if less is not None and needed > 1:
        for at in (needs.counts_from, needs.until - 1):
            begun = follow(club, now, (less,), at, entries).standing
            alone = follow(club, now, (), at, entries).standing
            if (begun.ends_at, begun.grace_until) != (alone.ends_at, alone.grace_until):
                return  # any activity moves the end, or for a while it was earned again
        events = follow(club, now, (less,), needs.until, entries).events
        assert [event for event in events if event.kind in LOSSES]


# -- by hand -------------------------------------------------------------------------------------


def test_a_calendar_year_has_to_be_repeated_in_the_next() -> None:
    """Silver of 2024 lasts until the end of 2025; only what comes in 2025 keeps it longer."""
    club = program(**YEARLY)
    history = member(club)
    history.add("earn", on("2024-02-01"), points=130)
    outlook = seen(history, club, "2024-06-01")

    assert (outlook.current.tier, outlook.current.last_valid_day) == ("silver", "2025-12-31")
    assert outlook.forecast_tier == "bronze"
    assert risks(outlook) == [("downgraded", "2025-12-31", "bronze", "term_end")]
    starts, ends = midnight(club, "2025-01-01"), midnight(club, "2026-01-01")
    assert outlook.retention == TierRetention(100, starts, ends)
    assert outlook.to_retain == 100
    assert outlook.to_next == Opportunity("gold", 370, starts)
    history.add("earn", on("2025-03-01"), points=60)
    assert seen(history, club, "2025-03-02").to_retain == 40


def test_a_rolling_year_warns_when_an_amount_leaves() -> None:
    """While qualified: the first amount to leave takes the tier with it."""
    window = {"type": "rolling", "length": "P12M"}
    club = program(metric={"source": "earned"}, window=window)
    history = member(club, "2023-01-01")
    history.add("earn", on("2023-03-01"), points=60)
    history.add("earn", on("2023-06-01"), points=70)
    outlook = seen(history, club, "2023-08-01")

    assert risks(outlook) == [("downgraded", "2024-02-29", "bronze", "window_turn")]
    leaves = midnight(club, "2024-03-01")
    assert outlook.retention is not None
    assert (outlook.retention.needed, outlook.retention.until) == (30, leaves)
    assert outlook.to_next == Opportunity("gold", 370, leaves)
    assert outlook.current.expires_at is None


def test_a_balance_tier_falls_with_the_points_that_expire() -> None:
    """The lot that expires says when, how much is missing then, and what expires next."""
    club = program({"expiry": {"type": "after", "length": "P30D"}})
    history = member(club)
    history.add("earn", on("2024-02-01"), points=120)
    history.add("earn", on("2024-02-20"), points=50, never_expires=True)
    outlook = seen(history, club, "2024-02-21")

    ends = midnight(club, "2024-03-03")
    assert outlook.next_expiry == (ends, 120)
    assert risks(outlook) == [("downgraded", "2024-03-02", "bronze", "expiry")]
    assert outlook.retention is not None
    assert (outlook.retention.needed, outlook.retention.until) == (50, ends)
    assert outlook.to_next is not None
    assert (outlook.to_next.needed, outlook.to_next.valid_until) == (330, ends)


def test_grace_is_a_risk_with_a_date_and_a_way_out() -> None:
    """In grace the tier stands, and what is missing keeps it at once."""
    term = {"type": "duration", "length": "P1M"}
    club = program(term=term, lapse={"grace": "P14D"})
    history = member(club)
    history.add("earn", on("2024-02-01"), points=120)
    history.add("redeem", on("2024-02-10"), points=-60)
    outlook = seen(history, club, "2024-03-05")

    assert outlook.current.grace_until == midnight(club, "2024-03-16")
    assert outlook.current.expires_at == outlook.current.grace_until
    assert (outlook.forecast_tier, outlook.to_retain) == ("bronze", 40)
    history.add("earn", on("2024-03-06"), points=40)
    outlook_after = seen(history, club, "2024-03-06")
    assert outlook_after.current.grace_until is None
    assert outlook_after.risks == ()
    assert outlook_after.to_retain == 0


def test_a_tier_that_waits_is_told_with_its_day() -> None:
    """Deferred to the next window: earned in spring, begins in January."""
    club = program(**YEARLY, start={"when": "next_window"})
    history = member(club)
    history.add("earn", on("2024-02-01"), points=130)
    outlook = seen(history, club, "2024-03-01")

    begins = midnight(club, "2025-01-01")
    assert [(d.tier, d.starts_at) for d in outlook.deferred] == [("silver", begins)]
    assert outlook.to_next is not None
    assert (outlook.to_next.begins, outlook.to_next.begins_at) == ("deferred", begins)


def test_under_an_override_nothing_is_to_be_won_before_it_ends() -> None:
    """A pin decides: its end is the risk, and what is earned shows only then."""
    club = program(metric={"source": "earned"})
    history = member(club)
    pin = Override(kind="pin", tier="silver", until=on("2024-05-01"))
    history.add("override", on("2024-02-01"), override=pin)
    outlook = seen(history, club, "2024-02-02")

    assert outlook.current.manual
    assert outlook.current.expires_at == on("2024-05-01")
    assert (outlook.forecast_tier, outlook.retention) == ("bronze", None)
    assert risks(outlook) == [("downgraded", "2024-05-01", "bronze", "override")]
    assert outlook.to_next is not None
    assert (outlook.to_next.tier, outlook.to_next.needed) == ("gold", 500)
    assert (outlook.to_next.begins, outlook.to_next.begins_at) == ("override_end", on("2024-05-01"))


def test_a_window_that_has_not_begun_counts_nothing_yet() -> None:
    """Points before the campaign's date do not help; its day is told."""
    window = {"type": "since", "anchor": "2024-07-01"}
    club = program(metric={"source": "earned"}, window=window)
    outlook = seen(member(club), club, "2024-02-02")

    assert outlook.to_next is not None
    assert outlook.to_next.begins == "not_counted"
    assert outlook.to_next.begins_at == midnight(club, "2024-07-01")


def test_other_criteria_have_no_number() -> None:
    """A tier for a subscription is an opportunity without an amount; invitations are none."""
    tiers: list[dict[str, Any]] = [
        *TIERS[:1],
        {"id": "sub", "name": "Sub", "entry": {"type": "attribute", "name": "club"}},
        {"id": "vip", "name": "Vip", "invitation": True},
    ]
    club = program(tiers=tiers)
    outlook = seen(member(club), club, "2024-02-02")

    assert [(o.tier, o.needed) for o in outlook.opportunities] == [("sub", None)]


def test_scheduled_rules_that_count_something_new_need_the_ledger() -> None:
    """The look ahead passes the change of rules; without the entries it says so."""
    first = program(**YEARLY)
    later = program(metric={"source": "spend"}).versions[0]
    change = replace(later, number=2, effective_at=on("2025-01-01"), on_change="rejudge")
    club = replace(first, versions=(*first.versions, change))
    history = member(club)
    history.add("order", on("2024-02-01"), points=130, amount=700)
    now = standing(history, club, on("2024-06-01"))

    with pytest.raises(HistoryNeeded):
        progress(club, now, on("2024-06-01"))
    outlook = progress(club, now, on("2024-06-01"), history.entries)
    assert (outlook.current.tier, outlook.risks) == ("silver", ())


def test_what_is_needed_follows_rules_that_are_scheduled() -> None:
    """Gold asks for more from next year on: retention, risks and opportunities say so."""
    club = program(**YEARLY)
    first = club.versions[0]
    tiers = [tier for tier in first.policy.tiers if tier.id != "silver"]
    silver = next(tier for tier in first.policy.tiers if tier.id == "silver")
    dearer = sorted((*tiers, replace(silver, from_=150, to=None)), key=lambda tier: tier.low)
    ladder = tuple(replace(tier, to=None) for tier in dearer)
    rules = replace(first.rules, policy=replace(first.policy, tiers=ladder))
    club = replace(club, versions=(first, Version(2, midnight(club, "2026-01-01"), rules)))
    history = member(club)
    history.add("earn", on("2024-02-01"), points=120)
    outlook = seen(history, club, "2025-06-01")

    assert outlook.current.tier == "silver"
    assert outlook.retention is not None
    assert outlook.retention.until == midnight(club, "2026-01-01")
    assert outlook.retention.needed == 150
    assert outlook.to_next is not None
    assert outlook.to_next.valid_until == midnight(club, "2026-01-01")


def test_nothing_is_needed_where_nothing_will_count() -> None:
    """By the judgment the window is laid out from an attribute that names no day: no amount keeps
    the tier, and none is promised to."""
    days = {"type": "dates", "days": ["12-31"]}
    club = program(**{**YEARLY, "term": days})
    renewals = {"type": "cycle", "length": "P3M", "anchor": "attribute:renewal"}
    later = program(**{**YEARLY, "window": renewals, "term": days})
    change = replace(later.versions[0], number=2, effective_at=midnight(club, "2024-07-01"))
    club = replace(club, versions=(*club.versions, change))
    history = member(club)
    history.add("earn", on("2024-02-01"), points=120)
    now = standing(history, club, on("2024-06-01"))
    outlook = progress(club, now, on("2024-06-01"), history.entries)

    assert [risk.cause for risk in outlook.risks] == ["term_end"]
    assert outlook.retention is not None
    assert outlook.retention.needed is None
