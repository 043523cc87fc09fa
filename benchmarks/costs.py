"""What PostgreSQL spends on the work of others: its processes' time, and its log."""

from __future__ import annotations

import asyncpg
import psutil

from benchmarks.stock import Stock
from tierline.store.database import Database

PID = "SELECT pg_backend_pid()"


async def logged(stock: Stock) -> tuple[int, int]:
    """Bytes of PostgreSQL's log so far, and the whole pages in it: the first change of a page after
    a checkpoint writes all of it."""
    row = await stock.database.pool.fetchrow("SELECT wal_bytes, wal_fpi FROM pg_stat_wal")
    assert row is not None
    return int(row[0]), row[1]


async def database_cpu(database: Database) -> float:
    """Seconds of CPU that PostgreSQL used since it started, all its processes together."""
    return _used(await database.pool.fetchval(PID))


async def server_cpu(url: str) -> float:
    """The same, of any server on this machine."""
    connection = await asyncpg.connect(url)
    try:
        return _used(await connection.fetchval(PID))
    finally:
        await connection.close()


def _used(backend: int) -> float:
    postmaster = psutil.Process(backend).parent()
    assert postmaster is not None
    used = 0.0
    for process in (postmaster, *postmaster.children()):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it has ended since, and the postmaster counts it
        used += times.user + times.system
        if process is postmaster:
            used += times.children_user + times.children_system  # of those that have ended
    return used
