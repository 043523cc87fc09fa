"""Importing files: people, balances, tiers, histories; resumable, and quiet unless told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tests.ledger.test_sweep import START, YEARLY
from tierline.ledger.files.export import history, members
from tierline.ledger.files.file_kind import FileUnreadable
from tierline.ledger.files.importer import Importer
from tierline.ledger.files.progress import Imported, alone, fingerprint
from tierline.model.calendar import parse_instant
from tierline.rules.expiry import AfterPeriod
from tierline.store import customers

MONTHLY = replace(LADDER, points=replace(LADDER.points, expiry=AfterPeriod(length="P1M")))
PEOPLE = """\
customer,id,number,name,email,metadata.shoe,enrolled_at,tier,tier_since,points
ada,ext-1,4711,Ada,ada@example.com,38,2020-01-02T00:00:00Z,gold,2022-05-05T10:00:00Z,120
bob,,,"Bob, jr.",,,,,,250
eve,,,Eve,,,,,,
"""


async def run(club: Club, path: Path, *, quiet: bool = True, resume: bool = True) -> Imported:
    async with club.writer() as writer:
        importer = Importer(
            club.database, club.catalog, writer, club.project, club.program, quiet=quiet
        )
        return await importer.run(path, resume=resume)


async def test_people_come_with_ids_names_and_tiers(club: Club, tmp_path: Path) -> None:
    """A CSV of people: ids and numbers are kept, tiers and balances as they were, in silence."""
    await club.create(YEARLY, clock=START)
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    done = await run(club, path)
    assert (done.records, done.customers, done.commands, done.refused) == (3, 3, 2, 0)
    ada = await club.standing()
    assert (ada.tier, ada.balance) == ("gold", 120)
    assert ada.since == parse_instant("2022-05-05T10:00:00Z")
    assert ada.joined_at == parse_instant("2020-01-02T00:00:00Z")
    assert (await club.standing("bob")).tier == "silver"
    async with club.database.pool.acquire() as connection:
        shards = club.database.shards
        customer = await customers.find(connection, shards, club.project, "ext-1", "id")
        assert customer is not None
        row = await customers.read(connection, shards, customer)
    assert row is not None
    assert (row.customer.id, row.customer.number, row.customer.metadata) == (
        "ext-1",
        4711,
        {"shoe": "38"},
    )
    assert await club.events() == []
    assert await club.count("customer") == 3
    assert await club.count("member") == 2


async def test_a_file_imported_twice_counts_once(club: Club, tmp_path: Path) -> None:
    """Keys follow from the records: a second run repeats what the first did."""
    await club.create(clock=START)
    path = tmp_path / "history.jsonl"
    lines = [{"customer": f"c{i % 9}", "kind": "earn", "points": 7} for i in range(1234)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = await run(club, path, quiet=False)
    again = await run(club, path, quiet=False)
    assert (first.commands, first.repeated) == (1234, 0)
    assert (again.commands, again.repeated) == (1234, 1234)
    assert (await club.standing("c0")).balance == 7 * 138
    assert len(await club.events()) == 27  # joined, silver, gold: it was announced
    assert not path.with_name("history.jsonl.progress").exists()


async def test_an_import_that_was_stopped_goes_on(club: Club, tmp_path: Path) -> None:
    """The note beside the file says how far it came."""
    await club.create(clock=START)
    path = tmp_path / "history.jsonl"
    lines = [{"customer": f"c{i}", "kind": "earn", "points": 7} for i in range(5000)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    class Stopped(Exception):
        pass

    def stop(done: Imported) -> None:
        if done.records >= 4600:
            raise Stopped

    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        with pytest.raises(Stopped):
            await importer.run(path, stop)
    done = await run(club, path)
    assert done.records == 5000
    assert done.refused == 0
    assert await club.count("member") == 5000
    assert await club.count("entry") == 10_000


async def test_bad_records_are_named_and_the_rest_goes_in(club: Club, tmp_path: Path) -> None:
    """Each refused record with its line and reason."""
    await club.create(clock=START)
    path = tmp_path / "mixed.jsonl"
    path.write_text(
        '{"customer":"ada","kind":"earn","points":5}\n'
        "\n"
        "not json\n"
        '{"customer":"ada","kind":"earn","points":-5}\n'
        '{"customer":"ada","kind":"redeem","points":50}\n'
        '{"customer":"bob","tier":"diamond"}\n'
        '{"customer":"bob","points":1.5}\n'
        '{"customer":"bob","points":1,"colour":"red"}\n'
        '{"customer":"bob","points":15}\n'
    )
    done = await run(club, path)
    assert [(p.line, p.path) for p in sorted(done.problems, key=lambda p: p.line)] == [
        (3, None),
        (4, "points"),
        (5, "points"),
        (6, "tier"),
        (7, "points"),
        (8, "colour"),
    ]
    assert (done.records, done.refused) == (8, 6)
    assert (await club.standing("bob")).balance == 15


async def test_what_is_exported_can_be_imported(club: Club, tmp_path: Path) -> None:
    """An export of members, read into another project, gives the same tiers and balances."""
    await club.create(clock=START)
    async with club.writer() as writer:
        for i, points in enumerate((30, 150, 900)):
            await writer.submit(club.activity(customer=f"c{i}", points=points))
        await writer.submit(club.activity("redeem", customer="c2", points=100))
    path = tmp_path / "export.jsonl"
    with path.open("wb") as file:
        async for line in members(club.database, club.program):
            file.write(line)
    before = [await club.standing(f"c{i}") for i in range(3)]
    await club.create(clock=START)
    done = await run(club, path)
    assert (done.records, done.refused) == (3, 0), done.problems
    for i, was in enumerate(before):
        now = await club.standing(f"c{i}")
        assert (now.tier, now.balance, now.spent, now.joined_at, now.since) == (
            was.tier,
            was.balance,
            was.spent,
            was.joined_at,
            was.since,
        )


async def test_points_of_unknown_age_live_from_their_arrival(club: Club, tmp_path: Path) -> None:
    """Who joined elsewhere years ago keeps what they bring: only told lots have an age."""
    await club.create(MONTHLY, clock=START)
    path = tmp_path / "old.jsonl"
    path.write_text('{"customer":"ada","points":500,"enrolled_at":"2020-01-01T00:00:00Z"}\n')
    await run(club, path)
    ada = await club.standing()
    assert (ada.balance, ada.expired) == (500, 0)
    assert ada.lots == ((parse_instant("2023-04-16T00:00:00Z"), 500),)


async def test_lots_are_part_of_the_points(club: Club, tmp_path: Path) -> None:
    """Lots that hold more than the balance are refused; without a balance they are it."""
    await club.create(MONTHLY, clock=START)
    path = tmp_path / "lots.jsonl"
    path.write_text(
        '{"customer":"ada","points":10,"lots":[{"points":11}]}\n'
        '{"customer":"bob","lots":[{"points":7},{"points":3,"expires_at":"2023-04-01T00:00:00Z"}]}\n'
    )
    done = await run(club, path)
    assert [(p.line, p.path) for p in done.problems] == [(1, "lots")]
    bob = await club.standing("bob")
    assert (bob.balance, bob.earned) == (10, 10)


async def test_points_that_never_expire_survive_an_export(club: Club, tmp_path: Path) -> None:
    """Where the rules let points expire, those that were told never to do not begin to."""
    await club.create(MONTHLY, clock=START)
    path = tmp_path / "people.jsonl"
    path.write_text('{"customer":"ada","points":90,"lots":[{"points":40}]}\n')
    await run(club, path)
    was = await club.standing()
    assert was.lots == ((parse_instant("2023-04-16T00:00:00Z"), 50), (None, 40))
    with path.open("wb") as file:
        async for line in members(club.database, club.program):
            file.write(line)
    await club.create(MONTHLY, clock=START)
    await run(club, path)
    assert (await club.standing()).lots == was.lots


async def test_numbers_made_later_lie_above_imported_ones(club: Club, tmp_path: Path) -> None:
    """A listing by number never misses one; what the API refuses as a number, a file's is too."""
    await club.create(clock=START)
    path = tmp_path / "numbers.jsonl"
    path.write_text(
        '{"customer":"ada","number":90000000}\n'
        f'{{"customer":"eve","number":{2**52 + 1}}}\n'
        '{"customer":"bob","points":5}\n'
    )
    done = await run(club, path)
    assert [(p.line, p.path) for p in done.problems] == [(2, "number")]
    query = "SELECT number FROM customer ORDER BY number"
    ada, bob = [row["number"] for row in await club.database.pool.fetch(query)]
    assert (ada, bob > ada, bob < 2**53) == (90_000_000, True, True)


