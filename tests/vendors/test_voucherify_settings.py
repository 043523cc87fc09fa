"""Voucherify's campaign objects: what they compile to, and what is refused by name."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from tests.vendors.announcements import rules, seed
from tierline.errors import Invalid
from tierline.model.calendar import format_day, parse_day
from tierline.rules.expiry import AfterPeriod, DayOfYear, NoExpiry
from tierline.rules.ladder import Earning, Tier
from tierline.rules.lint.lint import lint
from tierline.rules.metric import Metric
from tierline.rules.points import PerAmount, Points
from tierline.rules.policy import Assessment, Policy, Renewal, Start
from tierline.rules.program import Rules
from tierline.rules.term import Duration, Rounding, WindowEnd
from tierline.rules.window import Anchors, Calendar
from tierline.vendors.registry import traps

TIERS = [
    {"id": "ltr_a", "name": "Silver", "points": {"from": 100, "to": 199}},
    {"id": "ltr_b", "name": "Gold", "points": {"from": 200}},
]
LADDER = (Tier("ltr_a", "Silver", 100, 199), Tier("ltr_b", "Gold", 200))


def compiled(**settings: Any) -> Rules:
    return rules("voucherify", {"name": "Club", "loyalty_tiers": TIERS, **settings})


def expiring(**given: Any) -> Policy:
    return compiled(loyalty_tiers_expiration=given).policy


def test_smallest() -> None:
    """Tiers alone follow the balance: Voucherify's own default."""
    assert compiled().policy == Policy(LADDER)


AUTO = {"parameters": {"loyalty": {"points": 150, "auto_redeem": True}}}
BY_HAND = {"parameters": {"loyalty": {"points": 150, "auto_redeem": False}}}


@pytest.mark.parametrize(
    ("rewards", "more", "warned"),
    [
        ([AUTO], {}, ["settings.rewards[0].parameters.loyalty.auto_redeem"]),
        ([BY_HAND, AUTO], {}, ["settings.rewards[1].parameters.loyalty.auto_redeem"]),
        ([BY_HAND], {}, []),
        (["rew_1", {"parameters": None}], {}, []),
        ({"rew_1": AUTO}, {}, []),
        ([AUTO], {"loyalty_tiers_expiration": {
            "qualification_type": "POINTS_IN_PERIOD", "qualification_period": "MONTH"}}, []),
        ([AUTO], {"loyalty_tiers": TIERS[:1]}, []),
    ],
)  # fmt: skip
def test_auto_redeem_before_a_balance_tier(rewards: Any, more: Any, warned: list[str]) -> None:
    """V 3.5, their documented trap: points go before tiers are checked, so Gold (200) is never
    reached. Points of a period are not lowered by spending, and Silver (100) is below the price."""
    findings = traps(compiled(rewards=rewards, **more))

    assert [finding.path for finding in findings] == warned


def test_balance_drop() -> None:
    """BALANCE with BALANCE_DROP is the same, said in full; an empty `extend` means nothing."""
    drop = {"type": "BALANCE_DROP", "extend": ""}

    given = expiring(
        qualification_type="BALANCE", start_date={"type": "IMMEDIATE"}, expiration_date=drop
    )

    assert given == Policy(LADDER)


def test_balance_custom() -> None:
    """The published object: three months from reaching the tier, to the end of the month."""
    custom = {
        "type": "CUSTOM",
        "extend": "P3M",
        "rounding": {"type": "MONTH", "strategy": "END"},
    }

    given = expiring(qualification_type="BALANCE", expiration_date=custom)

    term = Duration("P3M", Rounding("month"), inclusive=True, clock="grant")
    assert given == Policy(
        LADDER,
        term=term,
        assessment=Assessment(down="at_term_end"),
        renewal=Renewal(basis="now"),
    )
    end = term.end(parse_day("2022-11-10"), given.window, Anchors(0, None, {}))
    assert end is not None
    assert format_day(end - 1) == "2023-02-28"  # as published


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ({"type": "QUARTER"}, Rounding("quarter")),
        ({"type": "HALF_YEAR", "strategy": "END"}, Rounding("half_year")),
        ({"type": "YEAR", "strategy": "START"}, Rounding("year", edge="start")),
        ({"type": "CUSTOM", "unit": "MONTH", "value": 0}, Rounding(month=1)),
        ({"type": "CUSTOM", "value": 11, "strategy": "END"}, Rounding(month=12)),
    ],
)
def test_rounding(rounding: dict[str, Any], expected: Rounding) -> None:
    """A tier's rounding counts months from 0 = January; ours from 1."""
    custom = {"type": "CUSTOM", "extend": "P10D", "rounding": rounding}

    term = expiring(qualification_type="BALANCE", expiration_date=custom).term

    assert term == Duration("P10D", expected)


