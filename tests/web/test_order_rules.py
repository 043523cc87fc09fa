"""Earning rules that read an order which is told whole: its items, shipping, tax and discounts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import CLUB, Api

PATH = "/api/programs/club/activities"
ORDER: dict[str, Any] = {
    "kind": "order",
    "order": "1001",
    "customer": "anna",
    "occurred_at": "2024-03-01T09:00:00Z",
    "total": 6000,
    "paid": 5500,
    "shipping": 500,
    "tax": 900,
    "discounts": 100,
    "items": [
        {"product": "mug", "quantity": 3, "amount": 3000, "metadata": {"line": "coffee"}},
        {"product": "pot", "quantity": 1, "amount": 2000, "discounts": 100},
    ],
}
COFFEE: dict[str, Any] = {"type": "order", "items": {"metadata": {"line": "coffee"}}}
PLAIN: dict[str, Any] = {"type": "order"}
POT_OR_PAN: dict[str, Any] = {"type": "order", "items": {"products": ["pot", "pan"]}}
PAN: dict[str, Any] = {"type": "order", "items": {"products": ["pan"]}}


async def earned(api: Api, trigger: dict[str, Any], points: dict[str, Any], **order: Any) -> int:
    rules = [{"id": "rule", "trigger": trigger, "points": points}]
    put = await api.put("/api/programs/club", CLUB | {"points": {"rules": rules}})
    assert put.status in (200, 201), put.body
    answered = await api.post(PATH, ORDER | order)
    assert answered.status in (200, 201), answered.body
    number: int = answered.json["points"]
    return number


@pytest.mark.parametrize(
    ("trigger", "points", "expected"),
    [
        (COFFEE, {"type": "per", "every": 100, "points": 1, "of": "order.items_amount"}, 30),
        (COFFEE, {"type": "per", "every": 1, "points": 5, "of": "order.quantity"}, 15),
        (PLAIN, {"type": "per", "every": 100, "points": 1, "of": "order.items_amount"}, 50),
        (POT_OR_PAN, {"type": "fixed", "points": 9}, 9),
        (PAN, {"type": "fixed", "points": 9}, 0),
        (PLAIN, {"type": "formula", "formula": "(amount - order.shipping - order.tax) / 100"}, 41),
        (PLAIN, {"type": "formula", "formula": "(order.total - order.discounts) / 100"}, 59),
    ],
)
async def test_a_rule_reads_a_whole_order(
    club: Api, trigger: dict[str, Any], points: dict[str, Any], expected: int
) -> None:
    """The items that the trigger asks for count; numbers are those of the order."""
    assert await earned(club, trigger, points) == expected


async def test_a_changed_order_is_counted_anew(club: Api) -> None:
    """A statement that takes an item away leaves what the rule gives for the rest."""
    per = {"type": "per", "every": 100, "points": 1, "of": "order.items_amount"}
    assert await earned(club, PLAIN, per, as_of="2024-03-01T10:00:00Z") == 50
    less = ORDER | {"items": ORDER["items"][:1], "paid": 3500, "as_of": "2024-03-02T10:00:00Z"}
    assert (await club.post(PATH, less)).json["balance"] == 30
    other = less | {"items": ORDER["items"][1:], "as_of": "2024-03-03T10:00:00Z"}
    assert (await club.post(PATH, other)).json["balance"] == 20


async def test_an_order_that_is_not_told_whole_has_no_items(club: Api) -> None:
    """So a rule that asks for them gives nothing, and one that does not gives as ever."""
    rules = [
        {"id": "coffee", "trigger": COFFEE, "points": {"type": "fixed", "points": 9}},
        {"id": "any", "trigger": PLAIN, "points": {"type": "fixed", "points": 1}},
    ]
    await club.put("/api/programs/club", CLUB | {"points": {"rules": rules}})
    answered = await club.post(PATH, {"kind": "order", "customer": "anna", "amount": 5000})
    assert answered.json["rules"] == [{"rule": "any", "points": 1}]
