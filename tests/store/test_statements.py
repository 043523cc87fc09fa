"""Schema and statements obey the rules of a distributed database; every statement is valid."""

from __future__ import annotations

import pytest

from tests.store.citus_rules import complaints
from tierline.store.database import Database
from tierline.store.named_queries import FOLDER, Statement, read

# Small tables: the same on every node, written rarely, alone, and without a shard.
SMALL = {
    *("alembic_version", "installation", "project", "api_key"),
    *("program", "program_version", "endpoint", "process", "audit", "change_request"),
    *("user_account", "sign_in_link", "session", "sign_in_attempt"),
}
# The schema as we wrote it: a cluster's catalog also shows its own tables and their pieces.
plain = pytest.mark.parametrize("server", ["plain"], indirect=True)
STATEMENTS = [statement for path in sorted(FOLDER.glob("*.sql")) for statement in read(path)]


async def tables(database: Database) -> set[str]:
    rows = await database.pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND relnamespace = 'public'::regnamespace"
    )
    return {row["relname"] for row in rows}


async def volatile_functions(database: Database) -> set[str]:
    rows = await database.pool.fetch("SELECT proname FROM pg_proc WHERE provolatile = 'v'")
    return {row["proname"] for row in rows}


@plain
async def test_every_index_of_a_large_table_begins_with_shard(database: Database) -> None:
    """So primary keys, unique keys and hot reads stay inside one shard."""
    rows = await database.pool.fetch(
        """SELECT t.relname AS table, i.relname AS index, a.attname AS first
           FROM pg_index x
           JOIN pg_class t ON t.oid = x.indrelid
           JOIN pg_class i ON i.oid = x.indexrelid
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
           WHERE t.relnamespace = 'public'::regnamespace"""
    )
    wrong = [row["index"] for row in rows if row["table"] not in SMALL and row["first"] != "shard"]

    assert wrong == []


@plain
async def test_every_large_table_has_a_primary_key_and_a_smallint_shard(database: Database) -> None:
    """Moves of shards between nodes need the key; all shards must have one type."""
    rows = await database.pool.fetch(
        """SELECT t.relname AS table, format_type(a.atttypid, NULL) AS type, a.attnotnull AS strict,
                  a.attgenerated AS generated, c.oid IS NOT NULL AS keyed
           FROM pg_class t
           LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'shard'
           LEFT JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'p'
           WHERE t.relkind IN ('r', 'p') AND t.relnamespace = 'public'::regnamespace"""
    )
    facts = {row["table"]: tuple(row)[1:] for row in rows if row["table"] not in SMALL}

    assert set(facts.values()) == {("smallint", True, b"\x00", True)}
    assert all(row["keyed"] for row in rows)


@plain
async def test_constraints_are_named_by_us(database: Database) -> None:
    """A name that the server made differs between versions, and is lost on remote shards."""
    rows = await database.pool.fetch(
        """SELECT conname FROM pg_constraint
           WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
             AND conname ~ '_(pkey|fkey|key|check|excl)[0-9]*$'"""
    )

    assert rows == []


@plain
async def test_foreign_keys_lead_to_small_tables_or_along_the_shard(database: Database) -> None:
    """Small to large is refused; large to large must carry the shard."""
    rows = await database.pool.fetch(
        """SELECT conname, conrelid::regclass::text AS here, confrelid::regclass::text AS there,
                  (SELECT attname FROM pg_attribute
                   WHERE attrelid = conrelid AND attnum = conkey[1]) AS first
           FROM pg_constraint WHERE contype = 'f'"""
    )
    wrong = [
        row["conname"]
        for row in rows
        if row["there"] not in SMALL and (row["here"] in SMALL or row["first"] != "shard")
    ]

    assert wrong == []


@plain
async def test_there_are_no_triggers_rules_sequences_or_generated_columns(
    database: Database,
) -> None:
    """Refused on distributed tables, or without an order there."""
    rows = await database.pool.fetch(
        """SELECT 'trigger' FROM pg_trigger WHERE NOT tgisinternal
           UNION ALL SELECT 'rule' FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class
             WHERE c.relnamespace = 'public'::regnamespace
           UNION ALL SELECT 'sequence' FROM pg_class
             WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
           UNION ALL SELECT 'generated' FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
             WHERE attgenerated <> '' AND c.relnamespace = 'public'::regnamespace"""
    )

    assert rows == []


async def test_every_statement_is_valid_and_one_task(database: Database) -> None:
    """The server accepts it, and it names one shard; those marked wide say why they do not."""
    large = await tables(database) - SMALL
    volatile = await volatile_functions(database)
    async with database.pool.acquire() as connection:
        for statement in STATEMENTS:
            await connection.prepare(statement.text)

    assert [what for each in STATEMENTS for what in complaints(each, large, volatile)] == []


