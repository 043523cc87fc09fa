"""After an outage: what waits goes at once, slowly at first, not at the next step of hours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.test_policies import control, ids_of
from tests.delivery.world import World
from tests.receiver import Receiver, Reply
from tierline.store.catalog.endpoints import EndpointRow

HOURS = {"schedule": [7200] * 9, "jitter": 0}


def lanes(sender: Any) -> int:
    return sum(
        len(s.cursor.lanes) for w in sender.workers.values() for s in w.subscriptions.values()
    )


async def owed(world: World, receiver: Receiver, sender: Any, count: int = 3) -> list[str]:
    """Some customers' events, each of which has failed once and waits for hours. Returns their
    ids."""
    receiver.then(*[503] * count)
    events = await world.happen([world.customer(n) for n in range(count)])
    await receiver.wait(count)
    await world.until(lambda: lanes(sender) == count, "lanes")
    return events


async def retry(world: World, sender: Any, row: EndpointRow) -> None:
    await control(world, sender).retry(row)


async def resume(world: World, sender: Any, row: EndpointRow) -> None:
    await control(world, sender).resume(row)


async def passing_test(world: World, sender: Any, row: EndpointRow) -> None:
    answer = await control(world, sender).test(row, "upgraded")
    assert "test_delivered" == answer["outcome"]


@pytest.mark.parametrize("hand", [retry, resume, passing_test])
async def test_a_hand_releases_what_waits(world: World, receiver: Receiver, hand: Any) -> None:
    """Retry, resume, a test that passes: whoever says that it is back need not wait for hours."""
    row = await world.endpoint(receiver.url, retry=HOURS)

    async with world.sending() as sender:
        events = await owed(world, receiver, sender)
        await hand(world, sender, row)
        await receiver.wait(6 + (hand is passing_test))
        await world.settled(sender)

    assert sorted(events) == sorted(ids_of(receiver.requests[-3:]))


async def test_a_first_success_after_an_outage_releases_what_waits(
    world: World, receiver: Receiver
) -> None:
    """Twelve failures open the breaker; the answer to its probe ends the outage for all of them."""
    await world.endpoint(receiver.url, retry=HOURS)

    async with world.sending() as sender:
        events = await owed(world, receiver, sender, 12)
        events += await world.happen([world.customer(99)])
        requests = await receiver.wait(25)
        await world.settled(sender)

    assert sorted(events) == sorted(ids_of(requests[12:]))


@pytest.mark.parametrize("hand", [retry, resume])
async def test_what_was_released_while_nobody_sent_goes_at_the_start(
    world: World, receiver: Receiver, hand: Any
) -> None:
    """The next owner reads that it is due."""
    row = await world.endpoint(receiver.url, retry=HOURS)
    async with world.sending() as sender:
        events = await owed(world, receiver, sender)
    await hand(world, sender, row)
    await sender.log.close()  # it had connected once more
    async with world.sending() as sender:
        await receiver.wait(6)
        await world.settled(sender)

    assert sorted(events) == sorted(ids_of(receiver.requests[-3:]))


async def test_a_parked_lane_starts_anew_when_it_is_retried(
    world: World, receiver: Receiver
) -> None:
    """As after a resume, though the endpoint was never paused."""
    row = await world.endpoint(receiver.url, retry={"schedule": [0.05], "jitter": 0})
    receiver.then(500, 500)

    async with world.sending() as sender:
        [event] = await world.happen([world.customer(1)])
        await receiver.wait(2)
        await world.until(
            lambda: any(
                s.cursor.parked for w in sender.workers.values() for s in w.subscriptions.values()
            ),
            "parked",
        )
        await control(world, sender).retry(row)
        requests = await receiver.wait(3)
        await world.settled(sender)

    assert [event] * 3 == ids_of(requests)


async def test_what_is_released_and_fails_again_goes_on_with_its_schedule(
    world: World, receiver: Receiver
) -> None:
    """Nothing of the schedule is used up by an attempt that came before its time."""
    row = await world.endpoint(receiver.url, retry=HOURS)

    async with world.sending() as sender:
        await owed(world, receiver, sender, 1)
        [worker] = sender.workers.values()
        [lane] = [lane for s in worker.subscriptions.values() for lane in s.cursor.lanes.values()]
        planned_at = lane.due_at
        receiver.then(503)
        await control(world, sender).retry(row)
        await receiver.wait(2)
        await world.until_async(
            lambda: control(world, sender).inspection.attempts(row), lambda a: len(a) == 2, "noted"
        )

    assert (1, planned_at) == (lane.attempt, lane.due_at)


async def test_a_change_of_format_leaves_what_failed_as_it_was(
    world: World, receiver: Receiver
) -> None:
    """Bytes and ids of what was tried stay; what is new goes in the new format."""
    row = await world.endpoint(receiver.url, retry={"schedule": [0.3] * 9, "jitter": 0})
    receiver.then(500)

    async with world.sending() as sender:
        await world.happen([world.customer(1)])
        [first] = await receiver.wait(1)
        await world.until(lambda: lanes(sender) == 1, "a lane")
        await world.change(row, format="cloudevents", format_version="")
        await world.until(
            lambda: sender.workers[row.number].compiled.format.name == "cloudevents", "in force"
        )
        _, again = await receiver.wait(2)
        await world.happen([world.customer(2)])
        new = (await receiver.wait(3))[2]

    same = ("webhook-id", "content-type")
    assert (first.body, *[first.headers[h] for h in same]) == (
        again.body, *[again.headers[h] for h in same],
    )  # fmt: skip
    assert "application/cloudevents+json" in new.headers["content-type"]


async def test_what_is_under_way_while_the_format_changes_is_retried_as_it_was(
    world: World, receiver: Receiver
) -> None:
    """It was sent in the old format; its failure comes when the new one is in force."""
    row = await world.endpoint(receiver.url, retry={"schedule": [0.05] * 9, "jitter": 0})
    async with world.sending() as sender:

        async def change_first(request: Any) -> Reply:
            await world.change(row, format="cloudevents", format_version="")
            await world.until(
                lambda: sender.workers[row.number].compiled.format.name == "cloudevents", ""
            )
            receiver.answer = lambda _: Reply()
            return Reply(500)

        receiver.answer = change_first
        await world.happen([world.customer(1)])
        first, again = await receiver.wait(2)

    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])
