"""Birthday rules read the birthdate of the profile, whenever and however it was told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import CLUB, Api

BIRTHDAY: dict[str, Any] = {
    "id": "birthday",
    "trigger": {"type": "birthday"},
    "points": {"type": "fixed", "points": 50},
}
MEMBER = "/api/programs/club/members/ann"
ANN = "/api/customers/ann"


async def club_of(api: Api, rule: dict[str, Any] = BIRTHDAY) -> None:
    put = await api.put("/api/programs/club", CLUB | {"points": {"rules": [rule]}})
    assert put.status in (200, 201), put.body


async def balance_at(api: Api, at: str) -> int:
    assert (await api.post("/api/clock", {"advance_to": at})).status == 200
    balance: int = (await api.get(MEMBER)).json["points"]["balance"]
    return balance


@pytest.mark.parametrize("joins_by", ["activity", "enrolment"])
@pytest.mark.parametrize("birthdate", ["1990-05-17", "--05-17"])
async def test_a_birthdate_that_was_told_before_joining(
    sandbox: Api, joins_by: str, birthdate: str
) -> None:
    await club_of(sandbox)
    assert (await sandbox.put(ANN, {"birthdate": birthdate})).status == 201
    if joins_by == "activity":
        earn = {"kind": "earn", "customer": "ann", "points": 1, "key": "a"}
        first = await sandbox.post("/api/programs/club/activities", earn)
        again = await sandbox.post("/api/programs/club/activities", earn)
        assert (first.json["entry"], again.json["entry"]) == (2, 2)
        assert again.json["balance"] == 1
    else:
        assert (await sandbox.put(MEMBER, {})).status in (200, 201)
    before = await balance_at(sandbox, "2024-05-16T23:59:00Z")
    assert await balance_at(sandbox, "2024-05-17T00:00:00Z") == before + 50
    assert await balance_at(sandbox, "2025-05-17T00:00:00Z") == before + 100


async def test_a_birthdate_that_is_told_later_changed_and_taken_away(sandbox: Api) -> None:
    await club_of(sandbox)
    await sandbox.put(MEMBER, {})
    assert (await sandbox.put(ANN, {"birthdate": "1990-03-01"})).status == 200
    assert await balance_at(sandbox, "2024-03-01T00:00:00Z") == 50
    assert (await sandbox.put(ANN, {"birthdate": "1990-02-01"})).status == 200
    assert (await sandbox.put(ANN, {"name": "Ann"})).status == 200
    assert await balance_at(sandbox, "2025-02-01T00:00:00Z") == 100
    assert (await sandbox.put(ANN, {"birthdate": None})).status == 200
    assert await balance_at(sandbox, "2026-12-31T00:00:00Z") == 100
    entries = (await sandbox.get(f"{MEMBER}/entries")).json["entries"]
    assert [entry["kind"] for entry in entries] == ["enrol", "attribute", "attribute", "attribute"]


async def test_a_rule_that_is_new_gives_to_those_who_were_there(sandbox: Api) -> None:
    """Their next birthday, whichever version was in force when they came; once each."""
    await sandbox.put(ANN, {"birthdate": "1990-05-17"})
    await sandbox.put(MEMBER, {})
    assert await balance_at(sandbox, "2024-05-18T00:00:00Z") == 0
    await club_of(sandbox)
    assert await balance_at(sandbox, "2025-05-16T23:59:00Z") == 0
    await club_of(sandbox, BIRTHDAY | {"points": {"type": "fixed", "points": 70}})
    assert await balance_at(sandbox, "2025-05-17T00:00:00Z") == 70
    assert await balance_at(sandbox, "2026-05-17T00:00:00Z") == 140
    entries = (await sandbox.get(f"{MEMBER}/entries")).json["entries"]
    assert [entry["kind"] for entry in entries].count("attribute") == 1


async def test_who_joins_before_a_rule_begins_gets_it_too(sandbox: Api) -> None:
    rules = {"points": {"rules": [BIRTHDAY]}, "effective_at": "2024-03-01T00:00:00Z"}
    assert (await sandbox.put("/api/programs/club", CLUB | rules)).status == 200
    await sandbox.put(ANN, {"birthdate": "1990-05-17"})
    await sandbox.put(MEMBER, {})
    assert await balance_at(sandbox, "2024-05-17T00:00:00Z") == 50


async def test_an_attribute_that_is_named_is_read_instead(sandbox: Api) -> None:
    """And where no rule asks, nothing is written down."""
    named = BIRTHDAY | {"trigger": {"type": "birthday", "attribute": "name_day"}}
    await club_of(sandbox, named)
    await sandbox.put(ANN, {"birthdate": "1990-03-01"})
    await sandbox.put(MEMBER, {})
    await sandbox.put(f"{MEMBER}/attributes", {"attributes": {"name_day": "07-26"}})
    assert await balance_at(sandbox, "2024-07-25T00:00:00Z") == 0
    assert await balance_at(sandbox, "2024-07-26T00:00:00Z") == 50
