"""What the machine itself does, before any program of ours: synced writes, and timers.

A disk or a hypervisor that stands still for a tenth of a second now and then shows here, and in the
p99 of every row that waits for a commit.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

FILE_BYTES = 16 * 2**20  # a segment of PostgreSQL's log
WRITE_BYTES = 8_192
PAUSE_SECONDS = 0.002


class Waits(Struct, frozen=True):
    """How long something took, each time; milliseconds."""

    sorted: list[float]

    def __str__(self) -> str:
        p50, p99, p999 = (self.sorted[int(len(self.sorted) * q)] for q in (0.5, 0.99, 0.999))
        return f"p50 {p50:.2f}, p99 {p99:.2f}, p99.9 {p999:.1f}, longest {self.sorted[-1]:.1f} ms"


def synced_writes(seconds: float) -> Waits:
    """8 KiB into a file that is there already, synced, every 2 ms; where temporary files live."""
    page, waits = os.urandom(WRITE_BYTES), []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(bytes(FILE_BYTES))
        file = os.open(path, os.O_RDWR)
        try:
            os.fsync(file)
            end, at = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                os.pwrite(file, page, at)
                at = (at + WRITE_BYTES) % FILE_BYTES
                began = time.perf_counter()
                _sync(file)
                waits.append((time.perf_counter() - began) * 1e3)
                time.sleep(PAUSE_SECONDS)
        finally:
            os.close(file)
    return Waits(sorted(waits))


def late_timers(seconds: float) -> Waits:
    """How much later than asked for a pause of 2 ms ends."""
    waits, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        time.sleep(PAUSE_SECONDS)
        waits.append((time.perf_counter() - began - PAUSE_SECONDS) * 1e3)
    return Waits(sorted(waits))


def _sync(file: int) -> None:
    """As PostgreSQL does where it can."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(file)
    else:
        os.fsync(file)
