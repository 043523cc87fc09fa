"""An import brings nobody back who was erased, unless it is told to; and keyed digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.ledger.conftest import Club, wall
from tests.ledger.erasing import ANN, erasing, traces
from tierline.errors import KeyReused, UnknownOriginal
from tierline.ledger.files.importer import Importer
from tierline.ledger.files.progress import Imported
from tierline.model.tenant import CARD
from tierline.store import profiles
from tierline.store.catalog.digests import Digests
from tierline.store.profiles import Profile

MAIL = "ann.zq@shop.example"


async def without_ann(club: Club) -> None:
    """A club of which somebody was erased who had a card, an email and another name."""
    await club.create()
    profile = Profile(email=MAIL, source_id=f"{ANN}-2", names={"card": (f"{ANN}-card",)})
    await profiles.put(club.database, club.project, ANN, profile, wall())
    async with erasing(club) as erasures:
        await erasures.writer.submit(club.activity(customer=ANN, points=5, key="a-1"))
        await erasures.erase(club.project, ANN)


async def imported(club: Club, file: Path, *lines: dict[str, Any], allow: bool = False) -> Imported:
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    async with club.writer() as writer:
        importer = Importer(
            club.database, club.catalog, writer, club.project, club.program, name_kinds=(CARD,)
        )
        importer.allow_erased = allow
        return await importer.run(file, rejects=file.with_suffix(".rejects"))


RECORDS: list[dict[str, Any]] = [
    {"customer": ANN, "points": 10},
    {"customer": f"{ANN}-2", "points": 10},
    {"customer": "other-1", "email": MAIL.upper()},
    {"customer": "other-2", "id": f"{ANN}-card"},
    {"customer": "other-3", "points": 7},
]
ACTIVITIES: list[dict[str, Any]] = [
    {"customer": ANN, "kind": "earn", "points": 3, "key": "i-1"},
    {"customer": "bob", "kind": "earn", "points": 30, "key": "i-2"},
    {"customer": "bob", "kind": "transfer", "points": 3, "to": ANN, "key": "i-3"},
]


@pytest.mark.parametrize(("lines", "refused"), [(RECORDS, 4), (ACTIVITIES, 2)])
async def test_who_was_erased_is_refused_with_the_line_and_the_reason(
    club: Club, tmp_path: Path, lines: list[dict[str, Any]], refused: int
) -> None:
    """By any name of theirs and by their email, in any record; and others go in."""
    await without_ann(club)
    done = await imported(club, tmp_path / "file.jsonl", *lines)
    assert done.refused == refused
    assert all("erased here" in problem.reason for problem in done.problems)
    assert done.problems[0].line == 1
    assert await traces(club) == []
    await club.standing("other-3" if lines is RECORDS else "bob")

    again = await imported(club, tmp_path / "again.jsonl", *lines, allow=True)
    assert again.refused == 0
    assert (await club.standing(ANN)).balance == (10 if lines is RECORDS else 6)


@pytest.mark.parametrize("name", [{"card": f"{ANN}-card"}, {"names": {"card": [f"{ANN}-card"]}}])
async def test_a_card_of_somebody_erased_is_refused(
    club: Club, tmp_path: Path, name: dict[str, Any]
) -> None:
    """As any other name of theirs."""
    await without_ann(club)
    done = await imported(club, tmp_path / "file.jsonl", {"customer": "other", **name})
    assert [("erased here" in p.reason) for p in done.problems] == [True]
    assert await traces(club) == []


async def test_a_key_leaves_no_fingerprint(club: Club, tmp_path: Path) -> None:
    """Not even one that is a mail: names say who somebody is, a key says which of their activities.
    So the same key is free for anybody, for whoever comes back too, in an import and live."""
    await club.create()
    earn: dict[str, Any] = {"kind": "earn", "points": 5, "key": MAIL}
    async with erasing(club) as erasures:
        await erasures.writer.submit(club.activity(customer=ANN, points=5, key=MAIL))
        await erasures.erase(club.project, ANN)
    digests, pool = club.catalog.digests, club.database.pool
    prints = {row["fingerprint"] for row in await pool.fetch("SELECT * FROM erased_name")}
    assert digests.name(ANN) in prints
    assert prints.isdisjoint({digests.name(MAIL), digests.email(MAIL)})
    stored = await pool.fetch("SELECT key, digest FROM entry")
    assert all((row["key"][:7], row["digest"]) == ("erased\x1f", b"") for row in stored)

    lines = [
        {"customer": ANN, **earn},
        {"customer": "bob", **earn},
        {"customer": "eve", "kind": "void", "of": MAIL, "key": "v"},
    ]
    void = json.dumps({"kind": "void", "of": MAIL, "key": "w"}).encode()
    async with club.writer() as writer:
        with pytest.raises(UnknownOriginal):
            await writer.record(club.parser.activity(void, wall()))
    done = await imported(club, tmp_path / "file.jsonl", *lines)
    assert [problem.line for problem in done.problems] == [1, 3]
    assert "erased here" in done.problems[0].reason
    assert (await club.standing("bob")).balance == 5
    async with club.writer() as writer:
        again = await writer.submit(club.activity(customer=ANN, points=7, key=MAIL))
    assert (again.repeated, again.balance) == (False, 7)


async def test_what_is_stored_of_a_command_is_keyed(club: Club) -> None:
    """The same body is answered again and another one refused, whether its digest was stored since
    there is a key or before."""
    await club.create()
    first, other = (club.activity(points=n, key="k") for n in (5, 6))
    digests: Digests = club.catalog.digests
    async with club.writer() as writer:
        await writer.submit(first)
        stored = await club.database.pool.fetchval("SELECT digest FROM entry WHERE key = 'k'")
        assert stored == digests.keyed(first.digest) != first.digest
        for digest in (stored, first.digest):
            await club.database.pool.execute("UPDATE entry SET digest = $1 WHERE key='k'", digest)
            assert (await writer.submit(first)).repeated
            with pytest.raises(KeyReused):
                await writer.submit(other)


async def test_an_orders_statement_is_keyed(club: Club) -> None:
    """As any command's, in what is stored of the order, too."""
    await club.create()
    body: dict[str, Any] = {"order": "o-1", "paid": 5000, "key": "s-1"}
    first, other = (club.activity("order", **(body | {"paid": paid})) for paid in (5000, 6000))
    async with club.writer() as writer:
        await writer.record(first)
        pool = club.database.pool
        record = json.loads(await pool.fetchval("SELECT record FROM order_state"))
        assert record["keys"] == {"s-1": club.catalog.digests.keyed(first.digest).hex()}
        assert (await writer.record(first)).repeated
        record["keys"]["s-1"] = first.digest.hex()  # as it was stored before there was a key
        await pool.execute("UPDATE order_state SET record = $1", json.dumps(record))
        await pool.execute("UPDATE entry SET digest = $1 WHERE key = 's-1'", first.digest)
        assert (await writer.record(first)).repeated
        with pytest.raises(KeyReused):
            await writer.record(other)
