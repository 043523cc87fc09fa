"""A process that drains gives up what it owns in order, and takes it up again when asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.delivery.world import World
from tests.receiver import Received, Receiver, Reply
from tierline.delivery.dispatcher import Dispatcher
from tierline.delivery.membership import ask_to_drain
from tierline.drain import Drain
from tierline.store.heartbeat import LivingProcess, living_processes


@asynccontextmanager
async def hearing(*senders: Dispatcher) -> AsyncIterator[None]:
    """As in a whole process: they do what is asked of them."""
    members = [sender.membership for sender in senders]
    drains = [
        Drain(member.presence, sender, None, member.announce)
        for member, sender in zip(members, senders, strict=True)
    ]
    tasks = [asyncio.create_task(drain.run()) for drain in drains]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask(world: World, *senders: Dispatcher, drain: bool = True) -> None:
    async with world.database.errand() as connection:
        processes = [sender.membership.process for sender in senders]
        await ask_to_drain(connection, processes, drain=drain)


async def described(world: World) -> dict[str, LivingProcess]:
    async with world.database.errand() as connection:
        return {process.id: process for process in await living_processes(connection)}


async def test_the_others_take_over_and_nothing_is_sent_twice(
    world: World, receiver: Receiver
) -> None:
    """While events keep coming, and back again."""
    customers = [world.customer(n) for n in range(10)]
    async with world.sending() as one, world.sending() as two, hearing(one, two):
        await world.share(receiver.url, one, two)
        await world.happen(customers)
        await ask(world, one)
        for _ in range(5):
            await world.happen(customers)
        await world.until(lambda: len(two.workers) == 6, "the other has all")
        await world.happen(customers)
        drained = (await described(world))[one.membership.process]
        await ask(world, one, drain=False)
        for _ in range(3):
            await world.happen(customers)
        await world.until(lambda: len(one.workers) == len(two.workers) == 3, "shared again")
        requests = await receiver.wait(600)

    assert (drained.draining, drained.drained, drained.endpoints) == (True, True, 0)
    assert len({(r.path, r.headers["webhook-id"]) for r in requests}) == 600
    assert len(receiver.requests) == 600


async def test_what_is_under_way_ends_first(world: World, receiver: Receiver) -> None:
    """The endpoint is the first one's until the answer of the request came, however late."""
    let_go = asyncio.Event()

    async def late(_: Received) -> Reply:
        await let_go.wait()
        return Reply()

    receiver.answer = late
    async with world.sending() as one, world.sending() as two, hearing(one, two):
        await world.share(receiver.url, one, two)
        await world.happen([world.customer(1)])
        await receiver.wait(6)
        await ask(world, one, two)
        await world.until(
            lambda: one.membership.presence.draining and two.membership.presence.draining,
            "both heard of it",
        )
        held = await described(world)
        let_go.set()
        await world.until(lambda: not one.workers and not two.workers, "nobody owns anything")
        await world.happen([world.customer(2)])
        await ask(world, two, drain=False)
        await receiver.wait(12)

    assert [process.drained for process in held.values()] == [False, False]
    assert len(receiver.requests) == 12


async def test_who_drains_stays_so_when_its_row_was_lost(world: World) -> None:
    """As after a long silence: it says itself that it was asked."""
    async with world.sending() as one, hearing(one):
        await ask(world, one)
        await world.until(lambda: one.membership.rests, "it heard")
        await world.database.pool.execute("DELETE FROM process")
        await world.until_async(lambda: described(world), bool, "it gives signs of life")
        again = (await described(world))[one.membership.process]
    assert again.draining
