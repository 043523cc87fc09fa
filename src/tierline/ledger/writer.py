"""Group commit: one queue and one connection per shard, a batch as soon as the last one is done.

There is no timer: while a batch commits, the next one forms. Nobody is answered before their
command is durable. When the fate of a commit is unknown, the same batch runs again with the same
keys first: what was committed then answers as a repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg
import structlog

from tierline.clock import Clock, wall
from tierline.engine import ids
from tierline.errors import Busy, Invalid, TierlineError
from tierline.ledger.batch import Batch, Catalog, Done
from tierline.ledger.commands import Answer, Command
from tierline.ledger.halves import FIRST
from tierline.ledger.queue import Queue, Waiting
from tierline.ledger.transfers import Transfers
from tierline.store.columns import Unstorable
from tierline.store.database import Database, where
from tierline.store.errors import blames_data, is_retryable, translate
from tierline.store.ledger import PLANNER, CountDiffers, LedgerTx

BATCH_MAX: Final = 256
RERUNS_MAX: Final = 8  # of a batch that another writer keeps interfering with
AWAY_SECONDS_MAX: Final = 15.0  # how long requests wait for a database that is gone
BACKOFF_SECONDS: Final = (0.02, 0.1, 0.25, 0.5, 1.0)

_log = structlog.get_logger("tierline.ledger")


class Writer:
    """Takes commands, answers them when they are durable. Made in one event loop."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
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
            ShardWriter(self, shard, Queue(**room), batch_max) for shard in range(database.shards)
        )
        self.transfers = Transfers(database, catalog, self.go_on)
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = True

    async def start(self) -> None:
        self.closed = False
        for shard in self.shards:
            self._tasks.append(asyncio.create_task(shard.run(), name=f"writer-{shard.shard}"))

    async def stop(self) -> None:
        """Take nothing new, commit what waits, disconnect."""
        self.closed = True
        for shard in self.shards:
            shard.wake()
        await asyncio.gather(*self._tasks)
        self._tasks.clear()
        for shard in self.shards:  # what came in from another shard when its own had ended
            _fail(shard.queue.take(shard.queue.rows), Busy())
        await self.transfers.stop()

    def submit(self, command: Command, *, bulk: bool = False) -> asyncio.Future[Answer]:
        """The answer to come: an Answer, or a TierlineError when the command is refused. Raises
        Busy at once when the queue is full; then nothing was recorded."""
        if self.closed:
            raise Busy
        shard = self.shards[ids.shard_of(command.route, self.database.shards)]
        waiting = Waiting(command, asyncio.get_running_loop().create_future())
        shard.queue.put(waiting, bulk=bulk)
        shard.wake()
        return waiting.answer

    def go_on(self, command: Command) -> asyncio.Future[Answer]:
        """As `submit`, for the rest of what was admitted before: a full queue takes it too."""
        if self.closed:
            raise Busy
        shard = self.shards[ids.shard_of(command.route, self.database.shards)]
        waiting = Waiting(command, asyncio.get_running_loop().create_future())
        shard.queue.force(waiting)
        shard.wake()
        return waiting.answer

    async def accept(
        self, commands: Sequence[Command], *, bulk: bool = True
    ) -> list[asyncio.Future[Answer]]:
        """Queues commands in their order, waiting for room; their answers to come. Those that a
        closing writer no longer takes are answered Busy."""
        answers = []
        for command in commands:
            shard = self.shards[ids.shard_of(command.route, self.database.shards)]
            while not shard.queue.has_room and not self.closed:
                await shard.room()
            try:
                answers.append(self.submit(command, bulk=bulk))
            except Busy as busy:
                refused = asyncio.get_running_loop().create_future()
                refused.set_exception(busy)
                answers.append(refused)
        return answers

    async def submit_all(
        self, commands: Sequence[Command], *, bulk: bool = True
    ) -> list[Answer | TierlineError]:
        """Answers in the commands' order. Waits for room instead of raising Busy."""
        answers = await self.accept(commands, bulk=bulk)
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        return [_outcome(outcome) for outcome in outcomes]

    def active(self) -> bool:
        """Whether commands wait or are being committed: what background work gives way to."""
        return any(shard.busy or shard.queue.rows for shard in self.shards)

    def waiting(self) -> int:
        """How many commands wait, in all shards."""
        return sum(shard.queue.rows for shard in self.shards)


