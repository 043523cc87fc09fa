"""Another order for an endpoint at work: its lanes' keys mean something else then."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.delivery.world import BOX, QUICK, World
from tests.receiver import Receiver, Reply
from tierline.delivery.dispatcher import Dispatcher
from tierline.endpoints.endpoint import OrderInUse
from tierline.endpoints.lifecycle import EndpointLifecycle
from tierline.errors import Conflict
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.vendors.registry import FORMATS

LONG = {"schedule": [0.1] * 64, "jitter": 0}


def ids_of(requests: Any) -> list[str]:
    return [json.loads(r.body)["data"]["id"] for r in requests]


def control(world: World, sender: Dispatcher) -> EndpointLifecycle:
    return EndpointLifecycle(sender.log, world.catalog, FORMATS, sender.settings, poke=sender.poke)


async def reorder(world: World, sender: Dispatcher, row: EndpointRow, **fields: Any) -> EndpointRow:
    current = world.catalog.endpoint_numbered(row.number)
    assert current is not None
    body = json.dumps({**json.loads(current.body), **fields})
    changed = await control(world, sender).reorder(
        current, body, current.secrets, current.revision, sender.caught_up
    )
    await sender.caught_up()
    return changed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"mode": "customer"}, {"mode": "fifo"}),
        ({"mode": "customer"}, {"batch": {"events_max": 2}}),
        ({"mode": "fifo"}, {"mode": "customer"}),
        ({"mode": "unordered"}, {"mode": "customer"}),
        ({"mode": "customer"}, {"mode": "unordered"}),
    ],
)
async def test_an_order_changes_only_without_lanes(
    world: World, receiver: Receiver, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """What waits in one is owed under the order that it was made for. Afterwards the new order
    rules, and nothing was lost or came twice."""
    row = await world.endpoint(receiver.url, retry=LONG, **before)
    one = world.customer(1, shard=0)

    async with world.sending() as sender:
        receiver.answer = lambda _: Reply(status=500)
        [held] = await world.happen([one])
        await world.until_async(
            lambda: control(world, sender).inspection.lanes_left(row),
            lambda n: n == (1, 0),
            "a lane",
        )
        with pytest.raises(OrderInUse):
            await reorder(world, sender, row, **after)
        receiver.answer = lambda _: Reply()
        await world.settled(sender)
        sent = len(receiver.requests)
        changed = await reorder(world, sender, row, **after)
        later = await world.happen([one, one])
        await world.settled(sender)

    assert changed.state == "active"
    assert set(ids_of(receiver.requests[:sent])) == {held}
    events = [json.loads(r.body) for r in receiver.requests[sent:]]
    flat = [each for body in events for each in (body if isinstance(body, list) else [body])]
    assert sorted(later) == sorted(each["data"]["id"] for each in flat)
    assert isinstance(events[0], list) == ("batch" in after)


async def test_a_refused_change_holds_nothing_up(world: World, receiver: Receiver) -> None:
    """Somebody changed it meanwhile: it goes on as it was."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        lifecycle = control(world, sender)
        with pytest.raises(Conflict):
            await lifecycle.reorder(row, row.body, b"{}", row.revision - 1, sender.caught_up)
        events = await world.happen([world.customer(1)])
        requests = await receiver.wait(1)

    assert events == ids_of(requests)


async def test_a_lane_made_at_the_last_moment_is_seen(world: World, receiver: Receiver) -> None:
    """Between the first look and the fence the owner made one: refused, and it goes on."""
    row = await world.endpoint(receiver.url, retry=LONG)

    async with world.sending() as sender:
        lifecycle = control(world, sender)

        async def too_late() -> None:
            receiver.answer = lambda _: Reply(status=500)
            await lifecycle.resume(row)  # stands for a process that has not heard of it yet
            await sender.caught_up()
            await world.happen([world.customer(1)])
            await world.until_async(
                lambda: lifecycle.inspection.lanes_left(row), lambda n: n[0] == 1, "a lane"
            )

        body = json.dumps({**json.loads(row.body), "mode": "fifo"})
        with pytest.raises(OrderInUse):
            await lifecycle.reorder(row, body, row.secrets, row.revision, too_late)
        receiver.answer = lambda _: Reply()
        await world.settled(sender)
        now = world.catalog.endpoint_numbered(row.number)

    assert now is not None
    assert now.state == "active"
    assert "fifo" not in now.body


async def test_who_takes_over_from_an_old_row_looks_again(world: World, receiver: Receiver) -> None:
    """A process that has not heard of a change is fenced; it must not come back with what it
    knew before."""
    row = await world.endpoint(receiver.url)
    stale = await Catalog.open(world.database, BOX)  # nobody refreshes it but the sender
    sender = Dispatcher(world.database, stale, FORMATS, QUICK)
    await sender.start()
    try:
        worker = sender.workers[row.number]
        await EndpointLifecycle(sender.log, world.catalog, FORMATS).pause(row)
        await world.happen([world.customer(1)], wake=False)
        sender.wake(world.shard(world.customer(1)))
        await world.until(lambda: worker.lost, "fenced")
        await sender.caught_up()

        assert row.number not in sender.workers
    finally:
        await sender.stop()
