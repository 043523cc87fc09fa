"""Files that people import by the console: in the data directory of the machine that took them,
tried first, then run, each time by a process of its own. A file that is in is taken away.

What is known of one lies beside it, so that it is there still after a restart; whatever was under
way then has stopped, and goes on where it was when it is run again.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.console.child_process import child_process
from tierline.errors import Conflict, NoSuchRecord
from tierline.ledger.files.progress import Imported

PROCESS: Final = "tierline.commands.import_process"  # what is run, as a module
IMPORTS_MAX: Final = 100  # of one project; the oldest makes room
LINE_BYTES_MAX: Final = 4 << 20  # of what a process tells
_ID: Final = re.compile(r"imp_[0-9a-f]{24}")
_SUFFIX: Final = re.compile(r"\.[a-z]{1,8}")
_STOPPED: Final = "It was stopped; run it again, and it goes on where it was."

Stage = Literal["uploaded", "trying", "tried", "running", "done", "stopped"]


class ImportOrder(Struct, frozen=True):
    """What is imported, and how. `dry_run`: only say what would follow."""

    url: str
    data_dir: str
    project: str
    program: str
    file: str
    rejects: str
    user: str
    quiet: bool
    dry_run: bool


class ImportLine(Struct, frozen=True):
    """How far it is; `problem` says why it ended before the end."""

    total: int
    done: Imported
    ended: bool = False
    problem: str | None = None


class ImportFile(Struct, frozen=True):
    """What is known of one. `name` is what its sender calls the file; `problem` says what is wrong
    with the whole of it, or why it stopped."""

    id: str
    created_at: int  # wall time
    name: str
    suffix: str
    program: str
    size: int
    quiet: bool
    user: str
    stage: Stage = "uploaded"
    total: int = 0
    done: Imported = Imported()
    problem: str | None = None

    @property
    def moves(self) -> bool:
        return self.stage in ("trying", "running")

    @property
    def percent(self) -> int:
        return min(100, self.done.records * 100 // max(self.total, 1))


class Imports:
    """The imports of all projects on this machine. `order` fills in what a process needs."""

    def __init__(self, directory: Path, order: Callable[[str, ImportFile], ImportOrder]) -> None:
        self.directory = directory
        self._order = order
        self._at_work: dict[str, asyncio.Task[None]] = {}

    def all(self, project: str) -> list[ImportFile]:
        """The newest first."""
        read = [self._read(path) for path in self._place(project).glob("imp_*.json")]
        files = [file for file in read if file is not None]
        return sorted(files, key=lambda file: (file.created_at, file.id), reverse=True)

    def find(self, project: str, id_: str) -> ImportFile:
        file = self._read(self.path(project, id_, ".json")) if _ID.fullmatch(id_) else None
        if file is None:
            raise NoSuchRecord(what="import", name=id_, path="import")
        return file

    def path(self, project: str, id_: str, ending: str) -> Path:
        return self._place(project) / f"{id_}{ending}"

    def data(self, project: str, file: ImportFile) -> Path:
        return self.path(project, file.id, f".data{file.suffix}")

    def rejects(self, project: str, file: ImportFile) -> Path:
        return self.path(project, file.id, f".rejects{file.suffix}")

    def add(self, project: str, sent: Path, file: ImportFile) -> ImportFile:
        """Takes in a file that was sent. The oldest ones make room."""
        for former in [f for f in self.all(project) if not f.moves][IMPORTS_MAX - 1 :]:
            self.remove(project, former)
        suffix = Path(file.name).suffix.lower()
        suffix = suffix if _SUFFIX.fullmatch(suffix) else ".csv"
        made = replace(file, id=f"imp_{secrets.token_hex(12)}", suffix=suffix)
        sent.rename(self.data(project, made))
        self._write(project, made)
        return made

    def start(self, project: str, file: ImportFile, *, user: str, dry_run: bool) -> ImportFile:
        """Raises Conflict where it is under way, or done."""
        if file.moves or file.stage == "done":
            raise Conflict(reason=f"This import is {file.stage} already.")
        begun = replace(
            file, stage="trying" if dry_run else "running", user=user, problem=None, done=Imported()
        )
        self._write(project, begun)
        task = asyncio.create_task(self._run(project, begun, dry_run=dry_run), name="import")
        self._at_work[file.id] = task
        task.add_done_callback(lambda _: self._at_work.pop(file.id, None))
        return begun

    async def stop(self, project: str, file: ImportFile) -> None:
        task = self._at_work.get(file.id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def remove(self, project: str, file: ImportFile) -> None:
        """Raises Conflict while it is under way."""
        if file.id in self._at_work:
            raise Conflict(reason="This import is under way; stop it first.")
        for path in self._place(project).glob(f"{file.id}.*"):
            path.unlink(missing_ok=True)

    async def close(self) -> None:
        """Stops what is under way."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, project: str, file: ImportFile, *, dry_run: bool) -> None:
        order = replace(self._order(project, file), dry_run=dry_run)
        latest = replace(file, stage="stopped", problem=_STOPPED)
        streams = {"stderr": asyncio.subprocess.DEVNULL, "limit": LINE_BYTES_MAX}
        try:
            async with child_process(PROCESS, **streams) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                while raw := await process.stdout.readline():
                    line = msgspec.json.decode(raw, type=ImportLine)
                    latest = replace(latest, total=line.total, done=line.done)
                    if line.ended:
                        latest = replace(latest, stage=_end(line, dry_run), problem=line.problem)
                    else:
                        self._write(project, replace(file, total=line.total, done=line.done))
        finally:
            self._write(project, latest)
            if latest.stage == "done":  # nobody needs it any more; what was refused has a file
                self.data(project, file).unlink(missing_ok=True)

    def _place(self, project: str) -> Path:
        return self.directory / project

    def _read(self, path: Path) -> ImportFile | None:
        try:
            file = msgspec.json.decode(path.read_bytes(), type=ImportFile)
        except (OSError, msgspec.MsgspecError):
            return None  # taken away meanwhile, or never finished
        if file.moves and file.id not in self._at_work:  # its server is no more
            return replace(file, stage="stopped", problem=_STOPPED)
        return file

    def _write(self, project: str, file: ImportFile) -> None:
        path = self.path(project, file.id, ".json")
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.encode(file))
        new.replace(path)


def _end(line: ImportLine, dry_run: bool) -> Stage:
    if line.problem is not None:
        return "stopped"
    return "tried" if dry_run else "done"
