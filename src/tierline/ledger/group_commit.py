"""Group commit: one queue a shard, and a batch as soon as there is room for one.

Everything here follows from a few rules:

1. No timer. While a batch commits, the next one forms.
2. Nobody is answered before their command is durable.
3. When the fate of a commit is unknown, the same batch runs again with the same keys before anybody
   is answered. What was committed then answers as a repetition.
4. A request never fails for a stranger's. On an error of data a batch is split until the command
   that is to blame stands alone.
5. Three batches may be under way: one is decided here while the database writes another and looks
   up a third. A batch begins when the one before holds the locks of its members, so a member of
   both meets them in their order. Where that cannot be relied on (the one before was rolled back,
   or either speaks of somebody who is not there yet and may be in the other), it waits until that
   one is over.
6. A batch takes its share of what waits and leaves the rest, so that there is something to decide
   while the database writes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import asyncpg
import structlog

from tierline.clock import Clock
from tierline.errors import Busy, Invalid, TierlineError
from tierline.ledger.batch import Batch, Done, ProgramCatalog
from tierline.ledger.commands import Answer
from tierline.ledger.queue import Queue, QueuedCommand
from tierline.ledger.running_batch import Overtaken, RunningBatch
from tierline.ledger.transfers.completion import Transfers
from tierline.logging import RecurringFaults
from tierline.model import ids
from tierline.store.column_encoding import Unstorable
from tierline.store.connection_counts import BATCHES_MAX, ConnectionKind
from tierline.store.database import PLANNER, Database, where
from tierline.store.errors import DiskFull, blames_data, is_retryable, translate
from tierline.store.ledger_transaction import CountDiffers, LedgerTx

RERUNS_MAX: Final = 8  # of a batch that another writer keeps interfering with
AWAY_SECONDS_MAX: Final = 15.0  # how long requests wait for a database that is gone
BACKOFF_SECONDS: Final = (0.02, 0.1, 0.25, 0.5, 1.0)
ENOUGH: Final = 12  # waiting commands that are worth another batch

_log = structlog.get_logger("tierline.ledger")
_again = RecurringFaults(_log)


class WriterParts(Protocol):
    """What the shards of one writer share."""

    database: Database
    catalog: ProgramCatalog
    clock: Clock
    transfers: Transfers
    closed: bool

    @property
    def shards(self) -> Sequence[GroupCommit]: ...
    @property
    def on_commit(self) -> Callable[[int], None]: ...


class GroupCommit:
    """One shard's queue, connections and loop."""

    connection_kind: ConnectionKind = "batch"
    connections_most = BATCHES_MAX

    def __init__(self, writer: WriterParts, shard: int, queue: Queue, batch_max: int) -> None:
        self.writer = writer
        self.shard = shard
        self.queue = queue
        self.batch_max = batch_max
        self.under_way: list[RunningBatch] = []  # under way, in their order
        self.answered_at = -math.inf  # when the last batch was over, by the loop's clock
        self._idle: list[LedgerTx] = []
        self._something = asyncio.Event()
        self._room: list[asyncio.Future[None]] = []

    def wake(self) -> None:
        """Something changed: more commands wait, a batch is over, or the writer is closed."""
        if self.writer.closed or self._may_begin():
            self._something.set()

    def _may_begin(self) -> bool:
        waiting = self.queue.rows
        if not self.under_way or not waiting:
            return waiting > 0
        # Another batch that takes what little came in meanwhile would only make all of them small.
        return len(self.under_way) < BATCHES_MAX and waiting >= min(ENOUGH, self.batch_max)

    def _share(self) -> int:
        """How many commands to take. Where callers wait for their answers, who takes all that
        there are leaves nothing to decide while the database writes them."""
        there = self.queue.rows + sum(len(running.batch) for running in self.under_way)
        return min(self.batch_max, max(ENOUGH, -(-there // BATCHES_MAX)))

    @property
    def _goes_on(self) -> bool:
        """Whether more is to be done, so that a transaction is wanted at once, or soon."""
        return self.queue.rows > 0 or len(self.under_way) > 1

    @property
    def connections_idle(self) -> int:
        return sum(not tx.connection.is_closed() for tx in self._idle)

    def waiting(self) -> Iterator[QueuedCommand]:
        """Yields the commands that were taken and are not answered yet."""
        yield from self.queue
        for running in self.under_way:
            yield from running.batch

    async def room(self) -> None:
        """Wait until the next batch was taken."""
        future = asyncio.get_running_loop().create_future()
        self._room.append(future)
        await future

    async def run(self) -> None:
        """Until the writer is closed and nothing waits."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while self.queue.rows or self.under_way or not self.writer.closed:
                    if not self._may_begin():
                        self._something.clear()
                        if not self.under_way:
                            await self._rest()
                        await self._something.wait()
                        continue
                    running = RunningBatch(self.queue.take(self._share()), tuple(self.under_way))
                    self.under_way.append(running)
                    self._tell_of_room()
                    tasks.create_task(self._run(running))
                    await running.loaded.wait()
        finally:
            for tx in self._idle:
                await tx.connection.close(timeout=5)
            self._idle.clear()

    async def _rest(self) -> None:
        """Nothing waits: no connection stays in a transaction that it began in advance."""
        for tx in [tx for tx in self._idle if tx.begun]:
            self._idle.remove(tx)
            try:
                await tx.rollback()
            except BaseException as error:
                tx.connection.terminate()
                if not isinstance(error, Exception):
                    raise
            else:
                self._idle.append(tx)

    async def _run(self, running: RunningBatch) -> None:
        await self._settle(running, running.batch)
        running.attempted(committed=True)
        running.over.set()
        running.before = ()  # or every batch would be remembered by the next one
        self.under_way.remove(running)
        self.answered_at = asyncio.get_running_loop().time()
        self.wake()

    def _tell_of_room(self) -> None:
        for future in self._room:
            if not future.done():
                future.set_result(None)
        self._room.clear()

    async def _settle(self, running: RunningBatch, batch: Sequence[QueuedCommand]) -> None:
        """Commit a batch, whatever it takes, and answer it."""
        try:
            done = await self._committed(running, batch)
        except _Faulty as fault:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(running, batch[:middle])
                await self._settle(running, batch[middle:])
            else:
                _fail(batch, fault.error)
            return
        except TierlineError as error:
            _fail(batch, error)
            return
        except _LeftOpen:
            return  # the process ends: whoever still waits hears nothing, and asks again
        if done.events:
            self.writer.on_commit(self.shard)
        for i, (waiting, outcome) in enumerate(zip(batch, done.outcomes, strict=True)):
            if isinstance(outcome, int):
                self._send_on(waiting, outcome)
            elif waiting.command.sets_out and isinstance(outcome, Answer):
                self.writer.transfers.follow(
                    waiting.command, outcome, done.intents.get(i), waiting.answer
                )
            elif waiting.answer.done():
                continue  # nobody waits any more
            elif isinstance(outcome, Answer):
                waiting.answer.set_result(outcome)
            else:
                waiting.answer.set_exception(outcome)

    def _send_on(self, waiting: QueuedCommand, customer: int) -> None:
        """To the shard where the customer lives, whom this shard only knew by another name."""
        waiting.number = customer
        route = ids.route_of_customer(customer)
        other = self.writer.shards[ids.shard_of(route, len(self.writer.shards))]
        other.queue.force(waiting)
        other.wake()

    async def _committed(self, running: RunningBatch, batch: Sequence[QueuedCommand]) -> Done:
        """Tries until it is committed. Raises _Faulty when some command's data is to blame, and a
        TierlineError when the database is away too long; then nothing was committed."""
        loop = asyncio.get_running_loop()
        began, tries, unknown = loop.time(), 0, False
        absent = self.writer.database.absent
        while True:
            attempt = _Attempt()
            try:
                return await self._attempt(running, batch, attempt)
            except Exception as error:
                running.attempted(committed=False)
                if isinstance(error, Overtaken):
                    if not unknown and await absent.confirms(self.shard):
                        raise absent.refusal([self.shard]) from error
                    await error.by.over.wait()
                    continue
                tries += 1
                if _contended(error) and tries <= RERUNS_MAX:
                    continue
                if not is_retryable(error, at_commit=attempt.committing):
                    self._blame(error, len(batch), committing=unknown or attempt.committing)
                unknown = unknown or attempt.committing
                away, late = await absent.confirms(self.shard), loop.time() - began
                if away or late > AWAY_SECONDS_MAX:
                    refusal = absent.refusal([self.shard]) if away else Busy()
                    if not unknown:
                        raise refusal from error
                    if self.writer.closed and late > AWAY_SECONDS_MAX:
                        raise _LeftOpen from error
                    self.refuse_waiting(refusal)
                _again.warning("batch_retried", shard=self.shard, error=repr(error), tries=tries)
                await asyncio.sleep(BACKOFF_SECONDS[min(tries, len(BACKOFF_SECONDS)) - 1])

    def refuse_waiting(self, error: TierlineError) -> None:
        """The database is away too long for those that nothing was begun for yet."""
        while self.queue.rows:
            _fail(self.queue.take(self.batch_max), error)
        self._tell_of_room()

    def _blame(self, error: Exception, rows: int, *, committing: bool) -> None:
        """Raises what a batch is to fail with, or _Faulty where it should be tried in parts.
        Returns for a commit whose fate is unknown: that is tried again, whatever it said."""
        if _contended(error):
            raise _Faulty(Busy()) from error
        if blames_data(error) or isinstance(error, Unstorable):
            state = getattr(error, "sqlstate", None) or type(error).__name__
            reason = f"The database cannot hold this command ({state})."
            raise _Faulty(Invalid(reason=reason)) from error
        failure = translate(error, where(self.writer.database.url))
        if isinstance(failure, DiskFull):
            self.writer.database.disk.saw(failure)  # it is logged there, once
        elif failure is None:
            _log.error("batch_failed", shard=self.shard, rows=rows, exc_info=error)
        else:
            _again.warning("batch_refused", shard=self.shard, rows=rows, error=failure.sentence)
        if committing:
            return
        raise failure or _Faulty(TierlineError(cause=repr(error))) from error

    async def _attempt(
        self, running: RunningBatch, batch: Sequence[QueuedCommand], attempt: _Attempt
    ) -> Done:
        self.writer.database.disk.require_room()
        tx, writer = await self._connected(), self.writer
        try:
            # The clock first: a judgment never lies after what it could not have read.
            now = writer.clock()
            await tx.begin()
            work = Batch(tx, writer.catalog, self.shard, len(writer.shards), now)
            await work.load([w.command for w in batch], [w.number for w in batch])
            await running.follow(work)
            done = await work.run()
            attempt.committing = True
            await tx.commit(again=self._goes_on)
        except BaseException as error:
            attempt.committing = attempt.committing and not tx.stopped_before(error)
            await self._undo(tx, error)
            raise
        writer.database.disk.wrote()
        self._idle.append(tx)
        return done

    async def _connected(self) -> LedgerTx:
        database = self.writer.database
        while self._idle:
            tx = self._idle.pop(0)  # in turn: none stays in a transaction that it began in advance
            if database.serves(tx.connection, self.shard):
                return tx
            tx.connection.terminate()
        return LedgerTx(await database.connect_to(self.shard, "batch", **PLANNER))

    async def _undo(self, tx: LedgerTx, error: BaseException) -> None:
        """Roll back; a connection that does not even do that, or met changed tables, is left."""
        try:
            if isinstance(error, asyncpg.InvalidCachedStatementError | asyncio.CancelledError):
                raise error
            await tx.rollback()
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            tx.connection.terminate()
        else:
            self._idle.append(tx)


class _Attempt:
    """How far an attempt got."""

    __slots__ = ("committing",)

    def __init__(self) -> None:
        self.committing = False


class _LeftOpen(Exception):
    """Whether the batch is committed cannot be known any more."""


class _Faulty(Exception):
    """Some command of the batch is to blame: alone, it is told this."""

    def __init__(self, error: TierlineError) -> None:
        super().__init__(str(error))
        self.error = error


def _contended(error: Exception) -> bool:
    """Whether another writer was in the way: the next attempt finds what that one wrote."""
    return isinstance(error, CountDiffers | asyncpg.UniqueViolationError)


def _fail(batch: Sequence[QueuedCommand], error: TierlineError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
