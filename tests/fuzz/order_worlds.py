"""Random statements of orders among a few customers, in any order and again and again.

The ledger's own code decides what to book, as a writer does. Then two things are asked: whether the
ledgers say of each order what the docs say that they do, and whether what follows from their
entries, for points and tiers, is what the slow evaluator finds.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.engine.history import History
from tests.fuzz.check import differences
from tests.fuzz.stories import DAY, HOUR
from tests.fuzz.worlds import World, shared_setting
from tests.ledger.order_book import OrderBook
from tests.reference.orders import ToldOrder
from tierline.model.orders import OrderItem, OrderState

PEOPLE = ("anna", "anna", "anna", "ben", "cleo")
ITEMS: tuple[tuple[OrderItem, ...], ...] = (
    (),
    (OrderItem("mug", quantity=3, amount=60, metadata={"line": "coffee"}),),
    (OrderItem("mug", amount=20), OrderItem("pot", quantity=2, amount=100)),
)
METADATA = (None, {"channel": "web"}, {"nights": 3, "channel": "shop"}, {"nights": 40, "rate": 2.5})


class OrderStory:
    """What is told of a few orders, and whatever else happens to whom they belong."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = Random(f"orders {seed}")
        self.program, start = shared_setting(seed // 4)
        self.book = OrderBook(self.program, start + chance.randint(0, 20) * HOUR)
        self.orders = {name: ToldOrder() for name in ("1001", "1002")}
        self.statements: list[tuple[str, OrderState]] = []

    def happen(self) -> None:
        for _ in range(self.chance.randint(3, 14)):
            self.book.now += self.chance.choice((0, 1, HOUR, DAY, 9 * DAY, 40 * DAY))
            happening = self.chance.random()
            if happening < 0.55:
                self.tell()
            elif happening < 0.75:
                self.refund()
            else:
                self.act()

    def tell(self) -> None:
        chance = self.chance
        if self.statements and chance.random() < 0.2:
            order, state = chance.choice(self.statements)  # once more
            if state.as_of is None:
                return  # which would be a newer word on it
        else:
            order, state = chance.choice(tuple(self.orders)), self.state()
            self.statements.append((order, state))
        if self.book.tell(state, order):
            self.orders[order].tell(state, self.book.now)

    def state(self) -> OrderState:
        chance, now = self.chance, self.book.now
        paid = chance.choice((0, 1, 40, 99, 100, 130))
        # No two of one instant: which came first would say nothing.
        as_of = (now // HOUR - chance.randint(0, 480)) * HOUR + len(self.statements)
        ago = chance.choice((None, 0, HOUR, 3 * DAY, 40 * DAY))
        return OrderState(
            customer=chance.choice(PEOPLE),
            as_of=as_of if chance.random() < 0.7 else None,
            occurred_at=None if ago is None else now - ago,
            total=paid + 5,
            paid=paid,
            refunded=chance.choice((0, 0, 0, 1, paid // 2, paid)),
            cancelled=chance.random() < 0.1,
            shipping=chance.choice((0, 0, 5)),
            items=chance.choice(ITEMS),
            metadata=chance.choice(METADATA),
        )

    def refund(self) -> None:
        """Others' word on an order, by its name."""
        order = self.chance.choice(tuple(self.orders))
        amount = self.chance.choice((1, 20, 60, None))
        if self.book.refund("refund" if amount else "void", amount, order) is not None:
            self.orders[order].refund(amount)

    def act(self) -> None:
        """Something that is no order."""
        chance = self.chance
        kind = chance.choice(("earn", "earn", "redeem", "custom"))
        fields: dict[str, Any] = {"kind": kind, "key": f"a-{self.book.now}-{chance.random()}"}
        if kind == "custom":
            fields |= {"name": chance.choice(("visit", "night")), "metadata": {"gift": True}}
        else:
            fields["points"] = chance.randint(1, 120)
        self.book.act(chance.choice(PEOPLE), fields)


def order_differences(seed: int) -> tuple[list[str], int]:
    """What is wrong after a seed's story, in words; and how many entries there were."""
    story = OrderStory(seed)
    story.happen()
    until = story.book.now + story.chance.choice((0, HOUR, 40 * DAY, 400 * DAY))
    problems, count = [], 0
    for name, member in story.book.members.items():
        history = History(story.program)
        history.entries.extend(member.entries)
        count += len(member.entries)
        for order, words in story.orders.items():
            net, day = booked(history, order)
            expected = words.net(name), words.day_told(name) if words.net(name) else None
            if (net, day if net else None) != expected:
                problems.append(f"{name}'s {order}: {expected} != {(net, day)}")
        made = World(story.program, history, until, [], orders=story.book.facts[name])
        problems += [f"{name}: {problem}" for problem in differences(made, ways=("steps",))]
    return problems, count


def booked(history: History, order: str) -> tuple[int, int | None]:
    """How much money a ledger holds of an order, net, and when that order happened."""
    live: dict[int, int] = {}
    net = 0
    for entry in history.entries:
        detail = entry.detail
        if detail is None or detail.order != order:
            continue
        net += entry.amount
        if entry.kind == "order":
            live[entry.n] = entry.occurred_at
        elif detail.origin is not None and entry.kind == "void":
            live.pop(detail.origin.n, None)
    return net, next(reversed(live.values()), None)
