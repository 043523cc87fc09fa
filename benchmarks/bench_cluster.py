"""`make bench-cluster`: an activity's CPU on a Citus cluster beside one plain PostgreSQL.

    python -m benchmarks.bench_cluster [--citus-bin DIR] [--shards 64] [--connections 64,512]

It starts a coordinator and three workers on loopback, and a PostgreSQL of the same programs and
settings alone, makes an installation on each, and measures them by turns: one activity a request.
`--citus-bin` is the folder of a `postgres` that has Citus; else those of Debian and of the PATH are
tried. `.ci/citus` builds Citus where there is none.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

import uvloop
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.costs import server_cpu
from benchmarks.load import Target, load
from benchmarks.server import running
from benchmarks.stock import Stock
from tests.postgres_nodes import LocalCluster, PostgresNode, execute, free_ports, join, owned
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.citus import distribute
from tierline.store.database import Database
from tierline.vendors.registry import KEY_KINDS

WORKERS = 3
PEOPLE = 50_000
WARM_SECONDS, RUN_SECONDS = 2, 6
COORDINATOR_GOAL, WORKERS_GOAL = 0.05, 1.3  # of plain PostgreSQL's CPU an activity
CORES = 8  # of each node whose rate is computed
NODE_COUNTS = (1, 2, 4, 8)
SHELF_BYTES = 8 << 30
PLACES = Path("/usr/lib/postgresql")  # Debian's, a folder a version


class Installation(Struct, frozen=True):
    """Where something is measured: its servers' addresses by what they are called in the table."""

    name: str
    servers: Mapping[str, str]
    stock: Stock


class Cost(Struct, frozen=True):
    """What a run cost: microseconds of CPU an activity, by kind of process."""

    rate: float
    p99: float
    us: Mapping[str, float]
    bad: int = 0  # requests that were refused, or not answered within two seconds

    def of(self, kind: str) -> float:
        """All processes whose name begins so."""
        return sum(us for name, us in self.us.items() if name.startswith(kind))


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_cluster")
    parser.add_argument("--citus-bin", type=Path, help="folder of a postgres that has Citus")
    parser.add_argument("--shards", type=int, default=64, help="of the cluster")
    parser.add_argument("--connections", default="64,512")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-fsync", action="store_true", help="nothing is synced, on any server")
    options = parser.parse_args()
    programs = options.citus_bin or with_citus()
    settings = {"fsync": "off" if options.no_fsync else "on", "wal_level": "logical"}
    with tempfile.TemporaryDirectory(dir=_shelf()) as name:
        folder, ports = owned(Path(name)), free_ports(WORKERS + 2)
        alone = PostgresNode(programs, folder, ports.pop(), settings)
        cluster = LocalCluster(programs, folder, ports, settings)
        try:
            await asyncio.to_thread(alone.make)
            await asyncio.to_thread(alone.start)
            await asyncio.to_thread(cluster.__enter__)
            async with _installations(alone, cluster, options.shards) as places:
                await _measure(places, options, settings)
        finally:
            await asyncio.to_thread(cluster.__exit__)
            await asyncio.to_thread(alone.stop)


def with_citus() -> Path:
    """The folder of programs of the newest PostgreSQL here that has Citus. Raises SystemExit."""
    places = [*PLACES.glob("*/bin/pg_config")]
    if (there := shutil.which("pg_config")) is not None:
        places.append(Path(there))
    for config in sorted(places, key=_version, reverse=True):
        folders = subprocess.check_output([config, "--pkglibdir", "--bindir"], text=True)
        libraries, programs = folders.split("\n")[:2]
        if Path(libraries, "citus.so").exists() and Path(programs, "postgres").exists():
            return Path(programs)
    raise SystemExit(
        "No PostgreSQL here has Citus. Install its package, or build it from its source (a folder,"
        " or https://github.com/citusdata/citus): .ci/citus PG_CONFIG SOURCE. Then name the folder"
        " of its postgres with --citus-bin."
    )


def _version(config: Path) -> int:
    number = config.parents[1].name
    return int(number) if number.isdecimal() else 0


