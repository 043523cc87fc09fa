"""What `tierline doctor` finds, on the overview."""

from __future__ import annotations

from tests.console.visitor import Visitor, signed_in, text_of
from tests.web.conftest import Api
from tierline.console import diagnoses
from tierline.console.diagnoses import Examination, for_project
from tierline.store.diagnostics import Diagnosis
from tierline.web.dependencies import Dependencies


def parts_of(api: Api) -> Dependencies:
    assert api.process.dependencies is not None
    return api.process.dependencies


async def test_doctors_findings_have_a_page(shop: Api, maya: Visitor) -> None:
    """And the overview takes its warnings from there."""
    overview = await maya.page("")
    assert f'hx-get="{maya.root}/doctor"' in overview
    page = text_of(await maya.page("/doctor"))
    assert "Database well PostgreSQL" in page
    assert "Doctor finds nothing amiss." in page
    viewer = await signed_in(shop, "vera@example.com", "viewer")
    assert (await viewer.get(f"{viewer.root}/doctor")).status == 403
    assert "/doctor" not in await viewer.page("")


async def test_many_who_look_are_one_examination(shop: Api) -> None:
    first = await diagnoses.examination(parts_of(shop))
    assert await diagnoses.examination(parts_of(shop)) is first


async def test_others_endpoints_are_not_spoken_of(shop: Api) -> None:
    made = await shop.post("/api/endpoints", {"url": "http://127.0.0.1:9/hooks"})
    own = Diagnosis(f"endpoint {made.json['id']}", "failing", well=False)
    disk = Diagnosis("disk", "it is full", well=False)
    seen = Examination(0, (disk, own, Diagnosis("endpoint ep_other", "failing", well=False)))
    parts = parts_of(shop)
    assert for_project(seen, parts, parts.catalog.projects()[0]) == [disk, own]


async def test_every_page_says_that_a_node_is_away(shop: Api, maya: Visitor) -> None:
    """For lists and counts leave out who lives there."""
    absent, shards = parts_of(shop).database.absent, parts_of(shop).database.shards
    absent.saw(dict.fromkeys(range(1, shards), "node"))
    for path in ("", "/programs/club", "/programs/club/members", "/endpoints", "/settings"):
        page = text_of(await maya.page(path))
        assert "A database node does not answer" in page, path
    absent.saw({})
    assert "does not answer" not in text_of(await maya.page("/programs/club/members"))
