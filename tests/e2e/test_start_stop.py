"""Starting where it cannot work is one sentence; stopping leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.process import Served, tierline
from tierline.store.embedded_postgres import cluster


def refused(*arguments: str, data_dir: Path) -> str:
    """What `serve` says that cannot start: one sentence on stderr, after its log."""
    ended = tierline("serve", *arguments, data_dir=data_dir)
    assert (ended.returncode, ended.stdout) == (1, "")
    *logged, sentence = ended.stderr.splitlines()
    assert re.fullmatch(r"tierline: .+[.)]", sentence), ended.stderr
    assert all(json.loads(line)["event"] for line in logged)  # what was made before
    assert "Traceback" not in ended.stderr
    return ended.stderr


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_taken_port_is_said_and_leaves_no_database_running(data_dir: Path) -> None:
    """With the port and what to do."""
    with taken_port() as port:
        sentence = refused("--port", str(port), data_dir=data_dir)
    assert f"127.0.0.1:{port}" in sentence
    assert "--port" in sentence
    assert cluster.postmaster(data_dir / "postgres") is None


def test_a_data_directory_in_use_is_said(standing_server: Served) -> None:
    """With the process that uses it; that one is not disturbed."""
    sentence = refused("--port", "0", data_dir=standing_server.data_dir)
    assert f"process {standing_server.process.pid}" in sentence
    assert standing_server.process.poll() is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql:///none?host=/nowhere", "/nowhere"),
        ("postgresql://secret:word@127.0.0.1:1/none", "127.0.0.1:1"),
    ],
)
def test_a_database_that_does_not_answer_is_said(url: str, says: str, tmp_path: Path) -> None:
    """With where it was looked for, and without its password."""
    sentence = refused("--port", "0", "--database-url", url, data_dir=tmp_path)
    assert says in sentence
    assert "word" not in sentence.replace("password", "")


def test_a_database_that_is_not_there_is_said(server_url: str, tmp_path: Path) -> None:
    """The server answers, but knows no such database, or no such user."""
    sentence = refused("--port", "0", "--database-url", server_url, data_dir=tmp_path)
    assert "create it first" in sentence


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """With its path: here a file stands where a directory should."""
    file = tmp_path / "file"
    file.write_text("")
    assert str(file) in refused("--port", "0", data_dir=file / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_data_directory_is_said(tmp_path: Path) -> None:
    """With its path and what to do."""
    tmp_path.chmod(0o500)
    assert "owner" in refused("--port", "0", data_dir=tmp_path / "data")


def test_sigterm_stops_everything(data_dir: Path) -> None:
    """The process ends by itself with code 0, its port is free, no PostgreSQL is left, and the
    next start finds everything."""
    with Served(data_dir) as served:
        assert "keys" in served.ready
        postmaster = cluster.postmaster(data_dir / "postgres")
        assert postmaster is not None
        assert served.stop() == 0
        assert "Traceback" not in served.log
        assert not cluster.alive(postmaster.pid)
        assert cluster.postmaster(data_dir / "postgres") is None

        served.again()
        assert "keys" not in served.ready


def test_a_killed_server_leaves_a_directory_that_starts_again(data_dir: Path) -> None:
    """PostgreSQL outlives a kill -9 of its tierline; the next one finds it, and stops it."""
    with Served(data_dir) as served:
        before = cluster.postmaster(data_dir / "postgres")
        assert before is not None
        served.kill()
        assert cluster.alive(before.pid)
        served.again()
        assert cluster.postmaster(data_dir / "postgres") == before
    assert not cluster.alive(before.pid)