async def test_one_import_of_a_file_at_a_time(club: Club, tmp_path: Path) -> None:
    """Two would share the note of how far they are; a look at what would happen is free."""
    await club.create()
    path = tmp_path / "people.jsonl"
    path.write_text('{"customer": "ada", "points": 5}\n')
    with alone(path):
        trial = Importer(club.database, club.catalog, None, club.project, club.program)
        assert (await trial.run(path)).made == 1
        with pytest.raises(FileUnreadable, match="being imported already"):
            await run(club, path)
    assert (await run(club, path)).made == 1


def test_a_note_belongs_to_one_content(tmp_path: Path) -> None:
    """A change far into a large file is another file, also where it keeps its size."""
    path = tmp_path / "large.jsonl"
    content = bytearray(b"x" * 3_000_000)
    path.write_bytes(content)
    before = fingerprint(path)
    content[2_500_000] = ord("y")
    path.write_bytes(content)
    assert fingerprint(path) != before


async def test_a_row_that_cannot_be_read_stops_no_other(club: Club, tmp_path: Path) -> None:
    """A byte of another encoding, or a cell without end, spoils its own row."""
    await club.create(clock=START)
    path = tmp_path / "people.csv"
    long = b"x" * 200_000
    rows = b"ada,Ada\nren\xe9,R\xe9n\neve," + long + b"\nbob,Bob\n"
    path.write_bytes(b"customer,name\n" + rows)
    done = await run(club, path)
    assert [p.line for p in done.problems] == [3, 4]
    assert (done.records, done.customers) == (4, 2)


