"""Several servers on one database: they share the work, and one takes over from another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import asyncpg

from tests.e2e.caller import STAIRS, Caller, Json, all_told, check_seqs, check_told
from tests.e2e.ledger import check_offsets, entries, handovers
from tests.e2e.process import Served, tierline
from tests.receiver import Receiver, Reply

ACTIVITIES = "/api/programs/stairs/activities"
CUSTOMERS, STEPS = 12, 8


def activity(customer: int, step: int) -> Json:
    """Up by 60, down by 40: each crosses a step of the stairs."""
    kind, points = ("redeem", 40) if step % 2 else ("earn", 60)
    key = f"{customer}-{step}"
    return {"key": key, "customer": f"c{customer}", "kind": kind, "points": points}


async def both(one: Caller, other: Caller, steps: range) -> None:
    """Every activity goes to both servers in the same moment: one records, one repeats."""

    async def live(customer: int) -> None:
        for step in steps:
            sent = activity(customer, step)
            answers = await asyncio.gather(*(c.post(ACTIVITIES, sent) for c in (one, other)))
            assert sorted(answer.pop("repeated") for answer in answers) == [False, True]
            assert answers[0] == answers[1]

    await asyncio.gather(*(live(customer) for customer in range(CUSTOMERS)))


async def has_program(caller: Caller) -> None:
    """Until a server has heard of what another one made a moment ago."""
    async with asyncio.timeout(30):
        while (await caller.call("GET", "/api/programs/stairs")).status != 200:
            await asyncio.sleep(0.05)  # its catalog looks twice a second; nothing tells us


async def test_two_whole_servers_share_one_database(
    empty_url: str, tmp_path: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """Started in the same moment on an empty database, and given the same keys at once, they
    double nothing and send each member's events in order; what one leaves the other sends. On a
    machine that lets a server starve for seconds it may lose the endpoint before it stops: then,
    and only then, something may come twice."""
    servers = [Served(tmp_path, "--database-url", empty_url) for _ in range(2)]
    with servers[0] as first, servers[1] as second:
        one, other = (Caller(session, s.url, s.key) for s in (first, second))
        await known_key(one)
        await one.put("/api/programs/stairs", STAIRS)
        endpoint = (await one.post("/api/endpoints", {"url": receiver.url}))["id"]
        await has_program(other)
        await both(one, other, range(STEPS))
        before = await other.feed()
        await all_told(receiver, before, endpoint)

        unasked = await handovers(empty_url)
        assert first.stop() == 0
        await asyncio.gather(
            *(other.post(ACTIVITIES, activity(c, STEPS)) for c in range(CUSTOMERS))
        )
        events = await other.feed()
        assert events[: len(before)] == before
        assert len(events) > len(before)
        await all_told(receiver, events, endpoint)

        repeated = check_told(receiver, events, endpoint)
        assert repeated == 0 or unasked > 0 or await handovers(empty_url) > 1
        check_seqs(events)
        assert await check_offsets(empty_url) == len(events)
        assert await entries(empty_url) == CUSTOMERS * (STEPS + 1)


async def known_key(caller: Caller) -> None:
    """Until a server knows the first keys, if the other one made them."""
    async with asyncio.timeout(30):
        while (await caller.call("GET", "/api/project")).status != 200:
            await asyncio.sleep(0.05)  # as in `known`


async def test_roles_of_their_own_take_over_from_a_killed_one(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """Two API servers and two senders: when one of each is killed, the others do all the work,
    and of several endpoints each hears everything, in order."""
    roles = ("api", "api", "sender,sweeper", "sender,sweeper")
    place = ("--database-url", database_url)
    one, other, sender, spare = (Served(tmp_path, *place, "--roles", r) for r in roles)
    with one, other, sender, spare:
        callers = [Caller(session, s.url, one.key) for s in (one, other)]
        await known_key(callers[0])
        await callers[0].put("/api/programs/stairs", STAIRS)
        hooks = [f"{receiver.url}/{n}" for n in range(4)]
        endpoints = [(await callers[0].post("/api/endpoints", {"url": url}))["id"] for url in hooks]
        await has_program(callers[1])
        await both(callers[0], callers[1], range(STEPS // 2))
        events = await callers[1].feed()
        for endpoint in endpoints:
            await all_told(receiver, events, endpoint)

        one.kill()
        sender.kill()
        for step in range(STEPS // 2, STEPS):
            sent = [activity(customer, step) for customer in range(CUSTOMERS)]
            await asyncio.gather(*(callers[1].post(ACTIVITIES, each) for each in sent))
        events = await callers[1].feed()
        for endpoint in endpoints:
            await all_told(receiver, events, endpoint)

        check_seqs(events)
        assert await check_offsets(database_url) == len(events)
        for path, endpoint in zip(hooks, endpoints, strict=True):
            heard = Receiver()
            heard.requests = [r for r in receiver if path.endswith(r.path)]
            check_told(heard, events, endpoint)


async def test_a_retry_asked_of_one_process_is_made_by_another(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """What waits for hours after failures goes at once when a process that sends nothing is asked;
    each customer's events in order."""
    place = ("--database-url", database_url)
    front, sender = (Served(tmp_path, *place, "--roles", r) for r in ("api", "sender,sweeper"))
    with front, sender:
        caller = Caller(session, front.url, front.key)
        await known_key(caller)
        await caller.put("/api/programs/stairs", STAIRS)
        hours = {"url": receiver.url, "retry": {"schedule": [7200, 7200]}}
        endpoint = (await caller.post("/api/endpoints", hours))["id"]
        receiver.answer = lambda _: Reply(404)  # a reason for which only this lane waits
        for step in range(2):
            sent = [activity(customer, step) for customer in range(CUSTOMERS)]
            await asyncio.gather(*(caller.post(ACTIVITIES, each) for each in sent))
        lanes = f"/api/endpoints/{endpoint}/lanes"
        async with asyncio.timeout(30):
            while len((await caller.get(lanes))["lanes"]) < CUSTOMERS:
                await asyncio.sleep(0.05)  # lanes are written by the other process

        receiver.requests.clear()
        receiver.answer = lambda _: Reply()
        await caller.post(f"/api/endpoints/{endpoint}/retry", {})
        events = await caller.feed()
        await all_told(receiver, events, endpoint)

        assert check_told(receiver, events, endpoint) == 0
        check_seqs(events)


