"""Events that wait, because their endpoint asks for it: nobody else's, in order, none left out."""

from __future__ import annotations

import asyncio

import pytest

from tests.delivery.test_policies import ids_of
from tests.delivery.world import World
from tests.receiver import Receiver
from tierline.clock import wall
from tierline.delivery import fetcher

DELAY_S = 300


@pytest.mark.parametrize("ring", [4096, 2])
async def test_an_event_waits_until_it_is_old_enough(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, ring: int
) -> None:
    """By the sender's clock, in memory and where it fell out of that; another endpoint's do not."""
    monkeypatch.setattr(fetcher, "RING", ring)
    later = 0
    await world.endpoint(f"{receiver.url}/slow", delay_s=DELAY_S)
    await world.endpoint(f"{receiver.url}/quick")
    people = [world.customer(n, 0) for n in range(1, 5)]
    async with world.sending(clock=lambda: wall() + later):
        events = await world.happen(people)
        quick = await receiver.wait(4)
        assert {request.path for request in quick} == {"/hook/quick"}
        later = DELAY_S * 1_000 + 60_000
        late = (await receiver.wait(8))[4:]

    assert {request.path for request in late} == {"/hook/slow"}
    assert sorted(ids_of(late)) == sorted(events)


async def test_who_no_longer_waits_is_sent_at_once(world: World, receiver: Receiver) -> None:
    """And what is recorded while others wait comes after them."""
    row = await world.endpoint(receiver.url, delay_s=DELAY_S)
    anna = world.customer(1, 0)
    async with world.sending():
        first = await world.happen([anna])
        second = await world.happen([anna])
        await asyncio.sleep(0)
        assert receiver.requests == []
        await world.change(row, delay_s=0)
        requests = await receiver.wait(2)

    assert ids_of(requests) == [*first, *second]
