"""Statements of points: of one member, and of all members of a program."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.web.conftest import Api
from tests.web.test_history import ANNA, act, advance, pages, read, year
from tierline.web.routes import points

STATEMENT = f"{ANNA}/points"
PROGRAM = "/api/programs/club/points"
Json = dict[str, Any]


async def test_a_statement_says_who_brought_each_change(sandbox: Api) -> None:
    """And what was left: of the whole ledger, with what time did. What took nothing is no change:
    the refund came when its points had expired."""
    await year(sandbox)
    await act(sandbox, "earn", "a-2", points=5, available_at="2024-05-01T00:00:00Z")
    await advance(sandbox, "2024-05-02T00:00:00Z")
    lines = (await read(sandbox, STATEMENT))["points"]

    assert [(line["kind"], line["points"], line["key"]) for line in lines] == [
        ("points.earned", 60, "a-1"),
        ("points.earned", 90, "o-1"),
        ("points.spent", -70, "r-1"),
        ("points.expired", -80, None),
        ("points.earned", 5, "a-2"),
        ("points.activated", 5, "a-2"),
    ]
    assert [line["balance"] for line in lines] == [60, 150, 80, 0, 0, 5]
    assert [line["moved"] for line in lines[-2:]] == [0, 5]
    assert [line["waits"] for line in lines[-2:]] == [5, -5]
    assert [line["total"] for line in lines][:4] == [60, 150, 150, 150]
    assert [line["tier"]["id"] for line in lines[1:3]] == ["bronze", "silver"]
    assert {line["customer"] for line in lines} == {"anna"}


@pytest.mark.parametrize("order", ["oldest", "newest"])
async def test_a_statement_is_paged(sandbox: Api, order: str) -> None:
    await year(sandbox)
    whole = (await read(sandbox, f"{STATEMENT}?order={order}"))["points"]

    for limit in (1, 2, 3, 100):
        assert await pages(sandbox, f"{STATEMENT}?order={order}", "points", limit) == whole


async def test_each_change_leads_to_the_next(sandbox: Api) -> None:
    await year(sandbox)
    lines = (await read(sandbox, STATEMENT))["points"]

    for before, after in itertools.pairwise(lines):
        assert after["balance"] - before["balance"] == after["moved"], after
        assert after["pending"] - before["pending"] == after["waits"], after


async def test_a_programs_statement_has_the_newest_first(sandbox: Api) -> None:
    """Of all members, and page by page; whoever asks meets what they have just changed."""
    for day, customer in enumerate(("anna", "bob", "anna", "cleo", "bob"), 2):
        await advance(sandbox, f"2024-01-{day:02d}T00:00:00Z")
        body = {"customer": customer, "kind": "earn", "key": f"k-{day}", "points": day}
        assert (await sandbox.post("/api/programs/club/activities", body)).status == 200
    lines = (await read(sandbox, PROGRAM))["points"]

    assert [(line["customer"], line["points"]) for line in lines] == [
        ("bob", 6),
        ("cleo", 5),
        ("anna", 4),
        ("bob", 3),
        ("anna", 2),
    ]
    for limit in (1, 2, 5):
        assert await pages(sandbox, PROGRAM, "points", limit) == lines
    oldest = await pages(sandbox, f"{PROGRAM}?order=oldest", "points", 2)
    assert oldest == lines[::-1]


async def test_a_programs_statement_stops_where_nobody_has_newer(
    club: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first page reads the ledgers of those who changed last, and of nobody else."""
    monkeypatch.setattr(points, "ROUND", 2)
    monkeypatch.setattr(points, "SKEW_MS", 0)
    for n in range(7):
        assert (await club.earn(f"c{n}", n + 1, f"k-{n}")).status == 200
        await read(club, PROGRAM + "?limit=1")  # listed apart from the next one
    lines = (await read(club, PROGRAM))["points"]
    monkeypatch.setattr(points, "MET_MAX", 4)

    assert [line["points"] for line in lines] == [7, 6, 5, 4, 3, 2, 1]
    assert (await read(club, f"{PROGRAM}?limit=1"))["points"] == lines[:1]
    assert (await club.get(f"{PROGRAM}?limit=7")).problem == (413, "too_large", None)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("after=x", "after"),
        ("after=1.2", "after"),
        ("after=-1.2.3", "after"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("order=id", "order"),
        ("since=1", "since"),
    ],
)
async def test_wrong_queries_are_refused(club: Api, query: str, path: str) -> None:
    assert (await club.get(f"{PROGRAM}?{query}")).problem == (400, "invalid", path)


async def test_a_statement_needs_a_member(club: Api) -> None:
    assert (await club.get(f"{ANNA}/points")).problem[:2] == (404, "not_found")
    assert (await read(club, PROGRAM)) == {"points": [], "next": None}
    assert (await club.get("/api/programs/none/points")).problem[:2] == (404, "not_found")
