"""Exports as files in the data directory: bounded, and gone after a while.

An export is two files: what it holds, and what is said of it. They lie on the machine that made
them, readable by the server alone. What is too old is not there any more for whoever asks;
`file_retention` takes it away, too, where nobody does.

A table is whole when it is added. What grows page by page says how far it is: each page touches
what is said of it, so whoever has not been touched for a while was left by a process that ended.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from tierline.clock import Clock
from tierline.errors import NotFound, TooLarge

EXPORTS_DIRECTORY: Final = "exports"  # in the data directory
EXPORTS_MAX: Final = 100  # of one project; the oldest makes room
EXPORT_ROWS_MAX: Final = 200_000
UNTOUCHED_MS_MAX: Final = 120_000  # of an export that grows; then nobody is at work on it
_PREFIX: Final = "exp_"
_FORMULA: Final = ("=", "+", "@", "\t", "\r")  # what a spreadsheet would run
_ENDINGS: Final = ("json", "csv", "jsonl", "draft")
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger("tierline.exports")
ExportState = Literal["pending", "processing", "completed", "failed"]


class ExportFile(Struct, frozen=True):
    """What is said of an export. `token` opens the file beside a key."""

    id: str
    created_at: int  # wall time
    what: str
    parameters: dict[str, Any]
    token: str
    rows: int
    ending: str = "csv"
    state: ExportState = "completed"
    finished_at: int | None = None

    @property
    def grows(self) -> bool:
        return self.state in ("pending", "processing")


_decode = msgspec.json.Decoder(ExportFile).decode


class ExportFiles:
    """The exports of all projects on this machine."""

    def __init__(self, directory: Path, kept_ms: int) -> None:
        self.directory = directory
        self.kept_ms = kept_ms
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(
        self,
        project: str,
        what: str,
        parameters: dict[str, Any],
        table: tuple[Sequence[str], Sequence[Sequence[Any]]],
        now: int,
    ) -> ExportFile:
        """Writes an export: the header's names, and the rows. Raises TooLarge."""
        header, rows = table
        if len(rows) > EXPORT_ROWS_MAX:
            raise TooLarge(what="export", limit=f"{EXPORT_ROWS_MAX:,} rows; filter it")
        id_, token = _PREFIX + secrets.token_hex(12), secrets.token_urlsafe(24)
        made = ExportFile(id_, now, what, parameters, token, len(rows))
        await asyncio.to_thread(self._write, project, made, _csv(header, rows))
        return made

    async def start(
        self,
        project: str,
        what: str,
        parameters: dict[str, Any],
        pages: AsyncIterator[Sequence[bytes]],
        clock: Clock,
    ) -> ExportFile:
        """Begins an export of JSON lines, which a task of this process fills page by page."""
        id_, token = _PREFIX + secrets.token_hex(12), secrets.token_urlsafe(24)
        made = ExportFile(id_, clock(), what, parameters, token, 0, "jsonl", "pending")
        await asyncio.to_thread(self._write, project, made, b"")
        task = asyncio.create_task(self._fill(project, made, pages, clock), name="export")
        self._tasks.add(task)  # a task that nobody holds may vanish
        task.add_done_callback(self._tasks.discard)
        return made

    async def _fill(
        self,
        project: str,
        made: ExportFile,
        pages: AsyncIterator[Sequence[bytes]],
        clock: Clock,
    ) -> None:
        try:
            async for lines in pages:
                made = replace(made, state="processing", rows=made.rows + len(lines))
                if not await asyncio.to_thread(self._append, project, made, lines):
                    return
            made = replace(made, state="completed", finished_at=clock())
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller learns that it failed
            _log.error("export_failed", id=made.id, error=repr(error))
            made = replace(made, state="failed", finished_at=clock())
        await asyncio.to_thread(self._note, project, made)

    def _append(self, project: str, made: ExportFile, lines: Sequence[bytes]) -> bool:
        """False where somebody took it away: it is not made anew."""
        try:
            descriptor = os.open(self.content(project, made), os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return False
        with os.fdopen(descriptor, "ab") as file:
            file.writelines(lines)
        self._note(project, made)
        return True

    def _note(self, project: str, made: ExportFile) -> None:
        """Whole or not at all: who reads meanwhile finds what was said before."""
        path = self._path(project, made.id, "json")
        if not path.exists():
            return  # somebody took it away
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_encode(made))
        draft.replace(path)

    async def all(self, project: str, now: int) -> list[ExportFile]:
        """Those that are there still, the oldest first."""
        return await asyncio.to_thread(self._list, project, now)

    async def find(self, project: str, id_: str, now: int) -> ExportFile:
        for each in await self.all(project, now):
            if each.id == id_:
                return each
        raise NotFound(what="export", name=id_, path="export")

    async def read(self, project: str, made: ExportFile) -> bytes:
        try:
            return await asyncio.to_thread(self.content(project, made).read_bytes)
        except FileNotFoundError:
            raise NotFound(what="export", name=made.id, path="export") from None

    def content(self, project: str, made: ExportFile) -> Path:
        """Where the content lies."""
        return self._path(project, made.id, made.ending)

    async def remove(self, project: str, id_: str) -> None:
        await asyncio.to_thread(self._remove, project, id_)

    def _path(self, project: str, id_: str, ending: str) -> Path:
        return self.directory / project / f"{id_}.{ending}"

    def _write(self, project: str, made: ExportFile, content: bytes) -> None:
        place = self.directory / project
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = self._list(project, made.created_at)
        for each in before[: max(0, len(before) - EXPORTS_MAX + 1)]:
            self._remove(project, each.id)
        # What is said comes last.
        for ending, data in ((made.ending, content), ("json", _encode(made))):
            path = self._path(project, made.id, ending)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)

    def _list(self, project: str, now: int) -> list[ExportFile]:
        exports: list[ExportFile] = []
        for path in (self.directory / project).glob(f"{_PREFIX}*.json"):
            try:
                made = _decode(path.read_bytes())
                touched_at = int(path.stat().st_mtime * 1000)
            except (OSError, msgspec.MsgspecError):
                continue  # another request took it away, or it was never finished
            if now - made.created_at > self.kept_ms:
                self._remove(project, made.id)
            else:
                if made.grows and now - touched_at > UNTOUCHED_MS_MAX:
                    made = replace(made, state="failed", finished_at=touched_at)
                exports.append(made)
        return sorted(exports, key=lambda made: (made.created_at, made.id))

    def _remove(self, project: str, id_: str) -> None:
        for ending in _ENDINGS:
            self._path(project, id_, ending).unlink(missing_ok=True)


def _csv(header: Iterable[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_safe(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula; null is empty."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