async def test_a_long_history_is_exported_in_pages(club: Club) -> None:
    """No entry twice, none left out, a member's in their order."""
    await club.create(clock=START)
    async with club.writer() as writer:
        for i in range(5):
            for name in ("ada", "bob", "eve"):
                await writer.submit(club.activity(customer=name, points=i + 1))
    lines = [json.loads(line) async for line in history(club.database, club.program, most=2)]
    for name in ("ada", "bob", "eve"):
        points = [line["points"] for line in lines if line["customer"] == name]
        assert points == [0, 1, 2, 3, 4, 5]


async def test_personal_fields_come_along(club: Club, tmp_path: Path) -> None:
    """Phone, birthdate and address: of CSV columns, of JSON, and of an export."""
    await club.create(YEARLY, clock=START)
    path = tmp_path / "people.csv"
    path.write_text(
        "customer,phone,birthdate,address.line_1,address.city,points\n"
        "ada,+49 1,1990-12-31,Torstr. 1,Berlin,1\nbob,,--02-29,,,1\n"
        "eve,no,,,,1\nron,,2990-01-01,,,1\n"
    )
    done = await run(club, path)
    assert (done.customers, done.refused) == (2, 2)
    lines = [json.loads(line) async for line in members(club.database, club.program)]
    facts = {line["customer"]: line for line in lines}
    ada = {"phone": "+49 1", "birthdate": "1990-12-31"}
    assert facts["ada"] == {
        **facts["ada"],
        **ada,
        "address": {"line_1": "Torstr. 1", "city": "Berlin"},
    }
    assert facts["bob"]["birthdate"] == "--02-29"
    assert not {"phone", "address"} & facts["bob"].keys()
    again = tmp_path / "members.jsonl"
    again.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert (await run(club, again)).refused == 0
