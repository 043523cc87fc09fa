"""`tierline` as people run it: another process, its ready line, its exit code.

What a process logs goes to a file, so that nothing blocks on a full pipe, and a failing test can
show it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60
STOP_SECONDS = 30
LOOPBACK = ("--allow-address", "127.0.0.0/8")


def tierline(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command_line(arguments, data_dir), env=environment(), capture_output=True, text=True,
        timeout=READY_SECONDS, check=False,
    )  # fmt: skip


class Served:
    """A running `tierline serve`; `ready` is what it printed. `url` changes with a new start.

    It is started at once, and ready inside `with`: so several can start in the same moment.
    """

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.arguments = ("serve", "--port", "0", *LOOPBACK, *arguments)
        self.ready: dict[str, Any] = {}
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as this object
        self.start()

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def key(self) -> str:
        """The default project's native key, from the file that the first start wrote."""
        keys = json.loads((self.data_dir / "keys.json").read_text())
        return str(keys["key"])

    @property
    def log(self) -> str:
        """What it wrote to stderr, over all its starts."""
        self._log.seek(0)
        return self._log.read()

    def start(self) -> None:
        self.process = subprocess.Popen(
            command_line(self.arguments, self.data_dir), env=environment(),
            stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip

    def await_ready(self) -> None:
        """Until the process says that it is ready; AssertionError if it ends instead."""
        assert self.process.stdout is not None
        said, _, _ = select.select([self.process.stdout], [], [], READY_SECONDS)
        line = self.process.stdout.readline() if said else b""
        assert line, self.log
        self.ready = json.loads(line)

    def again(self) -> None:
        """Start anew, after a stop or a kill, and wait until it is ready."""
        self.start()
        self.await_ready()

    def kill(self) -> None:
        """As `kill -9` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As a system does that shuts down; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        self.await_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            assert self.stop() == 0, self.log
        self._log.close()


def command_line(arguments: tuple[str, ...], data_dir: Path) -> list[str]:
    return [sys.executable, "-m", "tierline", *arguments, "--data-dir", str(data_dir)]


def environment() -> dict[str, str]:
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("TIERLINE_")
    }
    return variables | {"PYTHONPATH": str(ROOT / "src")}
