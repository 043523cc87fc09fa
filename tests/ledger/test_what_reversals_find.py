"""What a reversal finds of its original: approved early, over already, or moved since."""

from __future__ import annotations

from tests.ledger.order_book import OrderBook, club
from tierline.model.orders import OrderState
from tierline.rules.earning_rule import EarningRule, FixedPoints, OrderPaid, TierTrigger
from tierline.rules.expiry import AfterPeriod
from tierline.rules.ladder import Tier
from tierline.rules.metric import Metric
from tierline.rules.points import PerAmount, Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.window import Calendar, Rolling

NOW = 1_710_000_000_000  # 2024-03-09
DAY = 86_400_000
TIERS = (Tier("bronze", "Bronze", from_=0), Tier("silver", "Silver", from_=100))
YEAR = Policy(TIERS, Metric("earned"), window=Calendar("year"))


def book(policy: Policy, points: Points) -> OrderBook:
    return OrderBook(club(Rules("Club", policy, points)), NOW)


def totals(orders: OrderBook) -> list[int]:
    return [n for days in orders.member("anna").standing.totals.values() for _, n in days]


def test_points_approved_early_are_taken_from_the_day_of_their_approval() -> None:
    """Not from the day on which they would have become active, which may never count."""
    orders = book(Policy(TIERS, Metric("earned"), window=Rolling("P30D")), Points(pending_days=20))
    assert orders.act("anna", {"kind": "earn", "points": 100, "key": "a"})
    orders.now += DAY
    assert orders.act("anna", {"kind": "approve", "of": "a", "key": "b"})
    assert totals(orders) == [100]
    orders.now += DAY
    assert orders.act("anna", {"kind": "void", "of": "a", "key": "c"})
    assert totals(orders) == []
    assert orders.member("anna").standing.balance == 0


def test_points_approved_early_leave_the_lot_in_which_they_came() -> None:
    expiry = AfterPeriod("P10D")
    orders = book(YEAR, Points(pending_days=5, expiry=expiry))
    for key in ("a", "b"):
        assert orders.act("anna", {"kind": "earn", "points": 100, "key": key})
    assert orders.act("anna", {"kind": "approve", "of": "a", "key": "c"})
    orders.now += 6 * DAY
    assert orders.act("anna", {"kind": "void", "of": "a", "key": "d"})
    member = orders.member("anna").standing
    assert [points for _, points in member.lots] == [100]
    assert member.lots[0][0] is not None
    assert member.lots[0][0] > NOW + 15 * DAY  # those of the other one


def test_a_bonus_that_expired_is_not_the_order_that_brought_it() -> None:
    """A refund takes what the order gave, which is all there."""
    rule = EarningRule("up", TierTrigger(("upgraded",)), FixedPoints(50), expiry=AfterPeriod("P5D"))
    orders = book(YEAR, Points(rules=(rule,), expiry=AfterPeriod("P20D")))
    assert orders.act("anna", {"kind": "order", "amount": 5, "points": 120, "key": "a"})
    assert orders.member("anna").standing.balance == 170
    orders.now += 10 * DAY
    assert orders.act("anna", {"kind": "earn", "points": 1, "key": "b"})
    assert orders.member("anna").standing.expired == 50
    orders.now += 12 * DAY  # the order's own points are over too
    assert orders.act("anna", {"kind": "void", "of": "a", "key": "c"})
    member = orders.member("anna").standing
    assert (member.balance, member.debt, member.expired) == (1, 0, 170)


def test_an_old_order_told_as_refunded_makes_no_debt() -> None:
    """Its points had expired when it was told, so that nothing of them is taken back."""
    orders = book(YEAR, Points(orders=PerAmount(10, 1), expiry=AfterPeriod("P10D")))
    ago = NOW - 40 * DAY
    state = OrderState("anna", as_of=NOW - 1, occurred_at=ago, total=100, paid=100, refunded=100)
    assert orders.tell(state)
    member = orders.member("anna").standing
    assert (member.balance, member.debt, member.expired) == (0, 0, 10)


def test_an_order_of_which_nothing_counts_takes_no_refund() -> None:
    """Neither one that was told as unpaid after its money came back, nor a cancelled one."""
    orders = book(YEAR, Points(orders=PerAmount(10, 1)))
    for i, (paid, refunded) in enumerate(((100, 100), (0, 0))):
        assert orders.tell(OrderState("anna", as_of=NOW - 9 + i, paid=paid, refunded=refunded))
    assert orders.refund("refund", 20) is None
    assert orders.tell(OrderState("anna", as_of=NOW - 5, paid=130))
    assert orders.member("anna").standing.balance == 13
    assert orders.refund("refund", 90) == 90
    assert orders.tell(OrderState("anna", as_of=NOW - 4, paid=130, cancelled=True))
    assert orders.refund("void", None) is None
    assert orders.tell(OrderState("anna", as_of=NOW - 3, paid=130))
    assert orders.member("anna").standing.balance == 4  # what others refunded is not forgotten


def test_points_of_an_order_that_came_late_count_on_its_own_day() -> None:
    """When it was told, the days for which its points wait were over: they never were pending."""
    late = EarningRule("shop", OrderPaid(), FixedPoints(10), pending_days=5)
    for points in (Points(pending_days=5), Points(rules=(late,))):
        orders = book(Policy(TIERS, Metric("earned"), window=Rolling("P30D")), points)
        happened = {"occurred_at": "2024-02-18T16:00:00Z", "key": "a"}
        given = {} if points.rules else {"points": 10}
        assert orders.act("anna", {"kind": "order", "amount": 5, **given, **happened})
        assert totals(orders) == [10]
        assert orders.act("anna", {"kind": "void", "of": "a", "key": "b"})
        assert totals(orders) == []


def test_a_refund_of_what_lives_leaves_what_expired_as_it_is() -> None:
    """One part of the order's points is over. The first refund takes the other and some of it; the
    second takes the rest of what is over, so nothing of the balance."""
    long = EarningRule("base", OrderPaid(), FixedPoints(30))
    short = EarningRule("extra", OrderPaid(), FixedPoints(240), expiry=AfterPeriod("P10D"))
    orders = book(YEAR, Points(rules=(long, short)))
    assert orders.act("anna", {"kind": "order", "amount": 41, "key": "a"})
    orders.now += 30 * DAY
    refund = {"kind": "refund", "of": "a", "amount": 21, "points": 138, "key": "b"}
    assert orders.act("anna", refund)
    assert orders.act("anna", {"kind": "void", "of": "a", "key": "c"})
    member = orders.member("anna").standing
    assert (member.balance, member.debt) == (0, 0)


def test_what_another_part_lost_is_not_there_to_spare_this_one() -> None:
    """All of the order's long part was spent, its short part is over: what is taken of the long
    one is owed."""
    long = EarningRule("base", OrderPaid(), FixedPoints(30))
    short = EarningRule("extra", OrderPaid(), FixedPoints(10), expiry=AfterPeriod("P10D"))
    orders = book(YEAR, Points(rules=(long, short), expiry=AfterPeriod("P20D")))
    assert orders.act("anna", {"kind": "order", "amount": 40, "key": "a"})
    orders.now += 11 * DAY
    assert orders.act("anna", {"kind": "redeem", "points": 30, "key": "b"})
    orders.now += 20 * DAY
    assert orders.act("anna", {"kind": "refund", "of": "a", "amount": 20, "points": 20, "key": "c"})
    member = orders.member("anna").standing
    assert (member.balance, member.debt, member.expired) == (-20, 20, 10)
