"""What a release reaches: lanes of each order, what was under way, the next owner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.test_policies import control, ids_of
from tests.delivery.test_retry_now import HOURS, lanes, passing_test, resume, retry
from tests.delivery.world import QUICK, World
from tests.receiver import Received, Receiver, Reply
from tierline.clock import wall
from tierline.endpoints.replays import ReplayRequest

HANDS = [retry, resume, passing_test]
ROOMY = replace(QUICK, lanes_max=2_000)
OUTAGE_MS = 61_000


def parked(sender: Any) -> int:
    return sum(s.cursor.parked for w in sender.workers.values() for s in w.subscriptions.values())


async def fail(world: World, receiver: Receiver, sender: Any, customers: list[int]) -> list[str]:
    """Each customer's event fails once, for a reason that opens no breaker. Returns their ids."""
    receiver.answer = lambda _: Reply(404)
    before = len(receiver.requests)
    events = await world.happen(customers)
    await receiver.wait(before + len(customers), timeout=60)
    await world.until(lambda: lanes(sender) == len(customers), "all wait", timeout=60)
    receiver.answer = lambda _: Reply()
    return events


# How fast


class StandingClock:
    """A clock that stands still when it is told to, and goes where it is put."""

    def __init__(self) -> None:
        self.fixed_at: int | None = None

    def __call__(self) -> int:
        return wall() if self.fixed_at is None else self.fixed_at


async def test_a_release_long_after_another_is_paced_again(
    world: World, receiver: Receiver
) -> None:
    """Although nothing was sent since the first one was over."""
    row = await world.endpoint(receiver.url, retry=HOURS)
    clock = StandingClock()

    async with world.sending(ROOMY, clock=clock) as sender:
        await fail(world, receiver, sender, [world.customer(n) for n in range(60)])
        clock.fixed_at = wall()
        [worker] = sender.workers.values()
        worker.pace.catch_up(clock.fixed_at - 3_600_000)
        await retry(world, sender, row)
        await receiver.wait(60 + 12)
        await world.until(lambda: not worker.in_flight, "the first dozen were answered")

    assert 60 + 12 == len(receiver.requests)


# Each order


@pytest.mark.parametrize("hand", HANDS)
async def test_a_fifo_endpoint_goes_on_in_its_order(
    world: World, receiver: Receiver, hand: Any
) -> None:
    """One lane a shard holds all that follows, more than it remembers; each shard's is released."""
    row = await world.endpoint(receiver.url, mode="fifo", retry=HOURS)
    first = [world.customer(n, shard=0) for n in range(40)]
    second = [world.customer(n, shard=1) for n in range(40)]

    async with world.sending() as sender:
        receiver.answer = lambda _: Reply(404)
        events = [await world.happen(customers) for customers in (first, second)]
        await world.until(lambda: lanes(sender) == 2, "both shards' lanes wait")
        receiver.answer = lambda _: Reply()
        await hand(world, sender, row)
        await receiver.wait(2 + 80 + (hand is passing_test))
        await world.settled(sender)

    sequence = ids_of(r for r in receiver.requests[2:] if "tierline-test" not in r.headers)
    assert events == [[id_ for id_ in sequence if id_ in own] for own in events]
    assert 80 == len(sequence)


async def test_a_fifo_shards_success_releases_the_other_shards_lane(
    world: World, receiver: Receiver
) -> None:
    """The outage was the endpoint's, not the shard's."""
    await world.endpoint(
        receiver.url, mode="fifo", retry={"schedule": [0.05, 7200, 7200], "jitter": 0}
    )
    later = 0

    async with world.sending(clock=lambda: wall() + later) as sender:
        receiver.then(404, 404)
        waiting = await world.happen([world.customer(n, shard=0) for n in range(3)])
        await receiver.wait(2)
        await world.until(lambda: lanes(sender) == 1 and not _in_flight(sender), "it waits")
        later = OUTAGE_MS
        over = await world.happen([world.customer(9, shard=1)])
        sequence = ids_of((await receiver.wait(6))[2:])

    assert over + waiting == sequence


def _in_flight(sender: Any) -> int:
    return sum(len(worker.in_flight) for worker in sender.workers.values())


