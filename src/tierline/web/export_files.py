"""Exports as files in the data directory: CSV, bounded, and gone after a while.

An export is two files: what it holds, and what is said of it. They lie on the machine that made
them, readable by the server alone. What is too old is taken away whenever another is made.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tierline.errors import NotFound, TooLarge

EXPORTS_DIRECTORY: Final = "exports"  # in the data directory
EXPORTS_MAX: Final = 100  # of one project; the oldest makes room
EXPORT_ROWS_MAX: Final = 200_000
EXPORT_KEPT_MS: Final = 7 * 86_400_000
_PREFIX: Final = "exp_"
_FORMULA: Final = ("=", "+", "@", "\t", "\r")  # what a spreadsheet would run
_encode = msgspec.json.Encoder().encode


class ExportFile(Struct, frozen=True):
    """What is said of an export. `token` opens the file beside a key."""

    id: str
    created_at: int  # wall time
    what: str
    parameters: dict[str, Any]
    token: str
    rows: int


_decode = msgspec.json.Decoder(ExportFile).decode


class ExportFiles:
    """The exports of all projects on this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

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
            return await asyncio.to_thread(self._path(project, made.id, "csv").read_bytes)
        except FileNotFoundError:
            raise NotFound(what="export", name=made.id, path="export") from None

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
        for ending, data in (("csv", content), ("json", _encode(made))):  # what is said comes last
            path = self._path(project, made.id, ending)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)

    def _list(self, project: str, now: int) -> list[ExportFile]:
        exports: list[ExportFile] = []
        for path in (self.directory / project).glob(f"{_PREFIX}*.json"):
            try:
                made = _decode(path.read_bytes())
            except (OSError, msgspec.MsgspecError):
                continue  # another request took it away, or it was never finished
            if now - made.created_at > EXPORT_KEPT_MS:
                self._remove(project, made.id)
            else:
                exports.append(made)
        return sorted(exports, key=lambda made: (made.created_at, made.id))

    def _remove(self, project: str, id_: str) -> None:
        for ending in ("json", "csv"):
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
