"""Every name that customers have moves with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.conftest import Club
from tests.ledger.test_import_records import jsonl
from tierline.ledger.files.export import members, whole
from tierline.ledger.files.importer import Importer
from tierline.ledger.files.progress import Imported
from tierline.model.tenant import CARD
from tierline.store import customers, profiles
from tierline.store.profiles import Profile
from tierline.vendors.registry import NAME_KINDS

ADA: dict[str, Any] = {"customer": "ada", "card": "C-1", "merchant_id": "M-1", "points": 5}


async def run(club: Club, path: Path) -> Imported:
    async with club.writer() as writer:
        importer = Importer(
            club.database, club.catalog, writer, club.project, club.program,
            name_kinds=(CARD, *NAME_KINDS),
        )  # fmt: skip
        return await importer.run(path)


async def owners(club: Club, *names: str) -> set[int | None]:
    async with club.database.pool.acquire() as connection:
        place = connection, club.database.shards, club.project
        return {await customers.find_by_name(*place, name) for name in names}


@pytest.mark.parametrize("lines_of", [members, whole])
async def test_an_export_carries_every_name(
    club: Club, tmp_path: Path, lines_of: Callable[..., Any]
) -> None:
    """One card and several, names of vendors with and without a column, the former source id."""
    await club.create()
    path = tmp_path / "people.jsonl"
    await run(club, jsonl(path, ADA, {"customer": "bob", "card": "C-2", "points": 5}))
    cards = Profile(names={"card": ("C-3", "C-4"), "list": ("list:b",)}, source_id="robert")
    await profiles.put(club.database, club.project, "bob", cards, 0)
    lines = [line async for line in lines_of(club.database, club.program, NAME_KINDS)]
    path.write_bytes(b"".join(lines))
    await club.create()

    done = await run(club, path)

    assert done.refused == 0, done.problems
    ada, bob = ("ada", "C-1", "M-1"), ("bob", "robert", "C-2", "C-3", "C-4", "list:b")
    assert len(await owners(club, *ada)) == len(await owners(club, *bob)) == 1
    assert None not in await owners(club, *ada, *bob)
    assert (await run(club, path)).changed == 0


async def test_a_strange_kind_of_name_is_refused(club: Club, tmp_path: Path) -> None:
    """A kind is a word."""
    await club.create()
    record = {"customer": "ada", "names": {"A nick": ["a"]}}

    done = await run(club, jsonl(tmp_path / "a.jsonl", record))

    assert [p.path for p in done.problems] == ["names.A nick"]
    assert await owners(club, "ada") == {None}
