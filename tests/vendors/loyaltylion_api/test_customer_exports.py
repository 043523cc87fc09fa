"""`/v2/customers/exports`: begun, asked after until they are whole, downloaded by a link."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.vendors.loyaltylion_api.conftest import Shop, error_of
from tests.vendors.loyaltylion_api.published import Customer, read
from tests.vendors.loyaltylion_api.test_customers import with_people
from tierline.vendors.loyaltylion.api import customer_exports

EXPORTS = "/v2/customers/exports"
HOUR_S = 3_600
Json = dict[str, Any]


async def completed(shop: Shop, body: Any = None) -> Json:
    """An export, asked after until it is whole."""
    answered = await shop.call("POST", EXPORTS, body)
    assert answered.status == 202, answered.body
    export: Json = answered.json["export"]
    assert (export["status"], export["download_url"]) == ("pending", None)
    while export["status"] in ("pending", "processing"):
        export = (await shop.good("GET", f"{EXPORTS}/{export['id']}"))["export"]
    assert export["status"] == "completed"
    return export


async def lines(shop: Shop, export: Json) -> list[Json]:
    """The file's customers; the link needs no key."""
    async with shop.session.get(export["download_url"]) as response:
        assert response.status == 200
        assert response.content_type == "application/x-ndjson"
        return [json.loads(line) for line in (await response.text()).splitlines()]


async def names(shop: Shop, body: Json) -> list[str]:
    return [each["merchant_id"] for each in await lines(shop, await completed(shop, body))]


async def test_everybody_is_exported_as_the_list_shows_them(
    club: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ids upwards, on several pages, guests among them."""
    monkeypatch.setattr(customer_exports, "PAGE_ROWS", 2)
    await with_people(club, 5)
    await club.good("PUT", "/api/programs/club/members/c01", {})
    export = await completed(club)
    customers = await lines(club, export)
    listed = (await club.good("GET", "/v2/customers?sort_direction=asc"))["customers"]

    assert customers == listed
    assert (export["rows_processed"], export["rows_total"]) == (len(listed), None)
    for each in customers:
        read(each, Customer)
    assert await lines(club, await completed(club, {})) == listed


async def test_filters_are_those_of_the_list(club: Shop) -> None:
    await with_people(club, 3)
    changed = await club.good("PATCH", "/v2/customers/c01", {"customer": {"blocked": True}})
    since = changed["customer"]["updated_at"]
    nobody = "2020-01-01T00:00:00Z"

    assert await names(club, {"email": "C01@example"}) == ["c01"]
    assert await names(club, {"updated_at_min": since}) == ["c01"]
    assert "c01" not in await names(club, {"updated_at_max": nobody})
    assert await names(club, {"created_at_max": nobody}) == []
    assert len(await names(club, {"created_at_min": nobody, "email": None})) == 3


async def test_exports_are_listed_newest_first(club: Shop) -> None:
    made = [(await completed(club))["id"] for _ in range(3)]
    first = await club.good("GET", f"{EXPORTS}?limit=2")
    second = await club.good("GET", f"{EXPORTS}?limit=2&cursor={first['cursor']['next']}")
    back = await club.good("GET", f"{EXPORTS}?limit=2&cursor={second['cursor']['prev']}")

    walked = [each["id"] for page in (first, second) for each in page["exports"]]
    assert sorted(walked) == sorted(made)
    times = [each["created_at"] for page in (first, second) for each in page["exports"]]
    assert times == sorted(times, reverse=True)
    assert second["cursor"]["next"] is None
    assert [each["id"] for each in back["exports"]] == walked[:2]


async def test_one_export_at_a_time(club: Shop) -> None:
    """The refusal names the one that runs; one that nobody is at work on any more has failed."""
    export = await completed(club)
    place = club.process.installation.files.expanduser() / "exports" / club.project
    (note,) = place.glob("*.json")
    running = {**json.loads(note.read_bytes()), "state": "processing", "finished_at": None}
    note.write_text(json.dumps(running))
    answered = await club.call("POST", EXPORTS)

    assert error_of(answered)[0] == 409
    assert str(export["id"]) in error_of(answered)[1]["message"]
    old = note.stat().st_mtime - HOUR_S
    os.utime(note, (old, old))
    answer = (await club.good("GET", f"{EXPORTS}/{export['id']}"))["export"]
    assert (answer["status"], answer["download_url"]) == ("failed", None)
    await completed(club)


async def test_a_link_opens_its_own_file_alone(club: Shop) -> None:
    """Until it ends; and no other key of the vendor's, nor the site's pair, makes one."""
    await with_people(club, 1)
    url = (await completed(club))["download_url"]
    other = (await completed(club))["download_url"]
    path, _, query = url.partition("?")
    parts = dict(pair.split("=") for pair in query.split("&"))
    wrong = [
        f"{path}?{other.partition('?')[2]}",
        f"{path}?site={parts['site']}&expires={parts['expires']}&signature=x",
        url.replace(parts["expires"], str(int(parts["expires"]) + 1)),
        f"{path}?site={parts['site']}&expires={parts['expires']}&signature=%C3%BC",
        f"{path}?site=nowhere&expires={parts['expires']}&signature={parts['signature']}",
    ]
    for link in wrong:
        async with club.session.get(link) as response:
            assert response.status == 404, link
    for method in ("GET", "POST"):
        assert (await club.call(method, EXPORTS, headers=club.basic)).status == 401
        orders = await club.with_scopes("read_orders")
        assert (await club.call(method, EXPORTS, headers=orders)).status == 403


async def test_a_link_whose_file_is_gone_is_not_found(club: Shop) -> None:
    """It opens the file by the project's name, too."""
    await with_people(club, 1)
    export = await completed(club)
    project = club.catalog.project(club.number)
    url = export["download_url"].replace(f"site={project.id}", f"site={project.name}")
    assert await lines(club, {"download_url": url}) == await lines(club, export)
    place = club.process.installation.files.expanduser() / "exports" / club.project
    (content,) = place.glob("*.jsonl")
    content.unlink()
    for each in (url, export["download_url"]):
        async with club.session.get(each) as response:
            assert response.status == 404
            assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": 7}, "email"),
        ({"email": "\x00"}, "email"),
        ({"updated_at_min": "yesterday"}, "updated_at_min"),
        ({"created_at_max": "2024-01-01"}, "created_at_max"),
        ({"limit": 1}, "limit"),
        ([], None),
    ],
)
async def test_a_wrong_export_is_not_made(club: Shop, body: Any, field: str | None) -> None:
    status, error = await club.refused("POST", EXPORTS, body)

    assert (status, list(error.get("details", {}))) == (400, [] if field is None else [field])
    assert (await club.good("GET", EXPORTS))["exports"] == []
    for name in ("1", "x", "99999999999999999999"):
        assert (await club.refused("GET", f"{EXPORTS}/{name}"))[0] == 404
