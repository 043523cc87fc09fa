"""What a refusal says: its cause, in the words of the API, and what to do about it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.conftest import CLUB, POLICY, Api
from tierline.clock import wall
from tierline.store.catalog.projects import NewProject

ACTIVITIES = "/api/programs/club/activities"
MEMBER = "/api/programs/club/members/anna"


async def detail(answered: Any) -> str:
    return str(answered.json["detail"])


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("term", {"type": "duration", "length": "12 months"}, "a period like P12M"),
        ("term", {"type": "dates", "days": ["31.12."]}, "a day of the year like 12-31"),
        ("window", {"type": "since", "anchor": "birthday"}, "join, tier_start"),
        ("window", {"type": "rolling", "length": "a year"}, "a period like P12M"),
    ],
)
async def test_a_text_with_a_form_is_explained(
    api: Api, part: str, value: dict[str, Any], words: str
) -> None:
    """No regular expression is current to anybody."""
    answered = await api.put("/api/programs/club", {"policy": {**POLICY, part: value}, "name": "C"})

    assert answered.status == 400, answered.body
    assert words in await detail(answered), answered.body
    assert "regex" not in await detail(answered)


@pytest.mark.parametrize("amount", [49.90, 19.99])
async def test_money_with_a_fraction_is_asked_for_in_minor_units(club: Api, amount: float) -> None:
    """19.99 is 1999."""
    order = {"customer": "anna", "kind": "order", "amount": amount}
    for answered in (await club.post(ACTIVITIES, order), await club.post(ACTIVITIES, [order])):
        assert answered.problem[:2] == (400, "invalid")
        assert "minor units" in await detail(answered)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://10.0.0.1/x", "--allow-address 10.0.0.1"),
        ("http://[fd00::1]/x", "--allow-address fd00::1"),
        ("http://192.0.2.5/x", "--allow-address 192.0.2.5"),
        ("https://b\u00fccher.example/x", "punycode (xn--"),
    ],
)
async def test_a_url_that_is_refused_says_what_would_do(api: Api, url: str, words: str) -> None:
    """What the operator starts the server with, or how a host is written."""
    answered = await api.post("/api/endpoints", {"url": url})

    assert answered.problem[:2] == (400, "invalid")
    assert words in await detail(answered)


async def test_two_endpoints_of_one_url_are_a_warning(club: Api) -> None:
    """However it is written; where one is made and where one is changed. Two are allowed."""
    first = await club.post("/api/endpoints", {"url": "https://hooks.example.com"})
    alone = await club.post("/api/endpoints", {"url": "https://hooks.example.com/other"})
    twin = await club.post("/api/endpoints", {"url": "https://HOOKS.example.com:443/"})
    path = f"/api/endpoints/{alone.json['id']}"
    changed = await club.call("PATCH", path, {"url": "https://hooks.example.com/"})
    current = await club.get(path)

    assert (first.json["warnings"], alone.json["warnings"]) == ([], [])
    for answered in (twin, changed):
        (warning,) = answered.json["warnings"]
        assert warning["path"] == "url"
        assert first.json["id"] in warning["reason"]
    assert "warnings" not in current.json


async def test_two_projects_of_one_name_are_a_warning(club: Api) -> None:
    """To each; which the other one is nobody else is told."""
    other = await club.installation.catalog.add_project(NewProject("Shop", id="theirs"), wall())
    current = await club.get("/api/project")
    renamed = await club.call("PATCH", "/api/project", {"name": "Shop 2"})
    again = await club.call("PATCH", "/api/project", {"name": "Shop"})

    for answered in (current, again):
        (warning,) = answered.json["warnings"]
        assert warning["path"] == "name"
        assert other.id not in warning["reason"]
    assert renamed.json["warnings"] == []


@pytest.mark.parametrize("path", ["/api/events?since=", f"{MEMBER}?at=", f"{MEMBER}/explain?at="])
async def test_a_plus_sign_that_a_query_lost_is_named(club: Api, path: str) -> None:
    """A query's plus is a space."""
    await club.earn("anna", 1)
    lost = await club.get(f"{path}2024-01-01T00:00:00+01:00")
    answer = await club.get(f"{path}2024-01-01T00:00:00%2B01:00")

    assert "%2B" in await detail(lost)
    assert answer.status == 200 or "%2B" not in await detail(answer)


@pytest.mark.parametrize("currency", ["XYZ", "ABC", "XTS", "XAU", "usd"])
async def test_a_currency_is_one_of_iso_4217(api: Api, currency: str) -> None:
    """With minor units, in which money is answer."""
    refused = await api.call("PATCH", "/api/project", {"currency": currency})
    taken = await api.call("PATCH", "/api/project", {"currency": "CHF"})

    assert refused.problem == (400, "invalid", "currency")
    assert taken.json["currency"] == "CHF"


async def test_what_cannot_be_made_is_not_to_be_made_first(club: Api) -> None:
    """Events, versions and replays come from what happens."""
    await club.earn("anna", 100)
    made = await club.post("/api/endpoints", {"url": "https://example.com/"})
    path = f"/api/endpoints/{made.json['id']}/replay"
    answers = [
        await club.post(path, {"ids": ["evt_" + "0" * 34]}),
        await club.get("/api/programs/club?version=9"),
        await club.call("DELETE", f"{path}/7"),
    ]

    for answered in answers:
        assert answered.problem[:2] == (404, "not_found")
        assert "create" not in await detail(answered)


async def test_who_is_no_member_is_told_why(sandbox: Api) -> None:
    """Left, not yet, not then, or never: each has its own way out, under one code."""
    await sandbox.earn("anna", 100)
    early = await sandbox.get(f"{MEMBER}?at=2023-01-01T00:00:00Z")
    await sandbox.call("DELETE", MEMBER)
    left = await sandbox.earn("anna", 1)
    adjust = {"customer": "bob", "kind": "adjust", "points": -1}
    not_yet = await sandbox.post(ACTIVITIES, adjust)
    await sandbox.put("/api/programs/shut", {**CLUB, "auto_join": False})
    path = "/api/programs/shut/activities"
    never = await sandbox.post(path, {"customer": "bob", "kind": "earn", "points": 1})

    for answered in (early, left, not_yet, never):
        assert answered.problem[:2] == (422, "not_a_member")
    assert "at 2023-01-01T00:00:00.000Z" in await detail(early)
    assert "has left" in await detail(left)
    assert "enrol them again" in await detail(left)
    assert "an activity that makes a member" in await detail(not_yet)
    assert "turn on the program's auto_join" in await detail(never)
    assert (await sandbox.put(MEMBER, {})).status == 200
    assert (await sandbox.earn("anna", 1)).status == 200


async def test_an_array_of_which_nothing_was_taken_is_busy(club: Api) -> None:
    """Where each item failed for now, so did the array, and a client knows when to come again."""
    stopping = asyncio.create_task(club.process._writer.stop())  # type: ignore[union-attr]
    await asyncio.wait([stopping])
    items = [{"customer": f"c{i}", "kind": "earn", "points": 1} for i in range(30)]
    for array in (items, items[:2]):
        answered = await club.post(ACTIVITIES, array)
        assert answered.problem[:2] == (503, "busy")
        assert int(answered.headers["retry-after"]) >= 1
