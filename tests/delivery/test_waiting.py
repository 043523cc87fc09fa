"""Who waits, and for what, is found wherever it stands in its lane, among however many lanes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.test_policies import control, ids_of
from tests.delivery.test_retry_now import HOURS, lanes
from tests.delivery.world import World
from tests.receiver import Receiver, Reply
from tierline.endpoints.event_facts import EventFilter
from tierline.endpoints.health_records import record
from tierline.endpoints.replays import ReplayRequest
from tierline.store.catalog.endpoints import EndpointRow

MANY = 6_000


async def waiting(
    world: World, sender: Any, row: EndpointRow, **which: Any
) -> list[tuple[int, int]]:
    """Run and key of each lane that is found."""
    lines = await control(world, sender).inspection.lanes(row, EventFilter(**which))
    return [(line["run"], line["key"]) for line in lines]


async def crowd(world: World, row: EndpointRow, shard: int) -> None:
    """Thousands of lanes that are older than any other."""
    await world.database.pool.execute(
        "INSERT INTO lane (shard, endpoint, run, key, head, attempt, due_at, state, "
        "format, first_at) SELECT $1, $2, 0, -i, -i, 1, 9e12, 'parked', '', 0 "
        "FROM generate_series(1, $3) AS i",
        shard, row.number, MANY,
    )  # fmt: skip


async def test_an_event_behind_its_lanes_head_is_found(world: World, receiver: Receiver) -> None:
    """So is a customer behind thousands; not what was delivered, nor what the endpoint skips."""
    row = await world.endpoint(receiver.url, retry=HOURS, kinds=["joined", "upgraded"])
    anna, ben = world.customer(1, 0), world.customer(2, 0)
    receiver.answer = lambda request: Reply(503 if str(anna) in request.body.decode() else 200)
    async with world.sending() as sender:
        [first] = await world.happen([anna])
        [delivered] = await world.happen([ben])
        await world.until(lambda: lanes(sender) == 1, "a lane")
        [skipped] = await world.happen([anna], "downgraded")
        [second, third] = await world.happen([anna, anna], "joined")
        await world.settled_but_lanes(sender)
        await crowd(world, row, 0)

        here = [(0, anna)]
        for event in (first, second, third):
            assert await waiting(world, sender, row, event=event) == here
        assert await waiting(world, sender, row, customer=anna) == here
        assert await waiting(world, sender, row, kind="upgraded") == here
        assert await waiting(world, sender, row, event=second, kind="joined", customer=anna) == here
        for which in (
            {"event": delivered},
            {"event": skipped},
            {"event": "evt_" + "0" * 34},
            {"event": "no id"},
            {"customer": ben},
            {"kind": "joined"},  # of the one that is tried next
            {"event": second, "kind": "upgraded"},
            {"event": second, "customer": ben},
        ):
            assert await waiting(world, sender, row, **which) == [], which


@pytest.mark.parametrize("order", ["fifo", "unordered"])
async def test_who_waits_is_found_in_every_order(
    world: World, receiver: Receiver, order: str
) -> None:
    """Under `fifo` everybody waits in one lane, under `unordered` every event in its own."""
    row = await world.endpoint(receiver.url, retry=HOURS, mode=order)
    anna, ben, carl = (world.customer(n, 0) for n in range(3))
    receiver.answer = lambda _: Reply(503)
    async with world.sending() as sender:
        [of_anna] = await world.happen([anna])
        await world.until(lambda: lanes(sender) == 1, "a lane")
        [of_ben] = await world.happen([ben], "joined")
        await world.until(lambda: lanes(sender) == (1 if order == "fifo" else 2), "its lane")
        await world.settled_but_lanes(sender)

        both = [await waiting(world, sender, row, event=event) for event in (of_anna, of_ben)]
        assert [await waiting(world, sender, row, customer=c) for c in (anna, ben)] == both
        assert await waiting(world, sender, row, customer=ben, kind="joined") == both[1]
        assert await waiting(world, sender, row, customer=carl) == []
        assert await waiting(world, sender, row, customer=ben, kind="upgraded") == []
        assert all(len(each) == 1 for each in both)
        assert (both[0] == both[1]) is (order == "fifo")


async def test_a_replays_lane_holds_what_the_replay_sends(world: World, receiver: Receiver) -> None:
    """Not what it leaves out, nor what came after it."""
    row = await world.endpoint(receiver.url, retry=HOURS)
    anna = world.customer(1, 0)
    async with world.sending() as sender:
        [left_out] = await world.happen([anna])
        [first, second] = await world.happen([anna, anna], "joined")
        await receiver.wait(3)
        receiver.answer = lambda request: Reply(
            503 if "tierline-replay" in request.headers else 200
        )
        run = await control(world, sender).replays.start(row, ReplayRequest(kinds=("joined",)))
        await receiver.wait(4)
        await world.until_async(
            lambda: waiting(world, sender, row, customer=anna), lambda each: each, "a lane"
        )
        [later] = await world.happen([anna], "joined")
        await receiver.wait(5)

        for event in (first, second):
            assert await waiting(world, sender, row, event=event) == [(run, anna)]
        for event in (left_out, later):
            assert await waiting(world, sender, row, event=event) == []


async def test_operational_events_are_replayed_by_id_and_by_kind(
    world: World, receiver: Receiver
) -> None:
    """As any other event, for an endpoint that hears them."""
    row = await world.endpoint(receiver.url, kinds=["endpoint.failing", "endpoint.recovered"])
    other = await world.endpoint("http://127.0.0.1:9/", kinds=["upgraded"])
    async with world.sending() as sender:
        lifecycle = control(world, sender)
        compiled = lifecycle._compile(other)
        for at, kind in enumerate(("endpoint.failing", "endpoint.recovered")):
            await record(sender.log, compiled, kind, {}, at, None)
        sender.wake(0)
        sender.wake(1)
        first = await receiver.wait(2)
        by_kind = ReplayRequest(kinds=("endpoint.recovered",))
        count = await lifecycle.count_replay(row, by_kind)
        await lifecycle.replays.start(row, by_kind)
        await receiver.wait(3)
        [failing] = [e for r in first for e in ids_of([r]) if "failing" in r.body.decode()]
        await lifecycle.replays.start(row, ReplayRequest(ids=(failing,)))
        requests = await receiver.wait(4)

    assert count.events == 1
    assert [b"recovered" in requests[2].body, b"failing" in requests[3].body] == [True, True]
