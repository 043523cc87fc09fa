"""Answers that wait for a client that does not read yet."""

from __future__ import annotations

import asyncio

import pytest

from tierline.web.response_buffer import ResponseBuffer


class Client:
    """Reads when it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.request = asyncio.Event()
        self.read = b""

    async def send(self, data: bytes) -> None:
        self.request.set()
        await self.reads.wait()
        self.read += data


async def test_answers_wait_while_there_is_room_for_them() -> None:
    """And come in their order when the client reads."""
    client = Client()
    async with ResponseBuffer(client.send, bytes_max=1_000) as spool:
        for n in range(9):
            await asyncio.wait_for(spool.write(b"%d" % n * 100), 10)
        client.reads.set()

    assert client.read == b"".join(b"%d" % n * 100 for n in range(9))


async def test_a_client_that_never_reads_is_no_longer_answered() -> None:
    """The file is full: who writes waits until all of it was read, then goes on."""
    client = Client()
    async with ResponseBuffer(client.send, bytes_max=1_000) as spool:
        await spool.write(b"a" * 1_000)
        await client.request.wait()
        more = asyncio.create_task(spool.write(b"b"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not more.done()
        client.reads.set()
        await asyncio.wait_for(more, 10)

    assert client.read == b"a" * 1_000 + b"b"


async def test_who_waits_for_room_hears_of_a_lost_client() -> None:
    """Instead of waiting for ever."""

    async def lost(_: bytes) -> None:
        raise ConnectionError

    async def answer() -> None:
        async with ResponseBuffer(lost, bytes_max=10) as spool:
            await spool.write(b"a" * 10)
            await spool.write(b"b")

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(answer(), 10)
