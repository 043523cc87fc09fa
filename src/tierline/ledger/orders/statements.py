"""Statements of orders: one order's come one after the other, and each is booked wholly or not.

Everything here follows from a few rules:

1. The order's row, found by its name alone, is locked to decide what a statement makes of the
   order. What is decided is noted there before anything is booked (`pending`).
2. Whoever meets a pending statement ends it first. Ledgers keep the revision that they have booked,
   so ending it twice, in two processes or after a crash, books once.
3. Whose order it is now is booked first. Where that is refused, nothing was booked anywhere: the
   statement is withdrawn, and its sender is told why. Then follow the other programs that were
   told of the order, and last those who had it before.
4. The record changes when all of it is booked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from tierline.clock import Clock
from tierline.errors import Busy, TierlineError
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.closed_programs import refuse_closed
from tierline.ledger.commands import Answer, Command, ProgramRef
from tierline.ledger.orders.differences import OrderTarget
from tierline.ledger.orders.order_rows import Claim, Conclusion, OrderRows, OrderTimes
from tierline.ledger.orders.record import (
    Buyer,
    KeyedState,
    OrderRecord,
    PendingStatement,
    Superseded,
    read_pending,
    read_record,
    stated,
)
from tierline.ledger.receipts import first_answer
from tierline.model import ids
from tierline.model.entries import Detail
from tierline.model.orders import OrderState
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.store import members, orders
from tierline.store.database import Database
from tierline.store.orders import OrderPlace
from tierline.store.shared_reads import CustomerReads

AT_ONCE_MAX: Final = 64  # orders of one array or file that are under way together
ENDED_MAX: Final = 100  # pending statements that are ended before one gives up
REFUSED_BELOW: Final = 500  # the statuses of refusals

Record = Callable[[Command], Awaitable[Answer]]
_log = structlog.get_logger("tierline.ledger")


class StatementOutcome(Struct, frozen=True):
    """The answer to a statement; and the order that it made, with its times. Without times
    somebody else made the order as it is now, or a newer statement did."""

    answer: Answer
    record: OrderRecord | None = None
    times: OrderTimes | None = None


class OrderStatements:
    """Takes statements, by way of `record`: what makes a command durable."""

    def __init__(
        self, database: Database, catalog: ProgramCatalog, record: Record, clock: Clock
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.record = record
        self.clock = clock
        self.rows = OrderRows(database, clock)
        self.reads = CustomerReads(database)
        self._locks: dict[tuple[int, str], tuple[asyncio.Lock, int]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)

    async def take(self, command: Command) -> Answer:
        """Returns the answer to a statement, as `outcome` does."""
        return (await self.outcome(command)).answer

    async def outcome(self, command: Command) -> StatementOutcome:
        """Returns what came of a statement when all of it is booked; whose it is may be known by
        number already. Raises a TierlineError where it is refused; then nothing was booked."""
        assert command.order is not None
        now = self.catalog.now(command.project, self.clock())
        refuse_closed(self.catalog.closures, command, now)
        async with self._gate, self._alone(command.project, command.order.name):
            return await self._take(command)

    async def proposed(self, command: Command) -> Command | None:
        """Returns what a statement would have the ledger say of whom it names, in the program that
        it was sent to; None: nothing would change. Nothing is noted or locked."""
        project = self.catalog.project(command.project)
        statement = await self._statement(project, command)
        place = OrderPlace.of(self.database.shards, project.number, command.of or "")
        async with self.database.pool.acquire() as connection:
            row = await orders.one(connection, place)
        record = None if row is None else read_record(row["record"])
        now = self.clock() if project.clock is None else project.clock
        revision = 1 if row is None else row["revision"] + 1
        after = stated(record, statement, revision, now, command.digest.hex())
        if isinstance(after, Superseded) or not after.in_ledgers:
            return None
        ref, target = ProgramRef(project, command.program), after.target(place.name)
        return booking_command(ref, statement, after.buyer, target)

    async def resume(self, shard: int, before: int) -> int:
        """End a shard's statements that were decided until an instant (wall time) and are not
        booked everywhere; returns how many there were. What cannot end now is left."""
        ended, after = 0, (0, "")
        while True:
            async with self.database.pool.acquire() as connection:
                page = await orders.pending(connection, shard, before, after, ENDED_MAX)
            for row in page:
                project = self.catalog.project(row["project"])
                place = OrderPlace.of(self.database.shards, project.number, row["name"])
                try:
                    async with self._alone(project.number, row["name"]):
                        await self._end(project, place)
                    ended += 1
                except TierlineError as error:
                    _log.warning("order_left_pending", order=row["name"], error=repr(error))
            if not page:
                return ended
            after = page[-1]["project"], page[-1]["name"]

    async def end(self, project: Project, name: str) -> None:
        """Ends what is pending of one order. Raises what keeps it from its end for now."""
        place = OrderPlace.of(self.database.shards, project.number, name)
        async with self._alone(project.number, name):
            await self._end(project, place)

    async def _take(self, command: Command) -> StatementOutcome:
        project = self.catalog.project(command.project)
        statement = await self._statement(project, command)
        assert command.order is not None
        place = OrderPlace.of(self.database.shards, project.number, command.order.name)
        for _ in range(ENDED_MAX):
            step = await self.rows.decide(Claim(project, place, statement, command.digest.hex()))
            match step:
                case Superseded(repeated):
                    answer = await self._as_it_is(command, statement, repeated=repeated)
                    return StatementOutcome(answer)
                case PendingStatement(other) if other != statement:
                    await self._end(project, place)
                case PendingStatement():
                    return await self._book(project, place, step)
        raise Busy

    async def _statement(self, project: Project, command: Command) -> KeyedState:
        name = state_of(command).customer
        number = command.number or await self.reads.number_of(project, name) or 0
        return keyed_state(command, number, self.catalog.digests.keyed)

    async def _end(self, project: Project, place: OrderPlace) -> None:
        """Ends what is pending of an order, if anything is. Raises what keeps it from its end."""
        async with self.database.pool.acquire() as connection:
            text = await orders.pending_of(connection, place)
        if text is not None:
            try:
                await self._book(project, place, read_pending(text))
            except TierlineError as error:
                if error.status >= REFUSED_BELOW and await self._is_pending(place, text):
                    raise  # a refusal was withdrawn, and its sender hears of it

    async def _is_pending(self, place: OrderPlace, text: str) -> bool:
        async with self.database.pool.acquire() as connection:
            return await orders.pending_of(connection, place) == text

    async def _book(
        self, project: Project, place: OrderPlace, pending: PendingStatement
    ) -> StatementOutcome:
        record = pending.record
        try:
            answer = await self._first(project, place, pending)
        except TierlineError as error:
            if error.status < REFUSED_BELOW:
                async with self.database.pool.acquire() as connection, connection.transaction():
                    await orders.withdraw(connection, place, pending.text)
            raise
        if record.in_ledgers:
            await self._others(project, place, pending)
        buyer = await self._numbered(project, record.buyer)
        final = replace(record, buyer=buyer, former=())
        now = self.clock() if project.clock is None else project.clock
        times = await self.rows.conclude(Conclusion(place, pending.text, final, now))
        return StatementOutcome(answer, final, times)

    async def _first(
        self, project: Project, place: OrderPlace, pending: PendingStatement
    ) -> Answer:
        """Books in the program that was told, for whom the order is now."""
        statement, record = pending.statement, pending.record
        ref = ProgramRef(project, statement.program)
        if not record.in_ledgers or not statement.program:
            return await self._standing_of(ref, statement.key, record.buyer, repeated=False)
        target = record.target(place.name)
        return await self.record(booking_command(ref, statement, record.buyer, target))

    async def _others(self, project: Project, place: OrderPlace, pending: PendingStatement) -> None:
        """Books in the other programs, and takes back from whoever had the order before."""
        statement, record = pending.statement, pending.record
        target, none = record.target(place.name), record.target_of_former(place.name)
        commands = [
            booking_command(ProgramRef(project, program), statement, record.buyer, target)
            for program in record.programs
            if program != statement.program
        ]
        commands += [
            booking_command(ProgramRef(project, program), statement, person, none)
            for program in record.programs
            for person in record.former
        ]
        for command in commands:
            try:
                await self.record(command)
            except TierlineError as error:
                if error.status >= REFUSED_BELOW:
                    raise
                _log.info("order_not_booked", order=place.name, code=error.code)

    async def _numbered(self, project: Project, buyer: Buyer) -> Buyer:
        if buyer.number:
            return buyer
        return replace(buyer, number=await self.reads.number_of(project, buyer.name) or 0)

    async def _as_it_is(self, command: Command, statement: KeyedState, *, repeated: bool) -> Answer:
        """The first answer to a statement that was booked under its key; else the member as they
        are, for nothing is done."""
        ref = ProgramRef(self.catalog.project(command.project), command.program)
        if statement.buyer.number:
            place = statement.buyer.number, command.program, command.key
            async with self.database.pool.acquire() as connection:
                row = await members.receipt(connection, self.database.shards, place)
            digests, keyed = self.catalog.digests, bytes.fromhex(statement.digest)
            if row is not None and (
                digests.matches(row["digest"], keyed)
                or digests.matches(row["digest"], command.digest)
            ):
                return first_answer(
                    command.key, row["n"], row["points"], row["amount"], row["answer"]
                )
        return await self._standing_of(ref, command.key, statement.buyer, repeated=repeated)

    async def _standing_of(
        self, ref: ProgramRef, key: str, buyer: Buyer, *, repeated: bool
    ) -> Answer:
        standing = None
        if buyer.number and ref.program:
            standing = (await self.reads.standings(buyer.number)).get(ref.program)
        return unchanged(key, standing or Standing(), repeated=repeated)

    @asynccontextmanager
    async def _alone(self, project: int, name: str) -> AsyncIterator[None]:
        """One statement of an order at a time, in this process; the row says it to all others."""
        lock, count = self._locks.get((project, name), (asyncio.Lock(), 0))
        self._locks[project, name] = lock, count + 1
        try:
            async with lock:
                yield
        finally:
            lock, count = self._locks.pop((project, name))
            if count > 1:
                self._locks[project, name] = lock, count - 1


def rounds(statements: Iterable[Command]) -> list[list[int]]:
    """Returns the positions of statements by rounds: those of one order one after the other,
    others together."""
    by_turn: list[list[int]] = []
    counts: dict[tuple[int, str], int] = {}
    for i, command in enumerate(statements):
        place = command.project, command.of or ""
        nth = counts[place] = counts.get(place, 0) + 1
        if nth > len(by_turn):
            by_turn.append([])
        by_turn[nth - 1].append(i)
    return by_turn


def state_of(command: Command) -> OrderState:
    assert command.order is not None
    assert command.order.state is not None  # a statement has one
    return command.order.state


def keyed_state(
    command: Command, number: int, keyed: Callable[[bytes], bytes] = bytes
) -> KeyedState:
    """Returns a statement, whose customer has this id; 0: nobody known. `keyed`: how a digest is
    stored."""
    quiet = command.detail is not None and command.detail.quiet
    state = state_of(command)
    return KeyedState(
        key=command.key,
        digest=keyed(command.digest).hex(),
        program=command.program,
        state=state,
        buyer=Buyer(state.customer, number),
        quiet=quiet,
        textual=command.textual,
    )


def unchanged(key: str, standing: Standing, *, repeated: bool) -> Answer:
    """The answer to a statement that booked nothing."""
    return Answer(
        key=key,
        entry=standing.entries,
        points=0,
        amount=0,
        balance=standing.balance,
        pending=standing.points_pending,
        tier=standing.tier,
        since=standing.since,
        expires_at=standing.expires_at,
        repeated=repeated,
    )


def booking_command(
    ref: ProgramRef, statement: KeyedState, person: Buyer, target: OrderTarget
) -> Command:
    """Returns the command that has somebody's ledger say so of an order. What is taken back from
    whom it is no more has a key of its own, which no caller can name."""
    number = person.number
    key = statement.key if target.state is not None else f"{statement.key}\x1fmoved"
    return Command(
        project=ref.project.number,
        program=ref.program,
        route=ids.route_of_customer(number) if number else ids.route(ref.project.id, person.name),
        customer=person.name,
        number=number,
        key=key,
        digest=bytes.fromhex(statement.digest),
        kind="order",
        of=target.name,
        detail=Detail(quiet=True) if statement.quiet else None,
        textual=statement.textual,
        order=target,
    )
