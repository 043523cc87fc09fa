"""Files with people's data in the data directory, which are taken away when nobody needs them.

Exports that somebody asked for, and files that were sent to be imported, with rejects: each is
several files whose names begin alike, and goes as a whole, some days after the last change of any.
So whoever is erased is in none of them for longer.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from tierline.clock import Clock, wall

IMPORTS_DIRECTORY: Final = "imports"  # in the data directory
LOOK_SECONDS: Final = 3_600.0
_log = structlog.get_logger("tierline.files")


class FileRetention:
    """The directories of one machine, each with a folder for each project."""

    def __init__(self, directories: Sequence[Path], kept_ms: int, clock: Clock = wall) -> None:
        self.directories = directories
        self.kept_ms = kept_ms
        self.clock = clock

    async def run(self) -> None:
        """Looks at once, and then every hour, until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except OSError as error:  # a disk that fails now may work in an hour
                _log.warning("files_kept", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> int:
        """Takes away what is too old; returns how many files."""
        groups: dict[tuple[Path, str], list[Path]] = defaultdict(list)
        for directory in self.directories:
            for path in directory.glob("*/*"):
                groups[path.parent, path.name.partition(".")[0]].append(path)
        before = self.clock() - self.kept_ms
        return sum(_take_away(paths) for paths in groups.values() if _newest(paths) < before)


def _newest(paths: Sequence[Path]) -> int:
    """When any of some files changed last; one that is gone meanwhile never did."""
    instants = [0]
    for path in paths:
        try:
            instants.append(path.stat().st_mtime_ns // 1_000_000)
        except FileNotFoundError:
            continue
    return max(instants)


def _take_away(paths: Sequence[Path]) -> int:
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
