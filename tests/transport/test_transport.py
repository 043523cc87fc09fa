"""The HTTP client against servers that misbehave: deadlines, caps, TLS, names, proxies."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.delivery.rough import OK, Authority, Conversation, serving
from tests.delivery.world import LOOPBACK
from tierline.transport import Client, HttpReply, Target
from tierline.transport.address_guard import Guard
from tierline.transport.resolver import Resolver
from tierline.transport.tls import context

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
Post = Callable[..., Any]


def target(port: int, **fields: Any) -> Target:
    facts = {"scheme": "http", "host": "127.0.0.1", "start": b"", "pool": f"p{port}"}
    return Target(**{**facts, "port": port, "total_ms": 2_000, **fields})


async def post(client: Client, where: Target, request: bytes = REQUEST) -> HttpReply:
    answered: asyncio.Future[HttpReply] = asyncio.get_running_loop().create_future()
    client.send(where, request, answered.set_result)
    return await asyncio.wait_for(answered, 10)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client(Guard(LOOPBACK))
    yield made
    await made.close()


async def answering(said: Conversation) -> None:
    while True:
        await said.request()
        await said.say(OK)


async def test_connections_are_kept_and_reused(client: Client) -> None:
    """The second request needs neither name, nor connection, and says so."""
    async with serving(answering) as port:
        first, second = [await post(client, target(port)) for _ in range(2)]

    assert (False, True) == (first.reused, second.reused)
    assert first.timings.connect is not None
    assert second.timings.connect is None
    assert (200, b"ok", "127.0.0.1") == (second.status, second.body, second.address)


async def test_the_deadline_includes_the_body(client: Client) -> None:
    """A receiver that drips its answer holds nothing for longer than the deadline."""

    async def drip(said: Conversation) -> None:
        await said.request()
        await said.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            await said.say(b"x")
            await asyncio.sleep(0.02)

    async with serving(drip) as port:
        reply = await post(client, target(port, total_ms=200))

    assert ("timeout", None) == (reply.fault, reply.status)
    assert 0 == client.connections


async def test_an_answer_that_lies_there_is_read_before_its_deadline_counts() -> None:
    """A process that could not run for a while finds both: the answer, and that time is up. On the
    loop that serves, timers come before what has arrived."""
    loop, starving, said = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    async def handle(to: Conversation) -> None:
        expected = await to.request()
        if b"wait" in expected:
            await starving.wait()
            await to.say(OK)
            said.set()
        else:
            await to.say(OK)

    def starve(_: HttpReply) -> None:
        loop.call_soon_threadsafe(starving.set)
        assert said.wait(10)
        time.sleep(0.3)  # and the deadline passes

    async def send(port: int) -> int | None:
        client = Client(Guard(LOOPBACK))
        client.send(target(port), REQUEST, starve)
        reply = await post(client, target(port, total_ms=300), REQUEST.replace(b"/", b"/wait", 1))
        await client.close()
        return reply.status

    async with serving(handle) as port:
        assert await asyncio.to_thread(uvloop.run, send(port)) == 200


async def test_a_huge_answer_is_not_read(client: Client) -> None:
    """The status counts, the first KiB is kept, the connection is closed."""
    sent = 0

    async def pour(said: Conversation) -> None:
        nonlocal sent
        await said.request()
        await said.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        while True:
            await said.say(b"y" * 65536)
            sent += 65536

    async with serving(pour) as port:
        reply = await post(client, target(port))

    assert (200, 1024) == (reply.status, len(reply.body))
    assert sent < 16 << 20
    assert 0 == client.connections


async def test_a_reset_in_the_middle_is_a_fault(client: Client) -> None:
    """Half an answer is none, whatever its status said."""

    async def half(said: Conversation) -> None:
        await said.request()
        await said.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        said.reset()

    async with serving(half) as port:
        reply = await post(client, target(port))

    assert ("reset", None) == (reply.fault, reply.status)


async def test_an_answer_without_length_ends_with_the_connection(client: Client) -> None:
    """HTTP/1.0 style; also chunks, and hints before the answer."""

    async def old(said: Conversation) -> None:
        await said.request()
        await said.say(b"HTTP/1.0 202 Accepted\r\n\r\nfine")

    async def chunked(said: Conversation) -> None:
        while True:
            await said.request()
            await said.say(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
            await said.say(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n")
            await said.say(b"3\r\nabc\r\n0\r\n\r\n")

    async with serving(old) as port:
        reply = await post(client, target(port))
    async with serving(chunked) as port:
        replies = [await post(client, target(port)) for _ in range(2)]

    assert (202, b"fine") == (reply.status, reply.body)
    assert [(201, b"abc", False), (201, b"abc", True)] == [
        (r.status, r.body, r.reused) for r in replies
    ]


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\x02\x00", b"HTTP/2 200 OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 40_000 + b"\r\n\r\n"],
)  # fmt: skip
async def test_what_is_not_http_is_a_fault(client: Client, answer: bytes) -> None:
    """And never an exception that reaches anybody else."""

    async def odd(said: Conversation) -> None:
        await said.request()
        await said.say(answer)
        await asyncio.sleep(5)

    async with serving(odd) as port:
        reply = await post(client, target(port, total_ms=500))

    assert reply.fault in ("protocol", "timeout")
    assert reply.status is None


async def test_a_kept_connection_that_closed_is_replaced_once(client: Client) -> None:
    """The receiver's idle timeout crossing our request is nobody's failure."""
    served = 0

    async def once(said: Conversation) -> None:
        nonlocal served
        await said.request()
        served += 1
        await said.say(OK)
        if served == 1:
            await said.request()
            said.reset()

    async with serving(once) as port:
        first, second = [await post(client, target(port)) for _ in range(2)]

    assert (200, 200) == (first.status, second.status)
    assert not second.reused


async def test_redirects_are_never_followed(client: Client) -> None:
    """The answer is the redirect itself."""
    seen = []

    async def elsewhere(said: Conversation) -> None:
        seen.append(await said.request())
        await said.say(
            b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n"
        )
        await said.request()
        seen.append(b"again")

    async with serving(elsewhere) as port:
        reply = await post(client, target(port))

    assert (307, 1) == (reply.status, len(seen))


async def test_nobody_there_is_a_fault(client: Client) -> None:
    """Refused at once, or silent until the connect deadline."""
    async with serving(answering) as port:
        pass
    reply = await post(client, target(port))

    assert ("connect", "127.0.0.1") == (reply.fault, reply.address or "127.0.0.1")


# TLS


async def secure(port: int, authority: Authority, **fields: Any) -> HttpReply:
    """A POST to `receiver.example`, which lives on loopback."""

    async def lookup(_: str) -> list[str]:
        return ["127.0.0.1"]

    client = Client(Guard(LOOPBACK), Resolver(lookup))
    certificate, key = fields.pop("certificate", (None, None))
    tls = context(fields.pop("ca", authority.pem), certificate, key)
    try:
        where = target(port, scheme="https", host="receiver.example", tls=tls, **fields)
        return await post(client, where)
    finally:
        await client.close()


async def test_a_custom_ca_is_trusted_alone(tmp_path: Path) -> None:
    """With it the receiver is known; without it, it is not."""
    authority = Authority(tmp_path)
    async with serving(answering, authority.server("receiver.example")) as port:
        names = await secure(port, authority)
        unknown = await secure(port, authority, ca=None)

    assert 200 == names.status
    assert names.timings.tls is not None
    assert "tls" == unknown.fault


@pytest.mark.parametrize("wrong", ["name", "expired"])
async def test_a_wrong_certificate_is_a_fault(tmp_path: Path, wrong: str) -> None:
    """Another name, or out of date."""
    authority = Authority(tmp_path)
    served = (
        authority.server("other.example")
        if wrong == "name"
        else authority.server("receiver.example", days=-1)
    )
    async with serving(answering, served) as port:
        reply = await secure(port, authority)

    assert ("tls", None) == (reply.fault, reply.status)


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    """A receiver that insists on one gets it, and refuses us without."""
    authority = Authority(tmp_path)
    async with serving(answering, authority.server("receiver.example", clients=True)) as port:
        details = await secure(port, authority, certificate=authority.issue("sender"))
        hidden = await secure(port, authority, total_ms=1_000)

    assert 200 == details.status
    assert hidden.status is None


# Proxies


async def proxying(said: Conversation) -> None:
    """CONNECT, then bytes in both directions."""
    head = await said.request()
    _, address, _ = head.split(b" ", 2)
    port = int(address.rsplit(b":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await said.say(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)

    try:
        await asyncio.gather(pump(said.reader, writer), pump(reader, said.writer))
    finally:
        writer.close()


async def test_https_goes_through_a_proxy_tunnel(tmp_path: Path) -> None:
    """The certificate is the receiver's, end to end."""
    authority = Authority(tmp_path)
    async with (
        serving(answering, authority.server("receiver.example")) as port,
        serving(proxying) as proxy,
    ):
        reply = await secure(port, authority, proxy=("127.0.0.1", proxy))

    assert 200 == reply.status


async def test_a_proxy_that_refuses_is_a_fault(tmp_path: Path) -> None:
    """And so is one at an address that is not allowed, unless the operator set it."""

    async def no(said: Conversation) -> None:
        await said.request()
        await said.say(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    authority = Authority(tmp_path)
    async with serving(no) as proxy:
        refused = await secure(443, authority, proxy=("127.0.0.1", proxy))
    guarded = Client(Guard())
    where = target(443, host="1.1.1.1", tls=None, scheme="https", proxy=("127.0.0.1", 3128))
    unsafe = await post(guarded, where)
    inward = await post(
        guarded, target(80, host="10.0.0.1", proxy=("127.0.0.1", 3128), proxy_trusted=True)
    )
    await guarded.close()

    assert "proxy" == refused.fault
    assert ("refused", "refused") == (unsafe.fault, inward.fault)
