"""Orders that are told whole: statements in any order, and what ledgers then say."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import Api
from tierline.ledger.rebuild import verify

PATH = "/api/programs/club/activities"
PAID: dict[str, Any] = {
    "kind": "order",
    "order": "1001",
    "customer": "anna",
    "as_of": "2024-03-02T10:00:00Z",
    "occurred_at": "2024-03-01T09:00:00Z",
    "total": 5000,
    "paid": 5000,
}
RULES: dict[str, Any] = {
    "name": "Club",
    "policy": {
        "tiers": [
            {"id": "bronze", "name": "Bronze", "from": 0, "to": 99},
            {"id": "silver", "name": "Silver", "from": 100},
        ],
        "metric": {"source": "earned"},
    },
    "points": {"orders": {"every": 100, "points": 1}},
}


@pytest.fixture
async def shop(api: Api) -> Api:
    """A program that gives points for orders."""
    assert (await api.put("/api/programs/club", RULES)).status == 201
    return api


async def points(shop: Api, customer: str = "anna") -> tuple[int, int]:
    member = (await shop.get(f"/api/programs/club/members/{customer}")).json
    return member["points"]["balance"], member["points"]["earned"]


async def differences(shop: Api) -> list[str]:
    installation = shop.process.installation
    return [str(d) async for d in verify(installation.database, installation.catalog)]


async def test_an_order_is_booked_as_its_newest_state_says(shop: Api) -> None:
    """What differs is booked; what is the same is not."""
    created = PAID | {"paid": 0, "as_of": "2024-03-01T10:00:00Z"}
    answer = (await shop.post(PATH, created)).json
    assert (answer["points"], answer["balance"], answer["tier"]) == (0, 0, None)

    answer = (await shop.post(PATH, PAID)).json
    assert (answer["points"], answer["amount"], answer["balance"]) == (50, 5000, 50)
    assert answer["repeated"] is False

    sent = PAID | {"as_of": "2024-03-03T10:00:00Z", "fulfilment": "full"}
    answer = (await shop.post(PATH, sent)).json
    assert (answer["points"], answer["balance"], answer["repeated"]) == (0, 50, False)

    refunded = PAID | {"as_of": "2024-03-04T10:00:00Z", "refunded": 2000}
    answer = (await shop.post(PATH, refunded)).json
    assert (answer["points"], answer["amount"], answer["balance"]) == (-20, -2000, 30)

    cancelled = PAID | {"as_of": "2024-03-05T10:00:00Z", "cancelled": True}
    answer = (await shop.post(PATH, cancelled)).json
    assert (answer["points"], answer["amount"], answer["balance"]) == (-30, -3000, 0)
    assert await differences(shop) == []


async def test_an_older_statement_changes_nothing(shop: Api) -> None:
    """However late it comes."""
    await shop.post(PATH, PAID)
    late = PAID | {"as_of": "2024-03-01T10:00:00Z", "paid": 100, "refunded": 100}
    answer = (await shop.post(PATH, late)).json
    assert (answer["points"], answer["balance"]) == (0, 50)


async def test_a_repetition_gives_the_first_answer(shop: Api) -> None:
    """With a key or without one; another statement under the key is refused."""
    first = (await shop.post(PATH, PAID)).json
    again = (await shop.post(PATH, PAID)).json
    assert again == first | {"repeated": True}

    keyed = PAID | {"key": "s-1", "as_of": "2024-03-04T10:00:00Z", "refunded": 1000}
    assert (await shop.post(PATH, keyed)).json["points"] == -10
    assert (await shop.post(PATH, keyed)).json["repeated"] is True
    other = await shop.post(PATH, keyed | {"refunded": 2000})
    assert other.problem == (409, "key_reused", "key")
    assert await points(shop) == (40, 40)


async def test_without_an_instant_the_larger_numbers_count(shop: Api) -> None:
    """And cancelled stays cancelled."""
    plain = {k: v for k, v in PAID.items() if k != "as_of"}
    await shop.post(PATH, plain | {"refunded": 1000})
    await shop.post(PATH, plain | {"paid": 3000})
    assert await points(shop) == (40, 40)
    await shop.post(PATH, plain | {"paid": 0, "cancelled": True})
    await shop.post(PATH, plain)
    assert await points(shop) == (0, 0)


async def test_native_refunds_count_as_booked(shop: Api) -> None:
    """Before the shop tells of them and after, by a statement's key and by the order's name."""
    await shop.post(PATH, PAID | {"key": "s-1"})
    await shop.post(PATH, {"kind": "refund", "of": "s-1", "amount": 1000})
    refunded = PAID | {"as_of": "2024-03-04T10:00:00Z", "refunded": 3000}
    assert (await shop.post(PATH, refunded)).json["points"] == -20
    answer = (await shop.post(PATH, {"kind": "refund", "of": "1001", "amount": 2000})).json
    assert (answer["points"], answer["amount"], answer["balance"]) == (0, 0, 20)
    answer = (await shop.post(PATH, {"kind": "refund", "of": "1001", "customer": "anna"})).json
    assert (answer["points"], answer["balance"]) == (-20, 0)
    answered = await shop.post(PATH, {"kind": "refund", "of": "s-1"})
    assert answered.problem == (422, "refused", "of")
    assert await differences(shop) == []


async def test_an_order_that_was_paid_otherwise_is_booked_anew(shop: Api) -> None:
    """In one move: no tier is lost in between."""
    await shop.post(PATH, PAID | {"paid": 10_000, "total": 12_000})
    answer = (await shop.post(PATH, PAID | {"paid": 12_000, "as_of": "2024-03-03T00:00:00Z"})).json
    assert (answer["points"], answer["balance"], answer["events"]) == (20, 120, [])
    assert answer["tier"] == "silver"
    await shop.post(PATH, PAID | {"paid": 11_000, "as_of": "2024-03-04T00:00:00Z"})
    assert await points(shop) == (110, 110)
    assert await differences(shop) == []


async def test_an_order_of_somebody_else_is_taken_back_and_booked_anew(shop: Api) -> None:
    """And back again, wherever both live."""
    people = [f"c-{i}" for i in range(6)]
    for day, customer in enumerate([*people, people[0], people[3]], 2):
        as_of = f"2024-03-{day:02}T10:00:00Z"
        answer = (await shop.post(PATH, PAID | {"customer": customer, "as_of": as_of})).json
        assert answer["balance"] == 50
    assert [(await points(shop, c))[0] for c in people] == [0, 0, 0, 50, 0, 0]
    order = (await shop.get("/api/orders/1001")).json
    assert (order["customer"], order["paid"], order["revision"]) == ("c-3", 5000, 8)
    assert (await shop.post(PATH, {"kind": "refund", "of": "1001"})).json["balance"] == 0
    assert await differences(shop) == []


async def test_a_refused_statement_leaves_nothing(shop: Api) -> None:
    """Neither the order nor its key."""
    await shop.put("/api/programs/closed", RULES | {"auto_join": False})
    path = "/api/programs/closed/activities"
    answered = await shop.post(path, PAID | {"key": "s-1"})
    assert answered.problem[:2] == (422, "not_a_member")
    assert (await shop.get("/api/orders/1001")).problem[:2] == (404, "not_found")
    await shop.put("/api/programs/closed/members/anna", {})
    assert (await shop.post(path, PAID | {"key": "s-1"})).json["points"] == 50
    moved = PAID | {"as_of": "2024-03-05T10:00:00Z", "customer": "ben", "key": "s-2"}
    assert (await shop.post(path, moved)).problem[:2] == (422, "not_a_member")
    assert (await shop.get("/api/orders/1001")).json["customer"] == "anna"


async def test_twenty_statements_at_once_are_one_order(shop: Api) -> None:
    """Of several customers, in one program and another."""
    await shop.put("/api/programs/other", RULES)
    statements = [
        PAID | {"as_of": f"2024-03-{2 + i:02}T10:00:00Z", "customer": f"c-{i % 3}", "refunded": i}
        for i in range(20)
    ]
    paths = [PATH, "/api/programs/other/activities"]
    answers = await asyncio.gather(
        *(shop.post(paths[i % 2], statement) for i, statement in enumerate(statements)),
        *(shop.post(paths[i % 2], statement) for i, statement in enumerate(statements)),
    )
    assert {answered.status for answered in answers} == {200}
    order = (await shop.get("/api/orders/1001")).json
    assert (order["customer"], order["refunded"]) == ("c-1", 19)
    for program in ("club", "other"):
        balances = []
        for i in range(3):
            member = await shop.get(f"/api/programs/{program}/members/c-{i}")
            balances.append(member.json["points"]["balance"] if member.status == 200 else 0)
        assert balances == [0, 50, 0]
    assert await differences(shop) == []


async def test_today_s_orders_mean_what_they_meant(shop: Api) -> None:
    """Kind `order` with an amount; in an array beside statements, each in its place."""
    items = [
        {"customer": "ben", "kind": "order", "amount": 700, "key": "1001"},
        PAID,
        {"customer": "ben", "kind": "refund", "of": "1001"},
        {"kind": "refund", "of": "1001", "amount": 700},
        {"customer": "anna", "kind": "redeem", "points": 50},
        PAID | {"order": "1002"},
    ]
    answers = (await shop.post(PATH, items)).json
    assert [a.get("balance", a.get("code")) for a in answers] == [7, 50, 0, "refused", 0, 50]
    body = b"\n".join(json.dumps(item).encode() for item in items)
    again = await shop.post(PATH, body, headers={"content-type": "application/x-ndjson"})
    lines = [json.loads(line) for line in again.body.splitlines()]
    assert [line.get("repeated") for line in (lines[0], lines[1], lines[5])] == [True] * 3


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"paid": -1}, "paid"),
        ({"refunded": 6000}, "refunded"),
        ({"amount": 5000}, "amount"),
        ({"customer": None}, "customer"),
        ({"order": ""}, "order"),
        ({"as_of": "2199-01-01T00:00:00Z"}, "as_of"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"currency": "JPY"}, "currency"),
        ({"items": [{"product": "p"}, {"amount": 3}]}, "items[1].product"),
        ({"kind": "earn"}, "kind"),
        ({"fulfilment": "maybe"}, "fulfilment"),
        ({"metadata": {"a": "\u0000"}}, "metadata.a"),
    ],
)
async def test_a_wrong_field_is_named(shop: Api, change: dict[str, Any], path: str) -> None:
    """Alone, in an array, and in a stream."""
    body = PAID | change
    assert (await shop.post(PATH, body)).problem == (400, "invalid", path)
    answered = await shop.post(PATH, [PAID, body])
    assert answered.problem == (400, "invalid", f"activities[1].{path}")


async def test_a_dry_run_says_what_a_statement_would_do(shop: Api) -> None:
    """For somebody new, for a difference, for nothing, for somebody else; it records nothing."""
    path = "/api/programs/club/dry-run"
    tried = (await shop.post(path, PAID)).json
    assert (tried["activity"]["points"], tried["activity"]["balance"]) == (50, 50)
    assert (await shop.get("/api/orders/1001")).status == 404
    await shop.post(PATH, PAID)
    refunded = PAID | {"as_of": "2024-03-04T10:00:00Z", "refunded": 2000}
    tried = (await shop.post(path, refunded)).json
    assert (tried["balance_before"], tried["activity"]["points"]) == (50, -20)
    tried = (await shop.post(path, PAID)).json
    assert (tried["activity"]["points"], tried["activity"]["repeated"]) == (0, True)
    tried = (await shop.post(path, refunded | {"customer": "ben"})).json
    assert (tried["activity"]["points"], tried["member"]["customer"]) == (30, "ben")
    tried = (await shop.post(path, {"kind": "refund", "of": "1001", "amount": 1000})).json
    assert tried["activity"]["points"] == -10
    unpaid = await shop.post(path, PAID | {"order": "1002", "customer": "new", "paid": 0})
    assert unpaid.json["activity"]["points"] == 0
    assert await points(shop) == (50, 50)


async def test_earning_rules_read_an_order_s_facts(shop: Api) -> None:
    """Numbers of the order and of its items; a name that is none is refused when it is put."""
    rule = {"id": "net", "trigger": {"type": "order"}}
    formula = "(amount - order.shipping) / 100 + 5 * order.quantity"
    points_rules = {"rules": [rule | {"points": {"type": "formula", "formula": formula}}]}
    assert (await shop.put("/api/programs/net", RULES | {"points": points_rules})).status == 201
    path = "/api/programs/net/activities"
    stated = PAID | {"shipping": 400, "items": [{"product": "mug", "quantity": 2, "amount": 4600}]}
    assert (await shop.post(path, stated)).json["points"] == 56
    more = stated | {"as_of": "2024-03-05T10:00:00Z", "shipping": 0}
    assert (await shop.post(path, more)).json["balance"] == 60
    wrong = {
        "rules": [rule | {"points": {"type": "per", "every": 1, "points": 1, "of": "order.x"}}]
    }
    answered = await shop.put("/api/programs/wrong", RULES | {"points": wrong})
    assert answered.problem[:2] == (422, "rules_invalid")


@pytest.mark.parametrize(
    ("part", "points"),
    [
        ({"points": "order.cheapest_price + order.dearest_quantity"}, 100 + 1),
        ({"points": "order.cheapest_amount - order.cheapest_subtotal"}, 40),
        ({"points": "order.lines * 1000 + order.quantity"}, 3004),
        ({"points": "order.items_subtotal"}, 5060),
        ({"points": "order.items_amount", "items": {"products": ["mug-red"]}}, 200),
        ({"points": "order.items_amount", "items": {"groups": ["sale", "new"]}}, 4900),
        ({"points": "7", "items": {"groups": ["old"]}}, 0),
        ({"points": "7", "validity": {"starts_at": "2024-03-02T00:00:00Z"}}, 0),
        ({"points": "7", "validity": {"weekdays": [5]}}, 7),
        ({"points": "days_between(today, '2024-03-11')"}, 10),
    ],
)
async def test_rules_ask_for_items_and_times(shop: Api, part: dict[str, Any], points: int) -> None:
    """By product, variant or group, and for when it was ordered: a Friday."""
    rule = {"id": "a", "trigger": {"type": "order", "items": part.get("items")}}
    rule |= {"points": {"type": "formula", "formula": part["points"]}}
    rules = {"rules": [rule | {"validity": part.get("validity")}]}
    assert (await shop.put("/api/programs/net", RULES | {"points": rules})).status == 201
    items = [
        {"product": "mug", "variant": "mug-red", "quantity": 2, "amount": 200, "discounts": 40},
        {"product": "lamp", "groups": ["sale"], "amount": 4500},
        {"product": "vase", "groups": ["new", "sale"], "amount": 400},
    ]
    stated = PAID | {"occurred_at": "2024-03-01T10:00:00Z", "items": items}
    assert (await shop.post("/api/programs/net/activities", stated)).json["points"] == points


async def test_an_order_may_be_told_to_the_project(shop: Api) -> None:
    """In no program it is kept; told to one it is booked, and from then on by the project too."""
    first = await shop.post("/api/orders", PAID)
    assert (first.status, first.json["programs"], first.json["paid"]) == (200, [], 5000)
    assert (await shop.get("/api/programs/club/members/anna")).status == 404
    assert (await shop.post(PATH, PAID)).json["points"] == 50
    more = {**PAID, "as_of": "2024-03-06T10:00:00Z", "paid": 6000, "total": 6000}
    assert (await shop.post("/api/orders", more)).json["programs"] == ["club"]
    assert await points(shop) == (60, 60)
    wrong = await shop.post("/api/orders", {**PAID, "refunded": 9000})
    assert wrong.problem == (400, "invalid", "refunded")


async def test_the_documented_example_runs(shop: Api) -> None:
    """As `docs/http.md` shows it."""
    text = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
    examples = re.findall(r'```json\n(\{"kind": "order".*?)\n```', text, re.DOTALL)
    assert len(examples) == 1
    for example in examples:
        assert (await shop.post(PATH, example.encode())).json["points"] > 0


async def test_orders_are_listed_by_their_last_change(shop: Api) -> None:
    """Page by page, of all, of a customer, in a window; a wrong cursor is refused."""
    for i in range(12):
        order = PAID | {"order": f"o-{i}", "customer": f"c-{i % 2}", "shipping": 300}
        order["items"] = [{"product": "mug", "quantity": 2, "amount": 4700}]
        assert (await shop.post(PATH, order)).status == 200
    listed: list[Any] = []
    page = (await shop.get("/api/orders?limit=5")).json
    while True:
        listed += page["orders"]
        if page["next"] is None:
            break
        page = (await shop.get(f"/api/orders?limit=5&after={page['next']}")).json
    assert [order["order"] for order in listed] == [f"o-{i}" for i in range(12)]
    assert listed[0]["items"][0] == {"product": "mug", "quantity": 2, "amount": 4700}
    assert (listed[0]["programs"], listed[0]["shipping"]) == (["club"], 300)

    own = (await shop.get("/api/orders?customer=c-1")).json["orders"]
    assert [order["order"] for order in own] == [f"o-{i}" for i in range(1, 12, 2)]
    since, until = listed[3]["updated_at"], listed[9]["updated_at"]
    window = f"/api/orders?updated_since={since}&updated_until={until}"
    within = [order["order"] for order in (await shop.get(window)).json["orders"]]
    assert within == [o["order"] for o in listed if since <= o["updated_at"] < until]
    assert (await shop.get("/api/orders?after=x")).problem == (400, "invalid", "after")
    assert (await shop.get("/api/orders?customer=zoe")).problem == (404, "not_found", "customer")
    assert (await shop.get("/api/orders?limit=501")).problem == (400, "invalid", "limit")