class ShardWriter:
    """One shard's queue, connection and loop."""

    def __init__(self, writer: Writer, shard: int, queue: Queue, batch_max: int) -> None:
        self.writer = writer
        self.shard = shard
        self.queue = queue
        self.batch_max = batch_max
        self.busy = False  # a batch is being committed
        self._tx: LedgerTx | None = None
        self._something = asyncio.Event()
        self._room: list[asyncio.Future[None]] = []

    def wake(self) -> None:
        self._something.set()

    async def room(self) -> None:
        """Wait until the next batch was taken."""
        future = asyncio.get_running_loop().create_future()
        self._room.append(future)
        await future

    async def run(self) -> None:
        """Until the writer is closed and nothing waits."""
        try:
            while self.queue.rows or not self.writer.closed:
                if not self.queue.rows:
                    self._something.clear()
                    await self._something.wait()
                    continue
                self.busy = True
                batch = self.queue.take(self.batch_max)
                self._tell_of_room()
                await self._settle(batch)
                self.busy = False
        finally:
            await self._disconnect()

    def _tell_of_room(self) -> None:
        for future in self._room:
            if not future.done():
                future.set_result(None)
        self._room.clear()

    async def _settle(self, batch: Sequence[Waiting]) -> None:
        """Commit a batch, whatever it takes, and answer it."""
        try:
            done = await self._committed(batch)
        except _Faulty as fault:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
            else:
                _fail(batch, fault.told)
            return
        except TierlineError as error:
            _fail(batch, error)
            return
        if done.events:
            self.writer.on_commit(self.shard)
        for i, (waiting, outcome) in enumerate(zip(batch, done.outcomes, strict=True)):
            if isinstance(outcome, int):
                self._send_on(waiting, outcome)
            elif waiting.command.kind == FIRST and isinstance(outcome, Answer):
                self.writer.transfers.follow(
                    waiting.command, outcome, done.intents.get(i), waiting.answer
                )
            elif waiting.answer.done():
                continue  # nobody waits any more
            elif isinstance(outcome, Answer):
                waiting.answer.set_result(outcome)
            else:
                waiting.answer.set_exception(outcome)

    def _send_on(self, waiting: Waiting, customer: int) -> None:
        """To the shard where the customer lives, whom this shard only knew by another name."""
        waiting.number = customer
        route = ids.route_of_customer(customer)
        other = self.writer.shards[ids.shard_of(route, len(self.writer.shards))]
        other.queue.force(waiting)
        other.wake()

    async def _committed(self, batch: Sequence[Waiting]) -> Done:
        """Tries until it is committed. Raises _Faulty when some command's data is to blame, and a
        TierlineError when the database is away too long; then nothing was committed."""
        loop = asyncio.get_running_loop()
        began, tries, unknown = loop.time(), 0, False
        while True:
            attempt = _Attempt()
            try:
                return await self._attempt(batch, attempt)
            except Exception as error:
                tries += 1
                again = isinstance(error, CountDiffers | asyncpg.UniqueViolationError)
                if again and tries <= RERUNS_MAX:
                    continue
                if again or blames_data(error) or isinstance(error, Unstorable):
                    raise _Faulty(error) from error
                if not is_retryable(error, at_commit=attempt.committing):
                    _log.exception("batch_failed", shard=self.shard, rows=len(batch))
                    told = translate(error, where(self.writer.database.url))
                    if not attempt.committing:
                        raise told or TierlineError(cause=repr(error)) from error
                unknown = unknown or attempt.committing
                if not unknown and loop.time() - began > AWAY_SECONDS_MAX:
                    raise Busy from error
                _log.warning("batch_retried", shard=self.shard, error=repr(error), tries=tries)
                await asyncio.sleep(BACKOFF_SECONDS[min(tries, len(BACKOFF_SECONDS)) - 1])

    async def _attempt(self, batch: Sequence[Waiting], attempt: _Attempt) -> Done:
        tx = await self._connected()
        try:
            # The clock first: a judgment never lies after what it could not have read.
            now = self.writer.clock()
            await tx.begin()
            work = Batch(tx, self.writer.catalog, self.shard, len(self.writer.shards), now)
            done = await work.run(
                [waiting.command for waiting in batch], [waiting.number for waiting in batch]
            )
            attempt.committing = True
            await tx.commit()
        except BaseException as error:
            await self._undo(error)
            raise
        return done

    async def _connected(self) -> LedgerTx:
        if self._tx is None:
            self._tx = LedgerTx(await self.writer.database.connect(**PLANNER))
        return self._tx

    async def _undo(self, error: BaseException) -> None:
        """Roll back; a connection that does not even do that, or met changed tables, is left."""
        tx, self._tx = self._tx, None
        if tx is None:
            return
        try:
            if isinstance(error, asyncpg.InvalidCachedStatementError | asyncio.CancelledError):
                raise error
            await tx.rollback()
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            tx.connection.terminate()
        else:
            self._tx = tx

    async def _disconnect(self) -> None:
        tx, self._tx = self._tx, None
        if tx is not None:
            await tx.connection.close(timeout=5)


class _Attempt:
    """How far an attempt got."""

    __slots__ = ("committing",)

    def __init__(self) -> None:
        self.committing = False


class _Faulty(Exception):
    """Some command of the batch is one that the database cannot take."""

    def __init__(self, error: Exception) -> None:
        super().__init__(repr(error))
        state = getattr(error, "sqlstate", None) or type(error).__name__
        self.told = Invalid(reason=f"The database cannot hold this command ({state}).")


def _fail(batch: Sequence[Waiting], error: TierlineError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


def _outcome(outcome: Any) -> Answer | TierlineError:
    if isinstance(outcome, Answer | TierlineError):
        return outcome
    raise outcome
