"""The plan made for empty tables is kept while they fill: it must be right from the first day."""

from __future__ import annotations

import re

import pytest

from tierline.store.customers import CustomersSql
from tierline.store.database import PLANNER, Database
from tierline.store.ledger_transaction import LedgerSql
from tierline.store.members import MembersSql
from tierline.store.sweep import SweepSql

# Statement -> its arguments, and what must be looked up by these columns of an index.
PLANS = {
    LedgerSql.load: (
        "0, '{1}', '{1}', 'a', '{0}', 'k'",
        [
            ("alias_pk", "shard project name kind"),
            ("member_pk", "shard customer program"),
            ("entry_key_unique", "shard program key customer"),
        ],
    ),
    LedgerSql.originals: (
        "0, '{1}', '{1}', 'k'",
        [
            ("entry_key_unique", "shard program key customer"),
            ("entry_reverses", "shard customer program reverses"),
        ],
    ),
    LedgerSql.add_events: (
        "0, 1, '{1}', '{1}', 'tier', 'e', 'b', '{1}'",
        [("customer_pk", "shard id")],
    ),
    CustomersSql.holders: ("0, 1, '{ada}'", [("alias_pk", "shard project name")]),
    CustomersSql.standing_of: (
        "0, 1, '{ada}'",
        [
            ("alias_pk", "shard project name"),
            ("customer_pk", "shard id"),
            ("member_pk", "shard customer"),
        ],
    ),
    CustomersSql.customers: ("0, '{1}'", [("customer_pk", "shard id")]),
    MembersSql.standings_of: ("0, '{1}'", [("member_pk", "shard customer")]),
    SweepSql.due: ("0, 0, 100, 500, 'sweep', 1", [("member_due", "shard clock due_at")]),
}


@pytest.mark.parametrize("statement", PLANS)
async def test_look_ups_use_the_whole_key_on_empty_tables(
    database: Database, statement: str
) -> None:
    """No join filter over half an index, no scan, no sort of everybody who is due."""
    arguments, expected = PLANS[statement]
    connection = await database.connect(**PLANNER)
    try:
        await connection.execute(f"PREPARE tried AS {statement}")
        lines = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE tried({arguments})")]
    finally:
        await connection.close()
    plan = "\n".join(lines)
    if "Custom Scan" in plan:
        pytest.skip("a distributed database plans on its nodes")
    assert "Seq Scan" not in plan
    assert "Join Filter" not in plan
    for index, columns in expected:
        condition = re.search(rf"using {index} .*\n\s+Index Cond: (.*)", plan)
        assert condition is not None, plan
        assert re.findall(r"\((\w+) [=<]", condition[1]) == columns.split(), plan
    assert ("Sort" in plan) == (statement == LedgerSql.load)


async def test_what_many_requests_share_is_planned_so(database: Database) -> None:
    async with database.lookups.acquire() as connection:
        settings = {name: await connection.fetchval(f"SHOW {name}") for name in PLANNER}
    if database.distributed:
        settings["plan_cache_mode"] = PLANNER["plan_cache_mode"]  # its nodes plan each time
    assert settings == PLANNER
