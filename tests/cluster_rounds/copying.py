"""`tierline copy` from a plain database into the cluster, whose nodes are killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import monotonic
from typing import Any

import asyncpg

from tests.cluster_rounds.clients import PATH
from tests.cluster_rounds.stage import Stage
from tests.cluster_rounds.verdict import Findings, Verdict, delivery_id
from tests.e2e.caller import STAIRS, Caller, Json
from tests.e2e.process import Served
from tests.postgres_nodes import PostgresNode
from tests.servers import Server

CUSTOMERS = 1_000
EACH = 8  # activities of each customer
PART = 500  # in one request
SHARDS = 3  # of the source
RUNS_MAX = 12
KILLS = 2
PATIENCE_SECONDS = 60
DELIVERY_SECONDS = 400
HOOK = "/copied"
DIRECTORY = "source"
ENTRIES = "SELECT customer, program, n, key, points, answer FROM entry ORDER BY 1, 2, 3"
MEMBERS = "SELECT customer, program, balance, tier, seq FROM member ORDER BY 1, 2"
EVENTS = 'SELECT customer, id, body FROM event ORDER BY shard, "offset"'


class Copies:
    """The source is made once, by a server of its own, and then only read."""

    def __init__(self, stage: Stage, plain: PostgresNode) -> None:
        self._stage = stage
        self._plain = plain
        self._source = ""
        self._answers: list[tuple[Json, Json]] = []
        self._endpoint = ""

    async def prepare(self) -> None:
        """Before clients begin: it takes half a minute."""
        if self._source:
            return
        await asyncio.to_thread(self._plain.make)
        await asyncio.to_thread(self._plain.start)
        self._source = await Server(self._plain.url).create()
        folder = self._stage.folder / DIRECTORY
        place = ("--database-url", self._source, "--shards", str(SHARDS))
        with Served(folder, *place) as served:
            caller = Caller(self._stage.session, served.url, served.key)
            await caller.put("/api/programs/stairs", STAIRS)
            # What it is owed must arrive from the copy: nothing is sent before.
            made = await caller.post("/api/endpoints", {"url": self._stage.hook.url + HOOK})
            await caller.post(f"/api/endpoints/{made['id']}/pause", {})
            self._endpoint = made["id"]
            self._stage.hook.secrets[HOOK] = made["secret"]
            for step in range(EACH):
                kind, points = ("redeem", 40) if step % 2 else ("earn", 60)
                activities = [
                    {"key": f"s{step}", "customer": f"s{n}", "kind": kind, "points": points}
                    for n in range(CUSTOMERS)
                ]
                for start in range(0, CUSTOMERS, PART):
                    part = activities[start : start + PART]
                    answers = await caller.post(PATH, part)
                    self._answers += zip(part, answers, strict=True)

    async def copy(self, findings: Findings, victim: PostgresNode, away: float) -> None:
        """Into a new target; the victim is killed in the first runs of it."""
        target = await self._stage.cluster.create()
        try:
            if await self._copied(findings, target, victim, away):
                await self._compare(findings, target)
        finally:
            await self._stage.ready()
            await self._stage.cluster.drop(target)

    async def _copied(
        self, findings: Findings, target: str, victim: PostgresNode, away: float
    ) -> bool:
        stage = self._stage
        await stage.run("migrate", "--distribute", "--shards", str(stage.shards), url=target)
        for run in range(1, RUNS_MAX + 1):
            how = ("copy", "--to", target)
            process = await stage.start(*how, url=self._source, data_dir=DIRECTORY)
            reading = asyncio.create_task(process.communicate())
            if run <= KILLS:
                positions = stage.random.randrange(1, 12) + 12 * (run - 1)
                there = await self._positions(target, positions, reading)
                await asyncio.to_thread(victim.kill)
                await asyncio.sleep(away)
                await stage.again(victim)
                findings.notes.append(f"killed when {there} positions were written")
            output = (await reading)[0].decode().split()
            last = " ".join(output)[-200:]
            findings.notes.append(f"run {run} of the copy: exit {process.returncode}: {last}")
            if process.returncode == 0:
                return True
            await stage.ready()
        findings.faults.append(f"not complete after {RUNS_MAX} runs")
        return False

    async def _positions(self, target: str, count: int, reading: asyncio.Task[Any]) -> int:
        """Until so many positions are written down in the target, or the run has ended."""
        connection = await asyncpg.connect(target)
        deadline = monotonic() + PATIENCE_SECONDS
        try:
            while True:
                there: int = await connection.fetchval("SELECT count(*) FROM copying")
                if there >= count or reading.done() or monotonic() > deadline:
                    return there
                await asyncio.sleep(0.01)
        finally:
            await connection.close()

    async def _compare(self, findings: Findings, target: str) -> None:
        """Row by row here, too; then a server of it answers keys as the source did, and sends what
        the endpoint is owed."""
        ours, theirs = await _content(self._source), await _content(target)
        for name, rows in ours.items():
            findings.check(
                f"{name}: {len(rows)} in the source, {len(theirs[name])} in the copy",
                good=rows == theirs[name],
            )
        unsound = await self._stage.unsound(Verdict(), target, DIRECTORY)
        findings.check("rebuild --verify of the copy", good=not unsound)
        with Served(self._stage.folder / DIRECTORY, "--database-url", target) as served:
            caller = Caller(self._stage.session, served.url, served.key)
            await self._repeat(findings, caller)
            await self._deliver(findings, caller)

    async def _repeat(self, findings: Findings, caller: Caller) -> None:
        others = 0
        for start in range(0, len(self._answers), PART):
            part = self._answers[start : start + PART]
            again = await caller.post(PATH, [activity for activity, _ in part])
            firsts = [answer | {"repeated": True} for _, answer in part]
            others += sum(a != b for a, b in zip(again, firsts, strict=True))
        text = f"{len(self._answers)} keys repeated, {others} answered otherwise"
        findings.check(text, good=not others)

    async def _deliver(self, findings: Findings, caller: Caller) -> None:
        """Each copy sends all of it, with the same ids: the receiver may have seen them before."""
        hook = self._stage.hook
        before = hook.times[HOOK].copy()
        await caller.post(f"/api/endpoints/{self._endpoint}/resume", {})
        events = [event["id"] for event in await caller.feed()]
        names = {delivery_id(event, self._endpoint) for event in events}
        deadline = monotonic() + DELIVERY_SECONDS

        def left() -> int:
            return sum(hook.times[HOOK][name] <= before[name] for name in names)

        while left() and monotonic() < deadline:
            await asyncio.sleep(0.5)
        sent = hook.times[HOOK].total() - before.total()
        text = f"{len(events)} events owed, {left()} not delivered; {sent} webhooks"
        findings.check(text, good=not left() and hook.times[HOOK].keys() == names)


async def _content(url: str) -> dict[str, list[Any]]:
    """Of one side, without its places."""
    connection = await asyncpg.connect(url)
    try:
        entries = [tuple(row) for row in await connection.fetch(ENTRIES)]
        members = [tuple(row) for row in await connection.fetch(MEMBERS)]
        events = defaultdict(list)
        for row in await connection.fetch(EVENTS):
            events[row["customer"]].append((row["id"], row["body"]))
    finally:
        await connection.close()
    return {"entries": entries, "members": members, "events by customer": sorted(events.items())}
