"""What happens to a node in each kind of round, while clients post to all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import asyncpg
import psutil
from msgspec import Struct

from tests.cluster_rounds.clients import WIDE, Load, Pace
from tests.cluster_rounds.copying import Copies
from tests.cluster_rounds.stage import ENDPOINTS, Stage
from tests.cluster_rounds.verdict import Findings
from tests.postgres_nodes import PostgresNode, execute

WARM_SECONDS = 4  # before anything is measured
AFTER_SECONDS = 5  # of load, when the node is back
MOVE_SECONDS = 60
PIECE = """
    SELECT d.shardid, n.nodename, n.nodeport FROM pg_dist_shard d
    JOIN pg_dist_placement p ON p.shardid = d.shardid
    JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
    WHERE d.logicalrelid = 'shard_head'::regclass ORDER BY d.shardid
"""
MOVE = "SELECT citus_move_shard_placement($1, $2, $3, $4, $5, 'force_logical')"
CLEAN = "CALL citus_cleanup_orphaned_resources()"


class Outcome(Struct):
    """What a round did; `before` and `during` have the pace of each node's activities, and of
    webhooks about its customers, which two endpoints get."""

    killed: str
    away: float
    findings: Findings
    ready_after: float = 0.0
    affected: tuple[str, ...] = ()  # nodes that were away; of all the others the pace must stay
    before: dict[str, Pace] = {}
    during: dict[str, Pace] = {}
    webhooks_before: dict[str, float] = {}
    webhooks_during: dict[str, float] = {}
    cpu: tuple[float, float] = (0.0, 0.0)  # the whole machine's, in per cent: before, and during
    refusals: dict[str, int] = {}
    worst_s: float = 0.0  # the longest that any activity waited, with its repetitions


class Rounds:
    """`away` seconds a node is gone for; `briefly` where nothing else is measured."""

    def __init__(self, stage: Stage, copies: Copies, away: float, briefly: float) -> None:
        self.stage = stage
        self.copies = copies
        self.away = away
        self.briefly = briefly
        self.kinds: dict[str, Callable[[Load], Awaitable[Outcome]]] = {
            "worker": self.worker,
            "coordinator": self.coordinator,
            "silent": self.silent,
            "move-worker": self.move_worker,
            "move-coordinator": self.move_coordinator,
            "copy-worker": self.copy_worker,
            "copy-coordinator": self.copy_coordinator,
        }

    async def play(self, kind: str, number: int) -> Outcome:
        """One round, until the last client has its answer."""
        load = await self.stage.load(f"r{number}")
        async with load.running():
            await asyncio.sleep(WARM_SECONDS)
            outcome = await self.kinds[kind](load)
            outcome.ready_after = await self.stage.ready()
            await asyncio.sleep(AFTER_SECONDS)
        outcome.refusals = dict(load.refusals)
        outcome.worst_s = max(
            took for node, spans in load.at.items() if node != WIDE for _, took in spans
        )
        return outcome

    # Kinds

    async def worker(self, load: Load) -> Outcome:
        """`kill -9`; the pace of the others is measured as long before it as during."""
        node = self.stage.worker()
        return await self._measured(load, node, node.kill, "killed")

    async def silent(self, load: Load) -> Outcome:
        """All processes of a worker are halted, and go on later."""
        node = self.stage.worker()
        return await self._measured(load, node, node.silence, "silent")

    async def coordinator(self, load: Load) -> Outcome:
        node = self.stage.nodes.coordinator
        return await self._measured(load, node, node.kill, "killed", self.briefly)

    async def move_worker(self, load: Load) -> Outcome:
        """The node that a shard leaves, or the one that it goes to."""
        workers = self.stage.random.sample(self.stage.nodes.workers, 2)
        return await self._moving(workers, self.stage.random.choice(workers))

    async def move_coordinator(self, load: Load) -> Outcome:
        workers = self.stage.random.sample(self.stage.nodes.workers, 2)
        return await self._moving(workers, self.stage.nodes.coordinator)

    async def copy_worker(self, load: Load) -> Outcome:
        node = self.stage.worker()
        return await self._copying(node)

    async def copy_coordinator(self, load: Load) -> Outcome:
        return await self._copying(self.stage.nodes.coordinator)

    async def _measured(
        self,
        load: Load,
        node: PostgresNode,
        deed: Callable[[], None],
        word: str,
        away: float | None = None,
    ) -> Outcome:
        away = self.away if away is None else away
        begin = monotonic()
        psutil.cpu_percent()
        await asyncio.sleep(away)
        there, cpu = monotonic(), psutil.cpu_percent()
        await asyncio.to_thread(deed)
        await asyncio.sleep(max(0.0, there + away - monotonic()))
        gone, cpu_during = monotonic(), psutil.cpu_percent()
        if word == "silent":
            await asyncio.to_thread(node.wake)
        else:
            await self.stage.again(node)
        hit = {node.address, WIDE} if node in self.stage.nodes.workers else set(load.at)
        outcome = Outcome(f"{self._name(node)} {word}", away, Findings(), affected=tuple(hit))
        outcome.cpu = cpu, cpu_during
        for place in sorted(load.at):
            outcome.before[place] = Pace(load.at[place], begin, there)
            outcome.during[place] = Pace(load.at[place], there, gone)
        outcome.webhooks_before = self._webhooks(load, begin, there)
        outcome.webhooks_during = self._webhooks(load, there, gone)
        return outcome

    def _webhooks(self, load: Load, begin: float, end: float) -> dict[str, float]:
        """Webhooks a second about each node's customers, at all endpoints."""
        counts = dict.fromkeys(sorted(set(load.places.values())), 0)
        for path in ENDPOINTS:
            for when, customer in self.stage.hook.at[path]:
                if begin <= when < end and customer in load.places:
                    counts[load.places[customer]] += 1
        return {node: count / (end - begin) for node, count in counts.items()}

    async def _moving(self, workers: Sequence[PostgresNode], victim: PostgresNode) -> Outcome:
        """Killed between begin and end of a move. Then what is left of it is cleaned up, and the
        shard is moved after all."""
        outcome = Outcome(f"{self._name(victim)} killed during a move", self.briefly, Findings())
        delay = self.stage.random.uniform(0.3, 1.5)
        source, target = workers
        while True:
            piece = await self._piece(source)
            moving = asyncio.create_task(self._move(piece, source, target))
            await asyncio.wait({moving}, timeout=delay)
            if not moving.done():
                break
            moving.result()
            outcome.findings.notes.append(f"moved within {delay:.2f} s: the next is to be killed")
            source, target, delay = target, source, delay / 2
        await asyncio.to_thread(victim.kill)
        role = "source" if victim is source else "target" if victim is target else "coordinator"
        await asyncio.sleep(self.briefly)
        await self.stage.again(victim)
        await asyncio.wait({moving})
        error = moving.exception()
        how = repr(error)[:160] if error else "the move came through"
        outcome.findings.notes.append(f"{role} killed {delay:.2f} s into it: {how}")
        await self._move_after_all(outcome, piece, target)
        return outcome

    async def _move_after_all(self, outcome: Outcome, piece: int, target: PostgresNode) -> None:
        deadline = monotonic() + MOVE_SECONDS
        while True:
            try:
                await execute(self.stage.url, CLEAN)
                here = await self._holder(piece)
                if here is not target:
                    await self._move(piece, here, target)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if monotonic() > deadline:
                    outcome.findings.faults.append(f"cannot be moved afterwards: {error!r}")
                    return
                await asyncio.sleep(1)
            else:
                outcome.findings.notes.append("moved afterwards")
                return

    async def _pieces(self) -> list[tuple[int, str]]:
        connection = await asyncpg.connect(self.stage.url)
        try:
            rows = await connection.fetch(PIECE)
        finally:
            await connection.close()
        return [(row["shardid"], f"{row['nodename']}:{row['nodeport']}") for row in rows]

    async def _piece(self, node: PostgresNode) -> int:
        """One that the node holds."""
        own = [piece for piece, place in await self._pieces() if place == node.address]
        return self.stage.random.choice(own)

    async def _holder(self, piece: int) -> PostgresNode:
        place = dict(await self._pieces())[piece]
        return next(node for node in self.stage.nodes.nodes if node.address == place)

    async def _move(self, piece: int, source: PostgresNode, target: PostgresNode) -> None:
        connection = await asyncpg.connect(self.stage.url)
        try:
            ways = ("127.0.0.1", source.port, "127.0.0.1", target.port)
            await connection.execute(MOVE, piece, *ways)
        finally:
            connection.terminate()

    async def _copying(self, node: PostgresNode) -> Outcome:
        outcome = Outcome(f"{self._name(node)} killed during copy", self.briefly, Findings())
        await self.copies.copy(outcome.findings, node, self.briefly)
        return outcome

    def _name(self, node: PostgresNode) -> str:
        if node is self.stage.nodes.coordinator:
            return "coordinator"
        return f"worker {node.port}"
