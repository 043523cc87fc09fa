"""Rules of the log, its cursors and lanes that no outcome shows by itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.rough import OK, Conversation, serving
from tests.delivery.test_policies import control, ids_of, lanes, ops_events
from tests.delivery.world import QUICK, TIERS, World, append
from tests.receiver import Received, Receiver, Reply
from tierline.clock import wall
from tierline.endpoints.replays import ReplayRequest
from tierline.errors import NotFound
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject

RULES = Rules("New", Policy(tuple(Tier(t, t.title(), from_=0) for t in TIERS)))

HOURS = {"schedule": [7200] * 3, "jitter": 0}


async def marks(world: World) -> list[int]:
    rows = await world.database.pool.fetch("SELECT mark FROM cursor ORDER BY shard, endpoint, run")
    return [row[0] for row in rows]


async def heads(world: World) -> list[int]:
    return [r[0] for r in await world.database.pool.fetch("SELECT head FROM shard_head ORDER BY 1")]


# Cursors


async def test_an_event_leaves_without_anybodys_wake_up(world: World, receiver: Receiver) -> None:
    """Whoever committed it died before it could tell: the poll finds it."""
    await world.endpoint(receiver.url)

    async with world.sending():
        [event] = await world.happen([world.customer(1)], wake=False)
        requests = await receiver.wait(1)

    assert [event] == ids_of(requests)


async def test_a_cursor_that_only_skipped_is_written_now_and_then(
    world: World, receiver: Receiver
) -> None:
    """So that a restart need not read again what nobody wanted."""
    await world.endpoint(receiver.url, kinds=["left"])

    async with world.sending(replace(QUICK, idle_write_ms=20)):
        await world.happen([world.customer(n) for n in range(20)])
        expected = await heads(world)
        await world.until_async(lambda: marks(world), lambda m: sorted(m) == expected, "written")

    assert [] == receiver.requests


async def test_a_cursor_stops_above_so_many_retrying_lanes(
    world: World, receiver: Receiver
) -> None:
    """A dead endpoint does not make a lane of every customer; parked lanes do not count."""
    row = await world.endpoint(receiver.url, retry=HOURS, in_flight_max=1)
    receiver.answer = lambda _: Reply(422)
    customers = [world.customer(n, shard=0) for n in range(1000)]

    async with world.sending(replace(QUICK, lanes_max=3)) as sender:
        await world.happen(customers)
        subscription = sender.workers[row.number].subscriptions[0, 0]
        await world.until(lambda: subscription.cursor.retrying > 3, "full")
        await sender.committers[0].drain()
        # It read a slice before it stopped, and sends what was at hand.
        assert not subscription.wants_more()
        for lane in list(subscription.cursor.lanes.values()):
            lane.state = "parked"
            subscription.cursor.parked += 1
        assert subscription.wants_more()


async def test_who_cannot_show_a_sign_of_life_starts_nothing(
    world: World, receiver: Receiver
) -> None:
    """What is under way may end. When it can again and nobody took over, it goes on, and nothing
    is sent twice."""
    row = await world.endpoint(receiver.url)
    release = asyncio.Event()

    async def held(_: Received) -> Reply:
        await release.wait()
        return Reply()

    receiver.answer = held
    pool = world.database.pool
    async with world.sending(replace(QUICK, beat_ms=100, dead_ms=500)) as sender:
        first = await world.happen([world.customer(1, shard=0)])
        await receiver.wait(1)
        await pool.execute("ALTER TABLE process RENAME TO process_away")
        await world.until(lambda: not sender.membership.certain, "others may think it dead")
        second = await world.happen([world.customer(2, shard=0)])
        cursor = sender.workers[row.number].subscriptions[0, 0].cursor
        await world.until(lambda: cursor.ready, "it waits to be sent")
        release.set()
        await world.until(
            lambda: not sender.workers[row.number].in_flight, "the first was answered"
        )
        assert cursor.ready
        await pool.execute("ALTER TABLE process_away RENAME TO process")
        await receiver.wait(2)
        await world.settled(sender)

    assert first + second == ids_of(receiver)


# Lanes


async def test_a_lane_keeps_the_shape_of_its_first_attempt(
    world: World, receiver: Receiver
) -> None:
    """A retry sends the same bytes although the endpoint asked for another shape meanwhile; what
    comes after has the new one."""
    row = await world.endpoint(f"{receiver.url}/x", retry={"schedule": [0.3] * 9, "jitter": 0})
    one = world.customer(1)
    receiver.then(500)

    async with world.sending() as sender:
        await world.happen([one])
        [first] = await receiver.wait(1)
        await world.change(row, thin=True)
        await world.until(
            lambda: '"thin":true' in sender.workers[row.number].compiled.form_text, "in force"
        )
        await world.happen([one])
        requests = await receiver.wait(3)

    assert first.body == requests[1].body
    assert {"id", "customer", "program"} == set(json.loads(requests[2].body)["data"])


async def test_what_matches_no_more_is_settled(world: World, receiver: Receiver) -> None:
    """The filter in force when a request starts decides, for what waits in a lane too."""
    row = await world.endpoint(receiver.url, retry={"schedule": [0.3] * 9, "jitter": 0})
    one = world.customer(1)
    receiver.then(500)

    async with world.sending() as sender:
        await world.happen([one, one])
        await receiver.wait(1)
        await world.change(row, kinds=["left"])
        await world.until_async(lambda: lanes(world), lambda results: not results, "settled")
        [left] = await world.happen([one], "left")
        requests = await receiver.wait(2)
        await world.settled(sender)

    assert left == ids_of(requests)[1]
    assert 2 == len(receiver.requests)


# Pace


async def test_an_endpoint_has_its_own_rate(world: World, receiver: Receiver) -> None:
    """A burst of a quarter of a second, then its pace; what waits for it is no lane."""
    await world.endpoint(receiver.url, rate_per_s=40)

    async with world.sending() as sender:
        await world.happen([world.customer(n) for n in range(30)])
        requests = await receiver.wait(30)
        await world.settled(sender)

    assert requests[-1].at - requests[0].at >= 20 / 40 * 0.95
    assert [] == await lanes(world)


async def test_a_replay_has_its_own_rate(world: World, receiver: Receiver) -> None:
    """As fast as it was asked for, and no faster."""
    row = await world.endpoint(receiver.url)
    await world.happen([world.customer(n) for n in range(20)], wake=False)

    async with world.sending() as sender:
        await receiver.wait(20)
        await control(world, sender).replays.start(row, ReplayRequest(rate_per_s=20))
        requests = await receiver.wait(40)

    took = requests[-1].at - requests[20].at
    # Each shard's run has the rate, and a burst of a quarter of a second.
    assert took >= (20 / world.database.shards - 6) / 20 * 0.95


async def test_an_open_breaker_burns_no_attempts(world: World, receiver: Receiver) -> None:
    """Ten failures open it; then there are probes alone, each of another event, until one is
    answered. All arrives, in order per customer."""
    row = await world.endpoint(receiver.url)
    well = False
    receiver.answer = lambda _: Reply(200 if well else 500)
    customers = [world.customer(n % 20) for n in range(100)]

    async with world.sending(replace(QUICK, probe_again_ms=4_000)) as sender:
        await world.happen(customers)
        worker = await _worker(world, sender, row.number)
        await world.until(lambda: worker.pace.breaker.state == "open", "open")
        await world.until(lambda: not worker.in_flight, "the last answers are in")
        tried = len(receiver.requests)
        await receiver.wait(tried + 2)  # two probes, a second and two seconds later
        well = True
        await world.until(lambda: worker.pace.breaker.state == "closed", "closed")
        burnt = max(
            lane.attempt for f in worker.subscriptions.values() for lane in f.cursor.lanes.values()
        )
        await world.settled(sender)
        outcomes = await world.database.pool.fetch(
            "SELECT event FROM attempt WHERE outcome = 'probe_failed'"
        )

    assert tried < 30
    assert burnt <= tried  # as many as there were before it opened
    assert len(outcomes) == len({o["event"] for o in outcomes}) >= 2
    seen = list(dict.fromkeys(ids_of(receiver.requests)))
    for customer in set(customers):
        mine = [event for c, event in world.history if c == customer]
        assert mine == [event for event in seen if event in mine]


async def test_a_change_is_tried_at_once(world: World, receiver: Receiver) -> None:
    """Behind an open breaker, too: whoever corrects a URL, or resumes, need not wait for a probe
    that is due in minutes."""
    row = await world.endpoint(f"{receiver.url}/old")
    receiver.answer = lambda r: Reply(500 if r.path.endswith("old") else 200)

    async with world.sending() as sender:
        await world.happen([world.customer(n) for n in range(20)])
        worker = await _worker(world, sender, row.number)
        await world.until(lambda: worker.pace.breaker.state == "open", "open")
        await world.until(lambda: not worker.in_flight, "the last answers are in")
        worker.pace.breaker.probe_at += 3_600_000
        await world.change(row, url=f"{receiver.url}/new")
        await world.settled(sender)

    assert set(ids_of(receiver)) == {event for _, event in world.history}
    assert worker.pace.catching_up is not None


async def _worker(world: World, sender: Any, number: int) -> Any:
    await world.until(lambda: number in sender.workers, "owned")
    return sender.workers[number]


# What operators hear and set


async def test_news_of_an_ops_endpoint_stays_in_the_log(world: World, receiver: Receiver) -> None:
    """It is not told of its own failing, nor is another: that would go round in circles."""
    kinds = ["endpoint.paused"]
    row = await world.endpoint(f"{receiver.url}/one", kinds=kinds)
    await world.endpoint(f"{receiver.url}/two", kinds=kinds)
    other = await world.endpoint(f"{receiver.url}/other", kinds=["left"])

    async with world.sending() as sender:
        await control(world, sender).pause(row)
        await control(world, sender).pause(other)
        await receiver.wait(1)
        await world.settled(sender)

    assert sorted([row.id, other.id]) == sorted(e["endpoint"] for e in await ops_events(world))
    assert [other.id] == [json.loads(r.body)["data"]["endpoint"] for r in receiver]


async def test_two_lanes_that_park_at_once_are_told_of_twice(
    world: World, receiver: Receiver
) -> None:
    """Each under an id of its own, so that no consumer takes one for the other."""
    row = await world.endpoint(receiver.url)

    async with world.sending(clock=lambda: 1_700_000_000_000) as sender:
        worker = await _worker(world, sender, row.number)
        for event in ("evt_1", "evt_2"):
            sender.operational_events.announce(worker, "endpoint.lane_parked", {"event": event})
        await world.until_async(lambda: ops_events(world), lambda e: len(e) == 2, "recorded")

    ids = await world.database.pool.fetch("SELECT DISTINCT id FROM event WHERE class = 'ops'")
    assert 2 == len(ids)


async def test_the_operators_proxy_carries_what_has_no_other(world: World) -> None:
    """A plain request names the whole URL there; the name is the proxy's to look up."""
    await world.endpoint("http://shop.example/hook")
    options: asyncio.Queue[bytes] = asyncio.Queue()

    async def proxy(said: Conversation) -> None:
        while True:
            options.put_nowait(await said.request())
            await said.say(OK)

    async with serving(proxy) as port:
        settings = replace(QUICK, proxy=f"http://user:pass@127.0.0.1:{port}")
        async with world.sending(settings) as sender:
            await world.happen([world.customer(1)])
            request = await asyncio.wait_for(options.get(), 10)
            await world.settled(sender)

    assert request.startswith(b"POST http://shop.example/hook HTTP/1.1\r\nhost: shop.example\r\n")
    assert b"proxy-authorization: Basic dXNlcjpwYXNz\r\n" in request


