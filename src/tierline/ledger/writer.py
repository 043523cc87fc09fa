"""The way into the ledger: commands queue at their shard, and are answered when they are durable.

How a shard commits them, many at a time, is in `group_commit.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, Final

import structlog
from msgspec.structs import replace

from tierline.clock import Clock, wall
from tierline.errors import Busy, NotFound, TierlineError
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.closed_programs import refusal
from tierline.ledger.commands import AUDITED, Answer, Command
from tierline.ledger.group_commit import GroupCommit
from tierline.ledger.orders.statements import OrderStatements, rounds
from tierline.ledger.original_search import OriginalSearch
from tierline.ledger.queue import Queue, QueuedCommand
from tierline.ledger.transfers.completion import Transfers
from tierline.model import ids
from tierline.store.catalog.audit import current_actor
from tierline.store.database import Database
from tierline.store.errors import DiskFull, NodeAway, is_node_away, translate

BATCH_MAX: Final = 256
IDLE_AFTER_SECONDS: Final = 0.1  # without commands, after which background work has the floor

_log = structlog.get_logger("tierline.ledger")


class Writer:
    """Takes commands, answers them when they are durable. Made in one event loop."""

    def __init__(
        self,
        database: Database,
        catalog: ProgramCatalog,
        on_commit: Callable[[int], None],
        *,
        clock: Clock = wall,
        rows_max: int | None = None,
        batch_max: int = BATCH_MAX,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.on_commit = on_commit
        self.clock = clock
        room = {} if rows_max is None else {"rows_max": rows_max}
        self.shards = tuple(
            GroupCommit(self, shard, Queue(**room), batch_max) for shard in range(database.shards)
        )
        self.originals = OriginalSearch(database, self.under_way)
        self.orders = OrderStatements(database, catalog, self.go_on, clock)
        self.transfers = Transfers(database, catalog, self.go_on)
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = True
        database.absent.on_change(self._refuse_absent)

    def count(self) -> None:
        """Its connections count from now on: it may be started."""
        for shard in self.shards:
            self.database.counts.hold(shard)

    async def start(self) -> None:
        self.closed = False
        self.count()
        for shard in self.shards:
            task = asyncio.create_task(shard.run(), name=f"writer-{shard.shard}")
            task.add_done_callback(_ended)
            self._tasks.append(task)

    @property
    def working(self) -> bool:
        """Whether every shard's loop runs."""
        return not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """Take nothing new, commit what waits, disconnect."""
        self.closed = True
        for shard in self.shards:
            shard.wake()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for shard in self.shards:  # what came in from another shard when its own had ended
            for waiting in shard.queue.take(shard.queue.rows):
                if not waiting.answer.done():
                    waiting.answer.set_exception(Busy())
        await self.transfers.stop()

    def submit(self, command: Command, *, bulk: bool = False) -> asyncio.Future[Answer]:
        """The answer to come: an Answer, or a TierlineError when the command is refused. Raises
        Busy at once when the queue is full, its kind NodeAway where the shard is away, and
        DiskFull; then nothing was recorded."""
        return self._enqueue(command, self._shard_of(command), bulk=bulk)

    def _enqueue(
        self, command: Command, shard: GroupCommit, *, bulk: bool
    ) -> asyncio.Future[Answer]:
        if self.closed:
            raise Busy
        if self.catalog.closures:
            now = self.catalog.now(command.project, self.clock())
            refused = refusal(self.catalog.closures, command, now)
            if refused is not None:
                return _refusal(refused)
        if self.database.disk.full:
            self.database.disk.require_room()
        if command.kind in AUDITED:
            command = replace(command, actor=current_actor())
        waiting = QueuedCommand(command, asyncio.get_running_loop().create_future())
        shard.queue.put(waiting, bulk=bulk)
        shard.wake()
        return waiting.answer

    def go_on(self, command: Command) -> asyncio.Future[Answer]:
        """As `submit`, for the rest of what was admitted before: a full queue takes it too."""
        if self.closed:
            raise Busy
        closure = self.catalog.closures.get(command.program)
        if closure is not None and closure.deleted:
            return _refusal(NotFound(what="program", name=closure.program, path="program"))
        shard = self._shard_of(command)
        waiting = QueuedCommand(command, asyncio.get_running_loop().create_future())
        shard.queue.force(waiting)
        shard.wake()
        return waiting.answer

    def _shard_of(self, command: Command) -> GroupCommit:
        """Raises NodeAway where it is known to be away: whoever asks need not wait for that."""
        shard = ids.shard_of(command.route, self.database.shards)
        if self.database.absent.nodes:
            self.database.absent.require(shard)
        return self.shards[shard]

    def _refuse_absent(self) -> None:
        """A node went: what waits for its shards need not."""
        for shard in self.database.absent.nodes:
            self.shards[shard].refuse_waiting(self.database.absent.refusal([shard]))

    async def accept(
        self, commands: Sequence[Command], *, bulk: bool = True
    ) -> list[asyncio.Future[Answer]]:
        """Queues commands in their order, waiting for room; their answers to come. Those that a
        closing writer no longer takes are answered Busy."""
        answers: list[asyncio.Future[Answer]] = []
        addressed: dict[int, Command | TierlineError] = {}
        for i, sent in enumerate(commands):
            command = sent
            if sent.needs_customer:
                if sent.order is not None:
                    if len(answers) == i:  # else it was taken together with one before it
                        answers += await self._take_orders(commands, i)
                    continue
                if i not in addressed:
                    addressed |= await self._addressed_from(commands, i)
                outcome = addressed.pop(i)
                if isinstance(outcome, TierlineError):
                    answers.append(_refusal(outcome))
                    continue
                command = outcome
            try:
                shard = self._shard_of(command)
                while not shard.queue.has_room and not self.closed:
                    await shard.room()
                answers.append(self._enqueue(command, shard, bulk=bulk))
            except (Busy, DiskFull) as error:
                answers.append(_refusal(error))
        return answers

    async def record(self, command: Command) -> Answer:
        """The answer to a command that may name nobody. Raises as its answer would."""
        if command.needs_customer:
            if command.order is not None:
                return await self.orders.take(command)
            command = await self.originals.addressed(command)
        return await self.submit(command)

    async def _addressed_from(
        self, commands: Sequence[Command], first: int
    ) -> dict[int, Command | TierlineError]:
        """As `OriginalSearch.addressed_from`; while a shard is away, which may hold what the first
        one names, that one is refused."""
        try:
            return await self.originals.addressed_from(commands, first)
        except NodeAway as error:
            return {first: error}

    async def _take_orders(
        self, commands: Sequence[Command], first: int
    ) -> list[asyncio.Future[Answer]]:
        """The statements of orders that stand side by side, each answered."""
        stretch = list(takewhile(lambda c: c.needs_customer and c.order, commands[first:]))
        outcomes: dict[int, Answer | BaseException] = {}
        for together in rounds(stretch):
            answers = (self.orders.take(stretch[i]) for i in together)
            done = await asyncio.gather(*answers, return_exceptions=True)
            outcomes |= zip(together, done, strict=True)
        return [_answered(_alone(outcomes[i])) for i in range(len(stretch))]

    async def submit_all(
        self, commands: Sequence[Command], *, bulk: bool = True
    ) -> list[Answer | TierlineError]:
        """Answers in the commands' order. Waits for room instead of raising Busy."""
        answers = await self.accept(commands, bulk=bulk)
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        return [_outcome(outcome) for outcome in outcomes]

    def under_way(self, keys: set[tuple[int, str]]) -> list[QueuedCommand]:
        """Returns the commands with these keys, of their programs, that are not answered yet."""
        return [
            waiting
            for shard in self.shards
            for waiting in shard.waiting()
            if (waiting.command.program, waiting.command.key) in keys
        ]

    def active(self) -> bool:
        """Whether commands wait, are being committed, or were a moment ago: what background work
        gives way to. Callers who were all answered at once send again in the next moment."""
        if any(shard.under_way or shard.queue.rows for shard in self.shards):
            return True
        since = asyncio.get_running_loop().time() - IDLE_AFTER_SECONDS
        return any(shard.answered_at > since for shard in self.shards)

    def waiting(self) -> int:
        """How many commands wait, in all shards."""
        return sum(shard.queue.rows for shard in self.shards)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("writer_died", task=task.get_name(), exc_info=task.exception())


def _refusal(error: TierlineError) -> asyncio.Future[Answer]:
    return _answered(error)


def _answered(outcome: Answer | BaseException) -> asyncio.Future[Answer]:
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    if isinstance(outcome, Answer):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)
    return answer


def _alone(outcome: Answer | BaseException) -> Answer | BaseException:
    """A node that a look-up needed is away: only that command is refused."""
    if isinstance(outcome, BaseException) and is_node_away(outcome):
        return translate(outcome, "") or outcome
    return outcome


def _outcome(outcome: Any) -> Answer | TierlineError:
    if isinstance(outcome, Answer | TierlineError):
        return outcome
    raise outcome