@pytest.mark.parametrize("next_period", [False, True])
@pytest.mark.parametrize(
    ("period", "unit"),
    [("MONTH", "month"), ("QUARTER", "quarter"), ("HALF_YEAR", "half_year"), ("YEAR", "year")],
)
def test_points_in_period(period: str, unit: Any, next_period: bool) -> None:
    """Calendar windows of what was earned; E moves when a member qualifies again."""
    given = expiring(
        qualification_type="POINTS_IN_PERIOD",
        qualification_period=period,
        start_date={"type": "NEXT_PERIOD" if next_period else "IMMEDIATE"},
        expiration_date={"type": "END_OF_NEXT_PERIOD", "extend": "P7D"},
    )

    assert given == Policy(
        LADDER,
        metric=Metric("earned"),
        window=Calendar(unit),
        start=Start("next_window" if next_period else "immediate"),
        term=WindowEnd(1, extend="P7D"),
        assessment=Assessment(down="at_term_end"),
        renewal=Renewal(restart="requalified"),
    )


def test_end_of_period() -> None:
    """END_OF_PERIOD is where a tier ends when nothing else is said."""
    period = {"qualification_type": "POINTS_IN_PERIOD", "qualification_period": "MONTH"}

    assert expiring(**period).term == WindowEnd(0)
    end = {"type": "END_OF_PERIOD", "extend": "P0D"}
    assert expiring(**period, expiration_date=end).term == WindowEnd(0)


@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        (None, NoExpiry()),
        ({"period_type": "MONTH", "period_value": 1}, AfterPeriod("P1M")),
        ({"period_type": "MONTH", "period_value": 0}, AfterPeriod("P0M")),
        (
            {"period_type": "MONTH", "period_value": 12, "rounding_type": "END_OF_QUARTER"},
            AfterPeriod("P12M", "quarter"),
        ),
        (
            {
                "period_type": "MONTH",
                "period_value": 6,
                "rounding_type": "PARTICULAR_MONTH",
                "rounding_value": 1,
            },
            AfterPeriod("P6M", month=1),
        ),
        (
            {"period_type": "FIXED_DAY_OF_YEAR", "fixed_month": 2, "fixed_day": 29},
            DayOfYear("02-29"),
        ),
    ],
)
def test_card_expiration(expiration: Any, expected: Any) -> None:
    """A card's expiration rules are the points' expiry; `rounding_value` counts from 1."""
    voucher = {"loyalty_card": {"points": 0, "expiration_rules": expiration}}

    assert compiled(voucher=voucher).points == Points(expiry=expected)


def test_earning_rule() -> None:
    """The rule for paid orders earns points, later ones pending; tiers multiply or replace them."""
    rule = {
        "id": "ern_1",
        "event": "order.paid",
        "loyalty": {
            "type": "PROPORTIONAL",
            "calculation_type": "ORDER_AMOUNT",
            "order": {"amount": {"every": 500, "points": "10"}},
        },
        "pending_points": {"period_type": "DAY", "period_value": 14},
    }
    tiers = copy.deepcopy(TIERS)
    tiers[0]["earning_rules"] = {"ern_1": {"type": "MULTIPLY", "multiplier": 1.5}}
    tiers[1]["earning_rules"] = {
        "ern_other": {"type": "MULTIPLY", "multiplier": 9},
        "ern_1": {"type": "CUSTOM", "points": 200},
    }

    given = compiled(loyalty_tiers=tiers, earning_rules=[rule])

    assert given.points == Points(pending_days=14, orders=PerAmount(500, 10))
    earning = [tier.earning for tier in given.policy.tiers]
    assert earning == [Earning(multiplier=150), Earning(fixed=200)]
    printed = given.presentations["voucherify"]["loyalty_tiers"][1]["earning_rules"]
    assert list(printed) == ["ern_other", "ern_1"]


