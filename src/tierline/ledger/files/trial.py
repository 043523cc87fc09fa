"""A ledger that only says what it would record: the writer of a dry run.

It decides as the writer does, on standings that are read once and kept in memory, and writes
nothing; so no lock is held and no server waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from tierline.engine.decide import HistoryNeeded
from tierline.errors import Invalid, KeyReused, TierlineError
from tierline.ledger.commands import Answer, Command, ProgramRef
from tierline.ledger.files.people import numbers_of
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.orders.record import OrderRecord, Superseded, read_record, stated
from tierline.ledger.orders.statements import (
    booking_command,
    keyed_state,
    state_of,
    unchanged,
)
from tierline.ledger.original_search import KeyOwner, OriginalSearch, address
from tierline.ledger.receipts import first_answer
from tierline.ledger.stored_originals import entry_of, load_originals
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store import members, orders
from tierline.store.catalog.digests import Digests
from tierline.store.customers import shard_of_customer
from tierline.store.database import Database
from tierline.store.orders import OrderPlace


class TrialWriter:
    """Answers commands as `Writer` would."""

    def __init__(
        self,
        database: Database,
        digests: Digests,
        project: Project,
        number: int,
        program: Program,
        now: int,
    ) -> None:
        self.database = database
        self.digests = digests
        self.project = project
        self.number = number  # the program's
        self.program = program
        self.now = now
        self._members: dict[str, MemberAggregate] = {}
        self._orders: dict[str, OrderRecord] = {}  # as this run has told them
        self._receipts: dict[str, dict[str, tuple[bytes, Answer]]] = {}  # of this run

    async def accept(
        self, commands: Sequence[Command], *, bulk: bool = True
    ) -> list[asyncio.Future[Answer]]:
        """Returns the answers, each known by then."""
        loop = asyncio.get_running_loop()
        await self._load({c.customer for c in commands if not c.needs_customer})
        answers = []
        for command in commands:
            future: asyncio.Future[Answer] = loop.create_future()
            try:
                if command.order is not None:
                    future.set_result(await self._take_order(command))
                elif command.needs_customer:
                    future.set_result(await self._take(await self._addressed(command)))
                else:
                    future.set_result(await self._take(command))
            except TierlineError as error:
                # Its traceback would hold this frame, which holds the future.
                future.set_exception(error.with_traceback(None))
            except (ValueError, ArithmeticError, LookupError, TypeError):
                if command.detail is None or command.detail.standing is None:
                    raise
                # Somebody changed it by hand: no instant of it may end the run.
                reason = "standing: its values do not hold together; take them as they were."
                future.set_exception(Invalid(path="standing", reason=reason))
            answers.append(future)
        return answers

    async def _take_order(self, command: Command) -> Answer:
        """A statement: for whom the order is now, and for whoever had it before."""
        name = command.of or ""
        buyer = state_of(command).customer
        await self._load({buyer})
        customer = max(0, self._members[buyer].customer)
        statement = keyed_state(command, customer, self.digests.keyed)
        record = self._orders.get(name) or await self._stored_order(name)
        revision = 1 if record is None else record.revision + 1
        after = stated(record, statement, revision, self.now, command.digest.hex())
        if isinstance(after, Superseded):
            return unchanged(command.key, self._members[buyer].standing, repeated=after.repeated)
        ref = ProgramRef(self.project, self.number)
        answer = unchanged(command.key, self._members[buyer].standing, repeated=False)
        if after.in_ledgers:
            await self._load({person.name for person in (after.buyer, *after.former)})
            now, none = after.target(name), after.target_of_former(name)
            answer = await self._take(booking_command(ref, statement, after.buyer, now))
            for person in after.former:
                await self._take(booking_command(ref, statement, person, none))
        self._orders[name] = replace(after, former=())
        return answer

    async def _stored_order(self, name: str) -> OrderRecord | None:
        place = OrderPlace.of(self.database.shards, self.project.number, name)
        async with self.database.pool.acquire() as connection:
            row = await orders.one(connection, place)
        return None if row is None else read_record(row["record"])

    async def _addressed(self, command: Command) -> Command:
        """With its customer, who may have got the original only in this run."""
        place, of = (command.program, command.of or ""), command.of or ""
        search = OriginalSearch(self.database)
        stored = (await search.owners([place])).get(place, [])
        if len(stored) > 1:
            stored = await search.recorded(command) or stored
        await self._load({owner.name for owner in stored})
        names = dict.fromkeys([owner.name for owner in stored])
        names |= dict.fromkeys(self._receipts.get(of, ()))
        if not names:
            order = self._orders.get(of) or await self._stored_order(of)
            if order is not None:
                await self._load({order.buyer.name})
                names[order.buyer.name] = None
        owners = [KeyOwner(self._members[name].customer, name) for name in names]
        outcome = address(command, owners)
        if isinstance(outcome, TierlineError):
            raise outcome
        return outcome

    async def _load(self, names: set[str]) -> None:
        names = names - self._members.keys()
        numbers = await numbers_of(self.database, self.project, names)
        for i, name in enumerate(sorted(names)):
            standing, customer = None, numbers.get(name)
            if customer is not None:
                async with self.database.pool.acquire() as connection:
                    standing = await members.standing(
                        connection, self.database.shards, customer, self.number
                    )
            self._members[name] = MemberAggregate(
                -1 - i if customer is None else customer,
                self.number,
                self.program,
                Standing() if standing is None else standing,
                self.now,
            )

    async def _take(self, command: Command) -> Answer:
        member = self._members[command.customer]
        receipts = self._receipts.setdefault(command.key, {})
        receipt = receipts.get(command.customer)
        if receipt is None and member.customer > 0:
            receipt = await self._stored_receipt(member, command)
        if receipt is not None:
            if not self.digests.matches(receipt[0], command.digest):
                raise KeyReused(key=command.key, path="key")
            return receipt[1]
        if (command.of is not None or command.corrects is not None) and member.customer > 0:
            shard = shard_of_customer(self.database.shards, member.customer)
            async with self.database.pool.acquire() as connection:
                await load_originals(connection, shard, member, command)
        try:
            answer = member.take(0, command)
        except HistoryNeeded:
            async with self.database.pool.acquire() as connection:
                rows = await members.history(
                    connection, self.database.shards, member.customer, self.number
                )
            member.history = [entry_of(tuple(row)) for row in rows]
            answer = member.take(0, command)
        receipts[command.customer] = command.digest, replace(answer, repeated=True)
        return answer

    async def _stored_receipt(
        self, member: MemberAggregate, command: Command
    ) -> tuple[bytes, Answer] | None:
        async with self.database.pool.acquire() as connection:
            row = await members.receipt(
                connection, self.database.shards, (member.customer, self.number, command.key)
            )
        if row is None:
            return None
        answer = first_answer(command.key, row["n"], row["points"], row["amount"], row["answer"])
        return row["digest"], answer
