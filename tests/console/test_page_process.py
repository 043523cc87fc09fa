"""Pages are made in a process of their own, and here where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.console.conftest import LivedShop, opened_shop
from tests.console.test_doctor import parts_of
from tests.console.visitor import Visitor, text_of
from tests.servers import Server
from tests.web.conftest import SERVING, Api
from tierline.console import page_process
from tierline.console.page_process import PageProcess, PageSettings, process_of

ANNA = "/programs/club/members/anna"


@pytest.fixture
async def apart(server: Server, lived_shop: LivedShop) -> AsyncIterator[Api]:
    """The shop, with its pages in a process of their own."""
    async with opened_shop(server, lived_shop, replace(SERVING, pages_apart=True)) as api:
        yield api


def visitor_of(api: Api, lived: LivedShop) -> Visitor:
    visitor = Visitor(api)
    visitor.cookies, visitor.csrf = dict(lived.cookies), lived.csrf
    return visitor


def process(api: Api) -> PageProcess:
    running = process_of(parts_of(api))
    assert running is not None
    return running


async def test_pages_are_the_same_and_survive_their_process(
    apart: Api, lived_shop: LivedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was changed here is seen there at once; who is not let in here is not let in there."""
    maya = visitor_of(apart, lived_shop)
    made_there = {path: await maya.page(path) for path in (ANNA, "", "/endpoints", "/settings")}
    child = process(apart)._process
    assert child is not None
    monkeypatch.setattr(page_process, "process_of", lambda _: None)
    for path, page in made_there.items():
        assert text_of(await maya.page(path)) == text_of(page), path
    monkeypatch.undo()
    form = {"points": "7", "reason": "Parcel", "do": "yes"}
    assert (await maya.send(f"{ANNA}/adjust", form)).status == 303
    rules = {**(await apart.get("/api/programs/club")).json, "name": "Klub"}
    body = {name: rules[name] for name in ("name", "policy", "points")}
    assert (await apart.put("/api/programs/club", body)).status == 200
    page = text_of(await maya.page("/programs/club"))
    assert "Klub" in page
    assert "Parcel" in text_of(await maya.page(ANNA))
    assert (await Visitor(apart).get(f"{maya.root}{ANNA}")).status == 303
    assert (await maya.get(f"{maya.root}/programs/none")).status == 404
    assert process(apart)._process is child
    child.kill()
    assert "Parcel" in text_of(await maya.page(ANNA))
    assert "Parcel" in text_of(await maya.page(ANNA))
    maya.cookies = {"tierline_session": "forged"}
    assert (await maya.get(f"{maya.root}{ANNA}")).status == 303


async def test_many_pages_at_once_and_an_end(apart: Api, lived_shop: LivedShop) -> None:
    maya = visitor_of(apart, lived_shop)
    pages = await asyncio.gather(*(maya.page(ANNA) for _ in range(12)))
    assert len({text_of(page) for page in pages}) == 1
    running = process(apart)
    child = running._process
    assert child is not None
    await running.close()
    assert child.returncode is not None


async def test_where_no_process_can_be_started_pages_are_made_here(
    apart: Api, lived_shop: LivedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_process, "PROCESS", "tierline.none")
    monkeypatch.setattr(page_process, "START_SECONDS_MAX", 0.05)
    assert "Anna Berger" in await visitor_of(apart, lived_shop).page(ANNA)


async def test_the_process_knows_which_nodes_are_away(apart: Api, lived_shop: LivedShop) -> None:
    """It watches none of them: the server does, and says it with each page."""
    maya, absent = visitor_of(apart, lived_shop), parts_of(apart).database.absent
    for nodes in ({1: "node"}, {}):
        absent.saw(nodes)
        page = text_of(await maya.page("/programs/club/members"))
        assert ("A database node does not answer" in page) is bool(nodes)
    assert process(apart)._process is not None


@pytest.mark.parametrize("steps", [*range(8), 100, 10_000])
async def test_it_ends_whatever_it_is_at(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """In the middle of its start, and of a page that nobody is going to read."""
    monkeypatch.setattr(page_process, "PROCESS", "tests.console.flood")
    pages = PageProcess(PageSettings("", "", ()))
    pages.begin()
    if steps > 10:
        await pages._ready.wait()
    for _ in range(steps):
        await asyncio.sleep(0)
    await asyncio.wait_for(pages.close(), 60)
    assert pages._process is None
