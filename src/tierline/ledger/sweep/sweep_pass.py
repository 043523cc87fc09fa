"""The sweep: lets time pass for members whose `due_at` has come. It costs what is due.

A batch takes the members that are due first and moves all of them up to the batch's last due
instant, not further; so the log is in order of instants across members, also when a server that
slept for a month catches up. Online requests come first: batches are short and give way.

Where nobody else works, the next batch is decided while the database writes the one before it. It
enters the log after that one, or not at all: then it begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from tierline.engine.decide import HistoryNeeded
from tierline.errors import TierlineError
from tierline.ledger.batch import YIELD_AFTER_MEMBERS, ProgramCatalog
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.rows import write
from tierline.ledger.stored_originals import entry_of
from tierline.model import ids
from tierline.model.encoding import decode_standing
from tierline.rules.program import Program
from tierline.store import sweep as store
from tierline.store.connection_counts import SWEEPS_MAX, ConnectionKind
from tierline.store.database import PLANNER, Database, where
from tierline.store.errors import DatabaseUnreachable, blames_data, is_retryable
from tierline.store.event_log import tell_operators
from tierline.store.ledger_transaction import CountDiffers, LedgerTx
from tierline.store.sweep import Lease

WALL: Final = 0  # the clock number of wall time
MEMBERS_MAX: Final = 1_000  # of a batch when nobody else works
MEMBERS_MIN: Final = 25

_log = structlog.get_logger("tierline.sweep")


class SweepStep(Struct, frozen=True):
    """What one batch did."""

    members: int
    events: int
    upto: int  # the instant up to which its members are now


class Due(Struct, frozen=True):
    """What a batch is to take: at most `limit` members that are due until `upto`. `now` is wall
    time."""

    upto: int
    now: int
    limit: int


class SweepPass:
    """Sweeps one shard on one clock, batch by batch, on connections of its own."""

    connection_kind: ConnectionKind = "sweep"

    def __init__(
        self,
        database: Database,
        catalog: ProgramCatalog,
        lease: Lease,
        on_commit: Callable[[int], None],
        *,
        clock: int = WALL,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.lease = lease
        self.shard = lease.shard
        self.clock = clock
        self.on_commit = on_commit
        self._idle: list[LedgerTx] = []
        self._ahead: Stretch | None = None  # begun while the one before it is written
        self.connections_most = SWEEPS_MAX if clock == WALL else 0  # sandboxes share theirs
        database.counts.hold(self)

    @property
    def connections_idle(self) -> int:
        return sum(not tx.connection.is_closed() for tx in self._idle)

    async def step(
        self, upto: int, now: int, limit: int = MEMBERS_MAX, *, ahead: bool = False
    ) -> SweepStep:
        """One batch of what is due until `upto`. `now` is wall time. Nothing due: 0 members.
        `ahead`: the batch after it may begin meanwhile; it is what the next call answers with."""
        while True:
            stretch, self._ahead = self._ahead, None
            alone = stretch is None
            if stretch is None:
                stretch = Stretch(self, Due(upto, now, limit))
            try:
                if ahead and await stretch.filled():
                    self._ahead = Stretch(self, Due(upto, now, limit), stretch)
                step = await stretch.work
            except BaseException as error:
                after, self._ahead = self._ahead, None
                await _end(stretch, after)
                if not isinstance(error, _Stuck) and not blames_data(error):
                    raise
                if stretch.due.limit > 1:
                    # One of them is to blame: one by one, the others get through.
                    return await self.step(upto, now, limit=1)
                return await self._set_aside(stretch.first, error, now)
            if step is not None:
                return step
            if alone:
                return SweepStep(0, 0, upto)  # the lease passed on

    @property
    def begun(self) -> bool:
        """Whether the next step's batch is under way, or done."""
        return self._ahead is not None

    async def give_up_ahead(self) -> None:
        """Nothing is under way after it."""
        stretch, self._ahead = self._ahead, None
        await _end(stretch)

    async def _set_aside(
        self, row: asyncpg.Record | None, error: BaseException, now: int
    ) -> SweepStep:
        """Quarantine the member whose step of their own failed, and say so in the log. Not if they
        are gone on meanwhile: a request let their time pass."""
        if row is None:
            raise error
        tx = await self.connected()
        async with tx.connection.transaction():
            place = (self.shard, row["customer"], row["program"], row["standing"])
            if not await store.quarantine(tx.connection, *place, str(error)):
                return SweepStep(1, 0, row["due_at"])
            facts = {
                "kind": "member.quarantined",
                "at": now,
                "data": {
                    "customer": ids.customer_id(row["customer"]),
                    "program": row["program"],
                    "reason": str(error),
                },
            }
            id_ = ids.derived("evt_ops_", str(row["customer"]), str(row["program"]), str(now))
            # Not by way of the customer's row: that it is gone may be what is told.
            project = await store.project_of(tx.connection, row["program"])
            about = (project, row["program"], row["customer"], id_)
            body = msgspec.json.encode(facts).decode()
            await tell_operators(tx.connection, self.shard, now, about, body)
        _log.error(
            "member_quarantined", customer=row["customer"], exc_info=error.__cause__ or error
        )
        self.on_commit(self.shard)
        return SweepStep(1, 1, row["due_at"])

    async def connected(self) -> LedgerTx:
        """A connection on which no batch is under way."""
        tx = await self.free()
        self._idle.append(tx)
        return tx

    async def free(self) -> LedgerTx:
        """The same, for a batch: whoever takes it gives it back, unless it is broken."""
        while self._idle:
            tx = self._idle.pop()
            if self.database.serves(tx.connection, self.shard):
                return tx
            tx.connection.terminate()
        return LedgerTx(await self.database.connect_to(self.shard, "sweep", **PLANNER))

    def give_back(self, tx: LedgerTx) -> None:
        self._idle.append(tx)

    async def close(self) -> None:
        await self.give_up_ahead()
        while self._idle:
            tx = self._idle.pop()
            if not tx.connection.is_closed():
                await tx.connection.close(timeout=5)


