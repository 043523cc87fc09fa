"""Whether the database's disk has room, and what is spared for when it has not.

PostgreSQL needs room even to be read: a new connection may write a file, and without room for its
log the whole server ends. So beside the embedded cluster lies a file, `.spare`, of nothing but
space. When the disk is nearly full it is given up, for PostgreSQL to live on; writes are refused
until there is room for it again. Whether it is there tells every process which of the two it is.

Of a server elsewhere nothing can be measured: what it said of its disk is remembered until it
writes again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from tierline.store.errors import NO_SPACE, DiskFull, translate

SPARE_BYTES: Final = 32 << 20  # two segments of PostgreSQL's log
FREE_BYTES_MIN: Final = 16 << 20  # the next segment
SPARE_FILE: Final = ".spare"
# Some megabytes beyond its memory: PostgreSQL writes them into a temporary file.
_TRY: Final = "SET LOCAL work_mem = '64kB'; SELECT count(*) FROM generate_series(1, 200000)"
_log = structlog.get_logger("tierline.store")


def is_low(free: int, *, spared: bool) -> bool:
    """Whether so many free bytes are too few; where nothing is spared there must be room for
    that, too."""
    return free < FREE_BYTES_MIN + (0 if spared else SPARE_BYTES)


class DiskSpace:
    """What is known of one database's disk; `home` is the embedded cluster's directory."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = home
        self._low = False
        self._refusal = ""  # what the database said when it could not write; "" since it could
        self.full = False  # by the last look, and by the last write

    @property
    def text(self) -> str:
        """What is known, for operators."""
        free = self.free
        room = "" if free is None else f"{free >> 20} MB free"
        if self._low:
            room += f", {FREE_BYTES_MIN + SPARE_BYTES >> 20} are needed"
        return "; ".join(filter(None, (room, self._refusal))) or "it has room"

    @property
    def free(self) -> int | None:
        """Bytes, of the data directory and of PostgreSQL's log the fewer; None if not known."""
        if self._home is None:
            return None
        try:
            return min(shutil.disk_usage(path).free for path in (self._home, self._home / "pg_wal"))
        except OSError:  # being made, or gone: PostgreSQL will say what is wrong
            return None

    def look(self) -> bool:
        """Measure; whether it is full."""
        free = self.free
        if free is not None and self._home is not None:
            self._low = is_low(free, spared=self._spare.exists())
            self._note()
        return self.full

    def settle(self) -> None:
        """Look, and give the spare room up, or take it back."""
        self.look()
        if self._home is None:
            return
        try:
            if self._low:
                self._spare.unlink(missing_ok=True)
            elif not self._spare.exists():
                _reserve(self._spare)
        except OSError as error:
            if error.errno not in NO_SPACE:
                _log.warning("no_spare_room", error=str(error))

    def require_room(self) -> None:
        """Raises DiskFull where the embedded database has too little room for another write. A
        server elsewhere is asked itself."""
        was_low = self._low
        self.look()
        if self._low or was_low:
            self.settle()
        if self._low:
            raise DiskFull(reason=self.text)

    def saw(self, error: BaseException) -> None:
        """A write failed; maybe for want of room."""
        failure = translate(error, "the database")
        if isinstance(failure, DiskFull) and not self._low:
            self._refusal = str(failure.facts["reason"])
            self._note()

    def wrote(self) -> None:
        """A write was committed."""
        if self._refusal:
            self._refusal = ""
            self._note()

    async def ask(self, connection: asyncpg.Connection) -> None:
        """Let the database write a temporary file, and remember what it says."""
        try:
            await connection.execute(_TRY)
        except asyncpg.PostgresError as error:
            self.saw(error)
        else:
            self.wrote()

    @property
    def _spare(self) -> Path:
        assert self._home is not None
        return self._home.parent / SPARE_FILE

    def _note(self) -> None:
        was_full, self.full = self.full, self._low or bool(self._refusal)
        if self.full and not was_full:
            _log.error("disk_full", text=self.text)
        elif was_full and not self.full:
            _log.info("disk_has_room", text=self.text)


def _reserve(path: Path) -> None:
    """Takes the room under another name first: a half of it is none."""
    making = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SPARE_BYTES)
        making.rename(path)
    except OSError:
        making.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
