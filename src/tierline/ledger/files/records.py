"""What stands in a file to import: one record a line, as JSON or CSV.

1. A record with `recorded_at` is an entry of a ledger, as `export --history` writes it. Another one
   with a `kind` is an activity, as the API takes it. Any other is a person.
2. What is wrong with the file as a whole (its heading, its delimiter) is said once, before the
   first record. What is wrong with a record spoils that record alone.
3. No name stands twice in a heading or in an object. An empty CSV cell is absent; `metadata.x`
   columns make metadata, `address.x` columns an address; `refused` (the reason in a rejects file)
   is passed over.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from tierline.errors import Invalid, TierlineError
from tierline.ledger.command_parsing import Activity, explained
from tierline.ledger.files import csv_rows
from tierline.ledger.files.csv_rows import BrokenRow
from tierline.ledger.files.file_kind import LINE_BYTES_MAX, MARK, is_text, kind_of, open_text
from tierline.ledger.files.ledger_lines import LedgerLine
from tierline.ledger.files.order_lines import OrderLine
from tierline.ledger.files.person import Person, person_type
from tierline.ledger.orders.statement_parsing import OrderStatement
from tierline.model import json_text
from tierline.model.tenant import Address, NameKind

REASON: Final = "refused"  # the column, or field, of a rejects file
_INTEGERS: Final = frozenset(
    {
        *("points", "amount", "number", "points_spent", "entry"),
        *("total", "paid", "refunded", "shipping", "tax", "discounts"),
    }
)
_JSON_COLUMNS: Final = frozenset({"standing", "detail", "items", "cancelled", "names"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_Object = Literal["metadata", "address"]  # columns `metadata.x` make one
_OBJECTS: Final[tuple[_Object, ...]] = get_args(_Object)
_Kind = Literal["text", "integer", "json", "lots", "reason"] | _Object  # of a column
_OF_ACTIVITIES: Final = frozenset(Activity.__struct_fields__)
_EXPORTED: Final = frozenset({"record", "recorded_at", "standing"})  # no caller writes these
_MARK_BEFORE: Final = "a byte-order mark stands before it, as where files were joined; take it away"
_ANY_SIZE: Final = json_text.Limits(size=2 * LINE_BYTES_MAX)
_decode = msgspec.json.Decoder().decode
_read_line = msgspec.json.Decoder(LedgerLine).decode
_read_order = msgspec.json.Decoder(OrderLine).decode


class Record(Struct, frozen=True):
    """One record: an activity's JSON, an entry or a person; or what is wrong with it. `source` is
    what stands in the file: cells of CSV, a line that is no row of it, or a line of JSON."""

    line: int
    source: Sequence[str] | str | bytes
    activity: bytes | None = None
    entry: LedgerLine | None = None
    order: OrderLine | None = None
    person: Person | None = None
    problem: TierlineError | None = None


class InputFile:
    """A file to import. Raises FileUnreadable where it cannot be told what its columns are."""

    def __init__(self, path: Path, name_kinds: Iterable[NameKind]) -> None:
        self.path = path
        self._person = person_type(tuple(name_kinds))
        self._read_person = msgspec.json.Decoder(self._person).decode
        self._fields = frozenset(self._person.__struct_fields__)
        kind = kind_of(path, self._columns_of_all())
        self.is_json = kind.heading is None
        self.delimiter, self._skip = kind.delimiter, kind.skip
        self.heading = list(kind.heading or ())
        self._columns = [_column(name) for name in self.heading]

    def records(self) -> Iterator[Record]:
        """Yields the file's records in order, read one by one."""
        return self._jsonl() if self.is_json else self._csv()

    def record(self, line: int, text: bytes, source: Sequence[str] | bytes) -> Record:
        """Returns one JSON text as a record."""
        if text.startswith(codecs.BOM_UTF8):
            return Record(line, source, problem=Invalid(reason=f"The line: {_MARK_BEFORE}."))
        try:
            fields = _fields_of(text)
            if REASON in fields:
                del fields[REASON]
                text = msgspec.json.encode(fields)
            return self._told_apart(line, text, source, fields)
        except TierlineError as error:
            return Record(line, source, problem=error)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return Record(line, source, problem=self._explained(error, text))

    def _explained(self, error: Exception, text: bytes) -> TierlineError:
        shape = LedgerLine if b'"recorded_at"' in text else self._person
        problem = explained(error, text, "", shape)
        field = problem.path
        if shape is self._person and field in _OF_ACTIVITIES and field not in self._fields:
            reason = f"{field}: a person has no such field; an activity needs a `kind`."
            return Invalid(path=field, reason=reason)
        return problem

    def _told_apart(
        self, line: int, text: bytes, source: Sequence[str] | bytes, fields: dict[str, Any]
    ) -> Record:
        if b"\\u0000" in text and not _EXPORTED.isdisjoint(fields):
            json_text.normalise(fields, "", _ANY_SIZE)  # PostgreSQL keeps no NUL, in no field
        if "order" in fields and "kind" not in fields:
            return Record(line, source, order=_read_order(text))
        if "kind" not in fields:
            return Record(line, source, person=self._read_person(text))
        if "recorded_at" in fields:
            return Record(line, source, entry=_read_line(text))
        return Record(line, source, activity=text)

    def _columns_of_all(self) -> frozenset[str]:
        shapes: tuple[type[Struct], ...] = (self._person, Activity, OrderStatement, LedgerLine)
        fields = (field for shape in shapes for field in shape.__struct_fields__)
        parts = (f"address.{part}" for part in Address.__struct_fields__)
        return frozenset({*fields, *parts, REASON})

    def _jsonl(self) -> Iterator[Record]:
        with self.path.open("rb") as file:
            line = 0
            while raw := file.readline(LINE_BYTES_MAX + 1):
                line += 1
                if line == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if len(raw) > LINE_BYTES_MAX:
                    reason = "The line is longer than 1 MB; send less metadata."
                    yield Record(line, raw[:1_000], problem=Invalid(reason=reason))
                    while raw and not raw.endswith(b"\n"):
                        raw = file.readline(LINE_BYTES_MAX)
                elif text := raw.strip():
                    yield self.record(line, text, text)

    def _csv(self) -> Iterator[Record]:
        with open_text(self.path) as file:
            numbered = csv_rows.rows(file, self.delimiter)
            for _ in range(self._skip):
                next(numbered, None)
            for line, row in numbered:
                if isinstance(row, BrokenRow):
                    problem = Invalid(path=self._column_named(row.cell), reason=f"{row.reason}.")
                    yield Record(line, row.text, problem=problem)
                else:
                    yield self._row(line, row)

    def _row(self, line: int, row: list[str]) -> Record:
        if row[0].startswith(MARK):
            problem = Invalid(path=self.heading[0], reason=f"{self.heading[0]}: {_MARK_BEFORE}.")
            return Record(line, row, problem=problem)
        try:
            fields = _object(self._columns, row)
            text = msgspec.json.encode(fields)
        except UnicodeError:
            path = next(self._column_named(i) for i, cell in enumerate(row) if not is_text(cell))
            reason = f"{path}: it is not UTF-8; save the file in that encoding."
            return Record(line, row, problem=Invalid(path=path, reason=reason))
        except Invalid as problem:
            return Record(line, row, problem=problem)
        try:
            return self._told_apart(line, text, row, fields)
        except Invalid as problem:
            return Record(line, row, problem=problem)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return Record(line, row, problem=self._explained(error, text))

    def _column_named(self, cell: int) -> str | None:
        return self.heading[cell] if cell < len(self.heading) else None


