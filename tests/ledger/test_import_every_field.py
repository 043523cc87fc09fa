"""Every text in every kind of record: what no text may hold is refused, and the others are in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.conftest import Club
from tests.ledger.test_import_originals import run, written
from tierline.ledger.files.export import whole
from tierline.ledger.files.importer import Importer

Json = dict[str, Any]
AT = "2024-03-02T10:00:00Z"
PERSON: Json = {
    "customer": "person",
    "id": "own",
    "card": "card",
    "name": "Ada",
    "email": "ada@example.com",
    "phone": "+49 30 1",
    "birthdate": "1990-02-28",
    "address": {"line_1": "Street 1", "city": "Berlin", "country": "DE"},
    "metadata": {"shoe": "38", "tags": ["a"], "deep": {"er": "x"}},
    "created_at": AT,
    "enrolled_at": AT,
    "tier": "gold",
    "tier_since": AT,
    "tier_expires_at": "2099-01-01T00:00:00Z",
    "lots": [{"points": 5, "expires_at": "2099-01-01T00:00:00Z"}],
}
ORDER: Json = {
    "kind": "order",
    "order": "order",
    "customer": "buyer",
    "key": "key",
    "as_of": AT,
    "occurred_at": AT,
    "paid": 5000,
    "currency": "USD",
    "fulfilment": "full",
    "items": [{"product": "mug", "metadata": {"colour": "red"}}],
    "metadata": {"channel": "web"},
}
EARLIER: list[Json] = [  # what the others speak of
    {"kind": "earn", "customer": "c", "points": 1000, "occurred_at": AT},
    {"kind": "order", "customer": "c", "amount": 900, "key": "sale", "occurred_at": AT},
    {"kind": "order", "customer": "c", "amount": 900, "key": "error", "occurred_at": AT},
]
ACTIVITIES: dict[str, Json] = {
    "earn": {"points": 10, "name": "n", "expires_at": "2099-01-01T00:00:00Z"},
    "custom": {"name": "visit", "amount": 100, "currency": "USD"},
    "order": {"amount": 100, "currency": "USD", "available_at": AT},
    "transfer": {"points": 5, "to": "other", "reason": "gift"},
    "refund": {"of": "sale", "amount": 5},
    "void": {"of": "error"},
}
RECORDS: dict[str, Json] = {
    "person": PERSON,
    "statement": ORDER,
    **{
        kind: {"kind": kind, "customer": "c", "key": "k", "occurred_at": AT, "metadata": {"m": "x"}}
        | fields
        for kind, fields in ACTIVITIES.items()
    },
}
LONG = "x" * 140_000
NEVER = {"NUL": "a\0b", "half a pair": "\ud800", "long": LONG}


def variants(record: Json, text: str) -> Iterator[tuple[str, Json]]:
    """The record with each of its texts replaced in turn, and each name that callers choose."""

    def places(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, str):
            yield path, text
        elif isinstance(value, list):
            for i, item in enumerate(value):
                for where, other in places(item, f"{path}[{i}]"):
                    yield where, [*value[:i], other, *value[i + 1 :]]
        elif isinstance(value, dict):
            for name, item in value.items():
                for where, other in places(item, f"{path}.{name}" if path else name):
                    yield where, {**value, name: other}
            if path:
                yield f"{path}+", {**value, text: "x"}

    yield from places(record, "")


def apart(record: Json, number: int) -> Json:
    """With ids of its own, so that records do not speak of each other."""
    own = ("id", "card", "order", "key", *(("customer",) if "kind" not in record else ()))
    return record | {f: f"{record[f]}-{number}" for f in own if f in record}


def bad_records(records: dict[str, Json], text: str) -> tuple[list[str], list[Json]]:
    paths: list[str] = []
    bad: list[Json] = []
    for name, record in records.items():
        for path, _ in variants(record, text):
            own = apart(record, len(bad))
            bad.append(dict(variants(own, text))[path])
            paths.append(f"{name}: {path}")
    return paths, bad


@pytest.mark.parametrize("text", NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("dry", [True, False])
async def test_no_text_of_a_record_ends_the_run(
    club: Club, tmp_path: Path, text: str, dry: bool
) -> None:
    """Whatever the field is: its own record is refused, with a place and a reason."""
    await club.create()
    paths, bad = bad_records(RECORDS, text)
    good = {"customer": "good", "kind": "earn", "points": 5}
    done = await run(club, written(tmp_path / "f.jsonl", [*bad, good]), dry=dry)

    refused = {problem.line for problem in done.problems}
    accepted = [path for line, path in enumerate(paths, 1) if line not in refused]
    assert accepted == []
    assert len(paths) + 1 == done.records
    assert len(paths) == done.refused


async def exported(club: Club, path: Path) -> dict[str, Json]:
    """Lines of an export of one of each record, by their numbers."""
    sound = [*EARLIER, *(apart(record, i) for i, record in enumerate(RECORDS.values()))]
    assert (await run(club, written(path, sound))).problems == ()
    lines = [json.loads(line) async for line in whole(club.database, club.program)]
    return {str(number): line for number, line in enumerate(lines, 1)}


async def refused_lines(club: Club, records: list[Json], folder: Path, *, dry: bool) -> set[int]:
    """The numbers of the lines that an import refuses; all of them have a reason."""
    path, rejects = written(folder / "f.jsonl", records), folder / "rejects.jsonl"
    async with club.writer() as writer:
        importer = Importer(
            club.database, club.catalog, None if dry else writer, club.project, club.program
        )
        done = await importer.run(path, resume=False, rejects=rejects)
    lines = {int(number) for number in re.findall(r'"refused":"line (\d+)', rejects.read_text())}
    assert len(lines) == done.refused
    return lines


@pytest.mark.parametrize("text", NEVER.values(), ids=NEVER)
async def test_no_text_of_an_exported_line_ends_the_run(
    club: Club, tmp_path: Path, text: str
) -> None:
    """Somebody changed an export by hand. What a standing or an order holds may be long."""
    await club.create()
    lines = await exported(club, tmp_path / "sound.jsonl")
    await club.create()  # another project
    paths, bad = bad_records(lines, text)
    good = {"customer": "good", "kind": "earn", "points": 5}
    tried = await refused_lines(club, [*bad, good], tmp_path, dry=True)
    refused = await refused_lines(club, [*bad, good], tmp_path, dry=False)

    accepted = [path for line, path in enumerate(paths, 1) if line not in refused]
    inner = (": standing", ": record", ": booking") if text == LONG else ("no place",)
    assert [path for path in accepted if not any(words in path for words in inner)] == []
    assert tried <= refused
    assert (await club.standing("good")).balance == 5


def numbered(record: Json, number: Any) -> Iterator[tuple[str, Json]]:
    """The record with each of its whole numbers replaced in turn."""

    def places(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if value.__class__ is int:
            yield path, number
        for key, item in _members(value):
            for where, other in places(item, f"{path}.{key}" if path else str(key)):
                yield where, _with(value, key, other)

    yield from places(record, "")


def _members(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _with(value: Any, key: Any, other: Any) -> Any:
    if isinstance(value, dict):
        return {**value, key: other}
    return [*value[:key], other, *value[key + 1 :]]


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63, 2**53])
async def test_no_number_ends_the_run(club: Club, tmp_path: Path, number: int) -> None:
    """Sums that nobody has, and instants that no calendar has, in records and in exports."""
    await club.create()
    lines = await exported(club, tmp_path / "sound.jsonl")
    await club.create()
    records = {**RECORDS, **lines}
    bad = [
        (f"{name}: {path}", other)
        for name, record in records.items()
        for path, other in numbered(record, number)
    ]
    good = {"customer": "good", "kind": "earn", "points": 5}
    refused = await refused_lines(club, [*(r for _, r in bad), good], tmp_path, dry=False)

    assert [path for line, (path, _) in enumerate(bad, 1) if line not in refused] == []
    assert (await club.standing("good")).balance == 5
