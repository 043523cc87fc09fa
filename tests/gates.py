"""Workers of a cluster behind gates: a test closes one, and the node is away.

A gate is a TCP proxy on loopback. A database that is made here knows each worker by its gate's
address, so nodes reach one another through the gates, and other databases never do.
"""

from __future__ import annotations

import asyncio
from typing import Self

from tests.cluster import Cluster
from tierline.store.database import Database

CHUNK = 65_536
SHARDS = 8


class Gate:
    """Passes bytes on to a node while it is open."""

    def __init__(self, node: tuple[str, int]) -> None:
        self.node = node
        self.port = 0  # of its own; the same each time that it is opened
        self._server: asyncio.Server | None = None  # None: it is closed
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """As if the node were killed: what is connected is cut off, and nothing new gets in."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._server is None:  # accepted in the moment of closing
            writer.transport.abort()
            return
        self._passing.add(task)
        there = None
        try:
            back, there = await asyncio.open_connection(*self.node)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass(reader, there))
                both.create_task(_pass(back, writer))
        except (ExceptionGroup, OSError, asyncio.CancelledError):
            pass  # one side is gone: so is the other
        finally:
            self._passing.discard(task)
            for stream in (writer, there):
                if stream is not None:
                    stream.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError


class GatedCluster(Cluster):
    """A cluster whose databases know the workers by their gates, and have enough shards for each.
    Gates belong to an event loop: they are opened and closed in it, at the same ports."""

    def __init__(self, url: str, nodes: list[tuple[str, int]]) -> None:
        super().__init__(url, nodes)
        self.gates = tuple(Gate(node) for node in nodes[1:])

    async def prepare_template(self, url: str) -> None:
        await (await Database.open(url, shards=SHARDS)).close()
        await super().prepare_template(url)

    async def __aenter__(self) -> Self:
        for gate in self.gates:
            await gate.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for gate in self.gates:
            await gate.close()

    def known_as(self, node: tuple[str, int]) -> tuple[str, int]:
        gate = next((gate for gate in self.gates if gate.node == node), None)
        return node if gate is None else ("127.0.0.1", gate.port)