async def test_unordered_events_are_released(world: World, receiver: Receiver) -> None:
    """Each has a lane of its own, those of one customer as well."""
    row = await world.endpoint(receiver.url, retry=HOURS, mode="unordered")

    async with world.sending() as sender:
        events = await fail(world, receiver, sender, [world.customer(n // 2) for n in range(6)])
        await retry(world, sender, row)
        requests = await receiver.wait(12)

    assert sorted(events) == sorted(ids_of(requests[6:]))


async def test_a_batch_is_released_whole(world: World, receiver: Receiver) -> None:
    """With the bytes of its first attempt."""
    row = await world.endpoint(receiver.url, retry=HOURS, batch={"events_max": 10})
    await world.happen([world.customer(n, shard=0) for n in range(5)], wake=False)
    receiver.answer = lambda _: Reply(404)

    async with world.sending() as sender:
        await receiver.wait(1)
        await world.until(lambda: lanes(sender) == 1 and not _in_flight(sender), "it waits")
        receiver.answer = lambda _: Reply()
        await retry(world, sender, row)
        one, again = await receiver.wait(2)

    assert one.body == again.body


async def test_a_replays_lanes_are_released_too(world: World, receiver: Receiver) -> None:
    """A hand speaks of the endpoint, whatever the run is."""
    row = await world.endpoint(receiver.url, retry=HOURS)

    async with world.sending() as sender:
        events = await world.happen([world.customer(n) for n in range(3)])
        await receiver.wait(3)
        receiver.answer = lambda _: Reply(404)
        run = ReplayRequest(ids=tuple(events))
        await control(world, sender).replays.start(row, run)
        await receiver.wait(6)
        await world.until(lambda: lanes(sender) == 3, "the replay's lanes wait")
        receiver.answer = lambda _: Reply()
        await retry(world, sender, row)
        requests = await receiver.wait(9)

    assert sorted(events) == sorted(ids_of(requests[6:]))


async def test_while_a_hand_has_paused_it_a_retry_sends_nothing(
    world: World, receiver: Receiver
) -> None:
    """The resume does."""
    row = await world.endpoint(receiver.url, retry=HOURS)

    async with world.sending() as sender:
        events = await fail(world, receiver, sender, [world.customer(n) for n in range(3)])
        await control(world, sender).pause(row)
        await world.until(lambda: not sender.workers, "nobody works at it")
        await retry(world, sender, row)
        sender.poke()
        await world.settled_but_lanes(sender)
        assert 3 == len(receiver.requests)
        await resume(world, sender, row)
        requests = await receiver.wait(6)

    assert sorted(events) == sorted(ids_of(requests[3:]))


# What was under way


class Door:
    """Answers the events of one customer when it is let go, and the others' at once."""

    def __init__(self, world: World, number: int) -> None:
        self.name = f'"c{world.customer(number)}"'
        self.let_go = asyncio.Event()
        self.status = 404

    async def __call__(self, request: Received) -> Reply:
        if self.name not in request.body.decode():
            return Reply(self.status)
        if not self.let_go.is_set():
            await self.let_go.wait()
            return Reply(503)
        return Reply()

    async def held_goes_again(self, receiver: Receiver, total: int) -> None:
        """The first request was held: it fails now, and is sent again as the last of so many."""
        self.let_go.set()
        requests = await receiver.wait(total)
        assert requests[0].body == requests[-1].body


@pytest.mark.parametrize("hand", HANDS)
async def test_what_was_under_way_when_a_hand_released_and_fails_goes_at_once(
    world: World, receiver: Receiver, hand: Any
) -> None:
    """It left during the outage: what comes of it says nothing of what came after."""
    row = await world.endpoint(receiver.url, retry=HOURS)

    async with world.sending() as sender:
        receiver.answer = door = Door(world, 1)
        await world.happen([world.customer(1)])
        await receiver.wait(1)
        await world.happen([world.customer(2)])
        await receiver.wait(2)
        await world.until(lambda: lanes(sender) == 1, "the other one waits")
        door.status = 200
        await hand(world, sender, row)
        await receiver.wait(3 + (hand is passing_test))
        await door.held_goes_again(receiver, 4 + (hand is passing_test))
        await world.settled(sender)


async def test_what_was_under_way_at_a_first_success_and_fails_goes_at_once(
    world: World, receiver: Receiver
) -> None:
    """Hours of waiting were for the outage, which is over."""
    await world.endpoint(receiver.url, retry=HOURS)
    later = 0

    async with world.sending(clock=lambda: wall() + later) as sender:
        receiver.answer = door = Door(world, 1)
        await world.happen([world.customer(1)])
        await receiver.wait(1)
        await world.happen([world.customer(2), world.customer(3)])
        await receiver.wait(3)
        await world.until(lambda: lanes(sender) == 2, "the others wait")
        later, door.status = OUTAGE_MS, 200
        await world.happen([world.customer(4)])
        await receiver.wait(6)
        await door.held_goes_again(receiver, 7)
        await world.settled(sender)


async def test_what_parks_after_a_hand_released_starts_anew(
    world: World, receiver: Receiver
) -> None:
    """Its last attempt was under way when somebody said that nothing should wait."""
    row = await world.endpoint(receiver.url, retry={"schedule": [0.05], "jitter": 0})

    async with world.sending() as sender:
        receiver.answer = door = Door(world, 1)
        receiver.then(404)
        await world.happen([world.customer(1)])
        await receiver.wait(2)
        await world.happen([world.customer(2)])
        await world.until(lambda: parked(sender) == 1, "the other one is parked")
        door.status = 200
        await retry(world, sender, row)
        await receiver.wait(5)
        await door.held_goes_again(receiver, 6)
        await world.settled(sender)


# The next owner


async def test_what_was_released_and_not_yet_sent_goes_with_the_next_owner(
    world: World, receiver: Receiver
) -> None:
    """A first success releases what waits; the process ends before all of it is sent."""
    await world.endpoint(receiver.url, retry=HOURS)
    clock = StandingClock()

    async with world.sending(ROOMY, clock=clock) as sender:
        events = await fail(world, receiver, sender, [world.customer(n) for n in range(60)])
        clock.fixed_at = wall() + OUTAGE_MS
        await world.happen([world.customer(99)])
        await receiver.wait(60 + 1 + 12)
        await world.settled_but_lanes(sender)
    left = set(events) - set(ids_of(receiver.requests[60:]))
    assert left
    before = len(receiver.requests)
    async with world.sending(clock=lambda: wall() + OUTAGE_MS):
        requests = await receiver.wait(before + len(left))

    assert sorted(left) == sorted(ids_of(requests[before:]))


async def test_an_outage_that_began_under_a_former_owner_ends_with_a_first_success(
    world: World, receiver: Receiver
) -> None:
    """Who takes over knows no failures, but the lanes that they made."""
    await world.endpoint(receiver.url, retry=HOURS)
    async with world.sending() as sender:
        events = await fail(world, receiver, sender, [world.customer(n) for n in range(3)])
    async with world.sending() as sender:
        events += await world.happen([world.customer(9)])
        requests = await receiver.wait(7)
        await world.settled(sender)

    assert sorted(events) == sorted(ids_of(requests[3:]))
