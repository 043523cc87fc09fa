"""An order's statements in any order, any number of times: the end is the last state told once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ledger.order_book import ORDER, OrderBook, club
from tierline.model.orders import OrderItem, OrderState
from tierline.rules.earning_rule import EarningRule, FixedPoints, Limit, OrderPaid
from tierline.rules.expiry import AfterPeriod
from tierline.rules.ladder import Tier
from tierline.rules.metric import Filter, Metric
from tierline.rules.points import PerAmount, Points
from tierline.rules.policy import Measure, Policy
from tierline.rules.program import Rules
from tierline.rules.window import Rolling

NOW = 1_710_000_000_000
DAY = 86_400_000
TIERS = (Tier("bronze", "Bronze", from_=0, to=99), Tier("silver", "Silver", from_=100))
MEASURES = {
    "orders": Measure(Metric("count"), Rolling(length="P1Y")),
    "spend": Measure(Metric("spend"), Rolling(length="P1Y")),
    "web": Measure(Metric("count", filter=Filter(metadata={"channel": "web"})), Rolling("P1Y")),
    "nights": Measure(Metric("sum", of="nights"), Rolling("P1Y")),
}


def rules(corrections: str, pending_days: int) -> Rules:
    policy = Policy(
        tiers=TIERS,
        metric=Metric("earned"),
        measures=MEASURES,
        corrections=corrections,  # type: ignore[arg-type]
    )
    points = Points(
        expiry=AfterPeriod("P1Y"),
        pending_days=pending_days,
        orders=PerAmount(every=7, points=3, expiry=AfterPeriod("P2Y")),
    )
    return Rules("Club", policy, points)


@st.composite
def states(draw: st.DrawFn, as_of: int) -> OrderState:
    paid = draw(st.sampled_from((0, 1, 500, 999, 1000, 12_345)))
    return OrderState(
        customer=draw(st.sampled_from(("anna", "anna", "anna", "ben", "cleo"))),
        as_of=as_of,
        occurred_at=NOW - draw(st.integers(0, 3)) * DAY,
        total=paid,
        paid=paid,
        refunded=draw(st.integers(0, paid)),
        cancelled=draw(st.booleans()) and draw(st.booleans()),
        shipping=draw(st.sampled_from((0, 0, 300))),
        items=draw(st.sampled_from(((), (OrderItem("p", amount=3),)))),
        metadata=draw(st.sampled_from((None, {"channel": "web"}, {"nights": 3}))),
    )


@st.composite
def stories(draw: st.DrawFn) -> list[OrderState | tuple[str, int | None]]:
    """Statements of one order, shuffled and repeated, and refunds of others in between."""
    statements = [draw(states(NOW - i * 1000)) for i in range(draw(st.integers(1, 5)))]
    again = draw(st.lists(st.sampled_from(statements), max_size=3))
    refunds = st.tuples(
        st.sampled_from(("refund", "refund", "void")), st.sampled_from((1, 100, 400, None))
    )
    others = draw(st.lists(refunds, max_size=3))
    story: list[OrderState | tuple[str, int | None]] = [*statements, *again, *others]
    return draw(st.permutations(story))


def play(book: OrderBook, story: list[OrderState | tuple[str, int | None]]) -> int:
    """Returns how much others refunded of the order as it stands at last."""
    for happening in story:
        if isinstance(happening, OrderState):
            book.tell(happening)
        else:
            book.refund(*happening)
    return book.member(book.records[ORDER].buyer.name).booking(ORDER).refunded_by_others


def test_a_limited_rule_gives_once_for_an_order_however_often_it_is_told() -> None:
    """What an order gave may be given again when it is booked anew, and to no other order."""
    policy = Policy(TIERS, Metric("earned"))
    rule = EarningRule("first", OrderPaid(), FixedPoints(40), limit=Limit(times=1))
    book = OrderBook(club(Rules("Club", policy, Points(rules=(rule,)))), NOW)
    state = OrderState("anna", as_of=NOW - 10, paid=1000)
    for i in range(4):
        book.tell(replace(state, as_of=NOW - 10 + i, paid=1000 - i))
        assert book.member("anna").standing.balance == 40
    book.refund("void", None)
    assert book.member("anna").standing.balance == 0
    assert book.member("anna").standing.gains["first"][1:] == (1, 40)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(stories(), st.sampled_from(("forward", "retroactive")), st.sampled_from((0, 14)))
def test_any_order_of_statements_ends_as_the_last_state_told_once(
    story: list[OrderState | tuple[str, int | None]], corrections: str, pending_days: int
) -> None:
    """The same points, lots, pending points, spend and counts, for everybody who had the order."""
    book = OrderBook(club(rules(corrections, pending_days)), NOW)
    others = play(book, story)
    last = max((s for s in story if isinstance(s, OrderState)), key=lambda s: s.as_of or 0)
    once = OrderBook(club(rules(corrections, pending_days)), NOW)
    once.tell(replace(last, refunded=min(last.paid, max(last.refunded, others))))

    assert book.standings() == once.standings()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(stories(), st.data())
def test_the_end_is_the_same_in_every_order(
    story: list[OrderState | tuple[str, int | None]], data: st.DataObject
) -> None:
    """Where what others refund is part of what the shop says at last."""
    statements = [s for s in story if isinstance(s, OrderState)]
    last = max(statements, key=lambda s: s.as_of or 0)
    others = [h for h in story if not isinstance(h, OrderState) and h[0] == "refund" and h[1]]
    if sum(amount or 0 for _, amount in others) > last.refunded or last.cancelled:
        return
    ends = []
    for _ in range(3):
        book = OrderBook(club(rules("forward", 0)), NOW)
        play(book, data.draw(st.permutations([*statements, *others])))
        ends.append(book.standings())
    once = OrderBook(club(rules("forward", 0)), NOW)
    once.tell(last)
    assert ends == [once.standings()] * 3
