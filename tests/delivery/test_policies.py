"""What an endpoint may ask for: parked lanes, order, pauses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from tests.delivery.world import World
from tests.receiver import Received, Receiver, Reply
from tierline.clock import wall
from tierline.delivery import dispatcher
from tierline.endpoints.lifecycle import EndpointLifecycle
from tierline.vendors.registry import FORMATS

ONCE = {"schedule": [0.05], "jitter": 0}


def ids_of(requests: Any) -> list[str]:
    return [json.loads(r.body)["data"]["id"] for r in requests]


def failing_for(event: str, status: int = 500) -> Any:
    return lambda r: Reply(status=status if event in r.body.decode() else 200)


def control(world: World, sender: Any) -> EndpointLifecycle:
    return EndpointLifecycle(sender.log, world.catalog, FORMATS, sender.settings, poke=sender.poke)


async def ops_events(world: World) -> list[dict[str, Any]]:
    rows = await world.database.pool.fetch("SELECT body FROM event WHERE class = 'ops'")
    return [json.loads(row["body"]) for row in rows]


async def lanes(world: World) -> list[dict[str, Any]]:
    rows = await world.database.pool.fetch("SELECT key, head, state, attempt FROM lane")
    return [dict(row) for row in rows]


# Parked lanes


async def test_a_blocked_lane_waits_until_somebody_resumes(
    world: World, receiver: Receiver
) -> None:
    """Its customer's later events wait behind it; other customers' go on; resume tries again."""
    row = await world.endpoint(receiver.url, retry=ONCE)
    one, other = world.customer(1), world.customer(2)

    async with world.sending() as sender:
        receiver.answer = lambda _: Reply(status=500)
        [bad] = await world.happen([one])
        await receiver.wait(2)
        receiver.answer = lambda _: Reply()
        await world.until(lambda: _parked(sender) == 1, "parked")
        [waiting] = await world.happen([one])
        [fine] = await world.happen([other])
        assert fine == ids_of(await receiver.wait(3))[2]
        await control(world, sender).resume(row)
        requests = await receiver.wait(5)

    assert [bad, waiting] == ids_of(requests)[3:]
    assert "endpoint.lane_parked" in [e["kind"] for e in await ops_events(world)]


def _parked(sender: Any) -> int:
    return sum(f.cursor.parked for c in sender.workers.values() for f in c.subscriptions.values())


async def test_skip_gives_an_event_up_and_goes_on(world: World, receiver: Receiver) -> None:
    """After its schedule the customer's next event goes out."""
    await world.endpoint(receiver.url, retry=ONCE, parked="skip")
    one = world.customer(1)

    async with world.sending() as sender:
        receiver.then(500, 500)
        bad, good = await world.happen([one, one])
        requests = await receiver.wait(3)
        await world.until(lambda: not _lanes(sender), "the lane ended")

    assert [bad, bad, good] == ids_of(requests)
    outcomes = await world.database.pool.fetch("SELECT outcome FROM attempt ORDER BY at")
    assert ["retry", "given_up", "delivered"] == [r["outcome"] for r in outcomes]


def _lanes(sender: Any) -> int:
    return sum(
        len(f.cursor.lanes) for c in sender.workers.values() for f in c.subscriptions.values()
    )


async def test_supersede_jumps_to_the_newest_event(world: World, receiver: Receiver) -> None:
    """What lies between is given up: a later state says it all."""
    await world.endpoint(receiver.url, retry=ONCE, parked="supersede")
    one = world.customer(1)

    async with world.sending():
        receiver.then(500, 500)
        events = await world.happen([one] * 4)
        requests = await receiver.wait(3)

    assert [events[0], events[0], events[3]] == ids_of(requests)


async def test_a_parked_lane_is_superseded_by_a_later_event(
    world: World, receiver: Receiver
) -> None:
    """Also when that comes long after."""
    await world.endpoint(receiver.url, retry=ONCE, parked="supersede")
    one = world.customer(1)

    async with world.sending() as sender:
        receiver.then(500, 500)
        await world.happen([one])
        await world.until(lambda: _parked(sender) == 1, "parked")
        [newer] = await world.happen([one])
        requests = await receiver.wait(3)

    assert newer == ids_of(requests)[2]


