"""The PostgreSQL inside `--data-dir`: made, tuned, started, found again, and stopped.

We drive initdb and pg_ctl of the wheel ourselves: its own Python layer keeps a list of process ids
that a kill -9 leaves wrong, and opens every parent directory to everybody.

Files in the data directory, besides what others keep there:
  postgres/       the cluster; its Unix socket too, where the path is short enough
  .gate.lock      held exclusively for the moments of starting and stopping
  .users.lock     held shared by every attached process: who gets it alone is the last one out
  .serve.lock     held exclusively by the one all-roles server, with its process id inside
  .started        the postmaster that we started; one started by hand is never stopped by us
  .spare          room that PostgreSQL gets when the disk is full (`store/disk_space.py`)
All locks are flock(2)'s, which the system releases when a process dies, however it dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from tierline.store.embedded_postgres import cluster
from tierline.store.errors import (
    NO_SPACE,
    DataDirInUse,
    DiskFull,
    EmbeddedFailed,
    NoWritePermission,
    PathUnusable,
)

STOP_SECONDS_MAX: Final = 300  # the last checkpoint writes what is in memory


class EmbeddedServer:
    """A handle on the running server of one data directory; closing the last handle stops it."""

    def __init__(self, data_dir: Path, users: int, serving: int | None) -> None:
        self.data_dir = data_dir
        self._users: int | None = users  # file descriptor, holds the shared lock
        self._serving = serving

    @classmethod
    def attach_or_start(cls, data_dir: Path | str, *, serve: bool = False) -> Self:
        """Attach to the server of `data_dir`, or make and start it. With `serve` the caller is the
        one all-roles server here: DataDirInUse if there is one already. Blocks for about 0.5 s the
        first time, 0.1 s later, longer only while PostgreSQL recovers from a crash.

        Raises DataDirInUse, DataDirForeign, NoWritePermission, DiskFull, EmbeddedUnavailable and
        EmbeddedFailed."""
        directory = Path(data_dir).expanduser().resolve()
        _make(directory)
        serving = _claim_serving(directory) if serve else None
        users: int | None = None
        try:
            with _gate(directory):
                users = _open_lock(directory / ".users.lock")
                fcntl.flock(users, fcntl.LOCK_SH)
                _ensure_running(directory)
        except BaseException:
            for descriptor in (users, serving):
                if descriptor is not None:
                    os.close(descriptor)
            raise
        return cls(directory, users, serving)

    @property
    def url(self) -> str:
        """Where asyncpg and psql find it: `postgresql:///postgres?host=…&user=postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The address of another database of this server."""
        host = quote(str(cluster.socket_dir(self.data_dir / "postgres")), safe="")
        return f"postgresql:///{quote(database, safe='')}?host={host}&user={cluster.SUPERUSER}"

    def revive(self) -> bool:
        """Start PostgreSQL again if it died under us; whether it had. Raises as
        `attach_or_start`."""
        status = cluster.postmaster(self.data_dir / "postgres")
        if status is not None and (not status.ready or cluster.alive(status.pid)):
            return False  # or it is just being started
        with _gate(self.data_dir):
            _ensure_running(self.data_dir)
        return True

    def close(self) -> None:
        """Let go; stop PostgreSQL if nobody else is attached and a tierline started it."""
        if self._users is None:
            return
        with _gate(self.data_dir):
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # somebody else is still attached
            else:
                _stop(self.data_dir)
            finally:
                os.close(self._users)
                self._users = None
        if self._serving is not None:
            os.close(self._serving)
            self._serving = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = directory / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise _from_os(error, directory) from error


def _from_os(error: OSError, directory: Path) -> Exception:
    reason = f"{error.filename or directory}: {error.strerror}"
    if error.errno in NO_SPACE:
        return DiskFull(where=str(directory), reason=reason)
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return PathUnusable(where=error.filename or str(directory), reason="it is no directory")
    return NoWritePermission(where=str(directory), reason=reason)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _gate(directory: Path) -> Iterator[None]:
    descriptor = _open_lock(directory / ".gate.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _claim_serving(directory: Path) -> int:
    descriptor = _open_lock(directory / ".serve.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise DataDirInUse(where=str(directory), holder=holder) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _ensure_running(directory: Path) -> None:
    home = directory / "postgres"
    try:
        if cluster.settled(home):
            return
        cluster.initialise(home)
        cluster.configure(home)
        cluster.start(home)
        (directory / ".started").write_text(_identity(cluster.postmaster(home)))
    except OSError as error:
        raise _from_os(error, directory) from error


def _identity(postmaster: cluster.Postmaster | None) -> str:
    return "" if postmaster is None else f"{postmaster.pid} {postmaster.started}\n"


def _stop(directory: Path) -> None:
    home = directory / "postgres"
    started = directory / ".started"
    postmaster = cluster.postmaster(home)
    if postmaster is None or not started.exists() or started.read_text() != _identity(postmaster):
        return
    try:
        os.kill(postmaster.pid, signal.SIGINT)  # fast: sessions end, then a checkpoint
    except ProcessLookupError:
        return
    deadline = time.monotonic() + STOP_SECONDS_MAX
    # The file goes last; one that was killed meanwhile leaves it.
    while cluster.postmaster(home) is not None and cluster.alive(postmaster.pid):
        if time.monotonic() > deadline:
            raise EmbeddedFailed(where=str(directory), reason=f"{postmaster.pid} does not stop")
        time.sleep(0.005)
    started.unlink(missing_ok=True)