class Stretch:
    """A batch on its way, in a task of its own (`work`), and the one before it if that is not
    over. Its step is None where it was given up: nothing of it is left then."""

    def __init__(self, sweep: SweepPass, due: Due, before: Stretch | None = None) -> None:
        self.sweep = sweep
        self.due = due
        self.first: asyncpg.Record | None = None  # of its members: alone, who is to blame
        self.again: int | None = None  # when the first of its members is due next
        self._before = before
        self._decided = asyncio.Event()  # or over
        self._members = 0
        self.work = asyncio.create_task(self._run())

    async def filled(self) -> bool:
        """Whether it took as many as it might, so that there may be more; as soon as known."""
        await self._decided.wait()
        return self._members == self.due.limit > 1

    async def _run(self) -> SweepStep | None:
        sweep = self.sweep
        try:
            try:
                tx = await sweep.free()
            except TierlineError:
                if self._before is None:
                    raise
                return None  # no connection for a second one: one after the other, then
            try:
                await tx.begin()
                step = await self._carry_out(tx)
                await self._commit(tx)
            except BaseException as error:
                await self._undo(tx)
                if isinstance(error, _GivenUp):
                    return None
                raise
            sweep.give_back(tx)
            if step.events:
                sweep.on_commit(sweep.shard)
            return step
        finally:
            self._before = None
            self._decided.set()

    async def _commit(self, tx: LedgerTx) -> None:
        """Its fate is unknown where that fails: what was not committed is still due."""
        try:
            await tx.commit()
        except asyncpg.DivisionByZeroError:
            raise _GivenUp from None  # the lease passed on
        except asyncpg.PostgresError as error:
            if not tx.stopped_before(error) and is_retryable(error, at_commit=True):
                place = where(self.sweep.database.url)
                raise DatabaseUnreachable(where=place, reason=str(error)) from error
            raise

    async def _carry_out(self, tx: LedgerTx) -> SweepStep:
        sweep, due = self.sweep, self.due
        generation = sweep.lease.generation  # not a later one: in between others had their turn
        rows = await store.due(tx.connection, sweep.lease, sweep.clock, due.upto, due.limit)
        rows = self._in_order(rows)
        if not rows:
            return SweepStep(0, 0, due.upto)
        if rows[0]["head"] is None:
            raise CountDiffers("shard_head")  # nothing that is appended would be there
        self.first = rows[0]
        last = rows[-1]["due_at"]
        seats = await self._moved(tx, rows, last)
        again = [seat.standing.due_at for seat in seats if seat.standing.due_at is not None]
        self.again, self._members = min(again, default=None), len(seats)
        self._decided.set()
        events = write(tx, sweep.shard, seats, due.now)
        tx.only_while(sweep.shard, sweep.lease.name, generation)
        if self._before is not None:
            await tx.flush()  # meanwhile
            await self._turn()
        return SweepStep(len(seats), events, last)

    def _in_order(self, rows: list[asyncpg.Record]) -> list[asyncpg.Record]:
        """What may be done before anybody of the batch before is due again."""
        again = None if self._before is None else self._before.again
        if again is None or again > self.due.upto:
            return rows
        rows = [row for row in rows if row["due_at"] < again]
        if not rows:
            raise _GivenUp
        return rows

    async def _turn(self) -> None:
        """When the batch before is in the log. Without that one, this one would be too early."""
        before = self._before
        if before is not None:
            await asyncio.wait([before.work])
            if before.work.cancelled() or before.work.exception() or before.work.result() is None:
                raise _GivenUp

    async def _moved(
        self, tx: LedgerTx, rows: list[asyncpg.Record], to: int
    ) -> list[MemberAggregate]:
        """The members after time has passed for them. Raises _Stuck when that fails in our
        code."""
        current = await tx.current(sorted({row["program"] for row in rows}))
        programs: dict[int, tuple[Program, int, bool]] = {}
        for number, (latest, own) in current.items():
            program = await self.sweep.catalog.program_numbered(number, latest)
            # In a sandbox it is then as late as what falls due; elsewhere it is now.
            changed_at = self.due.now if own is None else to
            programs[number] = program, changed_at, self.sweep.catalog.hears_points(number)
        seats = []
        for n, (customer, number, standing, *_) in enumerate(rows):
            if n % YIELD_AFTER_MEMBERS == YIELD_AFTER_MEMBERS - 1:
                await asyncio.sleep(0)  # the batch before is being written
            program, changed_at, tells_points = programs[number]
            try:
                seat = MemberAggregate(
                    customer, number, program, decode_standing(standing), changed_at
                )
                seat.tells_points = tells_points
                try:
                    seat.pass_time(to)
                except HistoryNeeded:
                    history = await tx.history(self.sweep.shard, customer, number)
                    seat.history = [entry_of(tuple(row)) for row in history]
                    seat.pass_time(to)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                raise
            except Exception as fault:
                raise _Stuck(repr(fault)) from fault
            seats.append(seat)
        return seats

    async def _undo(self, tx: LedgerTx) -> None:
        try:
            await tx.rollback()
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            tx.connection.terminate()
        else:
            self.sweep.give_back(tx)


async def _end(*stretches: Stretch | None) -> None:
    """No task of these is left, whoever else was cancelled."""
    works = [stretch.work for stretch in stretches if stretch is not None]
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)


class _Stuck(Exception):
    """A member's step failed in our own code."""


class _GivenUp(Exception):
    """A batch that began too early (somebody of the one before is due before it, or that one
    failed), or that ended too late: the lease passed on."""
