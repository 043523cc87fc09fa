"""After an outage of many customers: each event goes once, at once, and slowly at first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.test_policies import ids_of
from tests.delivery.test_release import HANDS, OUTAGE_MS, ROOMY, StandingClock, fail
from tests.delivery.test_retry_now import HOURS, passing_test
from tests.delivery.world import World
from tests.receiver import Receiver
from tierline.clock import wall

MANY = 2_000


def arrived(receiver: Receiver, since: int) -> list[str]:
    return sorted(ids_of(r for r in receiver.requests[since:] if "tierline-test" not in r.headers))


@pytest.mark.parametrize("hand", HANDS)
async def test_thousands_of_lanes_are_released_by_a_hand_and_paced(
    world: World, receiver: Receiver, hand: Any
) -> None:
    """A dozen at once, then as time passes: fifty a second at first. Each comes once."""
    row = await world.endpoint(receiver.url, retry=HOURS, in_flight_max=64)
    clock, customers = StandingClock(), [world.customer(n) for n in range(MANY)]

    async with world.sending(ROOMY, clock=clock) as sender:
        events = await fail(world, receiver, sender, customers)
        await world.settled_but_lanes(sender)
        clock.fixed_at = wall()
        await hand(world, sender, row)
        [worker] = sender.workers.values()
        await world.until(lambda: worker.pace.catching_up is not None, "released")
        at_first = MANY + (hand is passing_test) + 12
        await receiver.wait(at_first)
        await world.until(lambda: not worker.in_flight, "the first dozen were answered")
        assert len(receiver.requests) == at_first
        clock.fixed_at += 10_000  # the slow start is over
        worker.run_soon()
        await receiver.wait(2 * MANY + (hand is passing_test), timeout=60)
        clock.fixed_at = None
        await world.settled(sender)

    assert sorted(events) == arrived(receiver, MANY)


async def test_thousands_of_lanes_are_released_by_a_first_success(
    world: World, receiver: Receiver
) -> None:
    """After a minute with failures alone: one customer's new event says that it is over."""
    await world.endpoint(receiver.url, retry=HOURS, in_flight_max=64)
    clock, customers = StandingClock(), [world.customer(n) for n in range(MANY)]

    async with world.sending(ROOMY, clock=clock) as sender:
        events = await fail(world, receiver, sender, customers)
        clock.fixed_at = wall() + OUTAGE_MS
        [worker] = sender.workers.values()
        events += await world.happen([world.customer(MANY)])
        await world.until(lambda: worker.pace.catching_up is not None, "released")
        clock.fixed_at += 10_000
        worker.run_soon()
        await receiver.wait(2 * MANY + 1, timeout=60)
        await world.settled(sender)

    assert sorted(events) == arrived(receiver, MANY)
