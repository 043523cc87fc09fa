"""SQL lives in `store/sql/*.sql`, a name and a one-line comment before each statement:

    -- name: lock_members
    -- Locks the batch's members, in id order, and reads their standings.
    SELECT … FROM member WHERE shard = $1 AND … ORDER BY customer FOR UPDATE

A class lists the names it expects, so that the type checker knows them, and a file and its class
that differ do not even import:

    class LedgerSql(Queries, file="ledger.sql"):
        lock_members: str

A statement that must touch more than one shard says `-- wide: reason` below its comment; a test
holds all others to the rules that make them one task on a distributed database.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, ClassVar, Final

from msgspec import Struct

FOLDER: Final = Path(__file__).parent / "sql"
_NAME: Final = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\n", re.MULTILINE)


class Statement(Struct, frozen=True):
    """One named statement as its file has it."""

    name: str
    comment: str
    text: str  # without the comment lines above it and the semicolon
    wide: str | None = None  # why it may touch many shards


class Queries:
    """Subclass it with `file=` and one `name: str` per statement of that file."""

    statements: ClassVar[tuple[Statement, ...]] = ()

    def __init_subclass__(cls, *, file: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.statements = read(FOLDER / file)
        statements = {statement.name for statement in cls.statements}
        attributes = set(inspect.get_annotations(cls))
        if statements != attributes:
            raise ImportError(
                f"{file} and {cls.__name__} differ: {sorted(statements ^ attributes)}"
            )
        for statement in cls.statements:
            setattr(cls, statement.name, statement.text)


def read(path: Path) -> tuple[Statement, ...]:
    """The statements of one file, in order. Raises ValueError where a name comes twice, or a
    statement has no comment."""
    pieces = _NAME.split(path.read_text())
    if pieces[0].strip() and not _only_comments(pieces[0]):
        raise ValueError(f"{path.name}: SQL before the first name")
    statements = tuple(
        _statement(path.name, name, body)
        for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
    )
    names = [statement.name for statement in statements]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path.name}: {name} comes twice")
    return statements


def _statement(file: str, name: str, body: str) -> Statement:
    lines = body.strip().splitlines()
    heading = []
    while lines and lines[0].startswith("-- "):
        heading.append(lines.pop(0)[3:].strip())
    wide = [line.removeprefix("wide: ") for line in heading if line.startswith("wide: ")]
    comment = " ".join(line for line in heading if not line.startswith("wide: "))
    text = "\n".join(lines).strip().removesuffix(";").strip()
    if not comment or not text:
        raise ValueError(f"{file}: {name} needs a comment line and a statement")
    return Statement(name, comment, text, wide[0] if wide else None)


def _only_comments(text: str) -> bool:
    return all(not line.strip() or line.startswith("--") for line in text.splitlines())
