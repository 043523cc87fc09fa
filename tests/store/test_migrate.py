"""The migrations: plain SQL files, in order, written out unchanged, and fast to leave alone."""

from __future__ import annotations

import re
import subprocess
import sys

import asyncpg
import pytest

from tests.store.test_database import refusal
from tierline.errors import Invalid
from tierline.store import migrate

FILES = sorted(migrate.MIGRATIONS.glob("[0-9]*.sql"))


def test_every_file_has_its_revision() -> None:
    """0001_initial.sql goes with versions/r0001_initial.py, numbered without a gap."""
    revisions = sorted((migrate.MIGRATIONS / "versions").glob("r*.py"))

    assert [path.stem for path in revisions] == [f"r{path.stem}" for path in FILES]
    assert [path.name[:4] for path in FILES] == [f"{n:04}" for n in range(1, len(FILES) + 1)]


def test_a_script_holds_the_files_unchanged() -> None:
    """What is reviewed is what runs: colons, quotes and percent signs included."""
    script = migrate.script(None)
    at = [script.index(path.read_text().strip().rstrip(";")) for path in FILES]

    assert at == sorted(at)
    assert f"'{migrate.newest()}'" in script


def test_a_script_has_no_transaction_of_its_own() -> None:
    """The caller's holds it together with the installation's rows."""
    assert not re.search(r"^(BEGIN|COMMIT)\b", migrate.script(None), re.MULTILINE)


def test_an_up_to_date_start_loads_no_migration_library() -> None:
    """Alembic and SQLAlchemy cost 0.3 s and 30 MB, which only a migration pays."""
    code = (
        "import sys, tierline.store.installation; print({'alembic', 'sqlalchemy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "set()\n"


@pytest.mark.parametrize("shards", [0, 1025])
async def test_a_number_of_shards_has_bounds(empty_url: str, shards: int) -> None:
    """Each costs a cursor per endpoint, and rows per batch."""
    assert isinstance(await refusal(empty_url, shards=shards), Invalid)


async def test_an_older_installation_keeps_its_rows(empty_url: str) -> None:
    """What the first schema holds is there in the newest one, keys and transfers included."""
    connection = await asyncpg.connect(empty_url)
    try:
        await connection.execute(FILES[0].read_text())
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
        await connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        await migrate.install(connection, 2)
        await connection.execute(
            "INSERT INTO entry (shard, customer, program, n, kind, key, digest, occurred_at,"
            " recorded_at, points, amount, answer)"
            " VALUES (0, 65536, 1, 1, 'earn', 'k', '', 0, 0, 1, 0, 'null')"
        )
        await connection.execute("INSERT INTO intent VALUES (0, 65536, 'k', 1, 1, 5, 0, '{}')")
        await connection.execute(
            "INSERT INTO arrival (shard, route, customer, key, refused)"
            " VALUES (1, 7, 65536, 'k', 'not_a_member: no')"
        )
        await connection.execute(
            "INSERT INTO project (id, number, body, created_at)"
            """ VALUES ('p', 1, '{"time_zone":"Asia/Tokyo"}', 0)"""
        )
        await connection.execute(
            "INSERT INTO customer (shard, id, project, number, profile, updated_at)"
            """ VALUES (0, 65536, 1, 65536, '{"name":"Anna B","email":"A@B.C"}', 0)"""
        )
        await connection.execute(
            "INSERT INTO member (shard, customer, program, standing, tier, balance, entries, seq,"
            " clock, version) VALUES (0, 65536, 1, '', 'gold', 1, 1, 1, 0, 1)"
        )
        await connection.execute(
            "INSERT INTO event VALUES (0, 1, 'tier', 1, 1, 65536, 'e', 0, $1, NULL)",
            '{"kind":"joined","at":54000000}',  # 15:00 on the first day; the second begins in Tokyo
        )
        await migrate.upgrade(connection)

        row = await connection.fetchrow("SELECT name_key, email_key FROM customer")
        assert row is not None
        assert tuple(row) == ("anna b", "a@b.c")
        counts = await connection.fetch("SELECT * FROM tier_count")
        moves = await connection.fetch("SELECT * FROM tier_move")
        assert [tuple(row) for row in counts] == [(0, 1, "gold", 1)]
        assert [tuple(row) for row in moves] == [(0, 1, 1, "joined", 1)]
        changes = "SELECT count(*) FROM last_change JOIN list_mark USING (shard)"
        assert await connection.fetchval(f"{changes} WHERE changed_at <= upto") == 1
        assert await migrate.version(connection) == migrate.newest()
        assert await connection.fetchval("SELECT key FROM entry WHERE n = 1") == "k"
        assert await connection.fetchval("SELECT points FROM intent WHERE program = 1") == 5
        assert await connection.fetchval("SELECT program FROM arrival WHERE route = 7") == 0
    finally:
        await connection.close()
