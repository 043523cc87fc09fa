"""What a file may hold: every record goes in whole or not at all, and is checked as by the API."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tests.ledger.test_importer import MONTHLY, run
from tests.ledger.test_sweep import EXPIRING, START
from tierline.ledger import commands
from tierline.ledger.files.file_kind import FileUnreadable
from tierline.ledger.files.importer import Importer
from tierline.ledger.files.progress import Imported
from tierline.ledger.files.records import InputFile
from tierline.model.calendar import parse_instant
from tierline.rules.metric import Metric
from tierline.rules.window import Since

LONG = "x" * 20_000


def jsonl(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


async def trial(club: Club, path: Path, rejects: Path | None = None) -> Imported:
    importer = Importer(club.database, club.catalog, None, club.project, club.program)
    return await importer.run(path, rejects=rejects)


async def customers(club: Club) -> list[str]:
    rows = await club.database.pool.fetch("SELECT profile FROM customer ORDER BY profile")
    return sorted(json.loads(row["profile"])["source_id"] for row in rows)


DIRTY: list[tuple[dict[str, Any], str]] = [
    ({"customer": "a\0b", "points": 5}, "customer"),
    ({"customer": "", "points": 5}, "customer"),
    ({"customer": " a", "points": 5}, "customer"),
    ({"customer": LONG, "points": 5}, "customer"),
    ({"customer": "a", "id": "a\0", "points": 5}, "id"),
    ({"customer": "a", "id": "a ", "points": 5}, "id"),
    ({"customer": "a", "card": LONG}, "card"),
    ({"customer": "a", "card": "a\0"}, "card"),
    ({"customer": "a", "name": "A\nB"}, "name"),
    ({"customer": "a", "name": LONG}, "name"),
    ({"customer": "a", "email": LONG}, "email"),
    ({"customer": "a", "metadata": {"x": "a\0"}}, "metadata.x"),
    ({"customer": "a", "enrolled_at": "2999-01-01T00:00:00Z"}, "enrolled_at"),
    ({"customer": "a", "enrolled_at": "2150-01-01T00:00:00Z"}, "enrolled_at"),
    ({"customer": "a", "created_at": "2150-01-01T00:00:00Z"}, "created_at"),
    ({"customer": "a", "enrolled_at": "yesterday"}, "enrolled_at"),
    ({"customer": "a", "tier": "diamond"}, "tier"),
    ({"customer": "a", "tier_since": "2020-01-01T00:00:00Z", "points": 1}, "tier"),
    ({"customer": "a", "points": 10, "lots": [{"points": 11}]}, "lots"),
    ({"customer": "a", "points": 10**13}, "points"),
    ({"customer": "a", "points": 1.5}, "points"),
    ({"customer": "a", "colour": "red"}, "colour"),
    ({"customer": "a", "kind": "earn", "points": 5, "key": "k\0"}, "key"),
    ({"customer": " a", "kind": "earn", "points": 5}, "customer"),
    ({"customer": "a", "kind": "earn"}, "points"),
    ({"customer": "a", "number": 0}, "number"),
]


async def test_a_refused_record_leaves_nothing_and_the_others_are_in(
    club: Club, tmp_path: Path
) -> None:
    """Whatever is wrong is found before anything of the record is written, and named."""
    await club.create(clock=START)
    good = {"customer": "good", "points": 7}
    path = jsonl(tmp_path / "dirty.jsonl", *(record for record, _ in DIRTY), good)

    done = await run(club, path)

    problems = {problem.line: problem.path for problem in done.problems}
    assert problems == {i: column for i, (_, column) in enumerate(DIRTY, 1)}
    assert await customers(club) == ["good"]
    assert await club.count("entry") == 2


async def test_a_refused_record_leaves_somebody_who_exists_as_they_were(
    club: Club, tmp_path: Path
) -> None:
    """A profile is not written when the ledger refuses what comes with it."""
    await club.create(clock=START)
    await run(club, jsonl(tmp_path / "one.jsonl", {"customer": "ada", "name": "Ada", "points": 5}))
    async with club.writer() as writer:
        await writer.submit(commands.leave(club.parser.program_ref, "ada"))
    left = {"customer": "ada", "name": "Eve", "points": 6}

    done = await run(club, jsonl(tmp_path / "two.jsonl", left, {"customer": "ada", "name": "a\0"}))

    assert sorted(p.line for p in done.problems) == [1, 2]
    row = await club.database.pool.fetchval(
        "SELECT profile FROM customer WHERE profile LIKE '%\"ada\"%'"
    )
    assert json.loads(row)["name"] == "Ada"


async def test_a_name_of_somebody_else_leaves_both_as_they_were(club: Club, tmp_path: Path) -> None:
    """Of two records that claim one card the first has it, and the second leaves nothing."""
    await club.create(clock=START)
    path = jsonl(
        tmp_path / "cards.jsonl",
        {"customer": "ada", "card": "C1", "points": 1},
        {"customer": "bob", "card": "C1", "points": 1},
    )

    done = await run(club, path)

    assert [(p.line, p.path) for p in done.problems] == [(2, "card")]
    assert await customers(club) == ["ada"]


@pytest.mark.parametrize(
    "line",
    [
        '{"customer":"ada","points":5,"points":6}',
        '{"customer":"ada","points":5,"points" :6}',
        '{"customer":"ada","metadata":{"x":1,"x":2}}',
        '{"customer":"ada","kind":"earn","points":5,"kind":"earn"}',
    ],
)
async def test_a_name_that_stands_twice_in_a_record_is_refused(
    club: Club, tmp_path: Path, line: str
) -> None:
    """No value wins silently."""
    await club.create(clock=START)
    path = tmp_path / "twice.jsonl"
    path.write_text(line + '\n{"customer":"bob","name":"a \\":\\" b","points":1}\n')

    done = await run(club, path)

    assert [p.line for p in done.problems] == [1]
    assert await customers(club) == ["bob"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "customer,points,points\nada,1,2\n", "twice"),
        ("a.csv", "customer,colour\nada,red\n", "no column 'colour'"),
        ("a.csv", "who,points\nada,1\n", "no column `customer`"),
        ("a.csv", "customer:points\nada:1\n", "no column `customer`"),
        ("a.txt", "who what\n", "no column `customer`"),
        ("a.csv", "", "empty"),
        ("a.jsonl", "\n\n", "empty"),
        ("a.jsonl", '[{"customer":"ada"}]', "array"),
        ("a.csv", "customer,address,address.city\n", "`address` and parts"),
    ],
)
def test_what_is_wrong_with_a_whole_file_is_said_once(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    """Before the first record, in one sentence, instead of an error for every row."""
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(FileUnreadable, match=says):
        InputFile(path, ())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "customer;points\nada;5\n"),
        ("a.tsv", "customer\tpoints\nada\t5\n"),
        ("a.txt", "customer,points\nada,5\n"),
        ("a.txt", '{"customer":"ada","points":5}\n'),
        ("a.csv", "\ufeffcustomer,points\nada,5\n"),
    ],
)
async def test_the_content_says_what_kind_of_file_it_is(
    club: Club, tmp_path: Path, name: str, content: str
) -> None:
    """Commas, semicolons and tabs are told apart by the heading."""
    await club.create(clock=START)
    path = tmp_path / name
    path.write_text(content)

    done = await run(club, path)

    assert (done.records, done.refused) == (1, 0), done.problems
    assert (await club.standing()).balance == 5


async def test_csv_carries_lots(club: Club, tmp_path: Path) -> None:
    """Points keep their lives in a cell; those without a word on it are counted."""
    await club.create(MONTHLY, clock=START)
    path = tmp_path / "lots.csv"
    path.write_text(
        "customer,points,lots\n"
        "ada,90,40@2023-04-01T00:00:00Z; 30\n"
        'bob,,"[{""points"":5}]"\n'
        "eve,5,x@2023\n"
    )

    done = await run(club, path)

    assert [(p.line, p.path) for p in done.problems] == [(4, "lots")]
    assert done.ageless == 1
    ada = await club.standing()
    assert (parse_instant("2023-04-01T00:00:00Z"), 40) in ada.lots
    assert ada.lots[-1] == (None, 30)
    assert (await club.standing("bob")).lots == ((None, 5),)


async def test_an_import_says_how_many_entries_no_metric_counts(club: Club, tmp_path: Path) -> None:
    """What happened before the membership, or in a former one, is recorded and said."""
    policy = replace(LADDER.policy, metric=Metric("earned"), window=Since())
    await club.create(replace(LADDER, policy=policy), clock=START)
    early = {"kind": "earn", "customer": "ada", "points": 5, "occurred_at": "2020-01-01T00:00:00Z"}
    people = {"customer": "ada", "points": 10, "enrolled_at": "2022-06-01T00:00:00Z"}

    done = await run(club, jsonl(tmp_path / "early.jsonl", people, early))

    assert (done.refused, done.uncounted) == (0, 1), done.problems
    assert (await club.standing()).balance == 15


async def test_a_debt_comes_along(club: Club, tmp_path: Path) -> None:
    """Points below zero are owed: the next ones pay them first."""
    await club.create(clock=START)

    done = await run(club, jsonl(tmp_path / "debt.jsonl", {"customer": "ada", "points": -30}))

    assert done.refused == 0, done.problems
    assert ((await club.standing()).debt, (await club.standing()).balance) == (30, -30)


async def test_what_was_over_before_an_import_is_told_to_nobody(club: Club, tmp_path: Path) -> None:
    """A tier that ended and points that expired long ago are judged at once, and in silence."""
    await club.create(EXPIRING, clock=START)
    past = "2021-01-01T00:00:00Z"
    path = jsonl(
        tmp_path / "past.jsonl",
        {"customer": "ada", "tier": "gold", "tier_since": past, "tier_expires_at": past},
        {"customer": "bob", "lots": [{"points": 900, "expires_at": past}]},
        {"customer": "eve", "kind": "earn", "points": 900, "occurred_at": past},
    )

    done = await run(club, path)

    assert done.refused == 0, done.problems
    assert await club.events() == []
    assert (await club.standing("bob")).balance == 0


async def test_refused_records_go_into_a_file_that_can_be_corrected(
    club: Club, tmp_path: Path
) -> None:
    """In the input's own format, each with its reason; corrected there, they go in."""
    await club.create(clock=START)
    path, rejects = tmp_path / "people.csv", tmp_path / "people.rejects.csv"
    path.write_text("customer;points;name\nada;five;Ada\nbob;5;Bob\neve;;\x01\n")
    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        await importer.run(path, rejects=rejects)
    with rejects.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [(row["customer"], row["points"]) for row in rows] == [("ada", "five"), ("eve", "")]
    assert all(row["refused"] for row in rows)

    rejects.write_text(rejects.read_text().replace("five", "5").replace("\x01", "Eve"))
    again = await run(club, rejects)

    assert (again.records, again.refused) == (2, 0), again.problems
    assert await customers(club) == ["ada", "bob", "eve"]


