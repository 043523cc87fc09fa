"""What a refused record leaves behind: nothing but its line among the rejects, once, wherever they
go and however often the run was stopped."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from tests.ledger.conftest import Club
from tests.ledger.test_import_records import customers, jsonl, trial
from tests.ledger.test_importer import run
from tests.ledger.test_sweep import START
from tierline.ledger.files import importer as importing
from tierline.ledger.files.importer import SLICE, Importer
from tierline.ledger.files.progress import Imported
from tierline.ledger.files.rejects import RejectsUnwritable

DIRTY = "customer,points\nada,five\nbob,6\n"


async def imported(club: Club, path: Path, rejects: Path, **more: object) -> Imported:
    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        return await importer.run(path, rejects=rejects, **more)  # type: ignore[arg-type]


async def name_of(club: Club, customer: str) -> str | None:
    rows = await club.database.pool.fetch("SELECT profile FROM customer")
    people = [json.loads(row["profile"]) for row in rows]
    (name,) = (person.get("name") for person in people if person["source_id"] == customer)
    return str(name)


@pytest.mark.parametrize("between", [0, SLICE], ids=["one slice", "two slices"])
@pytest.mark.parametrize("exists", [False, True], ids=["new", "there"])
async def test_of_two_records_that_differ_the_second_leaves_the_person_as_they_are(
    club: Club, tmp_path: Path, between: int, *, exists: bool
) -> None:
    """Name and points are the first one's; the sentence names the column, not a key of ours."""
    await club.create(clock=START)
    if exists:
        before = {"customer": "ada", "name": "Before", "points": 9}
        await run(club, jsonl(tmp_path / "before.jsonl", before))
    others = [{"customer": f"c{i}"} for i in range(between)]
    first = {"customer": "ada", "name": "Ada", "points": 1}
    second = {"customer": "ada", "name": "Eve", "points": 2}
    path = jsonl(tmp_path / "twice.jsonl", first, *others, second)
    would = await trial(club, path)

    done = await run(club, path)

    assert would == done
    (problem,) = done.problems
    assert (problem.line, problem.path) == (between + 2, "customer")
    assert "another record in this file says something else" in problem.sentence
    assert await name_of(club, "ada") == "Ada"
    assert (await club.standing()).balance == 1


async def test_after_a_refused_record_the_next_one_of_the_person_counts(
    club: Club, tmp_path: Path
) -> None:
    """Once bad and once good, in either order; once more the same is no second word."""
    await club.create(clock=START)
    bad = {"customer": "ada", "name": "Eve", "points": 10**13}
    good = {"customer": "ada", "name": "Ada", "points": 2}
    path = jsonl(tmp_path / "twice.jsonl", bad, good, bad, {**good, "name": "Ada L."})

    done = await run(club, path)

    assert [p.line for p in done.problems] == [1, 3]
    assert await name_of(club, "ada") == "Ada L."
    assert (await club.standing()).balance == 2


async def test_a_standing_that_the_program_cannot_hold_makes_nobody(
    club: Club, tmp_path: Path
) -> None:
    """Its tiers are looked at before the profile is written."""
    await club.create(clock=START)
    standings = (
        {"joined_at": START, "held": "diamond"},
        {"joined_at": START, "tier": "silver", "waiting": ["diamond", START]},
        {"joined_at": START, "lots": [[None, 10**14]] * 100},
        {"joined_at": -62_135_596_800_000},  # no time zone knows the year 1
        {"joined_at": START, "at": START, "held": "gold", "ends_at": START},
        {
            "joined_at": START,
            "at": START,
            "grace_until": START,
        },  # the engine would not come to an end
    )
    people = [
        {"customer": f"c{i}", "name": "N", "standing": standing}
        for i, standing in enumerate(standings)
    ]
    path = jsonl(tmp_path / "standings.jsonl", *people)
    would = await trial(club, path)

    done = await run(club, path)

    assert would == done
    assert (done.refused, done.made) == (6, 0)
    assert await customers(club) == []