LARGE = {"member", "entry", "shard_head", "event", "customer"}
GOOD = {
    "lock": "SELECT 1 FROM member WHERE shard = $1 AND customer = ANY($2)"
    " ORDER BY customer FOR UPDATE",
    "insert from arrays": "INSERT INTO entry (shard, n) SELECT h.shard, u.n FROM shard_head h"
    " CROSS JOIN unnest($2::int[]) AS u(n) WHERE h.shard = $1",
    "insert values": "INSERT INTO entry (shard, n) VALUES ($1,$2)",
    "update": "UPDATE member m SET seq = u.seq FROM unnest($2::bigint[], $3::int[]) AS u(c, seq)"
    " WHERE m.shard = $1 AND m.customer = u.c",
    "join": "SELECT 1 FROM event e JOIN customer c ON c.shard = e.shard AND c.id = e.customer"
    " WHERE e.shard = $1",
    "correlated": "SELECT 1 FROM event e WHERE e.shard = $1"
    " AND EXISTS (SELECT 1 FROM customer c WHERE c.shard = e.shard AND c.id = e.customer)",
    "small": "UPDATE project SET body = $2 WHERE number = $1",
    "beside a small table": "SELECT 1 FROM event e JOIN project p ON p.number = e.project"
    " WHERE e.shard = $1 AND EXISTS (SELECT 1 FROM customer c WHERE c.shard = $1)",
    "update beside a small table": "UPDATE shard_head h SET head = 1 FROM project p"
    " WHERE h.shard = $1 AND p.number = $2",
    "insert with a guard": "INSERT INTO entry (shard, n) SELECT h.shard, $2 FROM shard_head h"
    " WHERE h.shard = $1 AND NOT EXISTS (SELECT 1 FROM member m WHERE m.shard = h.shard)",
    "claim": "WITH gone AS (SELECT shard, n FROM entry WHERE shard = $1 LIMIT 9)"
    " DELETE FROM entry e USING gone g WHERE e.shard = $1 AND e.n = g.n",
}
BAD = {
    "no shard": "SELECT 1 FROM member WHERE customer = $1",
    "shard in an OR": "SELECT 1 FROM member WHERE shard = $1 OR customer = $2",
    "many shards": "SELECT 1 FROM member WHERE shard = ANY($1)",
    "join without shard": "SELECT 1 FROM event e JOIN customer c ON c.id = e.customer"
    " WHERE e.shard = $1",
    "subquery without shard": "SELECT 1 FROM event e WHERE e.shard = $1"
    " AND EXISTS (SELECT 1 FROM customer c WHERE c.id = e.customer)",
    "insert from a parameter": "INSERT INTO entry (shard, n)"
    " SELECT $1, u.n FROM unnest($2::int[]) AS u(n)",
    "insert, shard not first": "INSERT INTO entry (n, shard) VALUES ($2, $1)",
    "insert, another shard": "INSERT INTO entry (shard, n) VALUES ($2, $1)",
    "lock in no order": "SELECT 1 FROM member WHERE shard = $1 AND customer = ANY($2) FOR UPDATE",
    "volatile": "UPDATE member SET since = random() WHERE shard = $1",
    "volatile upsert": "INSERT INTO entry (shard, n) VALUES ($1, $2)"
    " ON CONFLICT (shard, n) DO UPDATE SET n = random()",
    "moves shard": "UPDATE member SET shard = $2 WHERE shard = $1",
    "changing CTE": "WITH h AS (UPDATE shard_head SET head = 1 WHERE shard = $1 RETURNING shard)"
    " INSERT INTO event (shard) SELECT h.shard FROM shard_head h WHERE h.shard = $1",
    "row IN": "DELETE FROM entry WHERE shard = $1 AND (n, kind) IN"
    " (SELECT n, kind FROM entry WHERE shard = $1 LIMIT 5)",
    "insert beside a small table": "INSERT INTO entry (shard, n) SELECT h.shard, p.number"
    " FROM shard_head h JOIN project p ON p.number = $2 WHERE h.shard = $1",
    "insert with a small guard": "INSERT INTO entry (shard, n) SELECT h.shard, $2"
    " FROM shard_head h WHERE h.shard = $1 AND EXISTS (SELECT 1 FROM project WHERE number = $2)",
    "correlated beside a small table": "SELECT 1 FROM event e"
    " JOIN project p ON p.number = e.project"
    " WHERE e.shard = $1 AND EXISTS (SELECT 1 FROM customer c WHERE c.shard = e.shard)",
    "lock in a CTE beside a small table": "WITH gone AS (SELECT e.n FROM entry e"
    " JOIN project p ON p.number = e.project WHERE e.shard = $1 ORDER BY e.n FOR UPDATE OF e)"
    " DELETE FROM entry e USING gone g WHERE e.shard = $1 AND e.n = g.n",
    "delete": "DELETE FROM entry USING unnest($2::int[]) AS u(n) WHERE entry.n = u.n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_the_rules_pass_what_is_one_task(text: str) -> None:
    """Forms that were measured to be one task on a real cluster."""
    assert complaints(Statement("it", "…", text), LARGE, {"random"}) == []


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_the_rules_refuse_what_is_not(text: str) -> None:
    """Each rule bites, and bites once."""
    assert len(complaints(Statement("it", "…", text), LARGE, {"random"})) == 1


def test_a_wide_statement_may_not_lock() -> None:
    """The mark allows many shards, and nothing else."""
    statement = Statement(
        "it", "…", "SELECT 1 FROM member FOR UPDATE", wide="a count for the console"
    )

    assert complaints(statement, LARGE, set()) == ["it: row locks need one shard"]
