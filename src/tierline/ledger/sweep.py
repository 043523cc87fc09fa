"""The sweep: lets time pass for members whose `due_at` has come. It costs what is due.

A batch takes the members that are due first and moves all of them up to the batch's last due
instant, not further; so the log is in order of instants across members, also when a server that
slept for a month catches up. Online requests come first: batches are short and give way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from tierline.engine import ids
from tierline.engine.codec import decode_standing
from tierline.engine.decide import HistoryNeeded
from tierline.engine.policy import Program
from tierline.ledger.batch import Catalog, entry_of, write
from tierline.ledger.seat import Seat
from tierline.store import sweep as store
from tierline.store.database import Database
from tierline.store.errors import blames_data
from tierline.store.ledger import PLANNER, LedgerTx
from tierline.store.sweep import Lease

WALL: Final = 0  # the clock number of wall time
MEMBERS_MAX: Final = 500  # of a batch when nobody else works
MEMBERS_MIN: Final = 25

_log = structlog.get_logger("tierline.sweep")


class Step(Struct, frozen=True):
    """What one batch did."""

    members: int
    events: int
    upto: int  # the instant up to which its members are now


class Pass:
    """Sweeps one shard on one clock, batch by batch, on a connection of its own."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
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
        self._tx: LedgerTx | None = None
        self._first: asyncpg.Record | None = None  # of the step's members: alone, who is to blame

    async def step(self, upto: int, now: int, limit: int = MEMBERS_MAX) -> Step:
        """One batch of what is due until `upto`. `now` is wall time. Nothing due: 0 members."""
        tx = await self.connected()
        await tx.begin()
        try:
            step = await self._work(tx, upto, now, limit)
            await tx.commit()
        except BaseException as error:
            await self._undo(tx)
            if not isinstance(error, _Stuck) and not blames_data(error):
                raise
            if limit > 1:
                # One of them is to blame: one by one, the others get through.
                return await self.step(upto, now, limit=1)
            return await self._set_aside(error, now)
        if step.events:
            self.on_commit(self.shard)
        return step

    async def _work(self, tx: LedgerTx, upto: int, now: int, limit: int) -> Step:
        self._first = None
        rows = await store.due(tx.connection, self.lease, self.clock, upto, limit)
        self._first = rows[0] if rows else None
        if not rows:
            return Step(0, 0, upto)
        last = rows[-1]["due_at"]
        current = await tx.current(sorted({row["program"] for row in rows}))
        seats = []
        for row in rows:
            latest, own = current[row["program"]]
            program = await self.catalog.program_numbered(row["program"], latest)
            # In a sandbox it is then as late as what falls due; elsewhere it is now.
            changed_at = now if own is None else last
            seats.append(await self._moved(tx, row, program, last, changed_at))
        return Step(len(seats), await write(tx, self.shard, seats, now), last)

    async def _moved(
        self, tx: LedgerTx, row: asyncpg.Record, program: Program, to: int, changed_at: int
    ) -> Seat:
        """A member after time has passed for them. Raises _Stuck when that fails in our code."""
        customer, number = row["customer"], row["program"]
        try:
            seat = Seat(customer, number, program, decode_standing(row["standing"]), changed_at)
            try:
                seat.pass_time(to)
            except HistoryNeeded:
                rows = await tx.history(self.shard, customer, number)
                seat.history = [entry_of(tuple(row)) for row in rows]
                seat.pass_time(to)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            raise
        except Exception as fault:
            raise _Stuck(repr(fault)) from fault
        return seat

    async def _set_aside(self, error: BaseException, now: int) -> Step:
        """Quarantine the member whose step of their own failed, and say so in the log. Not if they
        are gone on meanwhile: a request let their time pass."""
        tx, row = await self.connected(), self._first
        if row is None:
            raise error
        async with tx.connection.transaction():
            place = (self.shard, row["customer"], row["program"], row["standing"])
            if not await store.quarantine(tx.connection, *place, str(error)):
                return Step(1, 0, row["due_at"])
            before, recorded_at = await tx.raise_head(self.shard, 1, now)
            told = {
                "kind": "member.quarantined",
                "at": now,
                "data": {
                    "customer": ids.customer_id(row["customer"]),
                    "program": row["program"],
                    "reason": str(error),
                },
            }
            id_ = ids.derived("evt_ops_", str(row["customer"]), str(row["program"]), str(now))
            await store.add_ops_event(
                tx.connection,
                self.shard,
                (before + 1, row["program"], row["customer"], id_, recorded_at),
                msgspec.json.encode(told).decode(),
            )
        _log.error(
            "member_quarantined", customer=row["customer"], exc_info=error.__cause__ or error
        )
        self.on_commit(self.shard)
        return Step(1, 1, row["due_at"])

    async def connected(self) -> LedgerTx:
        if self._tx is None or self._tx.connection.is_closed():
            self._tx = LedgerTx(await self.database.connect(**PLANNER))
        return self._tx

    async def _undo(self, tx: LedgerTx) -> None:
        try:
            await tx.rollback()
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            tx.connection.terminate()
            self._tx = None

    async def close(self) -> None:
        tx, self._tx = self._tx, None
        if tx is not None and not tx.connection.is_closed():
            await tx.connection.close(timeout=5)


class _Stuck(Exception):
    """A member's step failed in our own code."""
