"""Files of statements: as in the API, and a dry run says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.ledger.conftest import Club
from tests.ledger.test_import_originals import run, written

PAID: dict[str, Any] = {
    "kind": "order",
    "order": "1001",
    "customer": "ada",
    "as_of": "2024-03-02T10:00:00Z",
    "paid": 5000,
}
RECORDS: list[dict[str, Any]] = [
    PAID,
    PAID | {"as_of": "2024-03-04T10:00:00Z", "refunded": 2000, "items": [{"product": "mug"}]},
    PAID | {"as_of": "2024-03-03T10:00:00Z", "refunded": 5000},
    PAID | {"order": "1002", "refunded": 6000},
    PAID | {"order": "1003", "customer": "bob", "paid": 0},
    {"kind": "refund", "of": "1001", "amount": 2500},
    PAID | {"order": "1004", "customer": "bob"},
    PAID | {"order": "1004", "customer": "eve", "as_of": "2024-03-03T10:00:00Z"},
]
CSV = """\
customer,kind,order,as_of,paid,refunded,cancelled,items,metadata.channel
ada,order,1001,2024-03-02T10:00:00Z,5000,1000,,,web
bob,order,1002,,700,,true,"[{""product"": ""mug""}]",
"""


async def test_a_file_tells_orders(club: Club, tmp_path: Path) -> None:
    """The newest state counts; a dry run refuses the same line and counts the same; again, it is
    all there."""
    await club.create()
    path = written(tmp_path / "orders.jsonl", RECORDS)
    tried = await run(club, path, dry=True)
    done = await run(club, path)

    assert [(p.line, p.path) for p in done.problems] == [(4, "refunded")]
    assert tried.problems == done.problems
    assert (tried.commands, tried.refused) == (done.commands, done.refused) == (7, 1)
    assert (await club.standing()).balance == 25
    assert (await club.standing("bob")).balance == 0
    assert (await club.standing("eve")).balance == 50
    again = await run(club, written(tmp_path / "again.jsonl", RECORDS[:3]))
    assert (again.refused, again.corrected) == (0, 0)
    assert (await club.standing()).balance == 25


async def test_a_csv_file_tells_orders(club: Club, tmp_path: Path) -> None:
    """Numbers, `true` and JSON of items stand in cells."""
    await club.create()
    path = tmp_path / "orders.csv"
    path.write_text(CSV)
    assert (await run(club, path)).problems == ()
    assert (await club.standing()).balance == 40


async def test_a_key_that_says_something_else_is_refused(club: Club, tmp_path: Path) -> None:
    """A further statement is how an order is corrected."""
    await club.create()
    await run(club, written(tmp_path / "one.jsonl", [PAID | {"key": "s-1"}]))
    other = [PAID | {"key": "s-1", "paid": 700}]
    done = await run(club, written(tmp_path / "other.jsonl", other))
    assert [(p.line, p.path) for p in done.problems] == [(1, "key")]
    assert json.loads((tmp_path / "other.jsonl").read_text())["paid"] == 700
    assert (await club.standing()).balance == 50
