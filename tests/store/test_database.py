"""Opening an installation: fresh, again, too new, from many processes at once, and what is told
when it cannot be opened. The server of the tests lets everybody in, so roles stand for users."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import asyncpg
import pytest

from tests.servers import Server
from tierline.errors import TierlineError
from tierline.store import migrate
from tierline.store.database import Database, where
from tierline.store.errors import (
    DatabaseMissing,
    DatabaseTooOld,
    DatabaseUnreachable,
    DatabaseUrlInvalid,
    LoginRefused,
    NoWritePermission,
    SchemaBehind,
    SchemaTooNew,
    ShardsFixed,
    TooManyConnections,
)


def as_user(url: str, user: str) -> str:
    """The same database, as another user."""
    parts = urlsplit(url)
    pairs = [pair.split("=", 1) for pair in parts.query.split("&") if pair]
    query = {**dict(pairs), "user": user}
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}?{urlencode(query, safe='%/')}"


@pytest.fixture
async def stranger(server: Server) -> AsyncIterator[str]:
    """A role that may log in, and nothing else."""
    name = f"stranger_{secrets.token_hex(6)}"
    await server.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    await server.execute(f"DROP ROLE {name}")


async def refusal(url: str, **settings: Any) -> TierlineError:
    with pytest.raises(TierlineError) as caught:
        await Database.open(url, **settings)
    return caught.value


async def test_opening_an_empty_database_makes_an_installation(empty_url: str) -> None:
    """The first open makes schema, installation, heads and leases."""
    async with await Database.open(empty_url, shards=4) as database:
        heads = await database.pool.fetch("SELECT shard FROM shard_head ORDER BY shard")
        leases = await database.pool.fetch("SELECT shard FROM lease ORDER BY shard")

        assert database.shards == 4
        assert [row["shard"] for row in heads] == [0, 1, 2, 3]
        assert leases == heads


async def test_opening_again_changes_nothing(database: Database) -> None:
    """Epoch and shards were fixed the first time."""
    async with await Database.open(database.url) as again:
        assert (again.epoch, again.shards) == (database.epoch, database.shards)


async def test_ten_processes_that_start_at_once_make_one_installation(empty_url: str) -> None:
    """Whoever loses the race waits, and finds the work done."""
    opened = await asyncio.gather(*(Database.open(empty_url, pool_max=1) for _ in range(10)))
    for each in opened:
        await each.close()

    assert len({each.epoch for each in opened}) == 1


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schema, version and installation are one transaction."""
    monkeypatch.setattr(migrate, "LEASES", ("sweep", "sweep"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await Database.open(empty_url)
    monkeypatch.undo()

    assert isinstance(await refusal(empty_url, migrate=False), SchemaBehind)
    await (await Database.open(empty_url)).close()


async def test_another_number_of_shards_is_refused(database_url: str) -> None:
    """It is fixed when the database is initialised."""
    assert isinstance(await refusal(database_url, shards=4), ShardsFixed)


async def test_a_newer_schema_is_refused(database: Database) -> None:
    """An older program must not write what it does not know."""
    await database.pool.execute("UPDATE alembic_version SET version_num = '9999'")

    assert isinstance(await refusal(database.url), SchemaTooNew)


async def test_without_leave_to_migrate_an_older_schema_is_told(empty_url: str) -> None:
    """Nothing is made."""
    assert str(await refusal(empty_url, migrate=False)) == (
        f"The database has schema none, this Tierline needs {migrate.newest()};"
        " run `tierline migrate`."
    )


async def test_an_old_server_is_refused() -> None:
    """With both versions named, and before anything is asked that it might not know."""

    def message(kind: bytes, content: bytes) -> bytes:
        return kind + (len(content) + 4).to_bytes(4, "big") + content

    async def postgres_14(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            code = (await reader.readexactly(size - 4))[:4]
            if code == (3 << 16).to_bytes(4, "big"):
                break
            writer.write(b"N")  # no TLS
        writer.write(message(b"R", bytes(4)) + message(b"S", b"server_version\x0014.9\0"))
        writer.write(message(b"K", bytes(8)) + message(b"Z", b"I"))
        heard.append(await reader.read(1))
        writer.close()
        over.set()

    heard: list[bytes] = []
    over = asyncio.Event()
    async with await asyncio.start_server(postgres_14, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(f"postgresql://me@127.0.0.1:{port}/shop")
        await over.wait()

    assert heard in ([b""], [b"X"])
    assert isinstance(error, DatabaseTooOld)
    assert "PostgreSQL 14; Tierline needs 15" in str(error)


async def test_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    """The address is named, the password is not."""
    error = await refusal(f"postgresql://me:secret@127.0.0.1:{unused_tcp_port}/shop")

    assert isinstance(error, DatabaseUnreachable)
    assert f"127.0.0.1:{unused_tcp_port}/shop" in str(error)
    assert "secret" not in str(error)


async def test_a_database_that_is_not_there(server: Server) -> None:
    """The server answers, and has none of that name."""
    assert isinstance(await refusal(server.url_of("nowhere")), DatabaseMissing)


async def test_a_user_that_is_not_there(database_url: str) -> None:
    """As a wrong password would be told."""
    assert isinstance(await refusal(as_user(database_url, "nobody_here")), LoginRefused)


async def test_a_user_without_a_connection_left(
    server: Server, database_url: str, stranger: str
) -> None:
    """The server's limits are the operator's to raise."""
    await server.execute(f"ALTER ROLE {stranger} CONNECTION LIMIT 0")

    assert isinstance(await refusal(as_user(database_url, stranger)), TooManyConnections)


async def test_a_user_who_may_not_write(empty_url: str, stranger: str) -> None:
    """The first migration needs CREATE."""
    assert isinstance(await refusal(as_user(empty_url, stranger)), NoWritePermission)


@pytest.mark.parametrize("url", ["mysql://localhost/shop", "postgresql://host:port/shop", "shop"])
async def test_a_url_that_is_none(url: str) -> None:
    """An example of a right one stands in the error."""
    assert isinstance(await refusal(url), DatabaseUrlInvalid)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:secret@db.shop.example/loyalty", "db.shop.example:5432/loyalty"),
        ("postgresql://me:secret@[::1]:5433/loyalty", "::1:5433/loyalty"),
        (
            "postgresql:///loyalty?host=/run/pg&password=secret",
            "the local socket in /run/pg, database loyalty",
        ),
    ],
)
def test_an_address_is_named_without_its_password(url: str, expected: str) -> None:
    """For messages and logs."""
    assert where(url) == expected


async def test_a_dedicated_connection_has_its_own_settings(database: Database) -> None:
    """Ours by default, the caller's on top."""
    ours = await database.connect()
    long = await database.connect(statement_timeout="0")
    timeouts = [await each.fetchval("SHOW statement_timeout") for each in (ours, long)]
    await asyncio.gather(ours.close(), long.close())

    assert timeouts == ["10s", "0"]


async def test_a_connection_is_warm(database: Database) -> None:
    """No array type that we use makes it ask the catalog, which takes seconds on Citus."""
    connection = await database.connect()
    queries = []
    connection.add_query_logger(lambda record: queries.append(record.query))
    await connection.fetch("SELECT $1::bigint[], $2::text[], $3::bytea[]", [1], ["a"], [b"a"])
    await connection.close()

    assert len(queries) == 1


async def test_the_pool_costs_no_reset(database: Database) -> None:
    """A release sends nothing, and still ends a transaction that was left open."""
    queries = []
    async with database.pool.acquire() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        await connection.execute("BEGIN")
        connection.add_query_logger(lambda record: queries.append(record.query))
    async with database.pool.acquire() as connection:
        again = await connection.fetchval("SELECT pg_backend_pid()")

        assert again == pid
        assert not connection.is_in_transaction()
    assert [query for query in queries if "RESET" in query] == []


async def test_closing_ends_although_somebody_still_works(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that never ends holds up no server that is to stop."""
    monkeypatch.setattr("tierline.store.database.CLOSE_SECONDS_MAX", 0.05)
    database = await Database.open(database_url)
    endless = [
        asyncio.create_task(pool.execute("SELECT pg_sleep(1000)"))
        for pool in (database.pool, database.lookups)
    ]
    while await _asleep(database_url) < len(endless):
        await asyncio.sleep(0.01)
    await database.close()
    outcomes = await asyncio.gather(*endless, return_exceptions=True)
    assert all(isinstance(outcome, Exception) for outcome in outcomes)


async def _asleep(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )
    finally:
        await connection.close()
    return count
