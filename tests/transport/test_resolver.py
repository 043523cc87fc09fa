"""Names and addresses: how long an answer is believed, and whose trouble a slow zone is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.delivery.rough import serving
from tests.delivery.world import LOOPBACK
from tests.transport.test_transport import answering, post, target
from tierline.transport import Client
from tierline.transport.address_guard import Guard
from tierline.transport.resolver import Resolver


async def test_a_moved_name_is_followed() -> None:
    """When the answer is old, it is asked again, and connections that lead elsewhere are closed."""
    addresses = ["127.0.0.1"]
    options = 0

    async def lookup(_: str) -> list[str]:
        nonlocal options
        options += 1
        return addresses

    client = Client(Guard(LOOPBACK), Resolver(lookup, ttl_s=0.05))
    async with serving(answering) as port:
        where = target(port, host="receiver.example")
        assert (await post(client, where)).address == "127.0.0.1"
        addresses = ["127.0.0.2"]
        await asyncio.sleep(0.06)
        replies = [await post(client, where) for _ in range(5)]
    await client.close()

    assert options >= 2
    assert replies[-1].fault == "connect"  # nobody listens at the new address


async def test_an_address_that_swallows_everything_leaves_time_for_the_next() -> None:
    """Each has its share of the deadline, not the first all of it."""

    async def lookup(_: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    client = Client(Guard(LOOPBACK), Resolver(lookup))
    async with serving(answering) as port:
        with black_hole("127.0.0.2", port):
            reply = await post(client, target(port, host="receiver.example", connect_ms=1_000))
    await client.close()

    assert (200, "127.0.0.1") == (reply.status, reply.address)


@contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """Listens and accepts nobody; its queue is full, so the next is not even refused."""
    with socket.socket() as listening, ExitStack() as callers:
        listening.bind((address, port))
        listening.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((address, port))
        yield


async def test_a_projects_slow_zone_is_its_own() -> None:
    """Two lookups of a project are under way at most; another project's does not wait for them."""
    options: list[str] = []
    stuck = asyncio.Event()

    async def lookup(host: str) -> list[str]:
        options.append(host)
        if host.endswith(".slow.example"):
            await stuck.wait()
        return ["127.0.0.1"]

    names = Resolver(lookup)
    hanging = [
        asyncio.ensure_future(names.addresses(f"{n}.slow.example", project=1)) for n in range(20)
    ]
    while not options:
        await asyncio.sleep(0)
    assert options == ["0.slow.example", "1.slow.example"]
    assert await names.addresses("quick.example", project=2) == ["127.0.0.1"]
    stuck.set()
    await asyncio.gather(*hanging)
    assert len(options) == 21


async def test_a_known_name_is_used_while_it_is_looked_up_again() -> None:
    """A zone that became slow does not stop what works."""
    slow = asyncio.Event()
    answers = [["127.0.0.1"]]

    async def lookup(_: str) -> list[str]:
        if not answers:
            await slow.wait()
            return ["127.0.0.2"]
        return answers.pop()

    names = Resolver(lookup, ttl_s=0)
    assert await names.addresses("receiver.example") == ["127.0.0.1"]
    assert await names.addresses("receiver.example") == ["127.0.0.1"]
    slow.set()
    assert await names.addresses("receiver.example") == ["127.0.0.2"]


async def test_a_name_without_an_address_is_a_dns_fault() -> None:
    """It is tried again by schedule, as everything that may pass."""

    async def lookup(_: str) -> list[str]:
        raise OSError("no such host")

    client = Client(Guard(LOOPBACK), Resolver(lookup))
    reply = await post(client, target(1, host="nowhere.example"))
    await client.close()

    assert ("dns", "no such host") == (reply.fault, reply.reason)
