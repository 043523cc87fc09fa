"""Rows as columns of text: PostgreSQL must read out of them what was put in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierline.store.column_encoding import Unstorable, columns, literal, texts
from tierline.store.database import Database

SPLIT = """
SELECT * FROM unnest(
    $1::text::bigint[], string_to_array($2::text, chr(30), ''), string_to_array($3::text, chr(30))
) AS u(number, name, raw)
"""


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(1, "one", b"\x00\x1e")],
        [(-(2**62), '{NULL}, "x" ☃', b""), (None, None, b"\xff"), (0, "None", b"abc")],
    ],
)
async def test_what_is_put_in_comes_out(
    database: Database, rows: list[tuple[int | None, str | None, bytes]]
) -> None:
    """Also nulls, quotes, other scripts, and texts that look like nulls or arrays."""
    records = await database.pool.fetch(SPLIT, *columns(rows, "itx"))

    assert rows == [(row[0], row[1], bytes.fromhex(row[2])) for row in records]


@pytest.mark.parametrize("text", ["a\x1eb", "\x1e", "a\0b"])
def test_what_would_shift_the_rows_is_refused(text: str) -> None:
    """The separator and NUL, wherever they stand."""
    with pytest.raises(Unstorable):
        texts(["fine", text, None])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'",
        "''",
        "\\",
        "\\'",
        "it's",
        "'); DROP TABLE entry; --",
        "E'\\x27'",
        "$$",
        "$1",
        "☃\n;",
    ],
)
async def test_a_literal_is_the_text(database: Database, text: str) -> None:
    """Nothing in a text ends it: neither quotes nor what looks like a statement."""
    async with database.pool.acquire() as connection:
        await connection.execute("PREPARE kept AS SELECT set_config('tierline.said', $1, false)")
        await connection.execute(f"EXECUTE kept({literal(text)}); SELECT 1")
        said = await connection.fetchval("SELECT current_setting('tierline.said')")
        await connection.execute("DEALLOCATE kept")

    assert text == said


@given(st.text())
def test_a_literal_ends_where_it_should(text: str) -> None:
    """Every quote inside is doubled, so that the first single one is the last character."""
    inside = literal(text)[1:-1]

    assert literal(text) == f"'{inside}'"
    assert inside.replace("''", "") == inside.replace("''", "").replace("'", "")
    assert inside.replace("''", "'") == text
