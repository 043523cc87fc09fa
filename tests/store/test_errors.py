"""Which of the database's errors mean "again", which "this row", and what an operator reads."""

from __future__ import annotations

import asyncpg
import pytest

from tierline.store.database import Database
from tierline.store.errors import (
    DatabaseReadOnly,
    DiskFull,
    TooManyConnections,
    blames_data,
    is_retryable,
    translate,
)


async def raised(database: Database, state: str) -> BaseException:
    """PostgreSQL's own error of that SQLSTATE, as the driver gives it."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await database.pool.execute(
            f"DO $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE = '{state}'; END $$"
        )
    return caught.value


@pytest.mark.parametrize("state", ["40001", "40P01", "08006", "57014", "57P01", "57P02"])
async def test_what_may_succeed_later_is_retried(database: Database, state: str) -> None:
    """The batch runs again with the same keys."""
    assert is_retryable(await raised(database, state))


@pytest.mark.parametrize("state", ["23505", "22P02", "42P01", "53100", "XX000"])
async def test_what_will_fail_again_is_not(database: Database, state: str) -> None:
    """Retrying it would only repeat the error."""
    assert not is_retryable(await raised(database, state))


async def test_an_internal_error_at_commit_is_unknown(database: Database) -> None:
    """A distributed database reports so what was lost on a node."""
    assert is_retryable(await raised(database, "XX000"), at_commit=True)


@pytest.mark.parametrize(("state", "blamed"), [("22003", True), ("23505", True), ("40001", False)])
async def test_rows_are_blamed_for_data_errors_only(
    database: Database, state: str, *, blamed: bool
) -> None:
    """Only then does splitting the batch find a culprit."""
    assert blames_data(await raised(database, state)) is blamed


async def test_a_value_that_cannot_be_sent_is_the_rows_fault(database: Database) -> None:
    """The driver refuses it before the server sees it."""
    with pytest.raises(asyncpg.DataError) as caught:
        await database.pool.fetchval("SELECT $1::smallint", 70_000)

    assert blames_data(caught.value)
    assert not is_retryable(caught.value)


async def test_a_broken_link_is_retried(database: Database) -> None:
    """Whether the server ended the session, or the driver found it closed."""
    connection = await database.connect()
    pid = connection.get_server_pid()
    await database.pool.execute("SELECT pg_terminate_backend($1::integer)", pid)
    verdicts = []
    for _ in range(2):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever class it is
            await connection.execute("SELECT 1")
        verdicts.append(is_retryable(caught.value))

    assert verdicts == [True, True]


@pytest.mark.parametrize(
    ("state", "expected"),
    [("53100", DiskFull), ("53300", TooManyConnections), ("25006", DatabaseReadOnly)],
)
async def test_an_operator_reads_what_to_do(
    database: Database, state: str, expected: type[Exception]
) -> None:
    """By SQLSTATE alone: texts and names differ from node to node."""
    assert isinstance(translate(await raised(database, state), "here"), expected)


async def test_what_has_no_better_words_keeps_its_own(database: Database) -> None:
    """A programmer's mistake is not the operator's."""
    assert translate(await raised(database, "42P01"), "here") is None


@pytest.mark.parametrize(
    "kind",
    [
        asyncpg.TooManyConnectionsError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidPasswordError,
        asyncpg.CannotConnectNowError,
        asyncpg.OutOfMemoryError,
        asyncpg.DiskFullError,
        asyncpg.PostgresIOError,
        asyncpg.ConfigurationLimitExceededError,
        ConnectionResetError,
        TimeoutError,
    ],
)
def test_however_a_connection_fails_it_is_a_503_that_stays_one(kind: type[Exception]) -> None:
    """Translated at the connection, it is not translated again where a request meets it."""
    error = translate(kind("no"), "here")

    assert error is not None
    assert error.status == 503
    assert translate(error, "there") is error