# Order


async def test_fifo_sends_one_at_a_time_in_commit_order(world: World, receiver: Receiver) -> None:
    """Of a shard; a failure holds everything behind it."""
    await world.endpoint(receiver.url, mode="fifo")
    at_once = most = 0

    async def slowly(_: Received) -> Reply:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.002)
        at_once -= 1
        return Reply()

    receiver.answer = slowly
    receiver.then(500)
    async with world.sending():
        events = await world.happen([world.customer(n, shard=0) for n in range(20)])
        requests = await receiver.wait(21)

    assert [events[0], *events] == ids_of(requests)
    assert 1 == most


async def test_unordered_does_not_wait_for_a_failure(world: World, receiver: Receiver) -> None:
    """Even within one customer."""
    await world.endpoint(receiver.url, mode="unordered")
    one = world.customer(1)

    async with world.sending():
        receiver.then(500)
        events = await world.happen([one, one, one])
        requests = await receiver.wait(4)

    assert events[0] == ids_of(requests)[3]
    assert set(events) == set(ids_of(requests))


async def test_a_batch_is_one_request_with_many_events(world: World, receiver: Receiver) -> None:
    """A JSON array in the order of the log; signed as a whole."""
    await world.endpoint(receiver.url, batch={"events_max": 10})
    await world.happen([world.customer(n, shard=0) for n in range(25)], wake=False)

    async with world.sending():
        requests = await receiver.wait(3)
        await world.until(lambda: len(_all(receiver)) == 25, "all events")

    assert [e for _, e in world.history] == _all(receiver)
    assert all(len(json.loads(r.body)) <= 10 for r in requests)


def _all(receiver: Receiver) -> list[str]:
    return [event["data"]["id"] for r in receiver for event in json.loads(r.body)]


# Pause


async def test_gone_pauses_and_resume_loses_nothing(world: World, receiver: Receiver) -> None:
    """410: nothing more is sent; what waits arrives in order after a resume."""
    row = await world.endpoint(receiver.url)
    one = world.customer(1)

    async with world.sending() as sender:
        receiver.then(410)
        first = await world.happen([one])
        await receiver.wait(1)
        await world.until(lambda: sender.workers[row.number].paused, "paused")
        later = await world.happen([one, world.customer(2)])
        lifecycle = control(world, sender)
        await world.until_async(
            lambda: lifecycle.inspection.health(row), lambda h: h.reason == "gone", "recorded"
        )
        assert 1 == len(receiver.requests)
        await lifecycle.resume(row)
        requests = await receiver.wait(4)

    of_one = [e for e in ids_of(requests) if e != later[1]]
    assert [first[0], first[0], later[0]] == of_one
    kinds = [e["kind"] for e in await ops_events(world)]
    assert ["endpoint.paused", "endpoint.resumed"] == kinds


async def test_a_pause_by_hand_holds_and_resume_goes_on(world: World, receiver: Receiver) -> None:
    """Nothing is sent meanwhile, nothing is lost, nothing comes twice."""
    row = await world.endpoint(receiver.url)

    async with world.sending() as sender:
        lifecycle = control(world, sender)
        await lifecycle.pause(row)
        await world.until(lambda: not sender.workers, "given up")
        events = await world.happen([world.customer(n) for n in range(5)])
        await lifecycle.resume(row)
        requests = await receiver.wait(5)

    assert sorted(events) == sorted(ids_of(requests))


