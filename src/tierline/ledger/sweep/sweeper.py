"""Sweeping in the background: whose turn it is, when to wake, and how to give way.

One task per shard, under the shard's lease. It sleeps until the next due instant (at most a poll),
sweeps batch by batch, and between batches leaves the floor to online requests. Members whose rules
change are made due here too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, Protocol

import asyncpg
import structlog

from tierline.clock import Clock, wall
from tierline.errors import TierlineError
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.project_removal import ProjectRemoval, RemovedProjects
from tierline.ledger.removals import Removals
from tierline.ledger.sweep.birthdate_walk import BirthdateWalk
from tierline.ledger.sweep.rollout import Rolled, Rollout
from tierline.ledger.sweep.sweep_pass import MEMBERS_MAX, MEMBERS_MIN, WALL, SweepPass, SweepStep
from tierline.ledger.writer import Writer
from tierline.store import orders, transfers
from tierline.store import sweep as store
from tierline.store.database import Database
from tierline.store.erasures import ErasuresSql
from tierline.store.errors import DiskFull, is_retryable, translate
from tierline.store.sweep import Lease

POLL_SECONDS: Final = 1.0
LEASE_MS: Final = 15_000
LEASE: Final = "sweep"
BATCH_SECONDS: Final = 0.005  # what a batch should take while online requests come in
RETRY_SECONDS: Final = 1.0
STUCK_MS: Final = 60_000  # without any progress
TRANSFER_MS: Final = 2_000  # after which whoever began a transfer is thought to be gone

_log = structlog.get_logger("tierline.sweep")


class SweptCatalog(Rolled, RemovedProjects, Protocol):
    """What a sweep asks of the catalog."""


class Load(Protocol):
    """What the sweep gives way to: the writer of the same process."""

    def active(self) -> bool: ...


class Sweeper:
    """Sweeps all shards of an installation on wall time; leases share them among processes."""

    def __init__(
        self,
        database: Database,
        catalog: SweptCatalog,
        on_commit: Callable[[int], None],
        load: Load | None = None,
        *,
        clock: Clock = wall,
        owner: str | None = None,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.on_commit = on_commit
        self.load = load
        self.clock = clock
        self.owner = owner or os.urandom(8).hex()  # of leases
        self.lag_ms: dict[int, int] = {}  # shard that is ours -> how late its last batch was
        self._went: dict[int, int] = {}  # shard -> when something of it last went well
        self._tasks: list[asyncio.Task[None]] = []
        self._writer = Writer(database, catalog, on_commit, clock=clock)  # of left-over transfers
        self._wake = [asyncio.Event() for _ in range(database.shards)]

    async def start(self) -> None:
        """Once, or again after `stop`; while it runs, nothing."""
        if self._tasks:
            return
        self._writer.count()
        for shard in range(self.database.shards):
            self._went[shard] = self.clock()
            task = asyncio.create_task(self._keep_sweeping(shard), name=f"sweep-{shard}")
            self._tasks.append(task)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self.lag_ms.clear()
        await self._writer.stop()

    @property
    def working(self) -> bool:
        """Whether every shard's loop runs and gets on; that another process sweeps the shard, or
        that its node is away, is getting on, too."""
        since = self.clock() - STUCK_MS
        running = not any(task.done() for task in self._tasks)
        return running and all(went > since for went in self._went.values())

    def wake(self) -> None:
        """Look now: the rules or the clock changed."""
        for event in self._wake:
            event.set()

    async def run_due(self) -> int:
        """Sweep everything that is due now, in all shards; how many members. For the command
        line, and for tests."""
        # Together: while one shard's statement runs, another's members are decided.
        shards = range(self.database.shards)
        tasks = [asyncio.create_task(self._run_due(shard)) for shard in shards]
        try:
            return sum(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not self._tasks:
                await self._writer.stop()

    async def _run_due(self, shard: int) -> int:
        done, turn = 0, self._turn(shard)
        try:
            await turn.wait()
            await self._bring_home(shard, self.clock())
            await turn.rollout.mark(turn.sweep)
            await turn.removals.go_on()
            await turn.departures.go_on()
            await turn.birthdates.go_on()
            while (step := await turn.step()).members:
                done += step.members
        finally:
            await turn.close()
        return done

    async def _bring_home(self, shard: int, before: int) -> None:
        """Transfers that began until then, and whose second half nobody saw to; statements of
        orders that nobody has booked everywhere; customers who are half erased. Without the lease
        it would be no harm, only more work."""
        async with self.database.pool.acquire() as connection:
            in_transit = await transfers.open_intents(connection, shard, before, (0, 0, ""), 1)
            stated = await orders.pending(connection, shard, before, (0, ""), 1)
            erasing = await connection.fetch(ErasuresSql.due, shard, before, 0, 1)
        if in_transit or stated or erasing:
            await self.open_writer()
        if in_transit:
            await self._writer.transfers.resume(shard, before)
        if stated:
            await self._writer.orders.resume(shard, before)
        if erasing:
            writer = self._writer
            erasures = Erasures(self.database, self.catalog, writer, self.on_commit, self.clock)
            await erasures.resume(shard, before)

    async def open_writer(self) -> Writer:
        """The writer of what nobody else sees to; started when it is first needed."""
        if self._writer.closed:
            await self._writer.start()
        return self._writer

    def _turn(self, shard: int) -> SweepRound:
        lease = Lease(shard, LEASE, self.owner)
        return SweepRound(self, SweepPass(self.database, self.catalog, lease, self.on_commit))

    async def _keep_sweeping(self, shard: int) -> None:
        turn = self._turn(shard)
        try:
            while True:
                try:
                    seconds = await self._round(shard, turn)
                except Exception as error:  # noqa: BLE001
                    self.database.disk.saw(error)
                    if shard in self.database.absent:
                        self._went[shard] = self.clock()  # nothing else is wrong here
                    if not (is_retryable(error) or isinstance(translate(error, ""), DiskFull)):
                        _log.exception("sweep_failed", shard=shard)
                    seconds = RETRY_SECONDS
                await self._sleep(shard, seconds)
        finally:
            await turn.close()

    async def _round(self, shard: int, turn: SweepRound) -> float:
        """Everything that is due now; how long to sleep."""
        self.database.disk.require_room()
        if not await turn.take():
            self._went[shard] = self.clock()
            self.lag_ms.pop(shard, None)
            return POLL_SECONDS
        await self._bring_home(shard, self.clock() - TRANSFER_MS)
        await turn.rollout.mark(turn.sweep)
        await turn.removals.go_on()
        erased = await turn.departures.go_on()
        await turn.birthdates.go_on()
        while (step := await turn.step()).members:
            self._went[shard] = self.clock()
            self.lag_ms[shard] = max(0, self.clock() - step.upto)
        self._went[shard] = self.clock()
        self.lag_ms[shard] = 0
        if erased:
            return 0.0  # and some more of them
        next_due = await turn.next_due()
        if next_due is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.0, (next_due - self.clock()) / 1000))

    async def _sleep(self, shard: int, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake[shard].wait(), max(seconds, 0.001))
        except TimeoutError:
            return
        self._wake[shard].clear()


class SweepRound:
    """One shard's sweeping while its lease is held."""

    def __init__(self, sweeper: Sweeper, sweep: SweepPass) -> None:
        self.sweeper = sweeper
        self.sweep = sweep
        self.rollout = Rollout(
            sweeper.catalog, sweep.shard, sweeper.clock, busy=lambda: self._contended
        )
        self.removals = Removals(
            *(sweeper.database, sweeper.catalog, sweep.shard, sweeper.clock),
            busy=lambda: self._contended,
        )
        parts = (sweeper.database, sweeper.catalog, sweep.shard, sweeper.open_writer)
        self.birthdates = BirthdateWalk(*parts, sweeper.clock)
        self.departures = ProjectRemoval(*parts, sweeper.clock)
        self._until = 0  # when the lease runs out
        self._limit = MEMBERS_MIN

    async def wait(self) -> None:
        """Until the lease is ours."""
        while not await self.take():  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)

    async def take(self) -> bool:
        """Whether the lease is ours; renewed when it is a third of the way to its end."""
        now, lease = self.sweeper.clock(), self.sweep.lease
        if lease.generation >= 0 and now < self._until - LEASE_MS * 2 // 3:
            return True
        connection = (await self.sweep.connected()).connection
        until = now + LEASE_MS
        ours = lease.generation >= 0 and await lease.keep(connection, until)
        if not ours:
            ours = await lease.take(connection, now, until)
        self._until = until if ours else 0
        return ours

    async def step(self) -> SweepStep:
        """One batch; then the floor is left to others for as long as it took."""
        if not await self.take():
            await self.sweep.give_up_ahead()
            return SweepStep(0, 0, 0)
        self.sweeper.database.disk.require_room()
        loop, now = asyncio.get_running_loop(), self.sweeper.clock()
        contended = self._contended
        limit = self._limit if contended else MEMBERS_MAX
        began, begun = loop.time(), self.sweep.begun
        step = await self.sweep.step(now, now, limit, ahead=not contended)
        took = loop.time() - began
        if step.members and not begun:  # else it took longer than we waited for it
            fitting = int(step.members * BATCH_SECONDS / max(took, 1e-6))
            self._limit = max(MEMBERS_MIN, min(MEMBERS_MAX, fitting))
        await asyncio.sleep(took if self._contended else 0)
        return step

    @property
    def _contended(self) -> bool:
        load = self.sweeper.load
        return load is not None and load.active()

    async def next_due(self) -> int | None:
        connection = (await self.sweep.connected()).connection
        return await store.next_due(connection, self.sweep.shard, WALL)

    async def close(self) -> None:
        """Give the lease back, so that another process need not wait for its end."""
        try:
            await self.sweep.give_up_ahead()
            if self.sweep.lease.generation >= 0:
                await self.sweep.lease.give((await self.sweep.connected()).connection)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TierlineError):
            _log.warning("lease_kept", shard=self.sweep.shard)
        finally:
            await self.sweep.close()
