"""The bounded queue before a shard's writer: fair between projects, online work before bulk.

Bounded by rows and by bytes. When it is full, the project that holds more than its share is told
to come back first; a project with less than its share still gets in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from tierline.errors import Busy
from tierline.ledger.commands import Answer, Command

ROWS_MAX: Final = 8_192
BYTES_MAX: Final = 32 * 2**20


class QueuedCommand:
    """A command on its way, and who waits for its answer."""

    __slots__ = ("answer", "command", "number")

    def __init__(self, command: Command, answer: asyncio.Future[Answer]) -> None:
        self.command = command
        self.answer = answer
        self.number = command.number  # the customer's id, once it is known


class Queue:
    """What waits for one shard. Not for several threads: one event loop owns it."""

    def __init__(self, rows_max: int = ROWS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.rows_max = rows_max
        self.bytes_max = bytes_max
        self.rows = 0
        self.bytes = 0
        self._online: dict[int, deque[QueuedCommand]] = {}
        self._bulk: dict[int, deque[QueuedCommand]] = {}

    def put(self, waiting: QueuedCommand, *, bulk: bool = False) -> None:
        """Raises Busy when there is no room for this project."""
        project = waiting.command.project
        if self.rows >= self.rows_max or self.bytes >= self.bytes_max:
            self._make_sure_of_share(project)
        self.force(waiting, bulk=bulk)

    def force(self, waiting: QueuedCommand, *, bulk: bool = False) -> None:
        """As `put`, for what was admitted before."""
        kind = self._bulk if bulk else self._online
        fifo = kind.get(waiting.command.project)
        if fifo is None:
            fifo = kind[waiting.command.project] = deque()
        fifo.append(waiting)
        self.rows += 1
        self.bytes += waiting.command.size

    def __iter__(self) -> Iterator[QueuedCommand]:
        return chain.from_iterable((*self._online.values(), *self._bulk.values()))

    @property
    def has_room(self) -> bool:
        """Whether bulk work may come in: it leaves half of the room to online requests."""
        return self.rows * 2 < self.rows_max and self.bytes * 2 < self.bytes_max

    def take(self, most: int) -> list[QueuedCommand]:
        """The next batch. Bulk gets at most half of it while online requests wait."""
        online = sum(map(len, self._online.values()))
        bulk = self.rows - online
        for_bulk = min(bulk, most // 2 if online else most)
        taken = _round_robin(self._online, most - for_bulk)
        taken += _round_robin(self._bulk, most - len(taken) if not online else for_bulk)
        self.rows -= len(taken)
        self.bytes -= sum([waiting.command.size for waiting in taken])
        return taken

    def _make_sure_of_share(self, project: int) -> None:
        projects = self._online.keys() | self._bulk.keys() | {project}
        own = len(self._online.get(project, ())) + len(self._bulk.get(project, ()))
        if own * len(projects) >= self.rows_max or self.rows >= 2 * self.rows_max:
            raise Busy
        if self.bytes >= 2 * self.bytes_max or len(projects) == 1:
            raise Busy


def _round_robin(fifos: dict[int, deque[QueuedCommand]], most: int) -> list[QueuedCommand]:
    """Up to `most`, one project's turn after the other's; emptied lines go away."""
    taken: list[QueuedCommand] = []
    while fifos and len(taken) < most:
        # Every line gets an equal part of what is left; the first lines get the odd ones.
        part = max(1, (most - len(taken)) // len(fifos))
        for project in list(islice(fifos, most - len(taken))):
            fifo = fifos.pop(project)
            share = min(part, len(fifo), most - len(taken))
            taken.extend(fifo.popleft() for _ in range(share))
            if fifo:
                fifos[project] = fifo  # to the back
    return taken
