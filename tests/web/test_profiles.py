"""A customer's phone, birthdate and address: checked, kept, shown, and known to filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.web.conftest import Api

ADDRESS = {"line_1": "Torstr. 1", "city": "Berlin", "postal_code": "10119", "country": "DE"}
PERSONAL: dict[str, Any] = {"phone": "+49 30 901820", "birthdate": "1990-12-31"}
NOTHING = {"phone": None, "birthdate": None, "address": None}


async def test_personal_fields_are_kept_and_emptied(api: Api) -> None:
    """What is not said stays, null empties, and an address is replaced as a whole."""
    new = await api.put("/api/customers/ann", {**PERSONAL, "address": ADDRESS})
    again = await api.put("/api/customers/ann", {"name": "Ann"})
    moved = await api.put("/api/customers/ann", {"address": {"city": "Bonn"}})
    emptied = await api.put("/api/customers/ann", NOTHING)

    parts = {"line_2": None, "state": None}
    assert new.json["address"] == again.json["address"] == {**ADDRESS, **parts}
    assert {field: again.json[field] for field in PERSONAL} == PERSONAL
    assert moved.json["address"] == {**dict.fromkeys({**ADDRESS, **parts}), "city": "Bonn"}
    assert {field: emptied.json[field] for field in NOTHING} == NOTHING
    assert (await api.get("/api/customers/ann")).json == emptied.json


@pytest.mark.parametrize("birthdate", ["--02-29", "--12-31", "2000-02-29", "1850-01-01"])
async def test_a_birthdate_may_lack_its_year(api: Api, birthdate: str) -> None:
    answer = await api.put("/api/customers/ann", {"birthdate": birthdate})
    assert (answer.status, answer.json["birthdate"]) == (201, birthdate)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("birthdate", text) for text in ("", "1990-02-30", "1990-1-1", "19901231", "--02-30")),
        *(("birthdate", text) for text in ("1849-12-31", "2999-01-01", "1990-12-31T00:00:00Z")),
        *(("birthdate", text) for text in ("--1231", "-1990-12-31", "1990-12-31 ")),
        *(("phone", text) for text in ("", "none", "1" * 51, "12\n34")),
        *(("address.city", text) for text in ("", "x" * 201, "a\x00b", "\ud800")),
    ],
)
async def test_wrong_ones_are_refused(api: Api, field: str, value: str) -> None:
    outer, _, part = field.partition(".")
    answer = await api.put("/api/customers/ann", {outer: {part: value} if part else value})
    assert answer.problem == (400, "invalid", field)
    assert (await api.get("/api/customers/ann")).status == 404


@pytest.mark.parametrize("address", ["Berlin", [], {"town": "Berlin"}, {"city": 1}])
async def test_an_address_has_known_parts(api: Api, address: Any) -> None:
    answer = await api.put("/api/customers/ann", {"address": address})
    assert answer.problem[:2] == (400, "invalid")
    assert (answer.json["path"]).startswith("address")


async def test_nobody_is_born_after_today(api: Api) -> None:
    today = datetime.now(UTC).date()
    for days, status in ((0, 201), (2, 400)):
        birthdate = (today + timedelta(days=days)).isoformat()
        answer = await api.put(f"/api/customers/born-{days}", {"birthdate": birthdate})
        assert answer.status == status


async def test_an_address_without_parts_is_none(api: Api) -> None:
    answer = await api.put("/api/customers/ann", {"address": {"city": None}})
    assert (answer.status, answer.json["address"]) == (201, None)


async def test_filters_know_them(club: Api) -> None:
    body = {"url": "http://127.0.0.1:9/", "filter": {"profile.address.city": "Berlin"}}
    wrong = {**body, "filter": {"profile.address.town": "Berlin"}}
    assert (await club.post("/api/endpoints", body)).status == 201
    assert (await club.post("/api/endpoints", wrong)).problem[:2] == (400, "invalid")
