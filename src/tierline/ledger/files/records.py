"""What stands in a file to import: one record a line, as JSON or CSV.

A record with a `kind` is an activity, as the API takes it. Any other is a person: profile, names,
and what they bring along (tier, points, dates). Empty CSV cells are absent; `metadata.x` columns
make metadata.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta, Struct

from tierline.errors import Invalid
from tierline.ledger.command_parsing import explained
from tierline.model import ids, json_text, validation
from tierline.model.entries import Detail
from tierline.model.tenant import NameKind
from tierline.store.profiles import Profile

LINE_BYTES_MAX: Final = 1_000_000
Instant = Annotated[str, Meta(max_length=40)]
Whole = Annotated[int, Meta(ge=0, le=10**12)]
_PROFILE: Final = ("id", "number", "name", "email")
_JOINING: Final = ("enrolled_at", "tier", "points", "points_spent", "lots")


class LotRecord(Struct, frozen=True, forbid_unknown_fields=True):
    points: Whole
    expires_at: Instant | None = None


class Person(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer, and the membership that they bring from elsewhere."""

    customer: Annotated[str, Meta(min_length=1, max_length=200)]  # source id
    id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    number: Annotated[int, Meta(ge=1, le=ids.NUMBER_MAX)] | None = None
    name: str | None = None
    email: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    enrolled_at: Instant | None = None
    tier: str | None = None
    tier_since: Instant | None = None
    tier_expires_at: Instant | None = None
    points: Whole | None = None  # the balance, `lots` are part of it; without it, their sum
    points_spent: Whole | None = None
    lots: tuple[LotRecord, ...] = ()

    name_kinds: ClassVar[tuple[NameKind, ...]] = ()  # each with a column of its own, see `person`

    @property
    def joins(self) -> bool:
        """Whether the record makes a member, not only a customer."""
        return any(getattr(self, field) not in (None, ()) for field in _JOINING)

    @property
    def balance(self) -> int:
        return sum(lot.points for lot in self.lots) if self.points is None else self.points

    def profile(self) -> Profile:
        changes: dict[str, Any] = {
            field: value for field in _PROFILE if (value := getattr(self, field)) is not None
        }
        for field in ("created_at", "updated_at"):
            if (text := getattr(self, field)) is not None:
                changes[field] = validation.instant(text, field)
        if self.metadata is not None:
            changes["metadata"] = json_text.normalise(self.metadata, "metadata")
        names = {
            name.kind: (value,)
            for name in self.name_kinds
            if (value := getattr(self, name.column)) is not None
        }
        return Profile(**changes, names=names)

    def detail(self, *, quiet: bool) -> Detail:
        return Detail(
            tier=self.tier,
            tier_since=validation.optional_instant(self.tier_since, "tier_since"),
            tier_expires_at=validation.optional_instant(self.tier_expires_at, "tier_expires_at"),
            lots=tuple(
                (validation.optional_instant(lot.expires_at, "lots"), lot.points)
                for lot in self.lots
            ),
            spent=self.points_spent or 0,
            quiet=quiet,
        )

    def enrolled(self) -> int | None:
        return validation.optional_instant(self.enrolled_at, "enrolled_at")


def person_type(name_kinds: tuple[NameKind, ...]) -> type[Person]:
    """A person with a column for each kind of name."""
    columns = [(name.column, str | None, None) for name in name_kinds]
    type_: Any = msgspec.defstruct(
        "Person", columns, bases=(Person,), module=__name__, kw_only=True, frozen=True,
        omit_defaults=True, forbid_unknown_fields=True, namespace={"name_kinds": name_kinds},
    )  # fmt: skip
    return type_  # type: ignore[no-any-return]


class _Kind(Struct):
    kind: str


class Record(Struct, frozen=True):
    """A line of the file: an activity's JSON, or a person; or what is wrong with it."""

    line: int
    activity: bytes | None = None
    person: Person | None = None
    problem: Invalid | None = None


_read_kind = msgspec.json.Decoder(_Kind).decode
_INTEGERS: Final = frozenset({"points", "amount", "number", "points_spent"})


class RecordReader:
    """Reads files whose people may have these kinds of names."""

    def __init__(self, name_kinds: Iterable[NameKind]) -> None:
        self._person = person_type(tuple(name_kinds))
        self._read_person = msgspec.json.Decoder(self._person).decode

    def records(self, path: Path) -> Iterator[Record]:
        """The file's records in order, read one by one. `.csv`, else a JSON text a line."""
        return self._csv(path) if path.suffix.lower() == ".csv" else self._jsonl(path)

    def record(self, line: int, text: bytes) -> Record:
        """One JSON text as a record."""
        try:
            if b'"kind"' in text and _has_kind(text):
                return Record(line, activity=text)
            return Record(line, person=self._read_person(text))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return Record(line, problem=explained(error, text, "", self._person))

    def _jsonl(self, path: Path) -> Iterator[Record]:
        with path.open("rb") as file:
            line = 0
            while raw := file.readline(LINE_BYTES_MAX + 1):
                line += 1
                if len(raw) > LINE_BYTES_MAX:
                    yield Record(line, problem=Invalid(reason="The line is longer than 1 MB."))
                    while raw and not raw.endswith(b"\n"):
                        raw = file.readline(LINE_BYTES_MAX)
                elif text := raw.strip():
                    yield self.record(line, text)

    def _csv(self, path: Path) -> Iterator[Record]:
        # A byte that is no UTF-8 comes through, so that it spoils its own row alone.
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = csv.DictReader(file)
            reader = rows.reader  # it counts the lines that cannot be read, too
            while True:
                try:
                    text = msgspec.json.encode(_cells(next(rows)))
                except StopIteration:
                    return
                except UnicodeError:
                    yield Record(reader.line_num, problem=Invalid(reason="The row is not UTF-8."))
                except csv.Error as error:
                    yield Record(
                        reader.line_num, problem=Invalid(reason=f"The row is no CSV: {error}")
                    )
                except Invalid as problem:
                    yield Record(reader.line_num, problem=problem)
                else:
                    yield self.record(reader.line_num, text)


def count_lines(path: Path) -> int:
    """About how many records there are: lines, the last one included."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) or 1


def _has_kind(text: bytes) -> bool:
    try:
        _read_kind(text)
    except msgspec.ValidationError:
        return False
    return True


def _cells(row: dict[str | Any, Any]) -> dict[str, Any]:
    """A CSV row as the JSON object that it means."""
    assertion: dict[str, Any] = {}
    for column, cell in row.items():
        if column is None:
            raise Invalid(reason="The row has more cells than the heading has names.")
        if cell is None or cell == "":
            continue
        if column.startswith("metadata."):
            assertion.setdefault("metadata", {})[column.removeprefix("metadata.")] = cell
        else:
            assertion[column] = _integer(column, cell) if column in _INTEGERS else cell
    return assertion


def _integer(column: str, cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        reason = f"{column}: expected a whole number, found {cell!r}"
        raise Invalid(path=column, reason=reason) from None
