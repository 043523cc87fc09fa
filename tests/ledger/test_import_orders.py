"""Files of statements: as in the API, and a dry run says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.ledger.conftest import Club
from tests.ledger.test_import_originals import run, written
from tierline.ledger.files.export import whole
from tierline.ledger.orders.record import read_record
from tierline.ledger.rebuild import verify

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


async def test_an_export_with_history_brings_orders_along(club: Club, tmp_path: Path) -> None:
    """Ledgers and orders are equal in another program, and go on as here."""
    await club.create()
    records = [*RECORDS[:3], *RECORDS[4:], {"kind": "refund", "of": "1001", "amount": 3000}]
    await run(club, written(tmp_path / "orders.jsonl", records))
    here = await club.database.pool.fetch(
        "SELECT name, customer, revision, record, updated_at FROM order_state ORDER BY name"
    )
    path = tmp_path / "whole.jsonl"
    path.write_bytes(b"".join([line async for line in whole(club.database, club.program)]))
    balances = [(await club.standing(name)).balance for name in ("ada", "bob", "eve")]

    await club.create()  # another project, as empty as another installation
    done = await run(club, path)
    assert done.problems == ()
    there = await club.database.pool.fetch(
        "SELECT name, revision, record, updated_at FROM order_state WHERE project = $1"
        " ORDER BY name",
        club.project.number,
    )
    assert [(await club.standing(name)).balance for name in ("ada", "bob", "eve")] == balances
    for old, new in zip(here, there, strict=True):
        before, after = read_record(old["record"]), read_record(new["record"])
        assert (before.state, before.keys, before.first_at) == (
            after.state,
            after.keys,
            after.first_at,
        )
        assert (old["name"], old["revision"], old["updated_at"]) == (
            new["name"],
            new["revision"],
            new["updated_at"],
        )
    again = await run(club, written(tmp_path / "again.jsonl", RECORDS[:3]))
    assert (again.problems, (await club.standing()).balance) == ((), balances[0])
    newer = [PAID | {"as_of": "2024-03-09T10:00:00Z", "refunded": 5000}]
    await run(club, written(tmp_path / "newer.jsonl", newer))
    assert (await club.standing()).balance == 0
    assert [str(d) async for d in verify(club.database, club.catalog)] == []
