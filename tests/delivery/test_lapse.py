"""A sender that nobody hears of for a while: frozen, cut off from its database, or slow to stop.

Real processes, whose silence counts as death after two seconds. What each test waits for, the
database or the receiver tells.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.chaos.processes import SETTINGS, heard, kill, spawn_sender
from tests.delivery.world import QUICK, World
from tests.receiver import Received, Receiver, Reply
from tierline.delivery.membership import Membership, owner_of
from tierline.store.event_log import EventLog
from tierline.store.heartbeat import Presence

AT_ONCE = 4  # requests in flight; what else is owed waits in the sender's memory
OWED = 12
NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
LIVING = (
    "SELECT count(*) FROM process WHERE beat_at > extract(epoch FROM clock_timestamp()) * 1000 - $1"
)


class Pair:
    """Two sender processes, and one endpoint that holds its answers back until `let_go`."""

    def __init__(self, world: World, receiver: Receiver, folder: Path) -> None:
        self.world = world
        self.receiver = receiver
        self.hosts = folder / "hosts.json"
        self.answering = asyncio.Event()
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._made = 0
        receiver.answer = self._answer

    async def start(self, count: int = 2, timeout_ms: int = 30_000) -> None:
        self.hosts.write_text("{}")
        for _ in range(count):
            process = spawn_sender(self.world.database.url, self.hosts)
            self.processes[f"chaos-{process.pid}"] = process
            assert await asyncio.to_thread(heard, process) == "ready"
        living = self._ask(LIVING, SETTINGS.dead_ms)
        await self.world.until_async(living, lambda results: results == count, "all have joined")
        row = await self.world.endpoint(
            self.receiver.url, in_flight_max=AT_ONCE, timeout_ms=timeout_ms
        )
        self.number = row.number

    async def owe(self) -> None:
        """One event of each customer, in one shard."""
        await self.world.happen([self.world.customer(n, shard=0) for n in range(OWED)])
        self._made += OWED

    async def _answer(self, _: Received) -> Reply:
        await self.answering.wait()
        return Reply()

    def let_go(self) -> None:
        self.answering.set()

    async def owner(self) -> subprocess.Popen[str]:
        """Who sent first, once all that it may send is on its way."""
        requests = await self.receiver.wait(AT_ONCE)
        [sender] = {request.headers["user-agent"] for request in requests}
        return self.processes[sender]

    def sent_by(self, process: subprocess.Popen[str]) -> int:
        return sum(r.headers["user-agent"] == f"chaos-{process.pid}" for r in self.receiver)

    async def counts(self) -> Counter[int]:
        """How many events came how often, when everything is settled."""
        mark = self._ask("SELECT mark FROM cursor WHERE endpoint = $1 AND shard = 0", self.number)
        await self.world.until_async(mark, lambda results: results == self._made, "all is settled")
        times = Counter(request.headers["webhook-id"] for request in self.receiver)
        assert len(times) == self._made
        return Counter(times.values())

    async def until_silent(self, connection: Any = None) -> None:
        """Until no process gave a sign of life for so long that all count as dead."""
        options = connection or self.world.database.pool
        await self.world.until_async(
            lambda: options.fetchval(LIVING, SETTINGS.dead_ms), lambda n: n == 0, "all are silent"
        )

    async def until_heard_of(self) -> None:
        """Until all gave signs of life for longer than silence would have been taken for death."""
        now = await self._ask(NOW)()
        await self.world.until_async(
            self._ask("SELECT min(beat_at) FROM process"),
            lambda at: at > now + SETTINGS.dead_ms,
            "nobody fell silent",
        )

    async def until_taken(self) -> None:
        """Until another process owns the endpoint."""
        sql = "SELECT generation FROM cursor WHERE endpoint = $1 AND shard = 0"
        before = await self._ask(sql, self.number)()
        await self.world.until_async(
            self._ask(sql, self.number), lambda results: results > before, "it was taken over"
        )

    def _ask(self, sql: str, *arguments: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: self.world.database.pool.fetchval(sql, *arguments)


@pytest.fixture
async def pair(world: World, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(world, receiver, tmp_path)
    yield made
    made.let_go()
    for process in made.processes.values():
        kill(process)


async def test_a_frozen_sender_starts_nothing_when_it_wakes(pair: Pair) -> None:
    """Another took over meanwhile. What was on its way comes twice, the rest does not."""
    await pair.start()
    await pair.owe()
    frozen = await pair.owner()
    os.kill(frozen.pid, signal.SIGSTOP)
    await pair.until_taken()
    await pair.receiver.wait(2 * AT_ONCE)
    pair.let_go()
    await pair.counts()
    os.kill(frozen.pid, signal.SIGCONT)
    await pair.until_taken()
    await pair.owe()

    assert await pair.counts() == {1: 2 * OWED - AT_ONCE, 2: AT_ONCE}


async def test_without_a_database_nothing_is_sent_again(pair: Pair) -> None:
    """Nobody could give a sign of life, nobody took anything over: all came once."""
    await pair.start()
    await pair.owe()
    await pair.owner()
    async with pair.world.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE process")
        await pair.until_silent(connection)
        pair.let_go()
    assert await pair.counts() == {1: OWED}


async def test_who_stops_in_order_is_not_taken_for_dead(pair: Pair) -> None:
    """It lives until its last answer is written, however long that is in coming."""
    await pair.start()
    await pair.owe()
    stopping = await pair.owner()
    assert stopping.stdin is not None
    stopping.stdin.close()
    await pair.until_heard_of()
    pair.let_go()
    assert await asyncio.to_thread(stopping.wait, 10) == 0
    assert await pair.counts() == {1: OWED}


async def test_an_answer_that_came_while_it_was_frozen_is_heard(pair: Pair) -> None:
    """Its deadline has passed when the sender wakes, but the answer was there in time."""
    await pair.start(1, timeout_ms=1_500)
    await pair.owe()
    frozen = await pair.owner()
    os.kill(frozen.pid, signal.SIGSTOP)
    pair.let_go()
    await pair.until_silent()
    os.kill(frozen.pid, signal.SIGCONT)
    assert await pair.counts() == {1: OWED}


DEAF = replace(QUICK, beat_ms=60_000, dead_ms=240_000, handover_ms=0)  # it must be told of others
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE query LIKE 'LISTEN %' AND datname = current_database()"
)


async def deafen(world: World) -> None:
    """The connection on which the sender would hear of others breaks, a moment before one comes."""
    await world.until_async(lambda: world.database.pool.fetchval(CUT), bool, "it listened")


async def test_who_listens_again_looks_at_what_it_missed(world: World) -> None:
    """Nobody says a second time that it joined."""
    async with world.sending(DEAF) as one:
        await deafen(world)
        async with world.sending(DEAF):
            await world.until(lambda: len(one.membership.alive) == 2, "it knows of the other")


async def test_who_is_fenced_looks_before_it_takes_back(world: World, receiver: Receiver) -> None:
    """Two that both believe to own an endpoint do not take it from each other by turns."""
    async with world.sending(DEAF) as one:
        await deafen(world)
        async with world.sending(DEAF) as two:
            both = [one.membership.process, two.membership.process]
            id_ = next(i for i in map(str, range(99)) if owner_of(i, both) == both[1])
            row = await world.endpoint(receiver.url, id=id_)
            for n in range(1, 6):
                await world.happen([world.customer(c, shard=0) for c in range(OWED)])
                await receiver.wait(n * OWED)
            await world.until(lambda: two.workers and not one.workers, "one has it")
            await world.settled(two)
            owners = await world.database.pool.fetchval(
                "SELECT generation FROM cursor WHERE endpoint = $1 AND shard = 0", row.number
            )
    assert owners <= 3


async def test_who_was_silent_itself_gives_the_others_time(world: World) -> None:
    """Two lose the database and come back one after the other: the first to come takes nothing from
    the second, unless that stays silent."""
    settings = replace(QUICK, beat_ms=300, dead_ms=1_500)
    log = EventLog(world.database)
    first, second = (
        Membership(log, settings, Presence("sender", name)) for name in ("first", "second")
    )
    await first.join()
    await second.join()
    await first.beat()
    assert first.alive == ["first", "second"]
    await world.until(lambda: not first.certain, "its silence was long")
    older = "UPDATE process SET beat_at = beat_at - $1"
    await world.database.pool.execute(older, settings.dead_ms // 2)

    await first.beat()
    assert first.lapsed
    assert first.alive == ["first", "second"]

    async def listed() -> list[str]:
        await first.beat()
        return first.alive

    await world.until_async(listed, lambda alive: alive == ["first"], "the second was given up")
    await first.leave()
    await second.leave()