async def test_anothers_event_is_not_there(world: World, receiver: Receiver) -> None:
    """An id of another project's event cannot be told from one that never was."""
    other = await world.catalog.add_project(NewProject("Other", id="other"), 0)
    row = await world.endpoint(receiver.url, project=other.number)
    [event] = await world.happen([world.customer(1)], wake=False)

    async with world.sending() as sender:
        with pytest.raises(NotFound):
            await control(world, sender).replays.start(row, ReplayRequest(ids=(event,)))


@pytest.mark.parametrize("body", ["{}", '{"version": 99}', "no JSON"])
async def test_an_event_that_cannot_be_read_holds_nobody_up(
    world: World, receiver: Receiver, body: str
) -> None:
    """It is passed over and told in the log; everybody else's events arrive."""
    await world.endpoint(receiver.url)
    one = world.customer(1)

    async with world.sending() as sender:
        [first] = await world.happen([one])
        await receiver.wait(1)
        good = world._event(one, "upgraded", world.program, None, None)
        names = json.loads(good[6])
        damaged = body if "version" not in body else json.dumps({**names, "version": 99})
        bad = (*good[:5], "evt_bad", damaged, good[7])
        async with world.database.pool.acquire() as connection:
            await append(connection, world.shard(one), [bad])
        [last] = await world.happen([one])
        requests = await receiver.wait(2)
        await world.settled(sender)

    assert [first, last] == [json.loads(r.body)["data"]["id"] for r in requests]


async def test_rules_that_cannot_be_read_hold_up_their_own_events_alone(
    world: World, receiver: Receiver
) -> None:
    """A newer version wrote them, say: other programs' events in the same slice arrive."""
    await world.endpoint(receiver.url)
    put = await world.catalog.put_program(world.project, "new", NewVersion(RULES, "{}"), wall())
    broken = "UPDATE program_version SET body = '{}' WHERE program = $1"
    await world.database.pool.execute(broken, put.program)
    one = world.customer(1)
    await world.happen([one], program=put.program, wake=False)
    [event] = await world.happen([one], wake=False)

    async with world.sending() as sender:
        [request] = await receiver.wait(1)
        await world.settled(sender)

    assert event == json.loads(request.body)["data"]["id"]
