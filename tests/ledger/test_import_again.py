"""A corrected record imported again corrects; an export imported elsewhere is the same standing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tests.ledger.test_import_records import jsonl, trial
from tests.ledger.test_importer import run
from tests.ledger.test_sweep import EXPIRING, START, YEARLY
from tierline.ledger import commands, sandbox
from tierline.ledger.files.export import members, whole
from tierline.ledger.rebuild import verify
from tierline.model.entries import Override
from tierline.model.standing import Standing

DAY = 86_400_000


async def sound(club: Club) -> bool:
    return [d async for d in verify(club.database, club.catalog)] == []


@pytest.mark.parametrize("kind", ["person", "activity"])
async def test_a_corrected_record_corrects_three_times(
    club: Club, tmp_path: Path, kind: str
) -> None:
    """A reversal and a new entry each time; balances, tiers and silence follow the last word."""
    await club.create(clock=START)
    for i, points in enumerate((120, 600, 30, 120)):
        record: dict[str, Any] = {"customer": "ada", "points": points}
        if kind == "activity":
            record |= {"kind": "earn", "key": "first"}
        path = jsonl(tmp_path / f"{i}.jsonl", record)
        would = await trial(club, path)
        done = await run(club, path)
        assert (done.corrected, done.refused) == (int(i > 0), 0), done.problems
        assert (would.corrected, would.refused) == (int(i > 0), 0), would.problems
        again = await run(club, path)
        assert (again.corrected, again.repeated) == (0, 1)
        ada = await club.standing()
        assert (ada.balance, ada.earned) == (points, points)
        assert ada.tier == {120: "silver", 600: "gold", 30: "bronze"}[points]
        assert ada.entries == 2 + 2 * i
    assert await club.events() == []
    assert await sound(club)


async def test_a_correction_takes_back_all_that_an_opening_brought(
    club: Club, tmp_path: Path
) -> None:
    """Lots, points spent and the tier; points earned since stay."""
    await club.create(EXPIRING, clock=START)
    soon = "2023-06-01T00:00:00Z"
    first = {
        "customer": "ada", "tier": "gold", "points_spent": 9,
        "lots": [{"points": 40, "expires_at": soon}, {"points": 60}],
    }  # fmt: skip
    await run(club, jsonl(tmp_path / "a.jsonl", first))
    async with club.writer() as writer:
        await writer.submit(club.activity(points=7, expires_at="2024-01-01T00:00:00Z"))
    second = {"customer": "ada", "tier": "silver", "lots": [{"points": 25, "expires_at": soon}]}

    done = await run(club, jsonl(tmp_path / "b.jsonl", second))

    assert done.corrected == 1, done.problems
    ada = await club.standing()
    assert (ada.balance, ada.spent, ada.held) == (32, 0, "silver")
    assert sorted(points for _, points in ada.lots) == [7, 25]
    assert await sound(club)


async def test_two_records_of_one_person_in_one_file_correct_nothing(
    club: Club, tmp_path: Path
) -> None:
    """The second is refused: which of them is meant cannot be known."""
    await club.create(clock=START)
    path = jsonl(
        tmp_path / "a.jsonl", {"customer": "ada", "points": 1}, {"customer": "ada", "points": 2}
    )

    done = await run(club, path)

    assert [p.line for p in done.problems] == [2]
    assert (await club.standing()).balance == 1


async def busy(club: Club) -> list[str]:
    """Members with all that a standing may hold; returns their names."""
    zone = club.parser.program_ref
    async with club.writer() as writer:
        for i in range(6):
            name = f"c{i}"
            await writer.submit(club.activity(customer=name, points=100 * i + 30, key="a"))
            await writer.submit(
                club.activity("order", customer=name, amount=7_000, key="b", name="web")
            )
        await writer.submit(club.activity("redeem", customer="c1", points=150))
        await writer.submit(club.activity("void", customer="c1", of="a"))  # spent: a debt
        await writer.submit(
            club.activity(customer="c2", points=80, available_at="2024-01-01T00:00:00Z", key="p")
        )
        await writer.submit(commands.attributes(zone, "c3", {"vip": True, "city": "Köln"}))
        now = club.catalog.now(club.project.number, START)
        pin = Override(kind="pin", tier="gold", starts_at=now, until=now + 90 * DAY)
        await writer.submit(commands.override(zone, "c3", pin))
        floor = Override(kind="floor", tier="silver", starts_at=now)
        await writer.submit(commands.override(zone, "c4", floor))
        await writer.submit(commands.leave(zone, "c5"))
        await writer.submit(club.activity(customer="c2", points=5, key="late"))
    return [f"c{i}" for i in range(6)]


def same_but_for_numbers(standing: Standing) -> Standing:
    """Without times of recording, and numbers of entries."""
    return replace(
        standing,
        at=0,
        entries=0,
        pending=tuple(replace(p, entry=0) for p in standing.pending),
        overrides=tuple(replace(o, id=0) for o in standing.overrides),
        membership_boundary=standing.membership_boundary and (0, standing.membership_boundary[1]),
        term_boundary=standing.term_boundary and (0, standing.term_boundary[1]),
    )


@pytest.mark.parametrize("history", [False, True], ids=["members", "history"])
@pytest.mark.parametrize("rules", [LADDER, YEARLY, EXPIRING], ids=["plain", "yearly", "expiring"])
async def test_an_export_imported_elsewhere_is_the_same_standing(
    club: Club, tmp_path: Path, rules: Any, *, history: bool
) -> None:
    """Every field of every member, and with the history their ledgers; nobody hears of it."""
    await club.create(replace(rules), clock=START)
    names = await busy(club)
    later = START + 40 * DAY
    await sandbox.advance(
        club.database, club.catalog, club.committed.append, club.project.number, later
    )
    before = {name: await club.standing(name) for name in names}
    path = tmp_path / "export.jsonl"
    with path.open("wb") as file:
        async for line in (whole if history else members)(club.database, club.program):
            file.write(line)
    events = len(await club.events())
    entries = await club.count("entry")
    await club.create(replace(rules), clock=later)

    done = await run(club, path)

    assert done.refused == 0, done.problems
    for name in names:
        standing = await club.standing(name)
        assert same_but_for_numbers(standing) == same_but_for_numbers(before[name]), name
        if history:
            assert standing.pending == before[name].pending
            assert standing.overrides == before[name].overrides
    assert len(await club.events()) == events
    if history:
        assert await club.count("entry") == 2 * entries + len(names)
        async with club.writer() as writer:
            answer = await writer.submit(club.activity("refund", customer="c0", of="b"))
            assert answer.amount == -7_000
    again = await run(club, path)
    assert (again.refused, again.corrected) == (0, 0)
    assert await sound(club)


async def test_fields_and_a_standing_that_disagree_are_refused(club: Club, tmp_path: Path) -> None:
    """An export that was edited says so, instead of keeping what it had."""
    await club.create(clock=START)
    async with club.writer() as writer:
        await writer.submit(club.activity(points=120))
    lines = [json.loads(line) async for line in members(club.database, club.program)]
    lines[0]["points"] = 900
    await club.create(clock=START)

    done = await run(club, jsonl(tmp_path / "edited.jsonl", *lines))

    assert [(p.line, p.path) for p in done.problems] == [(1, "points")]
    del lines[0]["standing"], lines[0]["lots"]
    assert (await run(club, jsonl(tmp_path / "plain.jsonl", *lines))).refused == 0
    assert (await club.standing()).balance == 900
