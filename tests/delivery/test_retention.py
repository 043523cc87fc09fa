"""What is kept how long: attempts, and events where an operator bounds the log."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.delivery.test_policies import control, ids_of, ops_events
from tests.delivery.world import LOOPBACK, QUICK, World
from tests.receiver import Receiver
from tierline.clock import wall
from tierline.delivery.retention import LogRetention
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.health_records import home
from tierline.endpoints.settings import SenderSettings
from tierline.store.event_log import EventLog
from tierline.vendors.registry import FORMATS

DAY_MS = 86_400_000
TEN_DAYS = SenderSettings(allow=LOOPBACK, events_kept_s=10 * 86_400)


class Keeper:
    """A retention whose clock stands so many days after now."""

    def __init__(self, world: World, settings: SenderSettings = TEN_DAYS) -> None:
        self.days = 0.0
        self.log = EventLog(world.database)
        now = wall()
        self.retention = LogRetention(
            self.log, world.catalog, lambda row: CompiledEndpoint(row, FORMATS, {}), settings,
            lambda: now + int(self.days * DAY_MS) + 60_000,
        )  # fmt: skip

    async def look(self, days: float) -> None:
        self.days = days
        for shard in range(self.log.shards):
            await self.retention.look(shard)


async def events(world: World) -> list[tuple[str, Any]]:
    """Kinds, with how urgent or how much it was."""
    results = [(e["kind"], e["data"]) for e in await ops_events(world)]
    return [
        (kind, data.get("percent", data.get("events")))
        for kind, data in results
        if kind.startswith("log.")
    ]


async def offsets(world: World) -> list[int]:
    rows = await world.database.pool.fetch(
        """SELECT "offset" FROM event WHERE shard = 0 AND class = 'tier' ORDER BY 1"""
    )
    return [row[0] for row in rows]


async def test_what_is_owed_is_warned_of_then_dropped_and_named(
    world: World, receiver: Receiver
) -> None:
    """Even by an endpoint that a hand paused, so that no process runs it: at half of the time, at
    80 %, and when it goes. Each is told once."""
    row = await world.endpoint(receiver.url)
    async with world.sending() as sender:
        await control(world, sender).pause(row)
    customers = [world.customer(n, shard=0) for n in range(4)]
    await world.happen(customers, wake=False)
    keeper = Keeper(world)

    await keeper.look(4.9)
    assert [] == await events(world)
    await keeper.look(5)
    await keeper.look(6)
    assert [("log.expiring", 50)] == await events(world)
    await keeper.look(8)
    await keeper.look(9)
    assert [("log.expiring", 50), ("log.expiring", 80)] == await events(world)
    assert 4 == len(await offsets(world))
    await keeper.look(10)
    await keeper.log.close()

    assert ("log.dropped", 4) == (await events(world))[-1]
    assert [] == (await offsets(world))[:-1]


async def test_a_cursor_goes_on_at_the_new_start(world: World, receiver: Receiver) -> None:
    """What was dropped is not sent, what was kept is; a shard's newest event always stays."""
    elsewhere = next(i for i in map("end_{}".format, range(99)) if home(i, world.database.shards))
    await world.endpoint(receiver.url, id=elsewhere)
    customers = [world.customer(n, shard=0) for n in range(3)]
    await world.happen(customers, wake=False)
    async with world.sending() as sender:
        await receiver.wait(3)
        await world.settled(sender)
    await world.database.pool.execute("UPDATE cursor SET mark = 0")  # a lagging one
    keeper = Keeper(world)
    await keeper.look(10)
    await keeper.log.close()
    ratios = await offsets(world)
    [later] = await world.happen(customers[:1], wake=False)

    async with world.sending() as sender:
        requests = await receiver.wait(5)
        await world.settled(sender)

    assert [3] == ratios
    assert [world.history[2][1], later] == ids_of(requests[3:])


async def test_who_is_owed_nothing_is_told_nothing(world: World, receiver: Receiver) -> None:
    """The log is dropped all the same; a lane that waits is owed something."""
    await world.endpoint(receiver.url)
    row = await world.endpoint(f"{receiver.url}/lane")
    async with world.sending() as sender:
        await world.happen([world.customer(n, shard=0) for n in range(3)])
        await receiver.wait(6)
        await world.settled(sender)
    await world.database.pool.execute(
        "INSERT INTO lane VALUES (0, $1, 0, $2, 2, 1, 0, 'retrying', '', 0)",
        row.number,
        world.customer(1, shard=0),
    )
    keeper = Keeper(world)
    await keeper.look(5)
    await keeper.look(9)
    await keeper.look(10)
    await keeper.log.close()

    [_, warned, dropped] = [e for e in await ops_events(world) if e["kind"].startswith("log.")]
    assert (row.id, 1, 0) == (warned["endpoint"], warned["data"]["lanes"], warned["data"]["events"])
    assert (row.id, 1) == (dropped["endpoint"], dropped["data"]["after"])


async def test_the_log_is_kept_for_ever_by_default(world: World, receiver: Receiver) -> None:
    """Nobody said otherwise, so a century later it is all there."""
    await world.endpoint(receiver.url)
    await world.happen([world.customer(n, shard=0) for n in range(3)], wake=False)
    keeper = Keeper(world, replace(TEN_DAYS, events_kept_s=None))
    await keeper.look(36_500)
    await keeper.log.close()

    assert [1, 2, 3] == await offsets(world)


async def test_old_attempts_are_forgotten(world: World, receiver: Receiver) -> None:
    """Those of a deleted endpoint too; the sender sees to it by itself."""
    first = await world.endpoint(receiver.url)
    await world.endpoint(f"{receiver.url}/other")
    settings = replace(QUICK, attempts_kept_s=-60, retention_s=0)

    async with world.sending() as sender:
        await world.happen([world.customer(n) for n in range(20)])
        await receiver.wait(40)
        await world.settled(sender)
        await control(world, sender).delete(first)
    assert 40 == await world.database.pool.fetchval("SELECT count(*) FROM attempt")
    async with world.sending(settings):
        await world.until_async(
            lambda: world.database.pool.fetchval("SELECT count(*) FROM attempt"),
            lambda left: left == 0,
            "forgotten",
        )
