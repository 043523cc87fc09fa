"""The rows of a CSV file, one after another; a row that cannot be read costs its own line alone.

A quotation mark that is not closed takes what follows into its cell, to the next one or to the
longest cell. Such a row is given back as the text of its first line, and reading begins anew with
the next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Final, TextIO

from msgspec import Struct

CELL_CHARACTERS_MAX: Final = 131_072
_QUOTE: Final = '"'


class BrokenRow(Struct, frozen=True):
    """A line that is no row. `cell`: the number of the cell that is to blame, from 0."""

    text: str
    cell: int
    reason: str


def rows(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str] | BrokenRow]]:
    """Yields each row that is not empty or blank, with the number of its first line."""
    back: deque[str] = deque()  # lines that are read again
    lines: list[str] = []  # of the row that is being read

    def following() -> Iterator[str]:
        while line := back.popleft() if back else file.readline():
            lines.append(line)
            yield line

    number = 1
    csv.field_size_limit(CELL_CHARACTERS_MAX)
    while True:
        try:
            for row in csv.reader(following(), delimiter=delimiter, strict=True):
                if len(row) > 1 or (row and row[0].strip()):
                    yield number, row
                number += len(lines)
                lines.clear()
        except csv.Error:
            first, *rest = lines
            yield number, _broken(first.rstrip("\r\n"), delimiter)
            back.extendleft(reversed(rest))
            number += 1
            lines.clear()
        else:
            return


def _broken(line: str, delimiter: str) -> BrokenRow:
    cells = line.split(delimiter)
    for i, cell in enumerate(cells):
        if len(cell) > CELL_CHARACTERS_MAX:
            reason = f"The cell is longer than {CELL_CHARACTERS_MAX:,} characters; shorten it"
            return BrokenRow(line, i, reason)
    odd = (i for i, cell in enumerate(cells) if cell.count(_QUOTE) % 2)
    quoted = (i for i, cell in enumerate(cells) if _QUOTE in cell)
    reason = "A quotation mark is not closed, or stands inside a cell; close it, or write it twice"
    return BrokenRow(line, next(odd, next(quoted, 0)), reason)
