"""The rules in the console: told in words, changed in a form, previewed before they are saved."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

import pytest

from tests.console.shop import POLICY
from tests.console.visitor import FORM, Visitor, signed_in, text_of
from tests.web.conftest import Api
from tierline.console.differences import differences
from tierline.console.policy_text import period_text
from tierline.web.routes import preview

CLUB = "/programs/club"
DOCUMENT = {
    "name": "Club",
    "policy": POLICY,
    "points": {"expiry": {"type": "after", "length": "P1Y"}},
}


def form(**fields: str) -> dict[str, str]:
    """The editor as its page shows it, and what was typed."""
    text = json.dumps(DOCUMENT)
    return {"document": text, "base": text, "newest": "1", **fields}


async def test_a_program_is_told_in_words(maya: Visitor) -> None:
    page = text_of(await maya.page(CLUB))
    for text in (
        "Counted is points earned in the calendar year.",
        "A tier is kept to the end of the next period.",
        "Points expire after 1 year.",
        "Platinum", "Version 1", "in force",
    ):  # fmt: skip
        assert text in page, text


async def test_a_change_is_previewed_saved_and_told_apart(shop: Api, maya: Visitor) -> None:
    """Everyday values go into the JSON; nothing is written by a preview."""
    fields = form(tier_silver_from="300", on_change="rejudge")
    tried = await maya.send(f"{CLUB}/edit", {**fields, "try": "yes"})
    page = text_of(tried.body.decode())
    assert tried.status == 200, page
    assert "Who would move" in page
    assert "of 12 members" in page
    assert "Silver → Bronze" in page
    assert (await shop.get("/api/programs/club")).json["version"] == 1
    saved = await maya.send(f"{CLUB}/edit", {**fields, "do": "yes"})
    assert saved.headers["location"].endswith("?done=saved")
    rules = (await shop.get("/api/programs/club")).json
    assert rules["version"] == 2
    assert rules["policy"]["tiers"][1]["from"] == 300
    page = text_of(await maya.page(CLUB))
    assert "policy.tiers[silver].from 200 300" in page
    stale = await maya.send(f"{CLUB}/edit", {**fields, "do": "yes"})
    assert stale.status == 409


async def test_a_preview_is_seen_as_it_goes_on(shop: Api, maya: Visitor) -> None:
    """In a browser with htmx: progress, then who would move. What is wrong goes to the fields."""
    htmx = {"hx-request": "true"}
    fields = {**form(tier_silver_from="300", on_change="rejudge"), "try": "yes"}
    answer = await maya.send(f"{CLUB}/edit", fields, htmx)
    assert answer.headers["content-type"].startswith("text/event-stream")
    messages = [message for message in answer.body.decode().split("\n\n") if message]
    assert "It begins" in messages[0]
    assert "12 of 12 members judged by both rules." in messages[-2]
    assert "Silver → Bronze" in messages[-1]
    assert all(line.startswith("data: ") for line in messages[-1].splitlines())
    broken = await maya.send(f"{CLUB}/edit", {**fields, "document": "{"}, htmx)
    assert broken.status == 400
    assert broken.headers["hx-retarget"] == "#editor"
    viewer = await signed_in(shop, "vera@example.com", "viewer")
    assert (await viewer.send(f"{CLUB}/edit", fields, htmx)).status == 403


async def test_who_leaves_ends_the_preview(
    shop: Api, maya: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def endless(*_: object, **__: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(preview, "preview", endless)
    body = urlencode({"csrf": maya.csrf or "", **form(name="Other"), "try": "yes"})
    headers = {
        "cookie": f"tierline_session={maya.cookies['tierline_session']}", "hx-request": "true",
        "content-type": FORM, "origin": shop.process.url,
    }  # fmt: skip
    url = f"{shop.process.url}{maya.root}{CLUB}/edit"
    async with shop.session.post(url, data=body, headers=headers) as answer:
        assert b"It begins" in await answer.content.readuntil(b"\n\n")
        busy = await shop.post("/api/programs/club/preview", DOCUMENT)
        assert busy.problem[:2] == (503, "busy")
        answer.close()
    async with asyncio.timeout(30):
        await ended.wait()


async def test_a_change_may_wait_for_its_day(shop: Api, maya: Visitor) -> None:
    fields = form(tier_gold_name="Golden", effective_at="2027-01-01T00:00")
    assert (await maya.send(f"{CLUB}/edit", {**fields, "do": "yes"})).status == 303
    versions = (await shop.get("/api/programs/club")).json["versions"]
    assert versions[0]["effective_at"] == "2027-01-01T00:00:00.000Z"
    assert "scheduled" in text_of(await maya.page(CLUB))
    again = form(tier_gold_from="900", newest="2")
    assert (await maya.send(f"{CLUB}/edit", {**again, "do": "yes"})).status == 409
    again["supersede"] = "yes"
    assert (await maya.send(f"{CLUB}/edit", {**again, "do": "yes"})).status == 303


async def test_wrong_rules_are_said_at_their_fields(shop: Api, maya: Visitor) -> None:
    falling = {
        **POLICY,
        "tiers": [{"id": "a", "name": "A", "from": 9}, {"id": "b", "name": "B", "from": 3}],
    }
    for document, text in (
        ("{", "it is no JSON"),
        ("[]", "expected an object"),
        ('{"name": "Club"}', "policy"),
        (json.dumps({"name": "Club", "policy": falling}), "tiers"),
        (json.dumps({"name": "Club", "policy": {"tiers": "none"}}), "tiers"),
        (json.dumps({**DOCUMENT, "colour": 1}), "colour"),
        ("1", "expected an object"),
    ):
        for button in ("try", "do"):
            answer = await maya.send(
                f"{CLUB}/edit", {**form(), "document": document, button: "yes"}
            )
            assert answer.status in (400, 422), document
            assert text in text_of(answer.body.decode()), document
    for instant in ("soon", "2020-01-01T00:00"):
        fields = form(effective_at=instant, name="Other", do="yes")
        assert (await maya.send(f"{CLUB}/edit", fields)).status in (400, 409, 422), instant
    assert (await shop.get("/api/programs/club")).json["version"] == 1


async def test_a_program_is_made(shop: Api, maya: Visitor) -> None:
    assert (await maya.send("/new-program", {**form(), "program": ""})).status == 400
    answer = await maya.send("/new-program", {**form(), "program": "pro", "name": "Pro"})
    assert answer.headers["location"] == f"{maya.root}/programs/pro?done=saved"
    assert (await shop.get("/api/programs/pro")).json["name"] == "Pro"
    assert (await maya.send("/new-program", {**form(), "program": "pro"})).status == 409
    assert "Pro" in await maya.page(CLUB)


def test_differences_name_fields_and_items() -> None:
    before = {"a": [{"id": "x", "n": 1}, {"id": "y"}], "b": {"c": True}, "d": []}
    after = {"a": [{"id": "y"}, {"id": "x", "n": 2}], "b": {}, "d": []}
    lines = [(d.path, d.before, d.after) for d in differences(before, after)]
    assert lines == [("a[x].n", "1", "2"), ("b.c", "true", None), ("b", None, "{}")]


def test_periods_are_words() -> None:
    assert period_text("P1Y6M") == "1 year and 6 months"
    assert period_text("P1D") == "1 day"
