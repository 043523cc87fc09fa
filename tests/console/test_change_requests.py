"""A change that one person proposes in the console and another one approves there."""

from __future__ import annotations

import pytest

from tests.console.test_programs import CLUB, form
from tests.console.visitor import Visitor, signed_in, text_of
from tests.web.conftest import Api


@pytest.fixture
async def careful(shop: Api, maya: Visitor) -> Api:
    """The shop, whose admin set that changes need another person."""
    fields = {"name": "Shop", "program_approval": "yes"}
    assert (await maya.send("/settings", fields)).status == 303
    assert "checked" in await maya.page("/settings")
    return shop


async def proposed(visitor: Visitor, **fields: str) -> str:
    """The path of the page of a change."""
    sent = form(tier_silver_from="300", reason="<b>Spring</b>", do="yes", **fields)
    answer = await visitor.send(f"{CLUB}/edit", sent)
    assert answer.status == 303, answer.body
    path = answer.headers["location"].removeprefix(visitor.root)
    assert path.endswith("?done=proposed")
    return str(path.partition("?")[0])


async def test_the_second_person_sees_what_it_does_and_approves(
    careful: Api, maya: Visitor
) -> None:
    """With the difference, who would move and why; until then nothing has changed."""
    assert "Propose" in text_of(await maya.page(f"{CLUB}/edit"))
    path = await proposed(maya)
    own = text_of(await maya.page(path))
    assert "Another person has to approve it." in own
    assert "Approve" not in own
    refused = await maya.send(path, {"do": "approve"})
    assert (refused.status, "own_change" in text_of(refused.body.decode())) == (403, True)

    noor = await signed_in(careful, "noor@example.com", "manager", "Noor")
    assert "Version 2 of club" in text_of(await noor.page(CLUB))
    page = await noor.page(path)
    assert "<b>Spring</b>" not in page
    for text in ("Maya Lindqvist", "policy.tiers[silver].from 200 300", "Approve"):
        assert text in text_of(page), text
    tried = text_of((await noor.send(path, {"try": "yes"})).body.decode())
    assert "of 12 members" in tried
    assert (await careful.get("/api/programs/club")).json["version"] == 1
    answer = await noor.send(path, {"do": "approve"})
    assert answer.headers["location"].endswith("/programs/club?done=approved")
    assert (await careful.get("/api/programs/club")).json["policy"]["tiers"][1]["from"] == 300
    assert "Approved by" in text_of(await noor.page(path))
    assert "Proposed changes" not in text_of(await noor.page(CLUB))


async def test_what_is_not_to_be_is_turned_down(careful: Api, maya: Visitor) -> None:
    """By another person, or withdrawn; what was overtaken says so; who only reads has no button."""
    noor = await signed_in(careful, "noor@example.com", "manager", "Noor")
    vera = await signed_in(careful, "vera@example.com", "viewer", "Vera")
    first, second, third = [await proposed(maya, name=f"N{n}") for n in range(3)]
    assert "Turn down" not in text_of(await vera.page(first))
    assert (await vera.send(first, {"do": "turn_down"})).status == 403
    assert (await noor.send(first, {"do": "turn_down"})).status == 303
    assert "rejected" in text_of(await noor.page(first))
    assert (await maya.send(second, {"do": "turn_down"})).status == 303
    assert "withdrawn" in text_of(await noor.page(second))
    fourth = await proposed(maya)
    assert (await noor.send(fourth, {"do": "approve"})).status == 303
    page = text_of(await noor.page(third))
    assert "The program was changed since" in page
    assert "Approve" not in page
    assert (await noor.send(third, {"do": "approve"})).status == 409
    assert (await noor.send(third, {"do": "dance"})).status == 400
    assert (await noor.get(f"{noor.root}/changes/none")).status == 404


async def test_a_new_program_is_proposed_too(careful: Api, maya: Visitor) -> None:
    """It has no members who might move."""
    answer = await maya.send("/new-program", {**form(), "program": "pro", "name": "Pro"})
    path = answer.headers["location"].removeprefix(maya.root).partition("?")[0]
    noor = await signed_in(careful, "noor@example.com", "manager", "Noor")
    page = text_of(await noor.page(path))
    assert "A new program" in page
    assert "Who would move?" not in page
    assert (await noor.send(path, {"do": "approve"})).status == 303
    assert (await careful.get("/api/programs/pro")).json["name"] == "Pro"


async def test_the_setting_is_an_admins(careful: Api, maya: Visitor) -> None:
    """Whoever is bound by it sees the box, and changes the rest without touching it."""
    noor = await signed_in(careful, "noor@example.com", "manager", "Noor")
    assert "disabled" in await noor.page("/settings")
    assert (await noor.send("/settings", {"name": "Store"})).status == 303
    assert (await noor.send("/settings", {"name": "S", "program_approval": ""})).status == 303
    assert (await careful.get("/api/project")).json["program_approval"] is True
    assert (await maya.send("/settings", {"name": "Store"})).status == 303
    assert (await careful.get("/api/project")).json["program_approval"] is False
    saved = await maya.send(f"{CLUB}/edit", form(name="Other", do="yes"))
    assert saved.headers["location"].endswith("?done=saved")
