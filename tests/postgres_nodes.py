"""PostgreSQL servers of our own on loopback, and a Citus cluster of them, to be killed.

They write to disk as in earnest (`fsync` is on), listen on 127.0.0.1 and trust whoever comes. Where
we are root they run as the user `postgres`, for PostgreSQL refuses root.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil

OWNER = "postgres"
START_SECONDS = 120
GONE_SECONDS = 20
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "600",
}
CITUS = {
    "shared_preload_libraries": "citus",
    "wal_level": "logical",  # shards are moved while at work
    "max_prepared_transactions": "600",
    "citus.recover_2pc_interval": "5s",
    "citus.node_conninfo": "sslmode=disable",
}


class PostgresNode:
    """One server. `programs` is the folder of `postgres` and `initdb`."""

    def __init__(self, programs: Path, folder: Path, port: int, settings: dict[str, str]) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"  # as the cluster's catalog has it
        self.url = f"postgresql://postgres@{self.address}/postgres"
        self._programs = programs
        self._folder = folder
        self._data = folder / str(port)
        self._settings = SETTINGS | settings | {"port": str(port)}
        self._process: subprocess.Popen[bytes] | None = None
        self._silent: list[psutil.Process] = []

    def make(self) -> None:
        """A new data directory."""
        how = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self._run("initdb", "-D", str(self._data), *how)
        lines = [f"{name} = '{value}'" for name, value in self._settings.items()]
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\n".join(["", *lines, ""]))

    def start(self) -> None:
        """Over whatever is there; returns when it takes connections."""
        log = (self._folder / f"{self.port}.log").open("ab")
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        # A session of its own: Ctrl-C is for us, who then stop it.
        self._process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, **self._as_owner()
        )
        log.close()
        asyncio.run(self._await())

    def kill(self) -> None:
        """`kill -9` of all its processes. The first is halted before, so that it starts no more."""
        ours = self._halt()
        for process in ours:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert self._process is not None
        self._process.wait()
        psutil.wait_procs([p for p in ours[1:] if _lives(p)], GONE_SECONDS)
        self._process = None

    def silence(self) -> None:
        """It is there, and answers nothing: all its processes are halted."""
        self._silent = self._halt()
        for process in self._silent:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def wake(self) -> None:
        for process in reversed(self._silent):
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._silent = []

    def stop(self) -> None:
        """At once, but in order."""
        self.wake()
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def _halt(self) -> list[psutil.Process]:
        """The postmaster, halted, and all that it has started."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        first.suspend()
        return [first, *first.children(recursive=True)]

    async def _await(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    await (await asyncpg.connect(self.url)).close()
                    return
                assert self._process is not None
                if self._process.poll() is not None:
                    log = (self._folder / f"{self.port}.log").read_text()
                    raise RuntimeError(f"PostgreSQL ended: {log[-2000:]}")
                await asyncio.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._as_owner())

    def _as_owner(self) -> dict[str, Any]:
        how: dict[str, Any] = {"cwd": self._folder}
        if os.geteuid() == 0:
            group = pwd.getpwnam(OWNER).pw_gid
            how |= {"user": OWNER, "group": group, "extra_groups": ()}
        return how


class LocalCluster:
    """A coordinator and workers; `url` is its administrative database."""

    def __init__(
        self, programs: Path, folder: Path, ports: list[int], settings: dict[str, str] | None = None
    ) -> None:
        settings = CITUS | (settings or {})
        nodes = [PostgresNode(programs, folder, port, settings) for port in ports]
        self.coordinator, *self.workers = nodes
        self.nodes = nodes
        self.url = self.coordinator.url

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.make()
                node.start()
            asyncio.run(self._join())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.stop()

    async def _join(self) -> None:
        await join(self.nodes, "postgres")


async def join(nodes: Sequence[PostgresNode], database: str) -> str:
    """Makes a cluster in a database that each of them has; the first coordinates. Returns the
    database's URL there."""
    urls = [f"{node.url.rpartition('/')[0]}/{database}" for node in nodes]
    for url in urls:
        await execute(url, "CREATE EXTENSION citus")
    first, *others = nodes
    await execute(urls[0], f"SELECT citus_set_coordinator_host('127.0.0.1', {first.port})")
    for node in others:
        await execute(urls[0], f"SELECT citus_add_node('127.0.0.1', {node.port})")
    return urls[0]


async def execute(url: str, statement: str) -> None:
    """One statement over a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def owned(folder: Path) -> Path:
    """Gives a new folder to whom our servers run as."""
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)
    return folder


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _lives(process: psutil.Process) -> bool:
    """A dead one that nobody asks after is no longer at work."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