async def test_rejects_of_json_lines_are_json_lines(club: Club, tmp_path: Path) -> None:
    """An object keeps its fields; what was no object stands beside its reason as text."""
    await club.create(clock=START)
    path, rejects = tmp_path / "a.jsonl", tmp_path / "a.rejects.jsonl"
    path.write_text('{"customer":"ada","points":1.5}\nnot json\n')
    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        await importer.run(path, rejects=rejects)
    first, second = (json.loads(line) for line in rejects.read_text().splitlines())
    assert (first["customer"], first["points"]) == ("ada", 1.5)
    assert second["text"] == "not json"
    assert first["refused"]
    assert second["refused"]

    rejects.write_text(rejects.read_text().splitlines()[0].replace("1.5", "2") + "\n")
    assert (await run(club, rejects)).refused == 0
    assert (await club.standing()).balance == 2


async def test_a_dry_run_says_what_an_import_does_and_writes_nothing(
    club: Club, tmp_path: Path
) -> None:
    """The same counts and the same refusals, on the ledger as it is and as the file goes on."""
    await club.create(clock=START)
    await run(club, jsonl(tmp_path / "one.jsonl", {"customer": "ada", "name": "Ada", "points": 5}))
    path = jsonl(
        tmp_path / "two.jsonl",
        {"customer": "ada", "name": "Eve", "points": 5},  # counted before, another name
        {"customer": "bob", "card": "C1", "points": 50},
        {"customer": "bob", "kind": "redeem", "points": 40},
        {"customer": "bob", "kind": "redeem", "points": 40},  # too much by then
        {"customer": "cem", "card": "C1"},  # bob's
        {"customer": "dan", "kind": "order", "amount": 500, "key": "o1"},
        {"customer": "dan", "kind": "refund", "of": "o1"},
        {"customer": "ada", "id": "other"},  # fixed
    )
    rows = await club.count("entry"), await customers(club)
    would = await trial(club, path)
    assert (await club.count("entry"), await customers(club)) == rows

    done = await run(club, path)

    assert sorted(p.line for p in would.problems) == [4, 5, 8]
    assert replace(would, problems=()) == replace(done, problems=())
    assert {(p.line, p.path) for p in would.problems} == {(p.line, p.path) for p in done.problems}
    assert (would.made, would.changed, would.repeated) == (1, 1, 1)
    assert would.kinds == {"opening": 2, "order": 1, "redeem": 1, "refund": 1}
    assert would.columns == {"card": 1, "id": 1, "points": 1}
