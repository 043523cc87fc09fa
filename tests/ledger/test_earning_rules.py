"""Earning rules on the way through the ledger: answers, refunds, imports, time, and a rebuild."""

from __future__ import annotations

import msgspec

from tests.ledger.conftest import Club
from tests.ledger.test_sweep import advance
from tests.ledger.test_what_counts import send
from tierline.ledger import commands
from tierline.ledger.commands import Answer, RuleGain, quietly
from tierline.ledger.rebuild import verify
from tierline.model.calendar import parse_instant
from tierline.rules.ladder import Tier
from tierline.rules.metric import Metric
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.window import Since

START = parse_instant("2026-03-01T09:00:00Z")
TIERS = (Tier("base", "Base", from_=0), Tier("gold", "Gold", from_=100))
RULES = msgspec.json.decode(
    b"""{"orders": {"every": 100, "points": 1}, "rules": [
      {"id": "web", "trigger": {"type": "order", "metadata": {"channel": "web"}},
       "points": {"type": "fixed", "points": 10},
       "pending_days": 14, "expiry": {"type": "after", "length": "P1M"}},
      {"id": "stay", "trigger": {"type": "event", "name": "stay"},
       "points": {"type": "formula", "formula": "metadata.nights * 10"}, "limit": {"times": 2}},
      {"id": "welcome", "trigger": {"type": "joining"}, "points": {"type": "fixed", "points": 5}},
      {"id": "gold", "trigger": {"type": "tier", "tier": "gold"},
       "points": {"type": "fixed", "points": 7}},
      {"id": "birthday", "trigger": {"type": "birthday"}, "points": {"type": "fixed", "points": 3}}
    ]}""",
    type=Points,
)
CLUB = Rules("Club", Policy(tiers=TIERS, metric=Metric("earned"), window=Since()), RULES)


def answered(outcomes: list[Answer | BaseException]) -> list[tuple[int, int, int]]:
    """Points of the entry, balance and pending."""
    return [(a.points, a.balance, a.pending) for a in outcomes if isinstance(a, Answer)]


async def sound(club: Club) -> bool:
    return [difference async for difference in verify(club.database, club.catalog)] == []


async def test_an_answer_names_the_rules_that_gave_its_points(club: Club) -> None:
    """And the same again when the key is repeated; what a sender says itself is no rule's."""
    await club.create(CLUB, clock=START)
    order = club.activity("order", amount=5000, metadata={"channel": "web"}, key="a")
    outcomes = await send(club, order, order, club.activity("order", amount=1, points=4, key="b"))

    rules = [a.rules for a in outcomes if isinstance(a, Answer)]
    assert rules[0] == rules[1] == (RuleGain("orders", 50), RuleGain("web", 10))
    assert rules[2] == ()
    assert answered(outcomes) == [(60, 55, 10), (60, 55, 10), (4, 59, 10)]
    assert await sound(club)


async def test_a_refund_takes_the_parts_in_the_order_of_the_rules(club: Club) -> None:
    """Half of the money is half of the points; the part that waits goes last, and never comes."""
    await club.create(CLUB, clock=START)
    outcomes = await send(
        club,
        club.activity("order", amount=5000, metadata={"channel": "web"}, key="a"),
        club.activity("refund", of="a", amount=2500, key="b"),
        club.activity("void", of="a", key="c"),
    )

    assert answered(outcomes) == [(60, 55, 10), (-30, 25, 10), (-30, 5, 0)]
    await advance(club, "2026-06-01T00:00:00Z")
    standing = await club.standing()
    assert (standing.balance, standing.expired, standing.debt) == (5, 0, 0)
    assert await sound(club)


async def test_what_a_rule_gave_and_has_expired_is_not_taken_again(club: Club) -> None:
    """The ten points live for a month from when they became active."""
    await club.create(CLUB, clock=START)
    order = club.activity("order", amount=5000, metadata={"channel": "web"}, key="a")
    await send(club, order)
    await advance(club, "2026-05-01T00:00:00Z")
    assert (await club.standing()).expired == 10
    await send(club, club.activity("void", of="a", key="b"))

    standing = await club.standing()
    assert (standing.balance, standing.debt, standing.expired) == (5, 0, 10)
    assert await sound(club)


async def test_a_value_that_a_rule_cannot_use_is_refused_with_its_field(club: Club) -> None:
    """Text is no number of nights; and what is lacking earns nothing."""
    await club.create(CLUB, clock=START)
    outcomes = await send(
        club,
        club.activity("custom", name="stay", metadata={"nights": "3"}, key="a"),
        club.activity("custom", name="stay", metadata={}, key="b"),
        club.activity("custom", name="stay", metadata={"nights": 2.5}, key="c"),
        club.activity("custom", name="visit", metadata={"nights": "3"}, key="d"),
    )

    assert str(outcomes[0]).startswith("metadata.nights: expected a number")
    assert answered(outcomes[1:]) == [(0, 5, 0), (25, 30, 0), (0, 30, 0)]


async def test_a_limit_holds_for_one_member_and_in_one_batch(club: Club) -> None:
    """Two stays earn, whoever sends how many at once; another member has two of their own."""
    await club.create(CLUB, clock=START)
    stays = [
        club.activity("custom", who, name="stay", metadata={"nights": 1}, key=f"{who}{i}")
        for who in ("ada", "bob")
        for i in range(4)
    ]
    outcomes = await send(club, *stays)

    assert [points for points, _, _ in answered(outcomes)] == [10, 10, 0, 0] * 2
    assert await sound(club)


async def test_joining_a_tier_and_a_birthday_give_without_an_activity(club: Club) -> None:
    """Time brings the birthday once a year, and a rebuild brings the same."""
    await club.create(CLUB, clock=START)
    birthday = commands.attributes(club.parser.program_ref, "ada", {"birthdate": "1992-02-29"})
    await send(
        club,
        commands.enrol(club.parser.program_ref, "ada"),
        birthday,
        club.activity("earn", points=95, key="a"),
    )
    assert (await club.standing()).balance == 5 + 95 + 7
    await advance(club, "2028-12-31T00:00:00Z")

    assert (await club.standing()).balance == 5 + 95 + 7 + 3 + 3  # 28 February, then the 29th
    assert await sound(club)


async def test_a_quiet_import_gives_no_bonus_for_what_it_brings(club: Club) -> None:
    """Who joined and was Gold before was given what there was to give, elsewhere."""
    await club.create(CLUB, clock=START)
    await send(
        club,
        quietly(commands.enrol(club.parser.program_ref, "ada")),
        quietly(club.activity("earn", points=150, key="a")),
    )

    standing = await club.standing()
    assert (standing.balance, standing.tier) == (150, "gold")
    assert await sound(club)
