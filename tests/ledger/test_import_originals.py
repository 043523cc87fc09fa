"""Files whose refunds name no customer: as in the API, and a dry run says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.conftest import Club
from tierline.ledger.files.importer import Importer
from tierline.ledger.files.progress import Imported

RECORDS: list[dict[str, Any]] = [
    {"customer": "ada", "kind": "order", "amount": 5000, "key": "o-1"},
    {"kind": "refund", "of": "o-1", "amount": 2000, "key": "r-1"},
    {"kind": "refund", "of": "o-9"},
    {"customer": "bob", "kind": "order", "amount": 700, "key": "o-2"},
    {"customer": "eve", "kind": "order", "amount": 900, "key": "o-2"},
    {"kind": "void", "of": "o-2"},
]
CSV = """\
customer;kind;amount;key;of
ada;order;5000;o-1;
;refund;2000;r-1;o-1
"""


async def run(club: Club, path: Path, *, dry: bool = False) -> Imported:
    if dry:
        importer = Importer(club.database, club.catalog, None, club.project, club.program)
        return await importer.run(path)
    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        return await importer.run(path, resume=False)


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


async def test_a_file_refunds_by_key_alone(club: Club, tmp_path: Path) -> None:
    """A dry run refuses the same lines, for the same reasons; sent again, all is counted."""
    await club.create()
    path = written(tmp_path / "orders.jsonl", RECORDS)
    tried = await run(club, path, dry=True)
    done = await run(club, path)

    assert [(p.line, p.path) for p in done.problems] == [(3, "of"), (6, "of")]
    assert tried.problems == done.problems
    assert (tried.commands, tried.refused) == (done.commands, done.refused) == (4, 2)
    assert "'bob', 'eve'" in done.problems[1].reason
    assert (await club.standing()).balance == 30
    again, dry = await run(club, path), await run(club, path, dry=True)
    assert (again.commands, again.repeated, again.refused) == (4, 4, 2)
    assert (dry.commands, dry.repeated, dry.refused) == (4, 4, 2)
    assert (await club.standing()).balance == 30


async def test_a_csv_file_leaves_the_cell_empty(club: Club, tmp_path: Path) -> None:
    """An empty cell is no customer."""
    await club.create()
    path = tmp_path / "orders.csv"
    path.write_text(CSV)
    assert (await run(club, path)).problems == ()
    assert (await club.standing()).balance == 30


@pytest.mark.parametrize("dry", [True, False])
async def test_a_corrected_refund_corrects(club: Club, tmp_path: Path, dry: bool) -> None:
    """Another amount under the same key: the refund is no activity that can be taken back, and
    the file is told so as where it names the customer."""
    await club.create()
    await run(club, written(tmp_path / "orders.jsonl", RECORDS[:2]))
    changed = [RECORDS[0], RECORDS[1] | {"amount": 1000}]
    named = [RECORDS[0], RECORDS[1] | {"amount": 1000, "customer": "ada"}]
    without = await run(club, written(tmp_path / "changed.jsonl", changed), dry=dry)
    with_it = await run(club, written(tmp_path / "named.jsonl", named), dry=dry)
    assert without.problems == with_it.problems
    assert [problem.line for problem in without.problems] == [2]
