"""Refunds, voids and approvals that name no customer: the key of the original says whose it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.web.conftest import Answered, Api

PATH = "/api/programs/club/activities"
SPEAKING = ("refund", "void", "approve")


async def bought(club: Api, customer: str, key: str = "o-1", **more: Any) -> None:
    order = {"customer": customer, "kind": "order", "amount": 5000, "points": 50, "key": key}
    assert (await club.post(PATH, order | more)).status == 200


async def balance(club: Api, customer: str) -> tuple[int, int]:
    points = (await club.get(f"/api/programs/club/members/{customer}")).json["points"]
    return points["balance"], points["pending"]


def lines(answered: Answered) -> list[Any]:
    return [json.loads(line) for line in answered.body.splitlines()]


async def test_a_refund_and_a_void_need_no_customer(club: Api) -> None:
    """The answer is that of the member whose order it was, wherever they live."""
    for i in range(12):  # in every shard
        await bought(club, f"anna-{i}", f"o-{i}")
    for i in range(12):
        refund = {"kind": "refund", "of": f"o-{i}", "amount": 2500, "key": f"r-{i}"}
        answer = (await club.post(PATH, refund)).json
        assert (answer["points"], answer["balance"]) == (-25, 25)
        answer = (await club.post(PATH, {"kind": "void", "of": f"o-{i}"})).json
        assert (answer["points"], answer["balance"]) == (-25, 0)


async def test_an_approval_needs_no_customer(club: Api) -> None:
    """What was pending can be spent."""
    await bought(club, "anna", available_at="2199-01-01T00:00:00Z")
    assert await balance(club, "anna") == (0, 50)
    assert (await club.post(PATH, {"kind": "approve", "of": "o-1"})).status == 200
    assert await balance(club, "anna") == (50, 0)


@pytest.mark.parametrize("kind", SPEAKING)
async def test_a_key_that_nobody_has_is_unknown(club: Api, kind: str) -> None:
    """Also one that somebody has in another program."""
    await club.put("/api/programs/other", {"name": "Other", "policy": {"tiers": []}})
    await bought(club, "anna")
    answered = await club.post("/api/programs/other/activities", {"kind": kind, "of": "o-1"})
    assert answered.problem == (409, "unknown_original", "of")
    assert (await club.post(PATH, {"kind": kind, "of": "o-2"})).problem[1] == "unknown_original"


@pytest.mark.parametrize("kind", SPEAKING)
async def test_a_key_of_several_customers_names_them(club: Api, kind: str) -> None:
    """And nothing happens to any of them; named, each is refunded."""
    for customer in ("anna", "ben", "cleo"):
        await bought(club, customer)
    answered = await club.post(PATH, {"kind": kind, "of": "o-1"})

    assert answered.problem == (409, "ambiguous_of", "of")
    for customer in ("anna", "ben", "cleo"):
        assert repr(customer) in answered.json["detail"]
        assert await balance(club, customer) == (50, 0)
    answer = await club.post(PATH, {"kind": "void", "of": "o-1", "customer": "ben"})
    assert answer.json["balance"] == 0


async def test_a_refusal_names_ten_customers_at_most(club: Api) -> None:
    """However many have the key."""
    await asyncio.gather(*(bought(club, f"anna-{i}") for i in range(15)))
    detail = (await club.post(PATH, {"kind": "void", "of": "o-1"})).json["detail"]
    assert detail.count("anna-") == 10
    assert "others" in detail


async def test_a_repetition_is_the_first_one_s_though_the_key_is_ambiguous_by_now(
    club: Api,
) -> None:
    """With or without the customer it is one activity."""
    await bought(club, "anna")
    refund = {"kind": "refund", "of": "o-1", "key": "r-1"}
    first = (await club.post(PATH, refund)).json
    await bought(club, "ben")
    again = (await club.post(PATH, refund)).json
    named = (await club.post(PATH, refund | {"customer": "anna"})).json

    assert (first["entry"], first["repeated"]) == (again["entry"], False)
    assert (again["repeated"], named["repeated"]) == (True, True)
    assert await balance(club, "anna") == (0, 0)
    assert (await club.post(PATH, refund | {"key": "r-2"})).problem[1] == "ambiguous_of"


async def test_an_array_may_speak_of_what_stands_before_in_it(club: Api) -> None:
    """Each item is met after those before it; a refused one stops nobody."""
    items = [
        {"customer": "anna", "kind": "order", "amount": 5000, "points": 50, "key": "o-1"},
        {"kind": "refund", "of": "o-1", "amount": 1000},
        {"kind": "refund", "of": "o-9"},
        {"customer": "anna", "kind": "redeem", "points": 40, "key": "x"},
        {"customer": "ben", "kind": "order", "amount": 700, "points": 7, "key": "o-2"},
        {"kind": "void", "of": "o-2"},
        {"customer": "ben", "kind": "order", "amount": 100, "points": 1, "key": "o-1"},
        {"kind": "void", "of": "o-1"},
    ]
    answers = (await club.post(PATH, items)).json
    assert [a.get("balance", a.get("code")) for a in answers] == [
        *(50, 40, "unknown_original", 0, 7, 0, 1, "ambiguous_of"),
    ]


async def test_a_stream_may_speak_of_what_stands_before_in_it(club: Api) -> None:
    """Many lines, many slices: every order is met before its refund."""
    items: list[dict[str, Any]] = []
    for i in range(700):
        who = {"customer": f"c-{i % 7}", "kind": "order", "amount": 1000, "points": 10}
        items += [who | {"key": f"o-{i}"}, {"kind": "refund", "of": f"o-{i}", "key": f"r-{i}"}]
    body = b"\n".join(json.dumps(item).encode() for item in items)
    headers = {"content-type": "application/x-ndjson"}
    answers = lines(await club.post(PATH, body, headers=headers))
    again = lines(await club.post(PATH, body, headers=headers))

    assert [answer["points"] for answer in answers] == [10, -10] * 700
    assert all(answer["repeated"] for answer in again)
    assert await balance(club, "c-0") == (0, 0)


async def test_whoever_needs_a_customer_still_needs_one(club: Api) -> None:
    """In an array and a stream with its place."""
    for kind in ("earn", "redeem", "adjust", "transfer"):
        item = {"kind": kind, "points": 1} | ({"to": "ben"} if kind == "transfer" else {})
        assert (await club.post(PATH, item)).problem == (400, "invalid", "customer")
    answered = await club.post(PATH, [{"kind": "order", "amount": 1}])
    assert answered.problem == (400, "invalid", "activities[0].customer")
    answered = await club.post(PATH, {"kind": "void", "of": "o-1", "customer": ""})
    assert answered.problem == (400, "invalid", "customer")


async def test_a_dry_run_finds_the_customer_too(club: Api) -> None:
    """And refuses as the real one."""
    path = "/api/programs/club/dry-run"
    await bought(club, "anna")
    tried = (await club.post(path, {"kind": "refund", "of": "o-1"})).json
    assert (tried["balance_before"], tried["activity"]["balance"]) == (50, 0)
    assert tried["member"]["customer"] == "anna"
    unknown = await club.post(path, {"kind": "refund", "of": "o-2"})
    assert unknown.problem == (409, "unknown_original", "of")
    await bought(club, "ben")
    assert (await club.post(path, {"kind": "refund", "of": "o-1"})).problem[1] == "ambiguous_of"
    assert await balance(club, "anna") == (50, 0)
