"""What a file to import is: JSON lines, or CSV with a delimiter and a heading. Its content says so,
and its name only where the content does not; what is wrong with the whole is said once."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final, TextIO

from msgspec import Struct

from tierline.errors import TierlineError
from tierline.ledger.files import csv_rows
from tierline.ledger.files.csv_rows import BrokenRow

LINE_BYTES_MAX: Final = 1_000_000
DELIMITERS: Final = (",", ";", "\t", "|")
MARK: Final = "\ufeff"  # a byte-order mark
# Excel's own first line, which names the delimiter; saved again, it has delimiters behind it.
_HINT: Final = re.compile(r'"?sep=([,;\t|])"?[,;\t|]*', re.IGNORECASE)
_JSON_SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
_NOT_SEEN: Final = f"{MARK}\u200b\u200c\u200d\u2060"
_UTF_16: Final = "UTF-16, or holds NUL; save it as UTF-8"
_NO_TEXT: Final = {  # how files begin that are something else
    codecs.BOM_UTF16_LE: _UTF_16,
    codecs.BOM_UTF16_BE: _UTF_16,
    b"\x1f\x8b": "compressed; unpack it first",
    b"PK\x03\x04": "a spreadsheet or an archive; save it as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet; save it as CSV",
}


class FileUnreadable(TierlineError):
    """{reason}"""

    code = "file_unreadable"
    status = 400


class FileKind(Struct, frozen=True):
    """`heading`: the columns of CSV; None of JSON lines. `skip`: how many rows stand before those
    that are records."""

    delimiter: str = ","
    heading: Sequence[str] | None = None
    skip: int = 0


def kind_of(path: Path, fields: Collection[str]) -> FileKind:
    """`fields` may be columns. Raises FileUnreadable."""
    first = _first_line(path)
    if first.startswith(("[", "{")):
        if first.startswith("[") or first.strip() == "{":
            what = "one JSON array" if first.startswith("[") else "JSON over several lines"
            raise _unreadable(f"The file is {what}; write an object on each line instead.")
        return FileKind()
    hint = _HINT.fullmatch(first)
    if hint:
        _first_line(path, skip=1)
    kinds = [_under(path, d, after=bool(hint)) for d in ((hint[1],) if hint else DELIMITERS)]
    kind = max(kinds, key=lambda kind: ("customer" in _names(kind), len(_names(kind))))
    if path.suffix.lower() in _JSON_SUFFIXES and not any(_has_customer(k) for k in kinds):
        return FileKind()  # the line is refused as any other that is no object
    _check(_names(kind), fields)
    return kind


def _under(path: Path, delimiter: str, *, after: bool) -> FileKind:
    """The heading as it is under a delimiter; empty where it is none. `after` a first line that is
    none of it."""
    with open_text(path) as file:
        skip = 0
        for _, row in csv_rows.rows(file, delimiter):
            skip += 1
            if isinstance(row, BrokenRow):
                break
            names = [name.strip().strip(_NOT_SEEN).strip() for name in row]
            if not any(names) or (after and skip == 1):
                continue
            while not names[-1]:  # a delimiter at the line's end
                names.pop()
            return FileKind(delimiter, names, skip)
    return FileKind(delimiter, [], skip)


def open_text(path: Path) -> TextIO:
    """Opens a file whatever its bytes are."""
    # A byte that is no UTF-8 comes through, so that it spoils its own row alone.
    return path.open(newline="", encoding="utf-8-sig", errors="surrogateescape")


def is_text(cell: str) -> bool:
    """Whether all of it was UTF-8."""
    try:
        cell.encode()
    except UnicodeError:
        return False
    return True


def _names(kind: FileKind) -> Sequence[str]:
    return kind.heading or ()


def _has_customer(kind: FileKind) -> bool:
    return any(name.lower() == "customer" for name in _names(kind))


def _check(names: Sequence[str], fields: Collection[str]) -> None:
    """Raises FileUnreadable where a heading cannot be what is meant."""
    if "customer" not in names:
        _refuse_capitals(names, {"customer"})
        raise _unreadable(
            "The heading has no column `customer`; the first line names the columns, and they"
            " are divided by commas, semicolons or tabs."
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise _unreadable(
            f"The heading has the column {twice[0]!r} twice; take one away.", twice[0]
        )
    for whole in ("metadata", "address"):
        if whole in names and any(name.startswith(f"{whole}.") for name in names):
            reason = f"The heading has `{whole}` and parts of it as columns; keep one of both."
            raise _unreadable(reason, whole)
    strange = next((name for name in names if not is_text(name)), None)
    if strange is not None:
        readable = strange.encode(errors="surrogateescape").decode(errors="replace")
        raise _unreadable(
            f"The heading is not UTF-8 ({readable!r}); save the file in that encoding."
        )
    wrong = [n for n in names if n not in fields and not n.startswith("metadata.")]
    if wrong:
        _refuse_capitals(wrong, fields)
        reason = f"There is no column {wrong[0]!r}; columns are {', '.join(sorted(fields))}."
        raise _unreadable(reason, wrong[0])


def _refuse_capitals(names: Iterable[str], fields: Collection[str]) -> None:
    """Raises FileUnreadable where a name would be a column if it were in lower case."""
    for name in names:
        if name not in fields and name.lower() in fields:
            raise _unreadable(f"There is no column {name!r}; write {name.lower()!r}.", name)


def _first_line(path: Path, skip: int = 0) -> str:
    """The first line that is not empty, or a later such one. Raises FileUnreadable where there is
    none, or where the file holds something else than lines of UTF-8."""
    with path.open("rb") as raw:
        start = raw.read(4)
    for signature, what in _NO_TEXT.items():
        if start.startswith(signature):
            raise _unreadable(f"The file is {what}.")
    with open_text(path) as file:
        while line := file.readline(LINE_BYTES_MAX):
            if "\0" in line:
                raise _unreadable(f"The file is {_UTF_16}.")
            if line.strip():
                if not skip:
                    return line.strip("\r\n")
                skip -= 1
    raise _unreadable("The file is empty; is it the right one?")


def _unreadable(reason: str, path: str | None = None) -> FileUnreadable:
    return FileUnreadable(reason=reason, path=path)