def count_lines(path: Path) -> int:
    """Returns about how many records there are: lines, the last one included."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) or 1


def _fields_of(text: bytes) -> dict[str, Any]:
    """The object. Raises Invalid for a name that stands twice."""
    value = _decode(text)
    if not isinstance(value, dict):
        raise Invalid(reason="The line is no JSON object.")
    if not json_text.names_once(text, value):
        json_text.parse(text, duplicates="refuse")
    return value


def _object(columns: Sequence[tuple[str, _Kind]], row: Sequence[str]) -> dict[str, Any]:
    """A CSV row as the JSON object that it means."""
    if len(row) > len(columns) and not any(row[len(columns) :]):
        row = row[: len(columns)]  # delimiters at the line's end
    if len(row) != len(columns):
        reason = f"The row has {len(row)} cells, the heading {len(columns)} names; make them equal."
        raise Invalid(reason=reason)
    fields: dict[str, Any] = {}
    for (column, kind), cell in zip(columns, row, strict=True):
        if cell == "" or kind == "reason":
            continue
        if kind == "text":
            fields[column] = cell
        elif kind == "integer":
            fields[column] = _integer(column, cell)
        elif kind == "json":
            fields[column] = _json(column, cell)
        elif kind == "lots":
            fields[column] = _lots(cell)
        else:
            fields.setdefault(kind, {})[column] = cell
    return fields


def _column(heading: str) -> tuple[str, _Kind]:
    """A column's name in the object, and how its cells are read."""
    for prefix in _OBJECTS:
        if heading.startswith(f"{prefix}."):
            return heading.removeprefix(f"{prefix}."), prefix
    if heading in _INTEGERS:
        return heading, "integer"
    if heading in _JSON_COLUMNS or heading in _OBJECTS:
        return heading, "json"
    if heading == "lots":
        return heading, "lots"
    return heading, "reason" if heading == REASON else "text"


def _integer(column: str, cell: str) -> int:
    if not _WHOLE.fullmatch(cell):
        reason = f"{column}: expected a whole number like 1250, found {cell[:100]!r}."
        raise Invalid(path=column, reason=reason)
    return int(cell)


def _lots(cell: str) -> Any:
    """`120@2027-01-01T00:00:00Z; 50`: points with the instant when they expire, or for ever. JSON
    as in a line of JSON is taken too."""
    if cell.lstrip().startswith("["):
        return _json("lots", cell)
    lots = []
    for part in cell.split(";"):
        points, at, expires_at = part.strip().partition("@")
        lot: dict[str, Any] = {"points": _integer("lots", points.strip())}
        if at:
            lot["expires_at"] = expires_at.strip()
        lots.append(lot)
    return lots


def _json(column: str, cell: str) -> Any:
    return json_text.parse(cell, duplicates="refuse", path=column)
