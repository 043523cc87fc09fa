"""The records that an import refused, as a file of the same kind: each with its reason, so that it
can be corrected where it stands and imported again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tierline.ledger.files.records import REASON, InputFile, Record


class Output(Protocol):
    """Where refused records go besides a file."""

    def write(self, data: bytes) -> object: ...


class Rejects:
    """Writes to a file from the first refused record on (without one there is no file), or to an
    output."""

    def __init__(self, place: Path | Output, file: InputFile, *, append: bool) -> None:
        self.place = place
        self.file = file
        self.count = 0
        if isinstance(place, Path) and not append:
            place.unlink(missing_ok=True)

    def add(self, record: Record, reason: str) -> None:
        new = not self.place.exists() if isinstance(self.place, Path) else not self.count
        data = self._line(record, reason)
        if new and not self.file.is_json:
            data = self._row([*self._heading(), REASON]) + data
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
        csv.writer(text, delimiter=self.file.delimiter, lineterminator="\n").writerow(cells)
        return text.getvalue().encode("utf-8", "surrogateescape")


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
