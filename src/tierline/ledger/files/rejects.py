"""The records that an import refused, as a file of the same kind: each with its reason, so that it
can be corrected where it stands and imported again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tierline.errors import TierlineError
from tierline.ledger.files.records import REASON, InputFile, Record


class Output(Protocol):
    """Where refused records go besides a file."""

    def write(self, data: bytes) -> object: ...


class RejectsUnwritable(TierlineError):
    """Refused records cannot be written to {place} ({reason}); name another file with --rejects."""

    code = "rejects_unwritable"


class Rejects:
    """Writes to a file from the first refused record on (without one there is no file), or to an
    output. What is there and no file (a pipe, a device) is written to, and never taken away."""

    def __init__(
        self, place: Path | Output, file: InputFile, before: tuple[str | None, int] = (None, 0)
    ) -> None:
        """`before`: the extent of an earlier run's rejects, which this run goes on with; what that
        wrote after it comes again. Raises RejectsUnwritable."""
        self.place = place
        self.file = file
        self.count = 0
        self._is_new = True
        if isinstance(place, Path):
            size = before[1] if before[0] == str(place.absolute()) else 0
            try:
                self._is_new = _prepared(place, size) == 0
            except OSError as error:
                raise RejectsUnwritable(place=place, reason=error.strerror) from None

    def extent(self) -> tuple[str | None, int]:
        """The file, and how many bytes stand in it by now."""
        place = self.place
        if not isinstance(place, Path):
            return None, 0
        return str(place.absolute()), place.stat().st_size if place.is_file() else 0

    def add(self, record: Record, reason: str) -> None:
        data = self._line(record, reason)
        if self._is_new and not self.file.is_json:
            data = self._row([*self._heading(), REASON]) + data
        self._is_new = False
        if isinstance(self.place, Path):
            with self.place.open("ab") as out:
                out.write(data)
        else:
            self.place.write(data)
        self.count += 1

    def _heading(self) -> list[str]:
        return [name for name in self.file.heading if name != REASON]

    def _line(self, record: Record, reason: str) -> bytes:
        if isinstance(record.source, bytes):
            return _with_reason(record.source, reason) + b"\n"
        if isinstance(record.source, str):
            # As it was: what is broken in it is for people to mend. The reason stays one cell.
            delimiter = self.file.delimiter
            line = f"{record.source}{delimiter}{reason.replace(delimiter, '')}\n"
            return line.encode("utf-8", "surrogateescape")
        cells = list(record.source)
        if len(cells) == len(self.file.heading) and REASON in self.file.heading:
            del cells[self.file.heading.index(REASON)]
        return self._row([*cells, reason])

    def _row(self, cells: list[str]) -> bytes:
        text = io.StringIO()
        # With both ends of lines as its own, the writer quotes cells that hold either.
        csv.writer(text, delimiter=self.file.delimiter, lineterminator="\r\n").writerow(cells)
        line = text.getvalue().removesuffix("\r\n") + "\n"
        return line.encode("utf-8", "surrogateescape")


def _prepared(place: Path, size: int) -> int:
    """Makes sure that a file can be written to, and cuts it; returns how many bytes are left."""
    with place.open("ab") as file:
        if not place.is_file():
            return 0
        if size < place.stat().st_size:
            file.truncate(size)
        left = place.stat().st_size
    if left == 0:
        place.unlink()  # there is none until a record is refused
    return left


def _with_reason(source: bytes, reason: str) -> bytes:
    """The object with its reason; what is no object stays as it was, beside the reason."""
    try:
        value: Any = msgspec.json.decode(source)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        text = source.decode("utf-8", "replace")
        return msgspec.json.encode({REASON: reason, "text": text})
    value.pop(REASON, None)
    # Appended as text: what stands in the object twice, or is out of all bounds, stays as it was.
    if f'"{REASON}"'.encode() in source:
        return msgspec.json.encode({**value, REASON: reason})
    comma = b"," if value else b""
    return source.rstrip()[:-1] + comma + msgspec.json.encode({REASON: reason})[1:]
