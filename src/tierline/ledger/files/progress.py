"""How far an import has come, and the note of it beside the file: a stopped one goes on from it."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from tierline.ledger.files.file_kind import FileUnreadable


class RecordProblem(Struct, frozen=True):
    """A record that was refused; `path` is its column, or its field."""

    line: int
    reason: str
    path: str | None = None

    @property
    def sentence(self) -> str:
        """Line, column, and what to do."""
        column = "" if self.path is None else f", {self.path}"
        return f"line {self.line}{column}: {self.reason.removeprefix(f'{self.path}: ')}"


class Imported(Struct, frozen=True):
    """How far an import has come."""

    records: int = 0
    made: int = 0  # customers
    changed: int = 0  # customers
    commands: int = 0  # entries
    repeated: int = 0  # of those: counted before, from an earlier run
    uncounted: int = 0  # of those: for no metric, as they happened outside the membership
    corrected: int = 0  # of those: in the place of an earlier entry
    ageless: int = 0  # people whose points came without a word on when they expire
    kinds: dict[str, int] = {}  # entries by their kind; a person's is an `opening`
    refused: int = 0
    columns: dict[str, int] = {}  # refused records by the column, or "" where it is none's
    problems: tuple[RecordProblem, ...] = ()  # the first hundred

    @property
    def customers(self) -> int:
        return self.made + self.changed


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Returns the sums by name."""
    return {name: counts.get(name, 0) + more.get(name, 0) for name in sorted({*counts, *more})}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One import of a file at a time: two would share its note and its file of refused records.
    Raises FileUnreadable."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reason = f"{path} is being imported already; wait for the end of that, or stop it."
            raise FileUnreadable(reason=reason) from None
        except OSError:
            pass  # a file system without locks
        yield


def fingerprint(path: Path) -> str:
    """Returns a name of the file by all that is in it, so that a note belongs to one content."""
    whole = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


class Note(Struct, frozen=True):
    """How far a file of a content had come, with all before it settled; and how many bytes the
    file of its rejects had by then."""

    mark: str
    done: Imported = Imported()
    rejects: str | None = None
    rejects_size: int = 0


def read_note(place: Path, mark: str) -> Note:
    """Returns the note of a file of this content, or an empty one."""
    try:
        note = msgspec.json.decode(place.read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return Note(mark)
    return note if note.mark == mark else Note(mark)


def keep(place: Path, note: Note) -> None:
    """Writes the note, where that is possible."""
    new = place.with_name(place.name + ".new")
    try:
        new.write_bytes(msgspec.json.encode(note))
        new.replace(place)
    except OSError:
        return  # nowhere to note it: a second run is slower, and as right
