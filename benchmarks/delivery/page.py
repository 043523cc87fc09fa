"""What a measurement says: aligned for a terminal, or as Markdown for the docs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("asyncpg", "httptools", "msgspec", "uvloop")


class Page:
    """Rows are printed as soon as they are known: a run takes a while."""

    def __init__(self, *, markdown: bool) -> None:
        self._markdown = markdown
        self._widths: list[int] = []

    def note(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def table(self, *columns: str) -> None:
        first = 34
        self._widths = [first, *(max(9, len(column)) for column in columns[1:])]
        print(flush=True)
        self.row(*columns)
        if self._markdown:
            print("|---" + "|---:" * (len(columns) - 1) + "|", flush=True)

    def row(self, *cells: str) -> None:
        if self._markdown:
            print(f"| {' | '.join(cells)} |", flush=True)
            return
        first, *rest = zip(cells, self._widths, strict=True)
        texts = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        print("  ".join(texts), flush=True)


def machine(postgres: str) -> str:
    """Where this runs, with what."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{packages}, PostgreSQL {postgres} (embedded, fsync and synchronous_commit on, one shard)."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
