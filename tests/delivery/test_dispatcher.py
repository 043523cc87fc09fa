"""The spine of delivery: what is committed arrives, in order, signed, once if all is well."""

from __future__ import annotations

import json

from standardwebhooks import Webhook

from tests.delivery.world import SECRET, World
from tests.receiver import Receiver, Reply


async def test_an_event_arrives_signed(world: World, receiver: Receiver) -> None:
    """What the ledger committed is posted with Standard Webhooks headers that verify."""
    await world.endpoint(receiver.url)

    async with world.sending():
        [event] = await world.happen([world.customer(1)])
        [request] = await receiver.wait(1)

    body = Webhook(SECRET).verify(request.body.decode(), request.headers)
    assert event == body["data"]["id"]
    assert "1" == request.headers["tierline-attempt"]


async def test_events_of_one_customer_stay_in_order_behind_a_failure(
    world: World, receiver: Receiver
) -> None:
    """A failed event holds back its customer's later ones, and nobody else's."""
    await world.endpoint(receiver.url)
    one, other = world.customer(1, shard=0), world.customer(2, shard=0)
    receiver.then(500)

    async with world.sending():
        events = await world.happen([one, one, other, one])
        requests = await receiver.wait(5)

    arrived = [json.loads(r.body)["data"]["id"] for r in requests]
    of_one = [e for e in arrived if e != events[2]]
    assert [events[0], events[0], events[1], events[3]] == of_one
    assert arrived.index(events[2]) < arrived.index(events[1])


async def test_a_retry_sends_the_same_id_and_bytes(world: World, receiver: Receiver) -> None:
    """Receivers dedupe by id; the timestamp is the attempt's."""
    await world.endpoint(receiver.url)
    receiver.then(503, 500)

    async with world.sending():
        await world.happen([world.customer(1)])
        requests = await receiver.wait(3)

    assert 1 == len({r.body for r in requests})
    assert 1 == len({r.headers["webhook-id"] for r in requests})
    assert ["1", "2", "3"] == [r.headers["tierline-attempt"] for r in requests]


async def test_a_restart_continues_where_the_last_one_ended(
    world: World, receiver: Receiver
) -> None:
    """A clean stop writes everything, so nothing comes twice and nothing is lost."""
    await world.endpoint(receiver.url)
    customers = [world.customer(n) for n in range(20)]

    async with world.sending():
        first = await world.happen(customers)
        await receiver.wait(20)
    second = await world.happen(customers)
    async with world.sending():
        requests = await receiver.wait(40)

    arrived = [json.loads(r.body)["data"]["id"] for r in requests]
    assert sorted(first + second) == sorted(arrived)


async def test_a_lane_survives_a_restart(world: World, receiver: Receiver) -> None:
    """What was owed is owed, with its attempts counted on, and in order."""
    await world.endpoint(receiver.url, retry={"schedule": [0.1, 0.1, 0.1], "jitter": 0})
    customer = world.customer(1)
    receiver.then(500)

    async with world.sending():
        events = await world.happen([customer, customer, customer])
        await receiver.wait(1)
    async with world.sending():
        requests = await receiver.wait(4)

    arrived = [json.loads(r.body)["data"]["id"] for r in requests]
    assert [events[0], *events] == arrived
    assert "2" == requests[1].headers["tierline-attempt"]


async def test_a_thousand_events_arrive_in_order_per_customer(
    world: World, receiver: Receiver
) -> None:
    """Many in flight at once, some failing, never two of one customer out of order."""
    await world.endpoint(receiver.url, retry={"schedule": [0.1] * 12, "jitter": 0})
    customers = [world.customer(n % 37) for n in range(1000)]
    count = 0

    def sometimes(_: object) -> Reply:
        nonlocal count
        count += 1
        return Reply(status=500 if count % 61 == 0 else 200)

    receiver.answer = sometimes
    async with world.sending():
        await world.happen(customers)
        await receiver.wait(1000 + 1000 // 61, timeout=30)
        await world.until(lambda: len({r.body for r in receiver}) == 1000, "all received")

    seen: set[str] = set()
    order: dict[str, list[int]] = {}
    for request in receiver:
        data = json.loads(request.body)["data"]
        if data["id"] not in seen:
            seen.add(data["id"])
            order.setdefault(data["customer"], []).append(data["seq"])
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in order.values())


async def test_two_processes_share_endpoints_and_double_nothing(
    world: World, receiver: Receiver
) -> None:
    """Each endpoint has one owner; what the other process commits reaches it by notification."""
    async with world.sending() as one, world.sending() as two:
        await world.share(receiver.url, one, two)
        await world.happen([world.customer(n) for n in range(30)])
        requests = await receiver.wait(180)

    assert 180 == len({(r.path, r.headers["webhook-id"]) for r in requests})
    assert 180 == len(receiver.requests)