async def test_a_failing_endpoint_is_warned_of_paused_and_recovers(
    world: World, receiver: Receiver
) -> None:
    """By time and count; an endpoint that hears operational events is told; a probe brings it
    back without anybody's hand."""
    ops = f"{receiver.url}/ops"
    await world.endpoint(ops, kinds=["endpoint.failing", "endpoint.paused", "endpoint.recovered"])
    row = await world.endpoint(
        f"{receiver.url}/bad",
        retry={"schedule": [0.05] * 64, "jitter": 0},
        tolerance={"warn_after_s": 0, "warn_count": 2, "pause_after_s": 0, "pause_count": 4},
    )
    bad = 500
    receiver.answer = lambda r: Reply(status=bad if r.path.endswith("bad") else 200)

    async with world.sending() as sender:
        await world.happen([world.customer(1)])
        await world.until(
            lambda: row.number in sender.workers and sender.workers[row.number].paused, "paused"
        )
        bad = 200
        worker = sender.workers[row.number]
        worker.health = msgspec.structs.replace(worker.health, probe_at=wall())
        worker.run_soon()
        await world.until(lambda: worker.health.state == "healthy", "recovered")
        await world.until(lambda: len(_messages(receiver)) == 3, "told")

    assert ["endpoint.failing", "endpoint.paused", "endpoint.recovered"] == _messages(receiver)


def _messages(receiver: Receiver) -> list[str]:
    return [json.loads(r.body)["type"] for r in receiver if r.path.endswith("ops")]


async def test_a_stop_header_settles_the_message(world: World, receiver: Receiver) -> None:
    """`webhook-delivery: stop` in an answer that is not 2xx: this event is not tried again."""
    await world.endpoint(receiver.url)
    one = world.customer(1)

    async with world.sending():
        receiver.then(Reply(422, {"webhook-delivery": "stop"}))
        events = await world.happen([one, one])
        requests = await receiver.wait(2)

    assert events == ids_of(requests)


async def test_retry_after_holds_the_endpoint(world: World, receiver: Receiver) -> None:
    """A 429 with Retry-After keeps everybody's events back for a while."""
    await world.endpoint(receiver.url)

    async with world.sending() as sender:
        receiver.then(Reply(429, {"retry-after": "1"}))
        await world.happen([world.customer(1)])
        await receiver.wait(1)
        await world.happen([world.customer(2)])
        requests = await receiver.wait(3)
        [worker] = sender.workers.values()

    assert requests[1].at - requests[0].at >= 0.9
    assert worker.pace.limit.limit < 4


async def test_an_answer_that_we_stumble_over_holds_one_lane(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while an answer is seen to: its event waits and is tried again, and
    nothing stays busy for ever."""
    await world.endpoint(receiver.url)
    one, other = world.customer(1), world.customer(2)

    monkeypatch.setattr(dispatcher, "random", lambda: 1 / 0)
    async with world.sending() as sender:
        receiver.then(500)
        [held] = await world.happen([one])
        await world.until(lambda: _lanes(sender) == 1, "a lane")
        [fine] = await world.happen([other])
        await receiver.wait(2)
    async with world.sending(clock=lambda: wall() + 600_000):
        requests = await receiver.wait(3)

    assert [held, fine, held] == ids_of(requests)


async def test_superseding_outlasts_a_database_error(world: World, receiver: Receiver) -> None:
    """What its customer's newest event is must be read from the log; that may fail for a while."""
    await world.endpoint(receiver.url, retry=ONCE, parked="supersede")
    one, gate = world.customer(1), asyncio.Event()
    pool = world.database.pool

    async def slowly(_: Received) -> Reply:
        await gate.wait()
        return Reply(status=500 if len(receiver.requests) < 3 else 200)

    receiver.answer = slowly
    receiver.then(500)
    async with world.sending() as sender:
        events = await world.happen([one])
        await receiver.wait(2)
        events += await world.happen([one] * 40)
        head = (await sender.log.heads())[world.shard(one)][0]
        await world.until(lambda: _last(sender) == head, "the lane knows of more than it remembers")
        await pool.execute("ALTER TABLE event RENAME TO event_away")
        gate.set()
        await world.until(lambda: _parked(sender) == 1, "parked")
        options = sender.log.statements
        await world.until(lambda: sender.log.statements > options + 1, "asked in vain")
        await pool.execute("ALTER TABLE event_away RENAME TO event")
        requests = await receiver.wait(3)

    assert [events[0], events[0], events[-1]] == ids_of(requests)


def _last(sender: Any) -> int:
    cursors = [f.cursor for c in sender.workers.values() for f in c.subscriptions.values()]
    return max((lane.last for cursor in cursors for lane in cursor.lanes.values()), default=0)
