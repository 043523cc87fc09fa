"""A sandbox's clock: moved by hand, and everything that falls due on the way happens in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, Protocol

from tierline.clock import Clock, wall
from tierline.errors import Busy, Conflict
from tierline.ledger.sweep.rollout import Rolled, Rollout
from tierline.ledger.sweep.sweep_pass import SweepPass
from tierline.store import sweep as store
from tierline.store.database import Database
from tierline.store.sweep import Lease

LEASE_MS: Final = 30_000
WAIT_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02


class Clocks(Rolled, Protocol):
    """What moving a clock asks of the catalog."""

    async def move_clock(self, number: int, to: int) -> None: ...


async def advance(
    database: Database,
    catalog: Clocks,
    on_commit: Callable[[int], None],
    project: int,
    to: int,
    *,
    clock: Clock = wall,
) -> int:
    """Move a sandbox's clock to an instant; returns when all of it is committed, with how many
    members had something due. Raises Conflict for a project on wall time, and for going back."""
    current = catalog.project(project).clock
    if current is None or to < current:
        raise Conflict(
            path="advance_to", reason="Only a sandbox's clock can be moved, and only forward."
        )
    owner = os.urandom(8).hex()
    passes = [
        SweepPass(
            database, catalog, Lease(shard, f"clock:{project}", owner), on_commit, clock=project
        )
        for shard in range(database.shards)
    ]
    async with AsyncExitStack() as given:
        for sweep in passes:
            given.push_async_callback(_give, sweep)
            await _take(sweep, clock)
            await Rollout(catalog, sweep.shard).mark(sweep, project=project)
        moved = await _run(passes, to, clock)
        await catalog.move_clock(project, to)
    return moved


async def _run(passes: list[SweepPass], to: int, clock: Clock) -> int:
    """What is due until `to`, always in the shard where the earliest is."""
    moved, held_at = 0, clock()
    dues = {sweep.shard: await _next_due(sweep) for sweep in passes}
    while True:
        ahead = sorted((due, shard) for shard, due in dues.items() if due is not None)
        if not ahead or ahead[0][0] > to:
            return moved
        sweep = passes[ahead[0][1]]
        upto = min(to, ahead[1][0]) if len(ahead) > 1 else to
        step = await sweep.step(upto, clock())
        if not step.members:
            await asyncio.sleep(POLL_SECONDS)  # a request holds the member that is due
        if not step.members or clock() - held_at > LEASE_MS // 3:
            held_at = clock()
            for held in passes:
                await _keep(held, held_at)
        moved += step.members
        dues[sweep.shard] = await _next_due(sweep)


async def _next_due(sweep: SweepPass) -> int | None:
    connection = (await sweep.connected()).connection
    return await store.next_due(connection, sweep.shard, sweep.clock)


async def _take(sweep: SweepPass, clock: Clock) -> None:
    connection = (await sweep.connected()).connection
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while not await sweep.lease.take(connection, clock(), clock() + LEASE_MS):
        if asyncio.get_running_loop().time() > deadline:
            raise Busy  # somebody else is moving this clock, for long
        await asyncio.sleep(POLL_SECONDS)


async def _keep(sweep: SweepPass, now: int) -> None:
    connection = (await sweep.connected()).connection
    if not await sweep.lease.keep(connection, now + LEASE_MS):
        raise Busy


async def _give(sweep: SweepPass) -> None:
    try:
        if sweep.lease.generation >= 0:
            await sweep.lease.give((await sweep.connected()).connection)
    finally:
        await sweep.close()
