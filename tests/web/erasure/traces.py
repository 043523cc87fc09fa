"""A look for a text in everything that a database holds, however it may be written there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session


TEXTUAL = ("text", "varchar", "bpchar", "name", "json", "jsonb", "bytea", "_text", "_bytea")


def spellings(text: str) -> frozenset[bytes]:
    """How a text may stand somewhere: as it is, in hex, in base64 at any place, as UTF-16; all of
    it in lower case but base64, which is compared as it is."""
    raw = text.encode()
    texts = {raw.lower(), raw.hex().encode(), text.encode("utf-16-le").lower()}
    for folded in {raw, raw.lower(), raw.upper()}:
        texts.add(folded.hex().encode())
        for before in range(3):
            # Without the characters that depend on what stands around it.
            whole = base64.b64encode(bytes(before) + folded + bytes(3))
            first, last = -(-before * 8 // 6), (before + len(folded)) * 8 // 6
            texts |= {whole[first:last], whole[first:last].translate(_URL)}
    return frozenset(texts)


_URL = bytes.maketrans(b"+/", b"-_")


def holds(data: bytes, forms: frozenset[bytes]) -> bool:
    """Whether any spelling stands in some bytes."""
    folded = data.lower()
    try:
        unescaped = json.dumps(json.loads(data), ensure_ascii=False).encode().lower()
    except ValueError:
        unescaped = b""
    return any(each in place for each in forms for place in (data, folded, unescaped))


async def columns(connection: Session) -> list[tuple[str, str]]:
    """All columns that may hold a text, as the catalog has them. A cluster's pieces of a table, as
    `project_102012`, are the table."""
    rows = await connection.fetch(
        "SELECT c.relname, a.attname FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
        " AND c.relname !~ '_[0-9]{6,}$' AND a.attnum > 0 AND NOT a.attisdropped"
        " AND t.typname = ANY($1::text[])"
        " ORDER BY 1, 2",
        list(TEXTUAL),
    )
    return [(row["relname"], row["attname"]) for row in rows]


async def in_database(connection: Session, text: str) -> list[str]:
    """The places, as `table.column: value`, where any spelling of a text stands."""
    forms, places = spellings(text), []
    for table, column in await columns(connection):
        query = f'SELECT DISTINCT "{column}" AS value FROM "{table}"'  # noqa: S608
        for row in await connection.fetch(query):
            values = [value for value in _values(row["value"]) if holds(value, forms)]
            places += [f"{table}.{column}: {value[:200]!r}" for value in values]
    return places


def _values(value: object) -> Iterator[bytes]:
    if isinstance(value, list):
        for each in value:
            yield from _values(each)
    elif isinstance(value, bytes):
        yield value
    elif value is not None:
        yield str(value).encode()


def in_files(directory: Path, text: str) -> list[str]:
    """The files below a directory in which any spelling stands; not those of the write-ahead log,
    which the database writes over by itself."""
    forms = spellings(text)
    return [
        str(path.relative_to(directory))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "pg_wal" not in path.parts and holds(path.read_bytes(), forms)
    ]