def _shelf() -> Path | None:
    """Memory, where there is room: the disk is not what is compared."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > SHELF_BYTES
    return memory if roomy else None


@asynccontextmanager
async def _installations(
    alone: PostgresNode, cluster: LocalCluster, shards: int
) -> AsyncIterator[list[Installation]]:
    plain = {"PostgreSQL": alone.url}
    names = ["coordinator", *(f"worker {n}" for n in range(1, WORKERS + 1))]
    nodes = dict(zip(names, [node.url for node in cluster.nodes], strict=True))
    async with AsyncExitStack() as stack:
        made = [
            (f"plain, {count}", plain, await _database(stack, [alone], count))
            for count in dict.fromkeys((2, shards))
        ]
        made.append((f"Citus, {shards}", nodes, await _database(stack, cluster.nodes, shards)))
        places = []
        for name, servers, database in made:
            catalog = await Catalog.open(database, SecretBox(bytes(32)), KEY_KINDS)
            stock = await Stock.create(database, catalog)
            await stock.add(PEOPLE)
            await stock.settle()
            places.append(Installation(name, servers, stock))
        yield places


async def _database(stack: AsyncExitStack, nodes: Sequence[PostgresNode], shards: int) -> Database:
    """An empty installation, distributed where there are several nodes; the first coordinates."""
    name = f"bench_{len(nodes)}_{shards}"
    for node in nodes:
        await execute(node.url, f"CREATE DATABASE {name}")
    if len(nodes) == 1:
        url = f"{nodes[0].url.rpartition('/')[0]}/{name}"
        return await stack.enter_async_context(await Database.open(url, shards=shards))
    url = await join(nodes, name)
    async with await Database.open(url, shards=shards) as database:
        await distribute(database)
    return await stack.enter_async_context(await Database.open(url))


async def _measure(
    places: Sequence[Installation], options: argparse.Namespace, settings: Mapping[str, str]
) -> None:
    database = places[-1].stock.database
    version = await database.pool.fetchval("SELECT citus_version()")
    facts = f"fsync {settings['fsync']}, {options.rounds} rounds, {version.partition(' on ')[0]}"
    shares = await busiest(database)
    for connections in map(int, options.connections.split(",")):
        costs: dict[str, list[Cost]] = {place.name: [] for place in places}
        for nth in range(options.rounds):
            for place in places if nth % 2 == 0 else reversed(places):
                costs[place.name].append(await _cost(place, connections, f"{connections}.{nth}"))
        _show(f"{connections} connections, {os.cpu_count()} cores, {facts}", costs)
        for line in computed(costs[places[-1].name], shares):
            sys.stdout.write(line + "\n")
    for place in places:
        await place.stock.check()


async def _cost(place: Installation, connections: int, prefix: str) -> Cost:
    stock = place.stock
    async with running(stock.database.url) as server:
        target = Target(server.url, stock.token, stock.people)
        await load(target, connections, WARM_SECONDS, f"w{prefix}")
        before = {"server": server.usage().cpu, **await _used(place)}
        done = await load(target, connections, RUN_SECONDS, f"r{prefix}")
        after = {"server": server.usage().cpu, **await _used(place)}
    us = {
        name: (after[name] - used) / (done.requests - done.bad or 1) * 1e6
        for name, used in before.items()
    }
    return Cost(done.rate, done.p99, us, done.bad)


async def _used(place: Installation) -> dict[str, float]:
    return {name: await server_cpu(url) for name, url in place.servers.items()}


def _show(title: str, costs: Mapping[str, Sequence[Cost]]) -> None:
    table = Table(title=title, caption="us of CPU an activity: median (lowest to highest)")
    for column in ("where, shards", "rate", "p99 ms", "server", "PostgreSQL", "coordinator"):
        table.add_column(column)
    table.add_column("workers together")
    plain = _median(next(iter(costs.values())), "PostgreSQL")
    for name, runs in costs.items():
        rates = [run.rate for run in runs]
        rate = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        cells = [_cell(runs, "server"), _cell(runs, "PostgreSQL")]
        goals = (("coordinator", COORDINATOR_GOAL), ("worker", WORKERS_GOAL))
        cells += [_cell(runs, kind, plain, goal) for kind, goal in goals]
        late = f"{median(run.p99 for run in runs):.0f}"
        bad = sum(run.bad for run in runs)
        table.add_row(name, rate, late + (f", {bad} bad" if bad else ""), *cells)
    Console(width=160).print(table)


def _cell(runs: Sequence[Cost], kind: str, plain: float = 0, goal: float = 0) -> str:
    each = [run.of(kind) for run in runs]
    if not any(each):
        return ""
    text = f"{median(each):.0f} ({min(each):.0f} to {max(each):.0f})"
    names = [name for name in runs[0].us if name.startswith(kind)]
    if len(names) > 1:
        text += f", {', '.join(f'{_median(runs, name):.0f}' for name in names)} each"
    return f"{text}: {median(each) / plain:.2f} of plain, goal {goal:.2f}" if plain else text


def _median(runs: Iterable[Cost], kind: str) -> float:
    return median(run.of(kind) for run in runs)


async def busiest(database: Database) -> dict[int, float]:
    """Which share of the shards the busiest node has, by number of nodes: as Citus would place
    them, one after the other."""
    rows = await database.pool.fetch(
        "SELECT get_shard_id_for_distribution_column('member', s::smallint) AS placed"
        " FROM generate_series(0, $1::integer - 1) AS s",
        database.shards,
    )
    nth = {placed: n for n, placed in enumerate(sorted(await _placed(database)))}
    shares = {}
    for count in NODE_COUNTS:
        nodes = [nth[row["placed"]] % count for row in rows]
        shares[count] = max(map(nodes.count, range(count))) / len(nodes)
    return shares


async def _placed(database: Database) -> list[int]:
    """Citus' own shards of a table."""
    rows = await database.pool.fetch(
        "SELECT shardid FROM pg_dist_shard WHERE logicalrelid = 'member'::regclass"
    )
    return [row["shardid"] for row in rows]


def computed(runs: Sequence[Cost], shares: Mapping[int, float]) -> Iterable[str]:
    """Yields what nodes of 8 cores would bear, from what was measured on this machine: a node's
    cores, by what an activity costs there. The network and the servers are left out."""
    workers, coordinator = _median(runs, "worker"), _median(runs, "coordinator")
    most = CORES * 1e6 / coordinator
    for count, share in shares.items():
        rate = CORES * 1e6 / (workers * share)
        yield (
            f"computed: {count} worker(s) of {CORES} cores bear {min(rate, most):,.0f}/s;"
            f" the busiest has {share:.2f} of the shards"
        )
    yield f"computed: a coordinator of {CORES} cores bears {most:,.0f}/s"
    yield "computed from: cores x 1,000,000 / (us of all workers x share of the busiest)"


if __name__ == "__main__":
    uvloop.run(main())
