"""What an order earns: rates, multipliers, and the threshold that the order itself crosses."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.reference.evaluator import evaluate
from tierline.engine.decide import decide
from tierline.model.calendar import parse_instant
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing
from tierline.rules.earning import Earner, lot_expiry, points_for
from tierline.rules.expiry import AfterPeriod
from tierline.rules.ladder import Earning, Tier
from tierline.rules.metric import Metric
from tierline.rules.points import PerAmount, Points
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules, Version
from tierline.rules.window import Since

AT = parse_instant("2024-03-10T12:00:00Z")
TIERS = (
    Tier("base", "Base", from_=0),
    Tier("silver", "Silver", from_=10_000, earning=Earning(multiplier=150)),
    Tier("gold", "Gold", from_=30_000, earning=Earning(multiplier=300)),
)


Crossing = Literal["before", "after", "split"]


def program(crossing: Crossing, **points: object) -> Program:
    """1 point for each whole unit of money; tiers by money spent."""
    rules = Rules(
        name="Club",
        policy=Policy(tiers=TIERS, metric=Metric(source="spend"), window=Since()),
        points=replace(Points(orders=PerAmount(100, 1), crossing=crossing), **points),
    )
    return Program("club", "shop", "UTC", "USD", (Version(1, 0, rules),))


def order(club: Program, amount: int, spent: int = 0, *, points: int | None = None) -> Entry:
    """The order of a member who spent so much before."""
    entries = [Entry(1, "enrol", AT - 2000, AT - 2000)]
    if spent:
        entries.append(Entry(2, "order", AT - 1000, AT - 1000, amount=spent))
    draft = Entry(len(entries) + 1, "order", AT, AT, points=points or 0, amount=amount)
    return order_of(club, entries, draft, points_given=points is not None)


def order_of(
    club: Program, entries: list[Entry], draft: Entry, *, points_given: bool = False
) -> Entry:
    """The entry that an order makes after others."""
    before = decide(club, Standing(), entries, AT).standing

    def reached(trial: Entry) -> str | None:
        return decide(club, before, [trial], AT).standing.tier

    return points_for(club, Earner(before.tier), draft, reached, points_given=points_given)


@pytest.mark.parametrize(
    ("crossing", "amount", "spent", "points"),
    [
        ("before", 5_000, 0, 50),  # no threshold: the tier held says
        ("split", 5_000, 0, 50),
        ("before", 4_000, 12_000, 60),  # silver
        ("before", 20_000, 0, 200),  # crosses into silver
        ("after", 20_000, 0, 300),
        ("split", 20_000, 0, 100 + 150),  # 10,000 below the threshold, 10,000 above
        ("after", 40_000, 0, 1200),
        ("split", 40_000, 0, 100 + 300 + 300),  # two thresholds
        ("split", 10_000, 0, 100),  # reaches it exactly with its last cent
        ("split", 150, 9_950, 2),  # half a unit below, one above: 1 point each way, rounded up
        ("before", 99, 0, 0),  # less than a unit
    ],
)
def test_points_at_a_threshold(crossing: Crossing, amount: int, spent: int, points: int) -> None:
    """The multiplier of the tier before, after, or of each part."""
    assert order(program(crossing), amount, spent).points == points


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    crossing=st.sampled_from(("before", "after", "split")),
    source=st.sampled_from(("spend", "earned")),
    bounds=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rates=st.tuples(*[st.integers(0, 400)] * 3),
    every=st.integers(1, 7),
    worth=st.integers(0, 3),
    spent=st.integers(0, 50),
    amount=st.integers(1, 60),
)
def test_a_threshold_found_cent_by_cent(
    crossing: Crossing,
    source: Literal["spend", "earned"],
    bounds: tuple[int, int],
    rates: tuple[int, int, int],
    every: int,
    worth: int,
    spent: int,
    amount: int,
) -> None:
    """Trying every amount, by the slow evaluator, finds the points that the engine finds."""
    lows = (0, bounds[0], sum(bounds))
    tiers = tuple(
        Tier(f"t{i}", f"T{i}", from_=low, earning=Earning(multiplier=rate))
        for i, (low, rate) in enumerate(zip(lows, rates, strict=True))
    )
    policy = Policy(tiers=tiers, metric=Metric(source=source), window=Since())
    rules = Rules("Club", policy, Points(orders=PerAmount(every, worth), crossing=crossing))
    club = Program("club", "shop", "UTC", "USD", (Version(1, 0, rules),))
    before = [Entry(1, "enrol", AT - 2000, AT - 2000)]
    before.append(Entry(2, "order", AT - 1000, AT - 1000, points=spent, amount=spent))

    def reached(upto: int, points: int) -> int:
        entry = Entry(3, "order", AT, AT, points=points, amount=upto)
        return int((evaluate(club, [*before, entry], AT).tier or "t0")[1:])

    def earned(since: int, upto: int, tier: int) -> int:
        plain = upto // every * worth - since // every * worth
        return (2 * plain * rates[tier] + 100) // 200  # half up

    def slowly() -> int:
        tier = reached(0, 0)
        plainly = earned(0, amount, tier)
        above = reached(amount, plainly)
        if crossing == "before" or above <= tier:
            return plainly
        if crossing == "after":
            return earned(0, amount, above)
        total = done = 0
        for upto in range(1, amount + 1):
            part = earned(done, upto, tier)
            if reached(upto, total + part) > tier:
                tier, total, done = reached(upto, total + part), total + part, upto
        return total + earned(done, amount, tier)

    assert order_of(club, before, Entry(3, "order", AT, AT, amount=amount)).points == slowly()


def test_told_points_are_kept() -> None:
    """A caller who says how many points an order brings is believed."""
    assert order(program("after"), 40_000, points=7).points == 7


def test_pending_days_say_when_points_become_active() -> None:
    """At the start of the civil day so many days after the activity."""
    made = order(program("before", pending_days=14), 5_000)
    assert made.detail == Detail(available_at=parse_instant("2024-03-24T00:00:00Z"))


def test_lots_expire_by_the_programs_rule_or_as_told() -> None:
    """From the day of the activity, or of activation for pending points."""
    club = program("before", expiry=AfterPeriod("P1M"))
    entry = Entry(1, "earn", AT, AT, points=5)
    assert lot_expiry(club, entry) == parse_instant("2024-04-11T00:00:00Z")
    pending = replace(entry, detail=Detail(available_at=parse_instant("2024-03-31T00:00:00Z")))
    assert lot_expiry(club, pending) == parse_instant("2024-05-01T00:00:00Z")
    assert lot_expiry(club, replace(entry, detail=Detail(expires_at=5))) == 5
    assert lot_expiry(club, replace(entry, detail=Detail(never_expires=True))) is None
    assert lot_expiry(program("before"), entry) is None