async def test_a_killed_sender_is_missed(
    database_url: str, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """By every server that lives, and by `doctor`, as soon as it was silent for too long."""
    place = ("--database-url", database_url)
    one, sender = (Served(tmp_path, *place, "--roles", r) for r in ("api,sweeper", "sender"))
    with one, sender:
        caller = Caller(session, one.url, one.key)
        await known_key(caller)
        await caller.post("/api/endpoints", {"url": "https://hooks.example.com/"})
        assert await readiness(session, one.url) == (200, "ready", [])
        assert await readiness(session, sender.url) == (200, "ready", [])
        healthy = tierline("doctor", *place, data_dir=tmp_path)

        sender.kill()
        async with asyncio.timeout(30):  # its last sign of life may be under way in the database
            while (silent := await readiness(session, one.url))[1] == "ready":
                await make_silent(database_url, 45)
        assert silent == (200, "degraded", ["sender"])
        sick = tierline("doctor", *place, data_dir=tmp_path)

        sender.again()
        assert await readiness(session, one.url) == (200, "ready", [])
    stopped = tierline("doctor", *place, data_dir=tmp_path)

    assert (healthy.returncode, sick.returncode, stopped.returncode) == (0, 1, 0)
    assert "ok  senders: 1 alive" in healthy.stdout
    assert "!!  senders: 0 alive: no sender is alive, so webhooks wait" in sick.stdout
    assert "ok  sweepers: 1 alive" in sick.stdout
    assert "ok  senders: 0 alive" in stopped.stdout


async def make_silent(database_url: str, seconds: int) -> None:
    """What so many seconds do to a killed sender's sign of life, without them."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE process SET beat_at = beat_at - $1::bigint WHERE roles = 'sender'", seconds * 1000
    )
    await connection.close()


async def readiness(session: aiohttp.ClientSession, url: str) -> tuple[int, str, list[str]]:
    async with session.get(f"{url}/readyz") as response:
        answered = await response.json()
        return response.status, answered["status"], answered["missing"]
