"""An installation that grows tenfold at a time, in SQL: what the ledger made, under other names.

Copies are found by their names as everybody is; only the text of their profiles is their
original's. One shard: names are placed by a hash that SQL does not know.
"""

from __future__ import annotations

import psutil

from benchmarks.stock import Stock

TENFOLD = {
    "customer": """
        INSERT INTO customer (shard, id, project, number, profile, updated_at)
        SELECT c.shard, c.id + (g * $2::bigint << 16), c.project,
               c.number + (g * $2::bigint << 16), c.profile, c.updated_at
        FROM customer c CROSS JOIN generate_series(1, 9) g WHERE c.project = $1""",
    "alias": """
        INSERT INTO alias (shard, project, kind, name, customer)
        SELECT a.shard, a.project, a.kind, 'c' || substr(a.name, 2)::bigint + g * $2::bigint,
               a.customer + (g * $2::bigint << 16)
        FROM alias a CROSS JOIN generate_series(1, 9) g WHERE a.project = $1""",
    "member": """
        INSERT INTO member (shard, customer, program, standing, tier, since, expires_at, balance,
                            entries, seq, clock, due_at, version)
        SELECT m.shard, m.customer + (g * $2::bigint << 16), m.program, m.standing, m.tier, m.since,
               m.expires_at, m.balance, m.entries, m.seq, m.clock, m.due_at, m.version
        FROM member m CROSS JOIN generate_series(1, 9) g WHERE m.program = $1""",
    "entry": """
        INSERT INTO entry (shard, customer, program, n, kind, key, digest, occurred_at,
                           recorded_at, points, amount, detail, reverses, answer)
        SELECT e.shard, e.customer + (g * $2::bigint << 16), e.program, e.n, e.kind, e.key,
               e.digest, e.occurred_at, e.recorded_at, e.points, e.amount, e.detail, e.reverses,
               e.answer
        FROM entry e CROSS JOIN generate_series(1, 9) g WHERE e.program = $1""",
}
_BY_PROJECT = ("customer", "alias")


async def tenfold(stock: Stock) -> None:
    """Ten members where there was one, each with the ledger of the one whose copy it is."""
    if stock.database.shards != 1:
        raise SystemExit("growth is measured on one shard")
    for table, copy in TENFOLD.items():
        whose = stock.project.number if table in _BY_PROJECT else stock.number
        async with stock.database.pool.acquire() as connection:
            await connection.execute("SET statement_timeout = 0")
            await connection.execute(copy, whose, stock.people, timeout=3600)
            await connection.execute("RESET statement_timeout")
    async with stock.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE shard_head SET customers = customers + $1", 9 * stock.people
        )
    stock.people *= 10


async def logged(stock: Stock) -> tuple[int, int]:
    """Bytes of PostgreSQL's log so far, and the whole pages in it: the first change of a page after
    a checkpoint writes all of it."""
    row = await stock.database.pool.fetchrow("SELECT wal_bytes, wal_fpi FROM pg_stat_wal")
    assert row is not None
    return int(row[0]), row[1]


async def database_cpu(stock: Stock) -> float:
    """Seconds of CPU that PostgreSQL used since it started, all its processes together."""
    backend = await stock.database.pool.fetchval("SELECT pg_backend_pid()")
    postmaster = psutil.Process(backend).parent()
    assert postmaster is not None
    used = 0.0
    for process in (postmaster, *postmaster.children()):
        times = process.cpu_times()
        used += times.user + times.system
        if process is postmaster:
            used += times.children_user + times.children_system  # of those that have ended
    return used
