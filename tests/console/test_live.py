"""The live feed: lines as they happen, and to whom."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from tests.console.tab import Tab
from tests.console.visitor import Visitor, signed_in
from tests.web.conftest import Api
from tierline.console.live import feed_of


async def test_a_line_comes_when_a_tier_changes(shop: Api, tab: Tab) -> None:
    """In the browser, without loading anything anew; it opens the member."""
    await tab.go("")
    assert shop.process.dependencies is not None
    project = shop.installation.catalog.projects()[0].number
    await feed_of(shop.process.dependencies, project).listening.wait()
    earn = {"customer": "ben", "kind": "earn", "points": 900}
    assert (await shop.post("/api/programs/club/activities", earn)).status == 200
    line = tab.page.locator("#live li", has_text="ben")
    await line.first.get_by_role("link", name="ben").click()
    await tab.page.get_by_role("heading", name="Ben Okafor").wait_for()


async def lines(visitor: Visitor, count: int, heard: asyncio.Queue[str]) -> None:
    url = URL(f"{visitor.api.process.url}{visitor.root}/live")
    headers = {"cookie": f"tierline_session={visitor.cookies['tierline_session']}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.content:
            if line.startswith((b": connected", b"data: ")):
                heard.put_nowait(line.decode())
                count -= 1
            if not count:
                return


async def test_many_hear_the_same_and_strangers_nothing(club: Api) -> None:
    """What customers are called is text. Names of another project's are not heard here."""
    maya = await signed_in(club)
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(lines(maya, 2, heard))
        for _ in range(5):
            assert "connected" in await heard.get()
        while heard.qsize() < 5:
            await club.earn("<b>anna</b>", 5)
            await club.call("DELETE", "/api/programs/club/members/%3Cb%3Eanna%3C%2Fb%3E")
            await club.put("/api/programs/club/members/%3Cb%3Eanna%3C%2Fb%3E", {})
            await asyncio.sleep(0.1)
    texts = {heard.get_nowait() for _ in range(5)}
    assert all("&lt;b&gt;anna" in text and "<b>" not in text for text in texts)
    stranger = Visitor(club)
    assert (await stranger.get(f"{maya.root}/live")).status == 303
