"""Rows as columns of text, for statements that take hundreds of rows at once.

asyncpg's own array parameters cost three times what the rest of a batch costs: it asks of every
element whether it is a container. A column of text is one parameter, which PostgreSQL splits as
fast: integers as an array literal, texts and bytes (in hex) joined by a separator that no valid
text holds.

    SELECT u.* FROM unnest($2::text::bigint[], string_to_array($3, chr(30), '')) AS u
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

SEPARATOR: Final = "\x1e"  # chr(30), the record separator


class Unstorable(ValueError):
    """A text holds a character that cannot be stored: NUL, or our separator."""


def integers(values: Sequence[int | None]) -> str:
    """For `$n::text::bigint[]`."""
    return f"{{{str([*values])[1:-1]}}}".replace("None", "NULL")


def texts(values: Sequence[str | None]) -> str:
    """For `string_to_array($n, chr(30), '')`, which makes an empty text NULL."""
    filled = [value or "" for value in values]
    _check("".join(filled))
    return SEPARATOR.join(filled)


def _check(whole: str) -> None:
    """A search through all of it at once; to count separators takes ten times as long."""
    if SEPARATOR in whole or "\0" in whole:
        raise Unstorable("a text holds NUL or the separator")


def hexes(values: Sequence[bytes]) -> str:
    """For `decode(u.column, 'hex')` over `string_to_array($n, chr(30))`."""
    return SEPARATOR.join([value.hex() for value in values])


Column = Callable[[Sequence[Any]], str]
KINDS: Final[dict[str, Column]] = {"i": integers, "t": texts, "x": hexes}


def columns(rows: Iterable[Sequence[Any]], kinds: str) -> list[str]:
    """Rows as one parameter per column; `kinds` has a letter for each: integer, text, hex."""
    turned = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return [KINDS[kind](column) for kind, column in zip(kinds, turned, strict=True)]


def literal(value: int | str) -> str:
    """A parameter as it stands in a statement. Sessions have `standard_conforming_strings` on, so a
    quote is all that could end a text."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
