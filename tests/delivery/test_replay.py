"""Sending again: replays beside live traffic, and the live cursor moved back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.delivery.test_policies import control, ids_of
from tests.delivery.world import World
from tests.receiver import Receiver, Reply
from tierline.clock import wall
from tierline.endpoints.replays import ReplayRequest
from tierline.errors import Conflict, NotFound


def replayed(receiver: Receiver) -> list[str]:
    return ids_of(r for r in receiver if "tierline-replay" in r.headers)


async def test_a_replay_by_id_sends_the_same_id_and_bytes(world: World, receiver: Receiver) -> None:
    """Marked by a header, otherwise as the first time."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        events = await world.happen([world.customer(n) for n in range(3)])
        first = await receiver.wait(3)
        run = await control(world, sender).replays.start(row, ReplayRequest(ids=(events[1],)))
        again = (await receiver.wait(4))[3]

    [before] = [r for r in first if events[1] in r.body.decode()]
    assert (before.body, before.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])
    assert str(run) == again.headers["tierline-replay"]


async def test_a_replay_since_an_instant_keeps_order_and_ends(
    world: World, receiver: Receiver
) -> None:
    """Of some kinds only; when all is sent, the run and its rows are gone."""
    row = await world.endpoint(receiver.url)
    customers = [world.customer(n % 3) for n in range(12)]

    async with world.sending() as sender:
        await world.happen(customers)
        await receiver.wait(12)
        await asyncio.sleep(0.002)
        since = wall()
        await world.happen(customers, "joined")
        expected = await world.happen(customers)
        await receiver.wait(36)
        lifecycle = control(world, sender)
        await lifecycle.replays.start(row, ReplayRequest(since=since, kinds=("upgraded",)))
        await receiver.wait(48)
        await world.until_async(
            lambda: lifecycle.replays.running(row), lambda results: results == [], "the run ended"
        )

    assert sorted(expected) == sorted(replayed(receiver))
    for n in range(3):
        mine = [e for c, e in world.history if c == world.customer(n) and e in expected]
        assert mine == [e for e in replayed(receiver) if e in mine]


async def test_live_traffic_does_not_wait_for_a_replay(world: World, receiver: Receiver) -> None:
    """A slow replay has at most a quarter of the endpoint's slots."""
    row = await world.endpoint(receiver.url, in_flight_max=8)
    await world.happen([world.customer(n) for n in range(60)], wake=False)
    release = asyncio.Event()

    async def held(request: Any) -> Reply:
        if "tierline-replay" in request.headers:
            await release.wait()
        return Reply()

    receiver.answer = held
    async with world.sending() as sender:
        await receiver.wait(60)
        await control(world, sender).replays.start(row, ReplayRequest())
        await receiver.wait(61)
        [current] = await world.happen([world.customer(1)])
        await world.until(lambda: current in ids_of(receiver), "the live event arrived")
        held_back = len(replayed(receiver))
        release.set()
        await receiver.wait(121)

    assert held_back <= 2


async def test_a_replay_retries_on_its_own(world: World, receiver: Receiver) -> None:
    """With the endpoint's schedule, and across a restart."""
    row = await world.endpoint(receiver.url)
    failing = True
    receiver.answer = lambda r: Reply(
        status=500 if failing and "tierline-replay" in r.headers else 200
    )

    async with world.sending() as sender:
        events = await world.happen([world.customer(1)] * 3)
        await receiver.wait(3)
        await control(world, sender).replays.start(row, ReplayRequest())
        await receiver.wait(4)
    failing = False
    before = len(receiver.requests)
    async with world.sending():
        await receiver.wait(before + 3)

    assert events == ids_of(receiver.requests[before:])


async def test_a_rewind_sends_again_in_order(world: World, receiver: Receiver) -> None:
    """The live run itself goes back; live events wait behind."""
    row = await world.endpoint(receiver.url)
    since = wall()
    events = await world.happen([world.customer(n, shard=0) for n in range(4)], wake=False)

    async with world.sending() as sender:
        await receiver.wait(4)
        await world.settled(sender)
        await control(world, sender).replays.rewind(row, since)
        requests = await receiver.wait(8)

    assert sorted(events) == sorted(ids_of(requests[4:]))
    assert all("tierline-replay" not in r.headers for r in requests)


async def test_what_cannot_be_replayed_is_refused(world: World, receiver: Receiver) -> None:
    """An id that is not there, and a stretch in which nothing was recorded."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        replays = control(world, sender).replays
        with pytest.raises(NotFound):
            await replays.start(row, ReplayRequest(ids=("evt_nothing",)))
        with pytest.raises(Conflict):
            await replays.start(row, ReplayRequest(since=wall() + 60_000))
        with pytest.raises(NotFound):
            await replays.stop(row, 7)


async def test_lag_and_attempts_are_seen(world: World, receiver: Receiver) -> None:
    """From the database: how much is owed since when, and every attempt with its timings."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        inspection = control(world, sender).inspection
        receiver.then(500)
        [event] = await world.happen([world.customer(1)])
        await receiver.wait(2)
        await world.settled(sender)
        lag = await inspection.lag(row)
        attempts = await inspection.attempts(row)
    await world.happen([world.customer(2)])
    behind = await inspection.lag(row)
    await sender.log.close()

    assert (0, None, 0, 0) == (lag.events, lag.oldest_at, lag.retrying, lag.parked)
    assert (1, True) == (behind.events, behind.oldest_at is not None)
    assert ["delivered", "retry"] == [a["outcome"] for a in attempts]
    assert [2, 1] == [a["number"] for a in attempts]
    assert {event} == {a["event"] for a in attempts}
    first = attempts[1]["detail"]
    assert "127.0.0.1" == first["address"]
    assert {"connect", "first_byte", "total"} <= set(first["timings"])
    assert json.dumps(first).count("webhook-signature") == 1


@pytest.mark.parametrize("fields", [{"tiers": ("gold",)}, {"filter": {"cause": "override"}}])
async def test_what_an_endpoint_does_not_hear_is_no_lag(
    world: World, receiver: Receiver, fields: dict[str, Any]
) -> None:
    """Before its mark has passed it, too: that is written when there is something else to write."""
    row = await world.endpoint(receiver.url, **fields)
    all_ = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        await world.settled(sender)
    await world.happen([world.customer(n) for n in range(20)])
    inspection = control(world, sender).inspection
    none, every = await inspection.lag(row), await inspection.lag(all_)
    await sender.log.close()

    assert (none.events, none.oldest_at) == (0, None)
    assert (every.events, every.oldest_at is not None) == (20, True)


async def test_a_runs_number_is_never_used_again(world: World, receiver: Receiver) -> None:
    """Also when the one before is over and leaves no row: attempts name their run."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        await world.happen([world.customer(1)])
        await receiver.wait(1)
        replays = control(world, sender).replays
        numbers = []
        for n in (2, 3):
            numbers.append(await replays.start(row, ReplayRequest(kinds=("upgraded",))))
            await receiver.wait(n)
            await world.until_async(lambda: replays.running(row), lambda runs: not runs, "ended")

    assert [1, 2] == numbers