async def test_a_dry_run_knows_names_of_every_kind(club: Club, tmp_path: Path) -> None:
    """An id or a card is nobody's who has another name that is the same."""
    await club.create(clock=START)
    await run(club, jsonl(tmp_path / "bob.jsonl", {"customer": "bob", "card": "C1"}))
    path = jsonl(
        tmp_path / "names.jsonl",
        {"customer": "ada", "id": "bob"},
        {"customer": "ada", "id": "C1"},
        {"customer": "ada", "card": "bob"},
        {"customer": "eve", "id": "X1"},
        {"customer": "ada", "card": "X1"},
        {"customer": "ada", "card": "eve"},
        {"customer": "cust_00000000000000"},
    )
    would = await trial(club, path)

    done = await run(club, path)

    places = [(1, "id"), (2, "id"), (3, "card"), (5, "card"), (6, "card"), (7, "customer")]
    assert sorted((p.line, p.path) for p in would.problems) == places
    assert sorted((p.line, p.path) for p in done.problems) == places


async def test_points_of_unknown_age_are_counted_of_those_who_came(
    club: Club, tmp_path: Path
) -> None:
    """Who was refused brought none."""
    await club.create(clock=START)
    bad = {"customer": "bob", "points": 5, "name": "\x01"}
    path = jsonl(tmp_path / "people.jsonl", {"customer": "ada", "points": 5}, bad)

    assert (await run(club, path)).ageless == 1


async def test_a_pipe_for_rejects_stays_a_pipe(club: Club, tmp_path: Path) -> None:
    """What is no file is written to, and never taken away; so is a device like /dev/null."""
    await club.create(clock=START)
    path, pipe = tmp_path / "people.csv", tmp_path / "rejects"
    path.write_text(DIRTY)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    await imported(club, path, pipe)

    assert pipe.is_fifo()
    assert os.read(reader, 1000).decode().splitlines()[0] == "customer,points,refused"
    os.close(reader)


async def test_rejects_that_cannot_be_written_are_said_before_the_first_record(
    club: Club, tmp_path: Path
) -> None:
    """Half an import with nowhere to note its refusals helps nobody."""
    await club.create(clock=START)
    path = tmp_path / "people.csv"
    path.write_text(DIRTY)

    with pytest.raises(RejectsUnwritable):
        await imported(club, path, tmp_path / "missing" / "rejects.csv")

    assert await customers(club) == []


class Stopped(Exception):
    """As a kill: nothing is done after it."""


async def stopped(club: Club, path: Path, rejects: Path, records: int) -> None:
    def stop(done: Imported) -> None:
        if done.records >= records:
            raise Stopped

    with pytest.raises(Stopped):
        await imported(club, path, rejects, on_progress=stop)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every slice it is noted how far an import has come."""
    monkeypatch.setattr(importing, "NOTE_S", 0.0)


@pytest.mark.usefixtures("notes")
async def test_a_stopped_run_leaves_each_refused_record_once(club: Club, tmp_path: Path) -> None:
    """Those of before the note and those of after it, also such as the ledger refuses."""
    await club.create(clock=START)
    path, rejects = tmp_path / "people.csv", tmp_path / "rejects.csv"
    rows = [f"c{i},earn,{'five' if i % 7 == 0 else 5}" for i in range(2 * SLICE + 300)]
    rows[300] = rows[SLICE + 300] = "poor,redeem,9"
    path.write_text("\n".join(["customer,kind,points", *rows]))
    dirty = [row.split(",")[0] for i, row in enumerate(rows) if i % 7 == 0 or "redeem" in row]
    await stopped(club, path, rejects, 2 * SLICE)

    done = await imported(club, path, rejects)

    with rejects.open(newline="") as file:
        names = [row["customer"] for row in csv.DictReader(file)]
    assert sorted(names) == sorted(dirty)
    assert (done.records, done.refused) == (len(rows), len(dirty))


@pytest.mark.usefixtures("notes")
async def test_what_one_program_took_in_is_not_passed_over_in_another(
    club: Club, tmp_path: Path
) -> None:
    """A note speaks of where the records went, not of the file alone."""
    await club.create(clock=START)
    path = tmp_path / "people.csv"
    rows = [f"c{i},5" for i in range(SLICE + 1)]
    path.write_text("\n".join(["customer,points", *rows]))
    await stopped(club, path, tmp_path / "rejects.csv", len(rows))
    await club.create(clock=START)

    done = await imported(club, path, tmp_path / "rejects.csv")

    assert done.made == len(rows)
