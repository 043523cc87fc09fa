"""`make bench`: ingest, import and sweep beside their floors, as a table.

python -m benchmarks [ROW] [--shards N] [--database-url URL]        BIG=1 for the large sizes
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Bench, Row
from tierline.commands.installation_options import settle_memory
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database
from tierline.store.embedded_postgres.server import EmbeddedServer
from tierline.vendors.registry import KEY_KINDS

PACKAGES = ("asyncpg", "msgspec", "uvicorn", "uvloop")
COLUMNS = ("work", "figure", "floor", "ratio", "goal", "notes")


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("row", nargs="?", default="", help="machine, online, bulk, import, sweep …")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--database-url", help="an empty database; default: an embedded one")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    big = os.environ.get("BIG") not in (None, "", "0")
    began, rows = time.perf_counter(), []
    settle_memory()  # as every command does
    async with _database(options.database_url, options.shards) as database:
        catalog = await Catalog.open(database, SecretBox(bytes(32)), KEY_KINDS)
        setting = await _setting(database)
        async for row in Bench(database, catalog, big=big).rows(options.row):
            sys.stderr.write(f"{row.work}: {row.figure}\n")
            rows.append(row)
    (_as_markdown if options.markdown else _as_table)(rows, setting, time.perf_counter() - began)
    if options.row in ("", "preview"):
        await _preview(1_000_000 if big else 100_000)


async def _preview(members: int) -> None:
    """The preview's own table, on a database of its own."""
    sizes = ("--members", str(members), "--ledger-members", str(members // 10))
    arguments = ("-m", "benchmarks.bench_preview", *sizes)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    await process.wait()


@asynccontextmanager
async def _database(url: str | None, shards: int) -> AsyncIterator[Database]:
    if url is not None:
        async with await Database.open(url, shards=shards) as database:
            yield database
        return
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.to_thread(EmbeddedServer.attach_or_start, Path(folder))
        try:
            async with await Database.open(server.url, shards=shards) as database:
                yield database
        finally:
            await asyncio.to_thread(server.close)


async def _setting(database: Database) -> str:
    """The machine, the versions and the settings, in a line."""
    server = await database.pool.fetchval("SHOW server_version")
    durable = await database.pool.fetchval("SHOW synchronous_commit")
    synced = await database.pool.fetchval("SHOW fsync")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores ({_cpu()}), CPython {platform.python_version()}, {packages};"
        f" PostgreSQL {server} (fsync {synced}, synchronous_commit {durable});"
        f" {database.shards} shard(s); one server process; load before: {os.getloadavg()[0]:.1f}"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((li.partition(": ")[2] for li in lines if li.startswith("model name")), "unknown")


def _as_table(rows: list[Row], setting: str, seconds: float) -> None:
    table = Table(*COLUMNS, title="Tierline beside its floors", caption=setting)
    for row in rows:
        table.add_row(*(getattr(row, column) for column in COLUMNS))
    Console(width=180).print(table)
    sys.stdout.write(f"{seconds:.0f} s in all\n")


def _as_markdown(rows: list[Row], setting: str, _: float) -> None:
    lines = [setting, "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(getattr(row, c) for c in COLUMNS)} |" for row in rows]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    uvloop.run(main())