@pytest.mark.parametrize("name", ["joined", "upgraded", "prolonged"])
def test_seeds_are_kept(name: str) -> None:
    """A seed's campaign and tiers are kept whole: ids, timestamps, null where they say null."""
    sample = seed(f"voucherify-tier-{name}")
    tiers = [sample[key] for key in sample if key.startswith("loyalty_tier")]

    given = rules("voucherify", {**sample["campaign"], "loyalty_tiers": tiers})

    printed = given.presentations["voucherify"]
    assert list(printed["campaign"].items()) == list(sample["campaign"].items())
    assert [list(tier.items()) for tier in printed["loyalty_tiers"]] == [
        list(t.items()) for t in tiers
    ]
    assert given.auto_join is sample["campaign"]["auto_join"]


def test_other_fields_are_kept() -> None:
    """Fields that mean nothing for tiers stay with the campaign, in the order they came in."""
    given = compiled(vouchers_count=7, protected=None, validity_timeframe={"10": 1, "9": 2})

    printed = given.presentations["voucherify"]["campaign"]
    assert list(printed)[-3:] == ["vouchers_count", "protected", "validity_timeframe"]
    assert printed["protected"] is None


def test_ids_stay() -> None:
    """Ids that nobody gave are the same each time; a tier keeps its own by its unchanged name."""
    tiers = [{k: v for k, v in tier.items() if k != "id"} for tier in TIERS]
    first = rules("voucherify", {"loyalty_tiers": tiers})
    moved = [
        {"name": "Gold", "points": {"from": 500}},
        {"name": "New", "points": {"from": 1, "to": 9}},
    ]

    second = rules("voucherify", {"loyalty_tiers": moved}, first)

    assert rules("voucherify", {"loyalty_tiers": tiers}) == first
    gold = first.presentations["voucherify"]["loyalty_tiers"][1]
    low, high = second.presentations["voucherify"]["loyalty_tiers"]
    assert high["id"] == gold["id"] == second.policy.tiers[1].id
    assert low["id"] not in {tier.id for tier in first.policy.tiers}
    assert (gold["updated_at"], high["updated_at"]) == (None, "2024-03-20T08:00:00.000Z")
    campaigns = [each.presentations["voucherify"]["campaign"]["id"] for each in (first, second)]
    assert campaigns[0] == campaigns[1]


def test_order_of_tiers() -> None:
    """Tiers may come in any order; the ladder rises."""
    assert compiled(loyalty_tiers=TIERS[::-1]).policy.tiers == LADDER


@pytest.mark.parametrize("settings", [{}, {"loyalty_tiers_expiration": None, "voucher": None}])
def test_stored_and_linted(settings: dict[str, Any]) -> None:
    """Compiled rules are as good as native ones: no finding, and the same after storage."""
    given = compiled(**settings)

    assert [f for f in lint(given) if f.severity == "error"] == []
    assert msgspec.json.decode(msgspec.json.encode(given), type=Rules) == given


def test_what_is_advised_can_be_done() -> None:
    """The vendor's tiers need `from`: the advice is a policy, and it works."""
    base = {"name": "Base", "points": {"from": 0, "to": 0}}
    given = compiled(loyalty_tiers=[base, *TIERS])
    (debt,) = [finding for finding in lint(given) if finding.path == "policy.tiers[0].from"]
    lowest = msgspec.structs.replace(given.policy.tiers[0], from_=None)
    policy = msgspec.structs.replace(given.policy, tiers=(lowest, *given.policy.tiers[1:]))

    assert "a `policy`" in debt.reason
    assert debt not in lint(msgspec.structs.replace(given, policy=policy))
    with pytest.raises(Invalid, match="from"):
        compiled(loyalty_tiers=[{"name": "Base", "points": {"to": 0}}])
