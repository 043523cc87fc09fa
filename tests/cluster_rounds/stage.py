"""What a run stands on: a cluster, a distributed installation, two servers, a receiver."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from time import monotonic

import aiohttp
import asyncpg

from tests.cluster import Cluster
from tests.cluster_rounds.clients import PATH, Load
from tests.cluster_rounds.hook import Hook, listening
from tests.cluster_rounds.record import Record
from tests.cluster_rounds.verdict import (
    Feed,
    Verdict,
    check_deliveries,
    check_events,
    check_ledger,
    check_repeated,
    owed,
)
from tests.e2e.caller import STAIRS, Caller
from tests.e2e.process import Served, command_line, environment
from tests.postgres_nodes import LocalCluster, PostgresNode
from tierline.model import ids
from tierline.store.node_watch import by_node, placements

READY_SECONDS = 120
SETTLE_SECONDS = 180
PREPARED_SECONDS = 60
ENDPOINTS = ("/a", "/b")


class Stage:
    """`say` prints a line. `customers_of`: endless names whose home is a shard."""

    def __init__(
        self,
        folder: Path,
        nodes: LocalCluster,
        shards: int,
        rate: float,
        random: Random,
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.nodes = nodes
        self.shards = shards
        self.rate = rate
        self.random = random
        self.say = say
        self.record = Record()
        self.feed = Feed()
        self.endpoints: dict[str, str] = {}
        self.url = ""
        self.cluster: Cluster
        self.hook: Hook
        self.callers: list[Caller]
        self.session: aiohttp.ClientSession
        self._project = ""

    @asynccontextmanager
    async def set(self) -> AsyncIterator[None]:
        """Made, with both servers at work."""
        data_dir = self.folder / "tierline"
        self.cluster = await Cluster.at_url(self.nodes.url)
        self.url = await self.cluster.create()
        await self.run("migrate", "--distribute", "--shards", str(self.shards))
        async with AsyncExitStack() as stack:
            timeout, connector = aiohttp.ClientTimeout(60), aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, timeout=timeout)
            self.session = await stack.enter_async_context(session)
            self.hook = await stack.enter_async_context(listening())
            place = ("--database-url", self.url)
            servers = [stack.enter_context(Served(data_dir, *place)) for _ in range(2)]
            self.callers = [Caller(session, s.url, servers[0].key) for s in servers]
            await self._furnish()
            yield

    async def _furnish(self) -> None:
        """A program and two endpoints, of which both servers know."""
        first = self.callers[0]
        self._project = (await first.get("/api/project"))["id"]
        await first.put("/api/programs/stairs", STAIRS)
        for path in ENDPOINTS:
            made = await first.post("/api/endpoints", {"url": self.hook.url + path})
            self.endpoints[path] = made["id"]
            self.hook.secrets[path] = made["secret"]
        async with asyncio.timeout(READY_SECONDS):
            while (await self.callers[1].call("GET", "/api/programs/stairs")).status != 200:
                await asyncio.sleep(0.1)

    async def run(self, *arguments: str, url: str = "", data_dir: str = "tierline") -> str:
        """A command's output; AssertionError where it fails."""
        process = await self.start(*arguments, url=url, data_dir=data_dir)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def start(
        self, *arguments: str, url: str = "", data_dir: str = "tierline"
    ) -> asyncio.subprocess.Process:
        place = ("--database-url", url or self.url)
        return await asyncio.create_subprocess_exec(
            *command_line((*arguments, *place), self.folder / data_dir),
            env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def load(self, name: str) -> Load:
        """Clients for where the shards lie now."""
        shards = await self.places()
        return Load(self.record, self.callers, shards, self.customers_of, self.rate, name)

    async def places(self) -> dict[str, list[int]]:
        """The shards of each node."""
        connection = await asyncpg.connect(self.url)
        try:
            return by_node(await placements(connection, self.shards))
        finally:
            await connection.close()

    def customers_of(self, shard: int) -> Iterator[str]:
        n = 0
        while True:
            if ids.shard_of(ids.route(self._project, name := f"c{n}"), self.shards) == shard:
                yield name
            n += 1

    def worker(self) -> PostgresNode:
        return self.random.choice(self.nodes.workers)

    async def again(self, node: PostgresNode) -> None:
        await asyncio.to_thread(node.start)

    async def ready(self) -> float:
        """Until both servers say so; how long that took."""
        began = monotonic()
        async with asyncio.timeout(READY_SECONDS):
            for caller in self.callers:
                while not await self._is_ready(caller):
                    await asyncio.sleep(0.1)
        return monotonic() - began

    async def _is_ready(self, caller: Caller) -> bool:
        answered = await caller.call("GET", "/readyz", key="")
        return answered.status == 200 and answered.json["status"] == "ready"

    async def verify(self) -> Verdict:
        """When all is quiet: everything since the beginning."""
        verdict = Verdict()
        await self.feed.read(self.callers[0])
        deadline = monotonic() + SETTLE_SECONDS
        while owed(self.hook, self.feed.ids, self.endpoints) and monotonic() < deadline:
            await asyncio.sleep(0.5)
        await check_repeated(verdict, self.callers[1], self.record, PATH)
        await check_ledger(verdict, self.url, self.record)
        check_events(verdict, self.feed)
        check_deliveries(verdict, self.hook, self.feed.ids, self.endpoints)
        verdict.prepared = await self.prepared()
        verdict.unsound = await self.unsound(verdict)
        return verdict

    async def unsound(self, verdict: Verdict, url: str = "", data_dir: str = "tierline") -> int:
        """1 where standings or log differ from what the ledger makes of them."""
        process = await self.start("rebuild", "--verify", url=url, data_dir=data_dir)
        output = (await process.communicate())[0].decode().strip()
        if process.returncode != 0 or not output.endswith("All equal."):
            verdict.example("rebuild", output.splitlines()[-3:])
            return 1
        return 0

    async def prepared(self) -> int:
        """Prepared transactions of all nodes: the cluster settles them a few seconds later."""
        deadline = monotonic() + PREPARED_SECONDS
        while True:
            count = 0
            for node in self.nodes.nodes:
                connection = await asyncpg.connect(node.url)
                count += await connection.fetchval("SELECT count(*) FROM pg_prepared_xacts")
                await connection.close()
            if not count or monotonic() > deadline:
                return count
            await asyncio.sleep(0.5)


def say(line: str) -> None:
    sys.stdout.write(line + os.linesep)
    sys.stdout.flush()
