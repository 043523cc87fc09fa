"""Answers on their way to a client that may not be reading yet.

Many clients send a whole upload before they read the first byte of the answer. If we stopped
reading because our answers are not taken, both would wait for ever: so answers wait here, in
memory while they are few, in a temporary file beyond that. The file is bounded: a client that has
so much to read is not read from until it has read.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from tierline.web import limits

MEMORY_BYTES_MAX: Final = 4_194_304
PIECE_BYTES: Final = 65_536

Send = Callable[[bytes], Awaitable[None]]


class ResponseBuffer:
    """Written by one task, sent by another that it owns; `async with` ends when all is sent."""

    def __init__(self, send: Send, bytes_max: int = limits.RESPONSE_BUFFER_BYTES_MAX) -> None:
        self._send = send
        self._bytes_max = bytes_max
        self._file = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES_MAX)  # noqa: SIM115
        self._written = 0
        self._sent = 0
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._done = False

    async def write(self, data: bytes) -> None:
        """Waits only where the file is full: until the client has read all of it."""
        await self._room.wait()
        if self._task.done():
            self._task.result()
        self._file.seek(self._written)
        self._file.write(data)
        self._written += len(data)
        self._more.set()
        if self._written >= self._bytes_max:
            self._room.clear()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._room.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done = True
        self._more.set()
        if error is not None:
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if error is None:
                raise
        finally:
            self._file.close()

    async def _run(self) -> None:
        while True:
            if self._sent < self._written:
                self._file.seek(self._sent)
                piece = self._file.read(PIECE_BYTES)
                self._sent += len(piece)
                await self._send(piece)
                continue
            # A client that reads along keeps this small for ever.
            self._file.seek(0)
            self._file.truncate()
            self._sent = self._written = 0
            self._room.set()
            if self._done:
                return
            self._more.clear()
            await self._more.wait()
